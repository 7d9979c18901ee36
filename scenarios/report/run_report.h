// Everything a report of one run needs, as plain values.
//
// The runner computes a RunReport from the journal; the writers (html.h, results_json.h, junit.h,
// terminal.h) only read it, so that every kind of output shows the same figures.
//
// Units: times are seconds of virtual time since the start of the run, as double, for display only;
// other units are in the name of the field or in `unit`. "No value" is a NaN in a series and an
// absent optional elsewhere. Text is UTF-8 and may hold anything: the writers escape it.
// Determinism: with the exception of ReportMeta::wall_seconds, which only the terminal summary and
// the HTML page show, every field must be a function of the journal. Vectors are written in the
// order given, so fill them in a fixed order.
// Size: the page embeds everything. Keep series to about kMaxPoints points each (downsample()) and
// pod lanes to about 2,000; say in `notes` what was left out.
// Thread-compatible; the structs own all they hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mainspring::scenarios {

using Labels = std::map<std::string, std::string>;

// How a run is identified and reproduced.
struct ReportMeta {
  std::string scenario;     // metadata.name of the scenario
  std::string description;  // one or two sentences, may be empty
  std::string file;         // path as given on the command line
  std::string version;      // of Mainspring
  std::string digest;       // of the journal, lower-case hex
  std::string reproduce;    // the command line that gives the same run
  uint64_t seed = 0;
  double horizon_seconds = 0;      // how long the scenario was to run
  double ended_seconds = 0;        // virtual time reached; less than the horizon if interrupted
  int64_t epoch_unix_seconds = 0;  // the wall-clock date of t = 0 in the simulated world
  uint64_t events = 0;             // events executed
  bool interrupted = false;
  double wall_seconds = 0;  // time the run took; 0 = unknown. Never in deterministic output.
};

// Between its points a step series keeps the last value (replicas); a sampled one is a bucket mean
// or quantile at the bucket's start and is drawn as a line (requests/s, latencies).
enum class SeriesKind : uint8_t { kStep, kSampled };

// Metrics that have their own chart on the page. Any other metric gets a plain chart of its own.
namespace metric {
inline constexpr std::string_view kRequestsOk = "requests_ok";            // 1/s      {service}
inline constexpr std::string_view kRequestsFailed = "requests_failed";    // 1/s      {service}
inline constexpr std::string_view kLatencyP50 = "latency_p50";            // ms       {service}
inline constexpr std::string_view kLatencyP90 = "latency_p90";            // ms       {service}
inline constexpr std::string_view kLatencyP99 = "latency_p99";            // ms       {service}
inline constexpr std::string_view kReplicasDesired = "replicas_desired";  // pods   {workload}
inline constexpr std::string_view kReplicasReady = "replicas_ready";      // pods   {workload}
inline constexpr std::string_view kPodsByPhase = "pods";                  // pods   {phase}
inline constexpr std::string_view kNodesReady = "nodes_ready";            // nodes  {zone}
inline constexpr std::string_view kNodesNotReady = "nodes_not_ready";     // nodes  {zone}
inline constexpr std::string_view kCpuUsed = "cpu_used";                  // cores  {} = the cluster
inline constexpr std::string_view kCpuRequested = "cpu_requested";        // cores  {}
inline constexpr std::string_view kCpuAllocatable = "cpu_allocatable";    // cores  {}
inline constexpr std::string_view kCostRate = "cost_rate";                // USD/h  {}
inline constexpr std::string_view kCostTotal = "cost_total";              // USD    {}
}  // namespace metric

// One line of a chart. `metric` and `labels` identify it; two series of a metric differ in labels.
struct Series {
  std::string metric;
  std::string unit;
  Labels labels;
  SeriesKind kind = SeriesKind::kSampled;
  std::vector<double> t_seconds;  // ascending
  std::vector<double> value;      // as many as t_seconds; NaN = no value
};

inline constexpr size_t kMaxPoints = 2000;

// Reduces a series to at most `max_points` points without losing its extremes: of every bucket of
// equal length the first, lowest, highest and last points stay. A step series first drops points
// that do not change its value. O(n).
void downsample(Series& series, size_t max_points = kMaxPoints);

enum class MarkKind : uint8_t {
  kFault,     // something broke: a crash, an outage, a spike of traffic
  kRecovery,  // it was mended, or the cluster healed
  kAction,    // a kubectl command of the scenario
  kScale,     // an autoscaler changed a size
  kIncident,  // a consequence of note: crash loop, eviction, OOM kill, expectation violated
};

