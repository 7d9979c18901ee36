// The extension points of the scheduling framework and what a plugin may see at each of them.
//
// A plugin is a class derived from PluginBase<Itself>: it names itself (kName), says at which
// points it works (kPoints, checked at compile time against the methods it has), and keeps its
// settings (Args, whose defaults are Kubernetes'). The reasons it gives are constants; of those
// that it gives for node after node it keeps one counted string. Whatever it remembers within a
// cycle sits in the CycleState; what it remembers between cycles is a plain member, copied with the
// world.
//
// Single-threaded; a cycle runs within one call of the scheduler. Plugins draw no random numbers
// except DefaultPreemption, through ControlContext::random.
// Source: k8s.io/kube-scheduler framework/interface.go (v1.35).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "models/client/control_loop.h"
#include "models/scheduler/cluster_cache.h"
#include "models/scheduler/events.h"
#include "models/scheduler/nominator.h"
#include "models/scheduler/status.h"

namespace mainspring::scheduler {

inline constexpr int64_t kMaxNodeScore = 100;
inline constexpr size_t kMaxPlugins = 63;

// The extension points, as bits.
using Points = uint32_t;
inline constexpr Points kPreEnqueue = 1U << 0;
inline constexpr Points kQueueSort = 1U << 1;
inline constexpr Points kPreFilter = 1U << 2;
inline constexpr Points kFilter = 1U << 3;
inline constexpr Points kPostFilter = 1U << 4;
inline constexpr Points kPreScore = 1U << 5;
inline constexpr Points kScore = 1U << 6;
inline constexpr Points kReserve = 1U << 7;
inline constexpr Points kPermit = 1U << 8;
inline constexpr Points kPreBind = 1U << 9;
inline constexpr Points kBind = 1U << 10;
inline constexpr Points kPostBind = 1U << 11;
inline constexpr size_t kPointCount = 12;
// Those at which a plugin can reject a pod.
inline constexpr Points kRejecting = kPreEnqueue | kPreFilter | kFilter | kReserve | kPermit;
std::string_view point_name(Points single);

// Something a plugin keeps for one cycle.
struct CycleData {
  virtual ~CycleData() = default;
  virtual std::unique_ptr<CycleData> clone() const = 0;
};
template <class T>
struct CycleDataOf : CycleData {
  std::unique_ptr<CycleData> clone() const override {
    return std::make_unique<T>(static_cast<const T&>(*this));
  }
};

class Plugin;

// The plugins' data of one cycle, a slot a plugin. Memory is kept from cycle to cycle.
class CycleState {
 public:
  CycleState() = default;
  CycleState(const CycleState& o)
      : valid_(o.valid_), skip_filter(o.skip_filter), skip_score(o.skip_score), filters(o.filters) {
    valid_.for_each([&](PluginId id) {
      const auto slot = static_cast<uint8_t>(id);
      data_[slot] = o.data_[slot]->clone();
    });
  }
  CycleState& operator=(const CycleState&) = delete;

  void reset() {
    valid_.clear();
    skip_filter.clear();
    skip_score.clear();
    filters.clear();
    erred = false;
  }
  // The plugin's data for writing, as an earlier cycle left it or new: the plugin clears it.
  template <class T>
  T& write(PluginId id) {
    std::unique_ptr<CycleData>& d = data_[static_cast<uint8_t>(id)];
    if (!d) d = std::make_unique<T>();
    valid_.insert(id);
    return static_cast<T&>(*d);
  }
  // What the plugin wrote in this cycle, or null.
  template <class T>
  T* find(PluginId id) const {
    return valid_.contains(id) ? static_cast<T*>(data_[static_cast<uint8_t>(id)].get()) : nullptr;
  }

 private:
  std::array<std::unique_ptr<CycleData>, kMaxPlugins> data_;
  PluginSet valid_;

