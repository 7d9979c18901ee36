package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding"
)

// sortedIndexer lists what an index finds in order of keys where the real one has none: volumes of
// one class tie in all but this.
type sortedIndexer struct{ cache.Indexer }

func (s sortedIndexer) ByIndex(index, value string) ([]any, error) {
	found, err := s.Indexer.ByIndex(index, value)
	slices.SortFunc(found, func(a, b any) int {
		return strings.Compare(keyOf(a.(apiruntime.Object)), keyOf(b.(apiruntime.Object)))
	})
	return found, err
}

// waiter is a pod whose volumes are being bound. It looks whether they are at the next second.
type waiter struct {
	pod, node string
	resume    chan struct{}
}

// secondlyBinder binds volumes as the real binder does, but looks whether they are bound when the
// seconds of the case pass.
type secondlyBinder struct {
	volumebinding.SchedulerVolumeBinder
	r *recorder
}

func (b *secondlyBinder) BindPodVolumes(ctx context.Context, pod *v1.Pod, volumes *volumebinding.PodVolumes) error {
	real := reflect.ValueOf(b.SchedulerVolumeBinder)
	timeout := int(real.Elem().FieldByName("bindTimeout").Int() / 1e9)
	claims := make([]*v1.PersistentVolumeClaim, len(volumes.DynamicProvisions))
	for i, p := range volumes.DynamicProvisions {
		claims[i] = p.PVC
	}
	if err := bindAPIUpdate(real.UnsafePointer(), ctx, pod, volumes.StaticBindings, claims); err != nil {
		return err
	}
	for second := 1; ; second++ {
		b.r.park(ctx, pod)
		bound, err := checkBindings(real.UnsafePointer(), klog.FromContext(ctx), pod, volumes.StaticBindings, claims)
		if err == nil && !bound && second >= timeout {
			err = context.DeadlineExceeded
		}
		if err != nil {
			return fmt.Errorf("binding volumes: %w", err)
		}
		if bound {
			return nil
		}
	}
}

//go:linkname bindAPIUpdate k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding.(*volumeBinder).bindAPIUpdate
func bindAPIUpdate(binder unsafe.Pointer, ctx context.Context, pod *v1.Pod, bindings []*volumebinding.BindingInfo, claims []*v1.PersistentVolumeClaim) error

//go:linkname checkBindings k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding.(*volumeBinder).checkBindings
func checkBindings(binder unsafe.Pointer, logger klog.Logger, pod *v1.Pod, bindings []*volumebinding.BindingInfo, claims []*v1.PersistentVolumeClaim) (bool, error)

// watchVolumes puts the recorder between a profile and its binder of volumes.
func (r *recorder) watchVolumes(f framework.Framework) {
	for _, p := range f.EnqueueExtensions() {
		if vb, ok := p.(*volumebinding.VolumeBinding); ok {
			vb.Binder = &secondlyBinder{vb.Binder, r}
		}
	}
}

// park ends the attempt of a pod whose volumes are being bound and waits for the next second.
func (r *recorder) park(ctx context.Context, pod *v1.Pod) {
	w := &waiter{keyOf(pod), pod.Spec.NodeName, make(chan struct{})}
	r.waiters = append(r.waiters, w)
	r.done <- struct{}{}
	select {
	case <-w.resume:
	case <-ctx.Done():
		runtime.Goexit() // the case is over
	}
}

// resume lets a parked pod look at its volumes. It returns how the binding ended, if it did.
func (r *recorder) resume(w *waiter, step int) *Attempt {
	r.attempt = &Attempt{Step: step, Pod: w.pod}
	r.failed = false
	r.done = make(chan struct{}, 1)
	parked := len(r.waiters)
	close(w.resume)
	<-r.done
	if len(r.waiters) > parked {
		return nil
	}
	if !r.failed {
		r.attempt.Bound = w.node
	}
	r.attempt.NextStart = *r.nextStart()
	return r.attempt
}

// update stores a volume or claim as the API server would, and does at once what the controllers
// of volumes would do about it.
func (c *cluster) update(obj apiruntime.Object) (apiruntime.Object, error) {
	stored := obj.DeepCopyObject()
	c.put(stored)
	switch o := stored.(type) {
	case *v1.PersistentVolume:
		c.bindClaim(o)
	case *v1.PersistentVolumeClaim:
		return stored, c.provision(o)
	default:
		return nil, errors.New("unexpected update")
	}
	return stored, nil
}

// bindClaim binds the claim that a volume points at to the volume.
func (c *cluster) bindClaim(pv *v1.PersistentVolume) {
	ref := pv.Spec.ClaimRef
	found, known, _ := c.factory.of(&v1.PersistentVolumeClaim{}).store.GetByKey(join(ref.Namespace, ref.Name))
	if !known {
		return
	}
	if pv.Status.Phase != v1.VolumeBound {
		pv = pv.DeepCopy()
		pv.Status.Phase = v1.VolumeBound
		c.put(pv)
	}
	pvc := found.(*v1.PersistentVolumeClaim).DeepCopy()
	pvc.Spec.VolumeName = pv.Name
	metav1.SetMetaDataAnnotation(&pvc.ObjectMeta, volume.AnnBindCompleted, "yes")
	pvc.Status.Phase = v1.ClaimBound
	c.put(pvc)
}

// provision makes a volume for a claim whose node has been chosen. What comes of it depends on the
// provisioner: one never answers, one gives up, one makes volumes that are out of the node's reach.
func (c *cluster) provision(pvc *v1.PersistentVolumeClaim) error {
	found, known, _ := c.factory.of(&storagev1.StorageClass{}).store.GetByKey(volume.GetPersistentVolumeClaimClass(pvc))
	if !known {
		return nil
	}
	class := found.(*storagev1.StorageClass)
	switch class.Provisioner {
	case "slow.example.com":
		return nil
	case "failing.example.com":
		pvc = pvc.DeepCopy()
		delete(pvc.Annotations, volume.AnnSelectedNode)
		if len(pvc.Annotations) == 0 {
			pvc.Annotations = nil
		}
		c.put(pvc)
		return nil
	}
	name := "pvc-" + pvc.Namespace + "-" + pvc.Name
	pv := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.PersistentVolumeSpec{
			Capacity:         pvc.Spec.Resources.Requests,
			AccessModes:      pvc.Spec.AccessModes,
			VolumeMode:       pvc.Spec.VolumeMode,
			StorageClassName: class.Name,
			PersistentVolumeSource: v1.PersistentVolumeSource{
				CSI: &v1.CSIPersistentVolumeSource{Driver: class.Provisioner, VolumeHandle: name},
			},
		},
	}
	if class.Provisioner == "far.example.com" {
		in := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{"elsewhere"}}
		term := v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{in}}
		required := &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{term}}
		pv.Spec.NodeAffinity = &v1.VolumeNodeAffinity{Required: required}
	}
	pv, _, err := volume.GetBindVolumeToClaim(pv, pvc)
	if err != nil {
		return err
	}
	pv.Status.Phase = v1.VolumeBound
	c.put(pv)
	c.bindClaim(pv)
	return nil
}
