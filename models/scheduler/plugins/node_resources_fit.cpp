#include "models/scheduler/plugins/node_resources_fit.h"

#include <algorithm>
#include <utility>

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodDelete = 0;
constexpr uint8_t kScaleDown = 1;
constexpr uint8_t kNode = 2;

// Whether an empty node of these resources holds the pod.
bool fits_empty(const Resources& request, const Resources& allocatable) {
  if (allocatable.pods < 1) return false;
  if (request.milli_cpu > allocatable.milli_cpu || request.memory > allocatable.memory ||
      request.ephemeral_storage > allocatable.ephemeral_storage) {
    return false;
  }
  return std::all_of(request.scalars.begin(), request.scalars.end(),
                     [&](const auto& s) { return s.second <= allocatable.scalar(s.first); });
}

// Whether a resource that the pod asks for grew.
bool grew(const Resources& request, const Resources& was, const Resources& is) {
  if (is.pods > was.pods) return true;
  if (request.milli_cpu > 0 && is.milli_cpu > was.milli_cpu) return true;
  if (request.memory > 0 && is.memory > was.memory) return true;
  if (request.ephemeral_storage > 0 && is.ephemeral_storage > was.ephemeral_storage) return true;
  return std::any_of(request.scalars.begin(), request.scalars.end(), [&](const auto& s) {
    return s.second > 0 && is.scalar(s.first) > was.scalar(s.first);
  });
}
}  // namespace

NodeResourcesFit::NodeResourcesFit(Args args) : args_(std::move(args)) {
  for (const WeightedResource& r : args_.resources) {
    Item::Kind kind = Item::Kind::kScalar;
    if (r.name == "cpu") kind = Item::Kind::kCpu;
    if (r.name == "memory") kind = Item::Kind::kMemory;
    if (r.name == "ephemeral-storage") kind = Item::Kind::kEphemeral;
    items_.push_back({kind, r.name, r.weight == 0 ? 1 : r.weight});
  }
  // The shape's scores are 0..10 in the configuration and 0..100 here.
  for (ShapePoint& p : args_.shape) p.score *= 10;
  plain_ = args_.strategy == ScoringStrategy::kLeastAllocated && items_.size() == 2 &&
           items_[0].kind == Item::Kind::kCpu && items_[1].kind == Item::Kind::kMemory;
}

std::vector<EventRegistration> NodeResourcesFit::events() const {
  return {{{Resource::kAssignedPod, kDelete}, kPodDelete},
          {{Resource::kPod, kUpdatePodScaleDown}, kScaleDown},
          {{Resource::kNode, kAdd | kUpdateNodeAllocatable}, kNode}};
}

bool NodeResourcesFit::hint(uint8_t hint, const client::ControlContext&, const ClusterCache&,
                            const PodInfo& pod, const EventObjects& objects) const {
  const Resources& request = pod.t->request;
  switch (hint) {
    case kPodDelete:
      return objects.old_pod && (!objects.old_pod->node_name.empty() ||
                                 !objects.old_pod->pod->status.nominated_node_name.empty());
    case kScaleDown: {
      if (!objects.old_pod || !objects.new_pod) return false;
      if (objects.new_pod->uid() == pod.uid()) return true;
      if (objects.new_pod->node_name.empty()) return false;
      // A running pod gave back something that this pod asks for, by its status if that says so.
      return grew(pod.node_request(), objects.new_pod->node_request(),
                  objects.old_pod->node_request());
    }
    default: {
      const Resources now = Resources::of(objects.new_node->status.allocatable);
      if (!fits_empty(request, now)) return false;
      return !objects.old_node ||
             grew(request, Resources::of(objects.old_node->status.allocatable), now);
    }
  }
}

bool NodeResourcesFit::ignored(std::string_view scalar) const {
  if (!is_extended_resource(scalar)) return false;
  const auto has = [](const std::vector<std::string>& v, std::string_view s) {
    return std::find(v.begin(), v.end(), s) != v.end();
  };
  return has(args_.ignored_resources, scalar) ||
         has(args_.ignored_resource_groups, scalar.substr(0, scalar.find('/')));
}

Status NodeResourcesFit::pre_filter(Cycle&, std::optional<std::vector<api::Str>>*) { return {}; }

Status NodeResourcesFit::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Resources& request = cycle.t().request;
  const Resources& has = node.allocatable;
  const Resources& taken = node.requested;
  const auto lacks = [](int64_t want, int64_t all, int64_t used) {
    return want > 0 && want > all - used;
  };
  const bool fits =
      static_cast<int64_t>(node.pods.size()) + 1 <= has.pods &&
      !lacks(request.milli_cpu, has.milli_cpu, taken.milli_cpu) &&
      !lacks(request.memory, has.memory, taken.memory) &&
      !lacks(request.ephemeral_storage, has.ephemeral_storage, taken.ephemeral_storage);
  if (fits && request.scalars.empty()) return {};
  return reject(request, node);
}

