package main

import (
	"container/heap"
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe" // for go:linkname too

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	testingclock "k8s.io/utils/clock/testing"
)

// Attempt is what one scheduling attempt of a pod came to.
type Attempt struct {
	Step    int    `json:"step"`
	Pod     string `json:"pod"`
	Node    string `json:"node,omitempty"`
	Bound   string `json:"bound,omitempty"`   // no attempt: the end of one that waited for volumes
	Reason  string `json:"reason,omitempty"`  // of the PodScheduled condition
	Message string `json:"message,omitempty"` // of the PodScheduled condition

	// Weighted scores: [node, total, score of each plugin...] by feasible node, in order found.
	Plugins []string `json:"plugins,omitempty"`
	Scores  [][]any  `json:"scores,omitempty"`

	// Why nodes were rejected: node -> [code, reason...]; "*" stands for those without their own.
	Statuses map[string][]string `json:"statuses,omitempty"`
	Rejected []string            `json:"rejectedBy,omitempty"` // plugins, sorted
	Pending  []string            `json:"pendingBy,omitempty"`

	Nominated *string  `json:"nominated,omitempty"` // what nominatedNodeName was set to
	Victims   []string `json:"victims,omitempty"`   // pods deleted, in order
	NextStart int      `json:"nextStart"`
}

// recorder wraps the seams of the real scheduler: it notes what passes through and, where the
// scheduler leaves an order to chance, settles it. README.md lists what it settles.
type recorder struct {
	quiet      bool // notes neither scores nor statuses: for measurements
	sched      *scheduler.Scheduler
	attempt    *Attempt
	decided    bool // SchedulePod was called
	failed     bool
	done       chan struct{} // a binding has ended
	cycled     chan struct{} // the cycle has ended
	clock      *clock
	offset     uint64                                 // where the first preemption begins its search
	elapsed    int                                    // seconds
	preemptors []*defaultpreemption.DefaultPreemption // a profile each
	waiters    []*waiter                              // pods whose volumes are being bound
	mu         sync.Mutex
}

// clock stands still but for a nanosecond a look, so that no two pods enter a queue at once.
type clock struct {
	*testingclock.FakeClock
	mu    sync.Mutex
	looks time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	return c.FakeClock.Now().Add(c.looks)
}

