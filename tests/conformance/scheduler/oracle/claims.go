package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	clienttesting "k8s.io/client-go/testing"
)

// claims answers requests about resource claims.
func (c *cluster) claims(action clienttesting.Action) (bool, runtime.Object, error) {
	switch a := action.(type) {
	case clienttesting.UpdateAction:
		given := a.GetObject().(*resourceapi.ResourceClaim)
		claim, err := c.claim(keyOf(given))
		if err != nil {
			return true, nil, err
		}
		if a.GetSubresource() == "status" {
			claim.Status = given.Status
		} else {
			status := claim.Status
			claim = given.DeepCopy()
			claim.Status = status
		}
		c.put(claim)
		return true, claim.DeepCopy(), nil // the scheduler writes to what it gets
	case clienttesting.PatchAction:
		claim, err := c.claim(a.GetNamespace() + "/" + a.GetName())
		if err != nil {
			return true, nil, err
		}
		before, err := json.Marshal(claim)
		if err != nil {
			return true, nil, err
		}
		after, err := strategicpatch.StrategicMergePatch(before, a.GetPatch(), claim)
		if err != nil {
			return true, nil, err
		}
		patched := &resourceapi.ResourceClaim{}
		if err := json.Unmarshal(after, patched); err != nil {
			return true, nil, err
		}
		c.put(patched)
		return true, patched.DeepCopy(), nil
	case clienttesting.GetAction:
		claim, err := c.claim(a.GetNamespace() + "/" + a.GetName())
		return true, claim, err
	}
	return true, nil, fmt.Errorf("unexpected request: %v", action)
}

func (c *cluster) claim(key string) (*resourceapi.ResourceClaim, error) {
	obj, known, _ := c.factory.of(&resourceapi.ResourceClaim{}).store.GetByKey(key)
	if !known {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "resourceclaims"}, key)
	}
	return obj.(*resourceapi.ResourceClaim).DeepCopy(), nil
}

// free takes back what the claim was given, as the claim controller does once nobody uses it.
func (c *cluster) free(key string) {
	claim, err := c.claim(key)
	if err != nil {
		return
	}
	claim.Status = resourceapi.ResourceClaimStatus{}
	c.put(claim)
}

// given says, by claim, which devices it has, with what configuration, where they can be used, and
// for whom they are reserved.
func (c *cluster) given() map[string][]string {
	out := map[string][]string{}
	for _, obj := range c.factory.of(&resourceapi.ResourceClaim{}).store.List() {
		claim := obj.(*resourceapi.ResourceClaim)
		var words []string
		if a := claim.Status.Allocation; a != nil {
			words = append(words, devicesOf(a)...)
		}
		for _, r := range claim.Status.ReservedFor {
			words = append(words, "for "+r.Name)
		}
		if len(words) > 0 {
			out[keyOf(claim)] = words
		}
	}
	return out
}

func devicesOf(a *resourceapi.AllocationResult) []string {
	words := []string{"allocated"}
	for _, r := range a.Devices.Results {
		word := r.Request + ": " + r.Driver + "/" + r.Pool + "/" + r.Device
		if r.AdminAccess != nil && *r.AdminAccess {
			word += " admin"
		}
		words = append(words, word)
	}
	for _, config := range a.Devices.Config {
		words = append(words, fmt.Sprintf("%s %s: %s", config.Source, strings.Join(config.Requests, ","), config.Opaque.Driver))
	}
	if a.NodeSelector != nil {
		for _, term := range a.NodeSelector.NodeSelectorTerms {
			for _, r := range append(slices.Clone(term.MatchFields), term.MatchExpressions...) {
				words = append(words, requirement(r))
			}
		}
	}
	return words
}

func requirement(r v1.NodeSelectorRequirement) string {
	return fmt.Sprintf("on %s %s %s", r.Key, r.Operator, strings.Join(r.Values, ","))
}