 public:
  // Plugins that said Skip at PreFilter and PreScore.
  PluginSet skip_filter;
  PluginSet skip_score;
  // The filter plugins that work in this cycle, in order.
  std::vector<const Plugin*> filters;
  // A filter that was asked about many nodes met an error, which ends the cycle.
  bool erred = false;
};

class Profile;

// The pods that hold their place on a node until Permit plugins let them go on. What is decided
// here happens once the current call of the scheduler's is over.
class WaitingPods {
 public:
  virtual ~WaitingPods() = default;
  // Those that still wait, in order of their decision.
  virtual std::vector<PodInfoRef> waiting() const = 0;
  // The plugin has no objection any more; with nobody's left the pod is bound.
  virtual void allow(const api::Str& uid, PluginId plugin) = 0;
  // The pod gives up its place and goes back to the queue. False if it does not wait.
  virtual bool reject(const api::Str& uid, PluginId plugin, api::Str reason) = 0;
};

// The cookie of requests whose answer no plugin waits for.
inline constexpr client::Cookie kUnheard = uint64_t{255} << 56;

// One step of a PreBind plugin, which answers kWait for as long as it has to wait for something.
struct PreBindStep {
  const client::Outcome* outcome = nullptr;  // the answer to the request of the step before
  std::optional<client::Request> request;    // with kWait: go on with its answer
  api::Duration wait;                        // with kWait and no request: go on after this long
};

// Pods to be deleted so that another one fits. Carried out by the scheduler after the cycle.
struct Preemption {
  PodInfoRef preemptor;
  api::Str node;
  std::vector<PodInfoRef> victims;  // those not terminating yet, in order of the evaluation
};

struct PreemptionSearch;

// What the plugins of one cycle work on.
struct Cycle {
  client::ControlContext& ctx;
  const ClusterCache& cluster;
  const Nominator& nominator;
  const Profile& profile;
  PodInfoRef pod;
  CycleState* state;
  std::vector<Preemption>* preemptions;  // PostFilter plugins add to it
  bool remember = true;                  // plugins may use what they kept from earlier cycles
  WaitingPods* waiting = nullptr;        // for Permit plugins
  PreemptionSearch* search = nullptr;    // to be filled by PostFilter plugins, if somebody looks

  const PodInfo& info() const { return *pod; }
  const PodTemplate& t() const { return *pod->t; }
};

// The nodes that are scored in a cycle, in the order in which they were found.
class NodeList {
 public:
  NodeList(const ClusterCache& cluster, std::span<const uint32_t> slots)
      : cluster_(cluster), slots_(slots) {}
  size_t size() const { return slots_.size(); }
  uint32_t slot(size_t i) const { return slots_[i]; }
  const NodeInfo& operator[](size_t i) const { return cluster_.node(slots_[i]); }

 private:
  const ClusterCache& cluster_;
  std::span<const uint32_t> slots_;
};

// Why nodes were rejected in a cycle: explicit verdicts by slot of the ClusterCache, and one for
// all nodes without.
struct NodeStatuses {
  std::vector<std::pair<uint32_t, Status>> list;  // in order of evaluation; slots are distinct
  Status absent = Status(Code::kUnschedulableAndUnresolvable);

  void clear() {
    list.clear();
    absent = Status(Code::kUnschedulableAndUnresolvable);
  }
  const Status* find(uint32_t slot) const {
    for (const auto& [s, status] : list) {
      if (s == slot) return &status;
    }
    return nullptr;
  }
  const Status& get(uint32_t slot) const {
    const Status* s = find(slot);
    return s ? *s : absent;
  }
};

// What a search for pods to preempt came to, for explanations.
struct PreemptionSearch {
  struct Candidate {
    uint32_t node = 0;                // slot in the ClusterCache
    std::vector<PodInfoRef> victims;  // most important first; never empty
    // What candidates are compared by, with the number of victims:
    int64_t violations = 0;        // victims whose disruption budget does not allow it
    int64_t highest_priority = 0;  // of a victim
    int64_t priority_sum = 0;      // each counted from -2^31 on
    api::Time start;               // the first among the victims of the highest priority
  };
  std::vector<Candidate> candidates;  // in the order in which the first of equals wins
  api::Time now;                      // which the starts are compared with
  size_t chosen = 0;                  // of the candidates, if there are any
  std::string_view decided_by;        // what set it apart from the others
  NodeStatuses rejected;              // nodes looked at where preemption does not help
};

// What to do with status.nominatedNodeName after a failure.
struct Nominating {
  bool override_ = false;
  api::Str node;
  static Nominating keep() { return {}; }
  static Nominating to(api::Str node) { return {true, std::move(node)}; }
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual std::string_view name() const = 0;
  virtual Points points() const = 0;
  // Where (kFilter, kScore) its word depends on nothing but the pod's template and the node, so
  // that it may be remembered; see NodeVerdicts.
  virtual Points local() const { return 0; }
  virtual std::unique_ptr<Plugin> clone() const = 0;
  PluginId id() const { return id_; }
  void set_id(PluginId id) { id_ = id; }