Status NodeResourcesFit::reject(const Resources& request, const NodeInfo& node) const {
  const Resources& has = node.allocatable;
  const Resources& taken = node.requested;
  Status s(Code::kUnschedulable);
  bool hopeless = false;
  const auto check = [&](int64_t want, int64_t all, int64_t used, const api::Str& reason) {
    if (want == 0 || want <= all - used) return;
    s.add_reason(reason);
    hopeless = hopeless || want > all;
  };
  if (static_cast<int64_t>(node.pods.size()) + 1 > has.pods) s.add_reason(too_many_pods_);
  if (!request.none()) {
    check(request.milli_cpu, has.milli_cpu, taken.milli_cpu, cpu_);
    check(request.memory, has.memory, taken.memory, memory_);
    check(request.ephemeral_storage, has.ephemeral_storage, taken.ephemeral_storage, ephemeral_);
    for (const auto& [name, amount] : request.scalars) {
      if (amount == 0 || ignored(name)) continue;
      const int64_t all = has.scalar(name);
      const int64_t used = taken.scalar(name);
      if (amount <= all - used) continue;
      check(amount, all, used, "Insufficient " + name.str());
    }
  }
  if (s.reasons() == 0) return {};
  if (hopeless) s.set_code(Code::kUnschedulableAndUnresolvable);
  return s;
}

Status NodeResourcesFit::pre_score(Cycle&, const NodeList&) { return {}; }

int64_t NodeResourcesFit::ratio(int64_t requested, int64_t allocatable) const {
  const int64_t u = requested > allocatable ? 100 : percent(requested, allocatable);
  const std::vector<ShapePoint>& shape = args_.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (u > shape[i].utilization) continue;
    if (i == 0) return shape[0].score;
    const ShapePoint& a = shape[i - 1];
    const ShapePoint& b = shape[i];
    return a.score + (b.score - a.score) * (u - a.utilization) / (b.utilization - a.utilization);
  }
  return shape.empty() ? 0 : shape.back().score;
}

int64_t NodeResourcesFit::one(int64_t requested, int64_t allocatable) const {
  switch (args_.strategy) {
    case ScoringStrategy::kLeastAllocated:
      return least(requested, allocatable);
    case ScoringStrategy::kMostAllocated:
      return most(requested, allocatable);
    case ScoringStrategy::kRequestedToCapacityRatio:
      return ratio(requested, allocatable);
  }
  return 0;
}

int64_t NodeResourcesFit::score(const Cycle& cycle, const NodeInfo& node) const {
  const Resources& pod = cycle.t().score_request;
  if (plain_ && node.allocatable.milli_cpu > 0 && node.allocatable.memory > 0) {
    const int64_t wc = items_[0].weight;
    const int64_t wm = items_[1].weight;
    const int64_t c = least(node.nonzero_cpu + pod.milli_cpu, node.allocatable.milli_cpu);
    const int64_t m = least(node.nonzero_memory + pod.memory, node.allocatable.memory);
    return (c * wc + m * wm) / (wc + wm);
  }
  const bool rtcr = args_.strategy == ScoringStrategy::kRequestedToCapacityRatio;
  int64_t sum = 0;
  int64_t weights = 0;
  for (const Item& item : items_) {
    int64_t has = 0;
    int64_t wants = 0;
    switch (item.kind) {
      case Item::Kind::kCpu:
        has = node.allocatable.milli_cpu;
        wants = node.nonzero_cpu + pod.milli_cpu;
        break;
      case Item::Kind::kMemory:
        has = node.allocatable.memory;
        wants = node.nonzero_memory + pod.memory;
        break;
      case Item::Kind::kEphemeral:
        has = node.allocatable.ephemeral_storage;
        wants = node.requested.ephemeral_storage + pod.ephemeral_storage;
        break;
      case Item::Kind::kScalar:
        if (pod.scalar(item.name) == 0) continue;
        has = node.allocatable.scalar(item.name);
        wants = node.requested.scalar(item.name) + pod.scalar(item.name);
        break;
    }
    if (has == 0) continue;
    const int64_t s = one(wants, has);
    if (rtcr && s <= 0) continue;
    sum += s * item.weight;
    weights += item.weight;
  }
  if (weights == 0) return 0;
  // Half away from zero; both are non-negative.
  return rtcr ? (2 * sum + weights) / (2 * weights) : sum / weights;
}

}  // namespace mainspring::scheduler
