// Oracle answers cases of scheduling with the real kube-scheduler: its queue, cache, profiles,
// plugins and preemption, fed through informers that deliver at once, one worker, a clock that
// stands still. README.md in the folder above describes cases and answers.
//
//	oracle < cases.jsonl > answered.jsonl
//
// Each line of the output is {"case": ..., "answer": ...}.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	testingclock "k8s.io/utils/clock/testing"
)

type Case struct {
	ID     string          `json:"id"`
	Config json.RawMessage `json:"config,omitempty"` // KubeSchedulerConfiguration
	Random uint64          `json:"random,omitempty"` // where the first preemption begins its search
	Steps  []Step          `json:"steps"`

	Measured int `json:"measured,omitempty"` // steps at the end that count in a measurement
}

// Step is one change of the cluster. Afterwards the scheduler works until it has nothing to do.
type Step struct {
	Put    json.RawMessage `json:"put,omitempty"`    // an object, created or replaced
	Change json.RawMessage `json:"change,omitempty"` // parts of a pod, which take the place of its own
	Delete *Reference      `json:"delete,omitempty"`
	Free   *Reference      `json:"free,omitempty"` // a resource claim gives back its devices
	Reap   bool            `json:"reap,omitempty"` // terminating pods go, in order of their names
	Wait   int             `json:"wait,omitempty"` // seconds pass
}

type Reference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

type Answer struct {
	Error    string     `json:"error,omitempty"`
	Attempts []*Attempt `json:"attempts,omitempty"`
	Waiting  []string   `json:"waiting,omitempty"` // pods in the unschedulable pool at the end, sorted

	Claims map[string][]string `json:"claims,omitempty"` // what resource claims have at the end
}

func loadConfig(raw json.RawMessage) (*config.KubeSchedulerConfiguration, error) {
	if len(raw) == 0 {
		raw = []byte(`{"apiVersion":"kubescheduler.config.k8s.io/v1","kind":"KubeSchedulerConfiguration"}`)
	}
	obj, gvk, err := scheme.Codecs.UniversalDecoder().Decode(raw, nil, nil)
	if err != nil {
		return nil, err
	}
	cfg := obj.(*config.KubeSchedulerConfiguration)
	cfg.TypeMeta.APIVersion = gvk.GroupVersion().String()
	if err := validation.ValidateKubeSchedulerConfiguration(cfg); err != nil {
		return nil, err
	}
	return cfg, nil
}

func start(ctx context.Context, c *Case) (*cluster, *recorder, error) {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return nil, nil, err
	}
	cl := newCluster()
	r := &recorder{offset: c.Random, clock: &clock{FakeClock: testingclock.NewFakeClock(epoch)}}
	s, err := scheduler.New(ctx, cl.client, cl.factory, nil,
		func(string) events.EventRecorder { return r },
		scheduler.WithComponentConfigVersion(cfg.TypeMeta.APIVersion),
		scheduler.WithProfiles(cfg.Profiles...),
		scheduler.WithPercentageOfNodesToScore(cfg.PercentageOfNodesToScore),
		scheduler.WithPodInitialBackoffSeconds(cfg.PodInitialBackoffSeconds),
		scheduler.WithPodMaxBackoffSeconds(cfg.PodMaxBackoffSeconds),
		scheduler.WithParallelism(1),
		scheduler.WithClock(r.clock))
	if err != nil {
		return nil, nil, err
	}
	r.attach(s)
	return cl, r, nil
}

func solve(c *Case) *Answer {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer cancel()
	cl, r, err := start(ctx, c)
	if err != nil {
		return &Answer{Error: err.Error()}
	}
	answer := &Answer{}
	for i := range c.Steps {
		if err := cl.apply(&c.Steps[i]); err != nil {
			return &Answer{Error: fmt.Sprintf("step %d: %v", i, err)}
		}
		work := func() {
			for r.ready() {
				if a := r.scheduleOne(ctx, i); a != nil {
					answer.Attempts = append(answer.Attempts, a)
				}
			}
		}
		work()
		for range c.Steps[i].Wait {
			waiters := r.waiters
			r.waiters = nil
			r.letSecondPass(klog.FromContext(ctx))
			work()
			for _, w := range waiters {
				if a := r.resume(w, i); a != nil {
					answer.Attempts = append(answer.Attempts, a)
				}
				work()
			}
		}
	}
	answer.Waiting = r.waiting()
	answer.Claims = cl.given()
	return answer
}

// bench says how many pods a second of CPU time the scheduler places in the measured steps of a case.
func bench(c *Case) (float64, error) {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer cancel()
	cl, r, err := start(ctx, c)
	if err != nil {
		return 0, err
	}
	r.quiet = true
	objects := make([]runtime.Object, len(c.Steps))
	for i := range c.Steps {
		if c.Steps[i].Reap {
			continue
		}
		if objects[i], err = decode(c.Steps[i].Put); err != nil {
			return 0, err
		}
	}
	var began time.Duration
	placed := 0
	for i, obj := range objects {
		if i == len(objects)-c.Measured {
			began, placed = cpuTime(), 0
		}
		if obj != nil {
			cl.put(obj)
		} else {
			cl.reap()
		}
		for r.ready() {
			if a := r.scheduleOne(ctx, i); a != nil && a.Node != "" {
				placed++
			}
		}
	}
	return float64(placed) / (cpuTime() - began).Seconds(), nil
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchAll(in io.Reader) error {
	decoder := json.NewDecoder(bufio.NewReader(in))
	for decoder.More() {
		var c Case
		if err := decoder.Decode(&c); err != nil {
			return err
		}
		rate, err := bench(&c)
		if err != nil {
			return err
		}
		fmt.Printf("%s %.0f\n", c.ID, rate)
	}
	return nil
}

func run(in io.Reader, out io.Writer) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriterSize(out, 1<<20)
	defer writer.Flush()
	for {
		line, err := reader.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var c Case
			if err := json.Unmarshal(line, &c); err != nil {
				return err
			}
			answer, err := json.Marshal(solve(&c))
			if err != nil {
				return err
			}
			fmt.Fprintf(writer, "{\"case\":%s,\"answer\":%s}\n", bytes.TrimSpace(line), answer)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	measure := flag.Bool("bench", false, "print pods per second for each case")
	flag.Parse()
	klog.SetLogger(logr.Discard())
	utilruntime.ErrorHandlers = nil
	// Reuses a ranking for half a second of real time: not a function of what the scheduler sees.
	if err := utilfeature.DefaultMutableFeatureGate.Set("OpportunisticBatching=false"); err != nil {
		panic(err)
	}
	var err error
	if *measure {
		err = benchAll(os.Stdin)
	} else {
		err = run(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}