  // Which events may make a pod schedulable that this plugin rejected (all, unless it says), and
  // whether one does.
  virtual std::vector<EventRegistration> events() const {
    return {{ClusterEvent(), EventRegistration::kAlways}};
  }
  virtual bool hint(uint8_t /*hint*/, const client::ControlContext&, const ClusterCache&,
                    const PodInfo& /*pod*/, const EventObjects&) const {
    return true;
  }

  // A change of an object that is no node and no pod, which the caches show already: for plugins
  // that keep sums of such objects.
  virtual void follow(const client::ControlContext&, const client::WatchEvent&) {}

  virtual Status pre_enqueue(const client::ControlContext&, const PodInfo&) { return {}; }

  // May restrict the cycle to some nodes by name (sorted).
  virtual Status pre_filter(Cycle&, std::optional<std::vector<api::Str>>*) { return {}; }
  // Keep the plugin's cycle data true when a pod is put on or taken from a node in a simulation.
  virtual void add_pod(Cycle&, const PodInfo&, const NodeInfo&) const {}
  virtual void remove_pod(Cycle&, const PodInfo&, const NodeInfo&) const {}
  virtual Status filter(const Cycle&, const NodeInfo&) const { return {}; }
  // The error of a filter() that builds on PreFilter where that is not enabled; empty for others.
  virtual std::string_view misses_pre_filter() const { return {}; }
  // For callers that need no reasons: sets to 0 the marks of the nodes that filter() rejects, and
  // leaves marks of 0 as they are.
  virtual void filter_all(const Cycle& cycle, const NodeList& nodes,
                          std::span<uint8_t> marks) const {
    for (size_t k = 0; k < marks.size(); ++k) {
      if (marks[k] == 0) continue;
      const Status s = filter(cycle, nodes[k]);
      if (s.code() == Code::kError) cycle.state->erred = true;
      if (!s.ok()) marks[k] = 0;
    }
  }
  virtual Status post_filter(Cycle&, const NodeStatuses&, Nominating*) { return {}; }

  // What a plugin that scores by what its PreScore found says where that point is off for it.
  virtual std::string_view misses_pre_score() const { return {}; }
  virtual Status pre_score(Cycle&, const NodeList&) { return {}; }
  // Scores all nodes, then brings the scores to 0..100.
  virtual Status score_nodes(Cycle&, const NodeList&, std::span<int64_t> /*scores*/) const {
    return {};
  }

  // One node's score before it is weighed against others, and what a score of zero everywhere
  // comes to (nothing where scores are not weighed against each other).
  virtual int64_t raw_score(const Cycle&, const NodeInfo&) const { return 0; }
  virtual std::optional<int64_t> normalized_zero(Cycle&) const { return std::nullopt; }

  virtual Status reserve(Cycle&, const PodInfo&, const NodeInfo&) { return {}; }
  virtual void unreserve(client::ControlContext&, const PodInfo&, const api::Str& /*node*/) {}
  // kWait with a timeout (at most 15 min): the pod waits until allowed or rejected.
  virtual Status permit(Cycle&, const PodInfo&, const NodeInfo&, api::Duration* /*timeout*/) {
    return {};
  }
  // kSkip: pre_bind() has nothing to do for this pod.
  virtual Status pre_bind_pre_flight(client::ControlContext&, const PodInfo&, const api::Str&) {
    return Status::skip();
  }
  virtual Status pre_bind(client::ControlContext&, const PodInfo&, const api::Str& /*node*/,
                          PreBindStep*) {
    return {};
  }
  // The request that binds the pod; kSkip leaves it to the next plugin.
  virtual Status bind(const PodInfo&, const api::Str& /*node*/, client::Request*) { return {}; }
  virtual void post_bind(client::ControlContext&, const PodInfo&, const api::Str& /*node*/) {}

