package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/fake"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// epoch is the time at which every case begins; the scheduler sees it stand still.
var epoch = time.Unix(1_700_000_000, 0).UTC()

// cluster is an API server that answers at once: what is written reaches the informers before the
// call returns.
type cluster struct {
	factory *factory
	client  *fake.Clientset
	version int
	binds   int
}

func newCluster() *cluster {
	c := &cluster{factory: newFactory(), client: &fake.Clientset{}}
	c.client.AddReactor("*", "resourceclaims", c.claims)
	c.client.AddReactor("*", "*", c.react)
	return c
}

func (c *cluster) react(action clienttesting.Action) (bool, runtime.Object, error) {
	if a, ok := action.(clienttesting.UpdateAction); ok && a.GetVerb() == "update" {
		obj, err := c.update(a.GetObject())
		return true, obj, err
	}
	if action.GetResource().Resource != "pods" {
		return true, nil, fmt.Errorf("unexpected request: %v", action)
	}
	switch a := action.(type) {
	case clienttesting.CreateAction: // pods/binding
		b := a.GetObject().(*v1.Binding)
		return true, b, c.bind(b)
	case clienttesting.PatchAction: // pods/status
		pod, err := c.patch(a.GetNamespace()+"/"+a.GetName(), a.GetPatch())
		return true, pod, err
	case clienttesting.DeleteAction:
		return true, nil, c.terminate(a.GetNamespace() + "/" + a.GetName())
	}
	return true, nil, fmt.Errorf("unexpected request: %v", action)
}

func (c *cluster) pod(key string) (*v1.Pod, error) {
	obj, known, _ := c.factory.of(&v1.Pod{}).store.GetByKey(key)
	if !known {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, key)
	}
	return obj.(*v1.Pod).DeepCopy(), nil
}

// bind does what the API server and the kubelet do: the pod is on its node and has a start time, a
// second later than the pod bound before it, later than the pods that the case binds.
func (c *cluster) bind(b *v1.Binding) error {
	pod, err := c.pod(b.Namespace + "/" + b.Name)
	if err != nil {
		return err
	}
	c.binds++
	start := metav1.NewTime(epoch.Add(time.Duration(c.binds)*time.Second - 8*time.Hour))
	pod.Spec.NodeName = b.Target.Name
	pod.Status.Phase = v1.PodRunning
	pod.Status.StartTime = &start
	pod.Status.NominatedNodeName = "" // ClearingNominatedNodeNameAfterBinding
	c.put(pod)
	return nil
}

func (c *cluster) patch(key string, patch []byte) (*v1.Pod, error) {
	pod, err := c.pod(key)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, pod)
	if err != nil {
		return nil, err
	}
	patched := &v1.Pod{}
	if err := json.Unmarshal(after, patched); err != nil {
		return nil, err
	}
	c.put(patched)
	return patched, nil
}

// terminate begins the graceful deletion of a pod; it stays until the case deletes it.
func (c *cluster) terminate(key string) error {
	pod, err := c.pod(key)
	if err != nil {
		return err
	}
	now := metav1.NewTime(epoch)
	pod.DeletionTimestamp = &now
	c.put(pod)
	return nil
}

// put creates the object or replaces the one of its name.
func (c *cluster) put(obj runtime.Object) {
	m, err := meta.Accessor(obj)
	if err != nil {
		panic(err)
	}
	c.version++
	m.SetResourceVersion(strconv.Itoa(c.version))
	informer := c.factory.of(obj)
	if pod, ok := obj.(*v1.Pod); ok && (pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed) {
		informer.remove(keyOf(pod)) // the scheduler's informer does not see pods that have ended
		return
	}
	informer.put(obj)
}

// reap removes the pods that are terminating, by name.
func (c *cluster) reap() {
	pods := c.factory.of(&v1.Pod{})
	var keys []string
	for _, obj := range pods.store.List() {
		if pod := obj.(*v1.Pod); pod.DeletionTimestamp != nil {
			keys = append(keys, keyOf(pod))
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		pods.remove(key)
	}
}

// change replaces the parts of a pod that the patch has, if there is such a pod.
func (c *cluster) change(patch json.RawMessage) error {
	var given struct {
		Metadata, Spec, Status map[string]json.RawMessage
	}
	var parts v1.Pod
	if err := json.Unmarshal(patch, &given); err != nil {
		return err
	}
	if err := json.Unmarshal(patch, &parts); err != nil {
		return err
	}
	pod, err := c.pod(keyOf(&parts))
	if err != nil {
		return nil
	}
	if _, ok := given.Metadata["labels"]; ok {
		pod.Labels = parts.Labels
	}
	if _, ok := given.Metadata["deletionTimestamp"]; ok {
		pod.DeletionTimestamp = parts.DeletionTimestamp
	}
	if _, ok := given.Spec["tolerations"]; ok {
		pod.Spec.Tolerations = parts.Spec.Tolerations
	}
	if _, ok := given.Spec["schedulingGates"]; ok {
		pod.Spec.SchedulingGates = parts.Spec.SchedulingGates
	}
	if _, ok := given.Status["containerStatuses"]; ok {
		pod.Status.ContainerStatuses = parts.Status.ContainerStatuses
	}
	if _, ok := given.Status["nominatedNodeName"]; ok {
		pod.Status.NominatedNodeName = parts.Status.NominatedNodeName
	}
	if _, ok := given.Status["resourceClaimStatuses"]; ok {
		pod.Status.ResourceClaimStatuses = parts.Status.ResourceClaimStatuses
	}
	if _, ok := given.Status["phase"]; ok {
		pod.Status.Phase = parts.Status.Phase
	}
	c.put(pod)
	return nil
}

func (c *cluster) apply(s *Step) error {
	switch {
	case s.Change != nil:
		return c.change(s.Change)
	case s.Put != nil:
		obj, err := decode(s.Put)
		if err != nil {
			return err
		}
		c.put(obj)
	case s.Delete != nil:
		obj, err := clientscheme.Scheme.New(schema.FromAPIVersionAndKind(s.Delete.APIVersion, s.Delete.Kind))
		if err != nil {
			return err
		}
		c.factory.of(obj).remove(join(s.Delete.Namespace, s.Delete.Name))
	case s.Free != nil:
		c.free(join(s.Free.Namespace, s.Free.Name))
	case s.Reap:
		c.reap()
	}
	return nil
}

func decode(raw json.RawMessage) (runtime.Object, error) {
	obj, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
	return obj, err
}