// A thing of note on the timeline.
struct Mark {
  std::string id;  // unique in the report; reasons refer to it
  double t_seconds = 0;
  std::optional<double> end_seconds;  // of faults that last
  MarkKind kind = MarkKind::kIncident;
  std::string title;   // a few words: "zone europe-west1-b down"
  std::string detail;  // a sentence, may be empty
  std::string object;  // "node/gke-1", "pod/default/x-1", "deployment/default/x"; or ""
};

enum class NodeState : uint8_t { kBooting, kReady, kNotReady, kUnreachable, kCordoned, kGone };

struct NodeSegment {
  double start_seconds = 0;
  double end_seconds = 0;
  NodeState state = NodeState::kReady;
};

struct NodeLane {
  std::string name;
  std::string zone;
  std::string pool;
  std::string instance_type;
  std::vector<NodeSegment> segments;  // ascending, not overlapping; a gap = did not exist
};

enum class PodState : uint8_t {
  kPending,   // not bound to a node
  kStarting,  // bound: image pull, containers starting, not ready for the first time
  kReady,
  kNotReady,     // was ready, is not now
  kCrashLoop,    // a container waits in CrashLoopBackOff
  kTerminating,  // deletionTimestamp is set
  kSucceeded,
  kFailed,  // phase Failed: evicted, OOM-killed with restartPolicy Never, lost with its node
};

struct PodSegment {
  double start_seconds = 0;
  double end_seconds = 0;
  PodState state = PodState::kPending;
  std::string reason;  // "ImagePullBackOff", "Insufficient cpu", ...; may be empty
};

struct PodLane {
  std::string namespace_;
  std::string name;
  std::string workload;  // the top-level owner: "frontend"; the pod's name if it has none
  std::string node;      // empty if it never was bound
  std::string zone;
  int restarts = 0;
  std::vector<PodSegment> segments;  // ascending, not overlapping
};

enum class Severity : uint8_t { kGood, kInfo, kWarning, kBad };

// One link of a chain of reasons. `mark` (Mark::id) and `object` may be empty.
struct Reason {
  std::string text;
  std::optional<double> t_seconds;
  std::string mark;
  std::string object;
};

// A paragraph of "what happened and why".
struct StoryEntry {
  double t_seconds = 0;
  std::optional<double> end_seconds;  // the page zooms to [t, end] when the entry is followed
  Severity severity = Severity::kInfo;
  std::string text;             // in words, a sentence or two
  std::vector<Reason> because;  // nearest cause first
};

enum class Outcome : uint8_t { kPassed, kFailed, kNotEvaluated };

// "measured op bound": a failed expectation decides the exit code.
struct ExpectationResult {
  std::string name;  // "availability of frontend"
  Outcome outcome = Outcome::kNotEvaluated;
  std::optional<double> measured;  // absent if there was nothing to measure
  std::string op;                  // ">=", "<=", "<", ">", "=="
  double bound = 0;
  std::string unit;                 // "%", "ms", "s", "USD", "" for a count
  std::string explanation;          // how it was measured, or why it failed
  std::optional<double> t_seconds;  // where on the timeline it was first violated
};

// One of the figures at the top: three of them matter.
struct KeyNumber {
  std::string label;  // "requests answered"
  double value = 0;
  std::string unit;    // "%", "ms", "s", "USD", "pods", ...
  std::string detail;  // "1,204 of 3,112,008 failed, all between 12m00s and 12m48s"
  Severity tone = Severity::kInfo;
};

// A next step worth taking.
struct Hint {
  std::string text;
  std::string command;  // may be empty
};

// A table as kubectl prints it: cells are text, all columns left-aligned.
struct ReportTable {
  std::string title;  // "kubectl get nodes"
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

struct RunReport {
  ReportMeta meta;
  std::vector<KeyNumber> numbers;  // most important first
  std::vector<ExpectationResult> expectations;
  std::string focus_service;  // the service users see; its charts are shown first; may be ""
  std::vector<Series> series;
  std::vector<Mark> marks;        // ascending in time
  std::vector<NodeLane> nodes;    // in order of display: by zone, then name
  std::vector<PodLane> pods;      // in order of display: by workload, then start
  std::vector<StoryEntry> story;  // ascending in time
  std::vector<Hint> hints;
  std::vector<ReportTable> tables;  // the state at the end
  std::vector<std::string> notes;   // what the report leaves out or the model does not cover
};

// Whether every expectation holds; one that could not be evaluated does not. A run without
// expectations passes.
bool passed(const RunReport& report);

// The words that the outputs use for a value of an enumeration: "fault", "notReady", "warning", ...
std::string_view name_of(MarkKind kind);
std::string_view name_of(NodeState state);
std::string_view name_of(PodState state);
std::string_view name_of(Severity severity);
std::string_view name_of(Outcome outcome);
std::string_view name_of(SeriesKind kind);

}  // namespace mainspring::scenarios