func (c *clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// letSecondPass runs what the queue's timers would: every second those of the backoffs, every 30 s
// the flush of pods that have waited for long.
func (r *recorder) letSecondPass(logger klog.Logger) {
	q := r.sched.SchedulingQueue.(*queue.PriorityQueue)
	r.elapsed++
	next := epoch.Add(time.Duration(r.elapsed) * time.Second)
	if r.elapsed%30 == 0 {
		// The nanoseconds between the looks at the clock do not make a pod old.
		r.clock.SetTime(next.Add(-time.Millisecond))
		flushUnschedulablePodsLeftover(q, logger)
	}
	r.clock.SetTime(next)
	flushBackoffQCompleted(q, logger)
}

//go:linkname flushBackoffQCompleted k8s.io/kubernetes/pkg/scheduler/backend/queue.(*PriorityQueue).flushBackoffQCompleted
func flushBackoffQCompleted(q *queue.PriorityQueue, logger klog.Logger)

//go:linkname flushUnschedulablePodsLeftover k8s.io/kubernetes/pkg/scheduler/backend/queue.(*PriorityQueue).flushUnschedulablePodsLeftover
func flushUnschedulablePodsLeftover(q *queue.PriorityQueue, logger klog.Logger)

// Eventf sees the end of a successful binding.
func (r *recorder) Eventf(_, _ runtime.Object, _, reason, _, _ string, _ ...any) {
	if reason == "Scheduled" {
		r.done <- struct{}{}
	}
}

func (r *recorder) WithLogger(klog.Logger) events.EventRecorderLogger { return r }

// nextStart is where the scheduler keeps the place at which the next search starts.
func (r *recorder) nextStart() *int {
	field := reflect.ValueOf(r.sched).Elem().FieldByName("nextStartNodeIndex")
	return (*int)(unsafe.Pointer(field.UnsafeAddr()))
}

func postFilterPlugins(f framework.Framework) []fwk.PostFilterPlugin {
	field := reflect.ValueOf(f).Elem().FieldByName("postFilterPlugins")
	return *(*[]fwk.PostFilterPlugin)(unsafe.Pointer(field.UnsafeAddr()))
}

// attach puts the recorder between the scheduler and its parts.
func (r *recorder) attach(s *scheduler.Scheduler) {
	r.sched = s
	for name, f := range s.Profiles {
		for _, p := range postFilterPlugins(f) {
			if dp, ok := p.(*defaultpreemption.DefaultPreemption); ok {
				r.watchPreemption(dp)
			}
		}
		r.watchVolumes(f)
		s.Profiles[name] = &profile{Framework: f, r: r}
	}
	schedule := s.SchedulePod
	s.SchedulePod = func(ctx context.Context, f framework.Framework, state fwk.CycleState, pod *v1.Pod) (scheduler.ScheduleResult, error) {
		r.decided = true
		p := f.(*profile)
		p.restricted, p.start = nil, *r.nextStart()
		result, err := schedule(ctx, f, state, pod)
		if err == nil && p.restricted != nil && len(r.attempt.Scores) > 0 {
			p.chooseAmongRestricted(&result)
		}
		r.attempt.Node = result.SuggestedHost
		fit, unfit := err.(*framework.FitError)
		if unfit && !r.quiet {
			r.noteDiagnosis(&fit.Diagnosis)
		}
		if err != nil && !unfit && p.restricted != nil {
			err = p.endAmongRestricted(ctx, state, pod, err)
		}
		return result, err
	}
	fail := s.FailureHandler
	s.FailureHandler = func(ctx context.Context, f framework.Framework, pod *framework.QueuedPodInfo, status *fwk.Status, nominating *fwk.NominatingInfo, start time.Time) {
		r.failed = true
		r.attempt.Node = ""
		r.attempt.Message = status.Message()
		r.attempt.Reason = v1.PodReasonSchedulerError
		if status.IsRejected() {
			r.attempt.Reason = v1.PodReasonUnschedulable
		}
		if nominating.Mode() == fwk.ModeOverride {
			r.attempt.Nominated = &nominating.NominatedNodeName
		}
		fail(ctx, f, pod, status, nominating, start)
		select {
		case r.done <- struct{}{}: // heard only if a binding failed
		default:
		}
	}
}

func (r *recorder) noteDiagnosis(d *framework.Diagnosis) {
	r.attempt.Statuses = map[string][]string{"*": words(d.NodeToStatus.AbsentNodesStatus())}
	d.NodeToStatus.ForEachExplicitNode(func(node string, s *fwk.Status) { r.attempt.Statuses[node] = words(s) })
	r.attempt.Rejected = sets.List(d.UnschedulablePlugins)
	r.attempt.Pending = sets.List(d.PendingPlugins)
}

// words are a status's code and reasons. NodeResourcesFit finds scalar resources in a random order;
// here it is that of their names.
func words(s *fwk.Status) []string {
	out := append([]string{s.Code().String()}, s.Reasons()...)
	scalars := len(out)
	for scalars > 1 && strings.HasPrefix(out[scalars-1], "Insufficient ") && !slices.Contains(plainResources, out[scalars-1]) {
		scalars--
	}
	slices.Sort(out[scalars:])
	return out
}

var plainResources = []string{"Insufficient cpu", "Insufficient memory", "Insufficient ephemeral-storage"}

// scheduleOne runs one cycle and everything that it sets going.
func (r *recorder) scheduleOne(ctx context.Context, step int) *Attempt {
	r.attempt = &Attempt{Step: step}
	r.decided, r.failed = false, false
	r.done, r.cycled = make(chan struct{}, 1), make(chan struct{})
	next := r.sched.NextPod
	var pod *v1.Pod
	r.sched.NextPod = func(logger klog.Logger) (*framework.QueuedPodInfo, error) {
		info, err := next(logger)
		if err == nil && info != nil {
			pod = info.Pod
			r.attempt.Pod = keyOf(pod)
		}
		return info, err
	}
	r.sched.ScheduleOne(ctx)
	r.sched.NextPod = next
	close(r.cycled)
	if !r.decided { // a pod that is being deleted
		return nil
	}
	if !r.failed {
		<-r.done
	}
	for _, p := range r.preemptors {
		for p.Evaluator.IsPodRunningPreemption(pod.UID) {
			time.Sleep(10 * time.Microsecond)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempt.NextStart = *r.nextStart()
	return r.attempt
}

// ready says whether a pod waits for its turn. Pods in backoff are taken early, but for those that
// failed by an error.
func (r *recorder) ready() bool {
	if len(r.sched.SchedulingQueue.PodsInActiveQ()) > 0 {
		return true
	}
	for _, pod := range r.sched.SchedulingQueue.PodsInBackoffQ() {
		info, ok := r.sched.SchedulingQueue.GetPod(pod.Name, pod.Namespace)
		if ok && len(info.UnschedulablePlugins)+len(info.PendingPlugins) > 0 {
			return true
		}
	}
	return false
}

func (r *recorder) waiting() []string {
	var keys []string
	for _, pod := range r.sched.SchedulingQueue.UnschedulablePods() {
		keys = append(keys, keyOf(pod))
	}
	slices.Sort(keys)
	return keys
}

// profile is a real profile whose steps are noted.
type profile struct {
	framework.Framework
	r          *recorder
	start      int              // next start index as the cycle began
	restricted sets.Set[string] // nodes that PreFilter allows, if it restricts them
}

func (p *profile) RunPreFilterPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod) (*fwk.PreFilterResult, *fwk.Status, sets.Set[string]) {
	result, status, rejected := p.Framework.RunPreFilterPlugins(ctx, state, pod)
	if status.IsSuccess() && !result.AllNodes() {
		p.restricted = result.NodeNames
	}
	return result, status, rejected
}

func (p *profile) RunScorePlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) ([]fwk.NodePluginScores, *fwk.Status) {
	scores, status := p.Framework.RunScorePlugins(ctx, state, pod, nodes)
	if p.r.quiet {
		return scores, status
	}
	for i, node := range scores {
		row := []any{node.Name, node.TotalScore}
		for _, s := range node.Scores {
			if i == 0 {
				p.r.attempt.Plugins = append(p.r.attempt.Plugins, s.Name)
			}
			row = append(row, s.Score)
		}
		p.r.attempt.Scores = append(p.r.attempt.Scores, row)
	}
	return scores, status
}

// walk lists the nodes that PreFilter allows as the cycle looks at them. A list of nodes that comes
// from PreFilter's set has a random order. Here it is that of the names.
func (p *profile) walk() []fwk.NodeInfo {
	var list []fwk.NodeInfo
	for _, name := range sets.List(p.restricted) {
		if node, err := p.SnapshotSharedLister().NodeInfos().Get(name); err == nil {
			list = append(list, node)
		}
	}
	if len(list) == 0 {
		return nil
	}
	first := p.start % len(list)
	return slices.Concat(list[first:], list[:first])
}

// endAmongRestricted settles which error of a filter ends the cycle, and after how many nodes.
func (p *profile) endAmongRestricted(ctx context.Context, state fwk.CycleState, pod *v1.Pod, err error) error {
	for i, node := range p.walk() {
		if s := p.RunFilterPluginsWithNominatedPods(ctx, state, pod, node); s.Code() == fwk.Error {
			nodes, _ := p.SnapshotSharedLister().NodeInfos().List()
			*p.r.nextStart() = (p.start + i) % len(nodes)
			return s.AsError()
		}
	}
	return err // not of a filter
}

func (p *profile) chooseAmongRestricted(result *scheduler.ScheduleResult) {
	place := map[string]int{}
	for i, node := range p.walk() {
		place[node.Node().Name] = i
	}
	scores := p.r.attempt.Scores
	slices.SortFunc(scores, func(a, b []any) int { return place[a[0].(string)] - place[b[0].(string)] })
	h := make(bestFirst, len(scores))
	copy(h, scores)
	heap.Init(&h)
	result.SuggestedHost = h[0][0].(string)
}

// bestFirst orders as the scheduler's own heap does (nodeScoreHeap in schedule_one.go).
type bestFirst [][]any

func (h bestFirst) Len() int           { return len(h) }
func (h bestFirst) Less(i, j int) bool { return h[i][1].(int64) > h[j][1].(int64) }
func (h bestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *bestFirst) Push(any)          {}
func (h *bestFirst) Pop() any          { return nil }

func (p *profile) RunPostFilterPlugins(ctx context.Context, state fwk.CycleState, pod *v1.Pod, statuses fwk.NodeToStatusReader) (*fwk.PostFilterResult, *fwk.Status) {
	return p.Framework.RunPostFilterPlugins(ctx, state, pod, inListOrder{statuses})
}

// inListOrder gives nodes in the order of the snapshot where the scheduler's map has none.
type inListOrder struct{ fwk.NodeToStatusReader }

func (s inListOrder) NodesForStatusCode(lister fwk.NodeInfoLister, code fwk.Code) ([]fwk.NodeInfo, error) {
	all, err := lister.List()
	if err != nil {
		return nil, err
	}
	var nodes []fwk.NodeInfo
	for _, n := range all {
		if s.Get(n.Node().Name).Code() == code {
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

// watchPreemption notes victims and settles what preemption leaves to chance.
func (r *recorder) watchPreemption(dp *defaultpreemption.DefaultPreemption) {
	r.preemptors = append(r.preemptors, dp)
	preempt := dp.Evaluator.PreemptPod
	dp.Evaluator.PreemptPod = func(ctx context.Context, c preemption.Candidate, preemptor, victim *v1.Pod, plugin string) error {
		r.mu.Lock()
		r.attempt.Victims = append(r.attempt.Victims, keyOf(victim))
		r.mu.Unlock()
		return preempt(ctx, c, preemptor, victim, plugin)
	}
	dp.Evaluator.Handler = &patientHandle{dp.Evaluator.Handler, r}
	dp.Evaluator.Interface = &settledPreemption{dp.Evaluator.Interface, r.offset}
}

// patientHandle is asked by the goroutine that deletes victims before it does anything else; it lets
// the cycle end first, so that requests have one order.
type patientHandle struct {
	fwk.Handle
	r *recorder
}

func (h *patientHandle) NominatedPodsForNode(node string) []fwk.PodInfo {
	<-h.r.cycled
	return h.Handle.NominatedPodsForNode(node)
}

type settledPreemption struct {
	preemption.Interface
	offset uint64
}

// The search begins where the case says, a node further each time.
func (s *settledPreemption) GetOffsetAndNumCandidates(nodes int32) (int32, int32) {
	_, n := s.Interface.GetOffsetAndNumCandidates(nodes)
	offset := s.offset % uint64(nodes)
	s.offset++
	return int32(offset), n
}

// Of candidates that tie in everything the first one found wins: their victims' start times, which
// are whole seconds, differ by nanoseconds.
func (s *settledPreemption) CandidatesToVictimsMap(candidates []preemption.Candidate) map[string]*extenderv1.Victims {
	m := map[string]*extenderv1.Victims{}
	for i, c := range candidates {
		shifted := &extenderv1.Victims{NumPDBViolations: c.Victims().NumPDBViolations}
		for _, victim := range c.Victims().Pods {
			pod := victim.DeepCopy()
			if pod.Status.StartTime == nil { // assumed: later than all that have started
				pod.Status.StartTime = &metav1.Time{Time: epoch.AddDate(1, 0, 0)}
			}
			pod.Status.StartTime.Time = pod.Status.StartTime.Add(time.Duration(len(candidates) - i))
			shifted.Pods = append(shifted.Pods, pod)
		}
		m[c.Name()] = shifted
	}
	return m
}

func join(ns, name string) string { return strings.TrimPrefix(ns+"/"+name, "/") }