 private:
  PluginId id_ = kNoPlugin;
};

namespace detail {
template <class M1, class M2>
inline constexpr bool kOverrides = !std::is_same_v<M1, M2>;

template <class D>
constexpr Points implemented() {
  Points p = 0;
  if (kOverrides<decltype(&D::pre_enqueue), decltype(&Plugin::pre_enqueue)>) p |= kPreEnqueue;
  if (requires(const PodInfo& a, const PodInfo& b) { D::less(a, b); }) p |= kQueueSort;
  if (kOverrides<decltype(&D::pre_filter), decltype(&Plugin::pre_filter)>) p |= kPreFilter;
  if (kOverrides<decltype(&D::filter), decltype(&Plugin::filter)>) p |= kFilter;
  if (kOverrides<decltype(&D::post_filter), decltype(&Plugin::post_filter)>) p |= kPostFilter;
  if (kOverrides<decltype(&D::pre_score), decltype(&Plugin::pre_score)>) p |= kPreScore;
  if (requires(const D& d, const Cycle& c, const NodeInfo& n) { d.score(c, n); }) p |= kScore;
  if (requires(const D& d, const Cycle& c, const NodeList& n, std::span<int64_t> s) {
        d.score_all(c, n, s);
      }) {
    p |= kScore;
  }
  if (kOverrides<decltype(&D::reserve), decltype(&Plugin::reserve)>) p |= kReserve;
  if (kOverrides<decltype(&D::permit), decltype(&Plugin::permit)>) p |= kPermit;
  if (kOverrides<decltype(&D::pre_bind), decltype(&Plugin::pre_bind)>) p |= kPreBind;
  if (kOverrides<decltype(&D::bind), decltype(&Plugin::bind)>) p |= kBind;
  if (kOverrides<decltype(&D::post_bind), decltype(&Plugin::post_bind)>) p |= kPostBind;
  return p;
}
}  // namespace detail

// Gives a plugin its name, its points and its copies. A score plugin has a member
// `int64_t score(const Cycle&, const NodeInfo&) const`, or, to score all nodes at once,
// `void score_all(const Cycle&, nodes, scores) const`; and it may have
// `Status normalize(const Cycle&, nodes, scores) const`.
template <class D>
class PluginBase : public Plugin {
 public:
  std::string_view name() const final { return D::kName; }
  Points points() const final {
    static_assert(detail::implemented<D>() == D::kPoints,
                  "a plugin must implement exactly the points it claims");
    return D::kPoints;
  }
  std::string_view misses_pre_score() const final {
    if constexpr (requires { D::kMissesPreScore; }) return D::kMissesPreScore;
    return {};
  }
  Points local() const final {
    if constexpr (requires { D::kLocal; }) return D::kLocal;
    return 0;
  }
  int64_t raw_score(const Cycle& cycle, const NodeInfo& node) const final {
    const D& self = static_cast<const D&>(*this);
    if constexpr (requires { self.score(cycle, node); }) return self.score(cycle, node);
    return 0;
  }
  std::optional<int64_t> normalized_zero(Cycle& cycle) const final {
    const D& self = static_cast<const D&>(*this);
    int64_t score = 0;
    const NodeList none(cycle.cluster, {});
    if constexpr (requires(std::span<int64_t> s) { self.normalize(cycle, none, s); }) {
      if (!self.normalize(cycle, none, std::span(&score, 1)).ok()) return -1;
      return score;
    }
    return std::nullopt;
  }
  std::unique_ptr<Plugin> clone() const final {
    return std::make_unique<D>(static_cast<const D&>(*this));
  }
  Status score_nodes(Cycle& cycle, const NodeList& nodes, std::span<int64_t> scores) const final {
    const D& self = static_cast<const D&>(*this);
    if constexpr (requires { self.score_all(cycle, nodes, scores); }) {
      self.score_all(cycle, nodes, scores);
    } else if constexpr (requires(const NodeInfo& n) { self.score(cycle, n); }) {
      for (size_t i = 0; i < nodes.size(); ++i) scores[i] = self.score(cycle, nodes[i]);
    }
    if constexpr (requires { self.normalize(cycle, nodes, scores); }) {
      return self.normalize(cycle, nodes, scores);
    }
    return {};
  }
};

// Scales scores so that the largest becomes 100; `reverse` turns them round.
void default_normalize(std::span<int64_t> scores, bool reverse);

}  // namespace mainspring::scheduler
