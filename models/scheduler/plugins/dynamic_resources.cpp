#include "models/scheduler/plugins/dynamic_resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "models/api/claim_helpers.h"
#include "models/api/pod_helpers.h"

namespace mainspring::scheduler {

namespace {

constexpr uint8_t kClaimHint = 0;
constexpr uint8_t kPodHint = 1;
// resource.k8s.io/v1 FirstAvailableDeviceRequestMaxSize
constexpr int64_t kMaxAlternatives = 8;
// client-go util/retry DefaultRetry
constexpr int kMaxTries = 5;
constexpr api::Duration kRetryPause = api::Duration::millis(10);
constexpr std::string_view kInvalidPools = "invalid resource pools were encountered";
constexpr std::string_view kTimedOut = "timed out trying to allocate devices";
constexpr std::string_view kNotAvailable = "resourceclaim not available on the node";
constexpr std::string_view kNoState = "not found";
constexpr std::string_view kNothingToFree = "no new claims to deallocate";
constexpr std::string_view kFreed = "deallocation of ResourceClaim completed";
constexpr std::string_view kStillUnschedulable = "still not schedulable";
constexpr std::string_view kNoAllocation = "claim allocation not found for node";

// What the DRA package says where a claim cannot be found for the pod.
std::string not_created(const api::Pod& pod) {
  return fmt::format("pod \"{}/{}\": ResourceClaim not created yet", pod.metadata.namespace_.view(),
                     pod.metadata.name.view());
}

// What it is worth that these requests got devices: more for the first alternatives.
int64_t worth(const api::List<api::DeviceRequest>& requests,
              const std::vector<std::string_view>& served) {
  int64_t out = 0;
  for (const api::DeviceRequest& r : requests) {
    for (size_t i = 0; i < r.first_available.size(); ++i) {
      const std::string name = r.name.str() + '/' + r.first_available[i].name.str();
      const bool got = std::find(served.begin(), served.end(), name) != served.end();
      if (got) out += kMaxAlternatives - static_cast<int64_t>(i);
    }
  }
  return out;
}

}  // namespace

// What a cycle knows; shared with the copies of its state that preemption makes.
struct DynamicResources::Cycled {
  struct Claim {
    ClaimRef object;
    std::optional<NodeTerms> available_on;  // of an allocated one
  };
  std::vector<Claim> claims;
  std::vector<ClaimRef> to_allocate;
  DeviceClasses classes;                       // that these name
  std::unique_ptr<DeviceAllocator> allocator;  // null if there are none
  std::set<size_t> unavailable;                // allocated claims that some node does not reach
  std::vector<std::optional<size_t>> of_node;  // the solution for each node, by slot
};

struct DynamicResources::Data final : CycleDataOf<Data> {
  std::shared_ptr<Cycled> cycled;  // null without claims
};

// ---- claims

// The claim as the API has it, or as this scheduler last wrote it. Null if there is none.
ClaimRef DynamicResources::claim(const client::ControlContext& ctx, std::string_view ns,
                                 std::string_view name) const {
  ClaimRef stored = ctx.cache(api::Kind::ResourceClaim).get_ref<api::ResourceClaim>(ns, name);
  if (!stored || assumed_.empty()) return stored;
  const auto it = assumed_.find({stored->metadata.namespace_, stored->metadata.name});
  const bool newer = it != assumed_.end() && it->second->metadata.uid == stored->metadata.uid &&
                     api::version_of(*it->second) > api::version_of(*stored);
  return newer ? it->second : stored;
}

// The pod's claims, or why there is something to wait for.
std::string DynamicResources::find_claims(const client::ControlContext& ctx, const api::Pod& pod,
                                          std::vector<ClaimRef>* out) const {
  for (const api::PodResourceClaim& wanted : pod.spec.resource_claims) {
    if (wanted.resource_claim_name.empty() && wanted.resource_claim_template_name.empty()) {
      return fmt::format(
          "pod \"{}/{}\", spec.resourceClaim \"{}\": none of the supported fields are set",
          pod.metadata.namespace_.view(), pod.metadata.name.view(), wanted.name.view());
    }
    const std::optional<api::Str> name = api::claim_name_of(pod, wanted);
    if (!name) return not_created(pod);
    // The controller found that no claim is needed.
    if (name->empty()) continue;
    ClaimRef c = claim(ctx, pod.metadata.namespace_, *name);
    if (!c) {
      return fmt::format("could not find ResourceClaim \"{}/{}\"", pod.metadata.namespace_.view(),
                         name->view());
    }
    if (c->metadata.deletion_timestamp) {
      return fmt::format("resourceclaim \"{}\" is being deleted", name->view());
    }
    if (api::is_from_template(wanted) && !api::is_controlled_by(*c, pod)) {
      return api::not_owner(pod, *c);
    }
    if (out) out->push_back(std::move(c));
  }
  return {};
}

Status DynamicResources::pre_enqueue(const client::ControlContext& ctx, const PodInfo& pod) {
  if (pod.pod->spec.resource_claims.empty()) return {};
  const std::string why = find_claims(ctx, *pod.pod, nullptr);
  return why.empty() ? Status() : Status::unresolvable(why);
}

// ---- filter

// Empty if the class is there.
std::string DynamicResources::missing_class(const client::ControlContext& ctx, const api::Str& name,
                                            const std::string& request, Cycled* cycled) const {
  DeviceClassRef found = ctx.cache(api::Kind::DeviceClass).get_ref<api::DeviceClass>("", name);
  if (!found) {
    return fmt::format("request {}: device class {} does not exist", request, name.view());
  }
  cycled->classes.emplace(name, std::move(found));
  return {};
}

Status DynamicResources::check_claim(const client::ControlContext& ctx,
                                     const api::ResourceClaim& claim, Cycled* cycled) const {
  const api::Opt<api::AllocationResult>& allocation = claim.status.allocation;
  if (allocation) {
    if (allocation->node_selector) {
      cycled->claims.back().available_on = NodeTerms::of(*allocation->node_selector);
    }
    return {};
  }
  if (in_flight_.contains(claim.metadata.uid)) {
    return Status::unresolvable(fmt::format(
        "resource claim {} is in the process of being allocated", api::namespaced_name(claim)));
  }
  for (const api::DeviceRequest& r : claim.spec.devices.requests) {
    std::string why;
    if (r.exactly) {
      why = missing_class(ctx, r.exactly->device_class_name, r.name.str(), cycled);
    } else if (r.first_available.empty()) {
      why = fmt::format("resource claim {}, request {}: unknown request type",
                        api::namespaced_name(claim), r.name.view());
    }
    for (const api::DeviceSubRequest& s : r.first_available) {
      if (r.exactly || !why.empty()) break;
      why = missing_class(ctx, s.device_class_name, r.name.str() + '/' + s.name.str(), cycled);
    }
    if (!why.empty()) return Status::unresolvable(why);
  }
  cycled->to_allocate.push_back(cycled->claims.back().object);
  return {};
}

void DynamicResources::follow(const client::ControlContext& ctx, const client::WatchEvent& event) {
  if (event.object->kind != api::Kind::ResourceClaim) return;
  memory_.follow(ctx.cache(api::Kind::ResourceClaim), event);
}

// Finds out which devices no claim can have any more, and reads what the claims ask for.
void DynamicResources::prepare_search(Cycle& cycle, Cycled* cycled) {
  const client::Cache& cache = cycle.ctx.cache(api::Kind::ResourceClaim);
  if (!cycle.remember) memory_.clear();
  slices_ = DeviceSlices::of(cycle.ctx.cache(api::Kind::ResourceSlice), slices_);
  memory_.update(slices_, cache);
  // What was written counts in place of what the cache has yet.
  for (const auto& [key, written] : assumed_) {
    const auto* stored = cache.get<api::ResourceClaim>(key.first, key.second);
    if (!stored || claim(cycle.ctx, key.first, key.second) != written) continue;
    memory_.count_for_now(*stored, -1);
    memory_.count_for_now(*written, 1);
  }
  for (const auto& [uid, claim] : in_flight_) memory_.count_for_now(*claim, 1);
  cycled->allocator = std::make_unique<DeviceAllocator>(cycled->to_allocate, cycled->classes,
                                                        &memory_, &selectors_);
  cycled->of_node.resize(cycle.cluster.slots());
}

Status DynamicResources::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  Data& data = cycle.state->write<Data>(id());
  data.cycled.reset();
  const api::Pod& pod = *cycle.info().pod;
  if (pod.spec.resource_claims.empty()) return Status::skip();
  std::vector<ClaimRef> claims;
  const std::string why = find_claims(cycle.ctx, pod, &claims);
  if (!why.empty()) return Status::unresolvable(why);
  if (claims.empty()) return Status::skip();
  auto cycled = std::make_shared<Cycled>();
  for (ClaimRef& c : claims) {
    const api::ResourceClaim& object = *c;
    cycled->claims.push_back({std::move(c), std::nullopt});
    Status s = check_claim(cycle.ctx, object, cycled.get());
    if (!s.ok()) return s;
  }
  if (!cycled->to_allocate.empty()) prepare_search(cycle, cycled.get());
  data.cycled = std::move(cycled);
  return {};
}

Status DynamicResources::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Data* data = cycle.state->find<Data>(id());
  if (!data || !data->cycled) return {};
  Cycled& c = *data->cycled;
  std::vector<size_t> unavailable;
  for (size_t i = 0; i < c.claims.size(); ++i) {
    const auto& on = c.claims[i].available_on;
    if (on && !on->matches(*node.node)) unavailable.push_back(i);
  }
  DeviceAllocation found;
  if (!c.to_allocate.empty()) {
    found = c.allocator->allocate(node);
    switch (found.kind) {
      case DeviceAllocation::Kind::kFound:
        break;
      case DeviceAllocation::Kind::kNone:
        return Status::unresolvable(reason_);
      case DeviceAllocation::Kind::kPools:
        return Status::unresolvable(kInvalidPools);
      case DeviceAllocation::Kind::kTimeout:
        return Status::unresolvable(kTimedOut);
      case DeviceAllocation::Kind::kError:
        return Status::error(found.error);
    }
  }
  if (!unavailable.empty()) {
    c.unavailable.insert(unavailable.begin(), unavailable.end());
    return Status::unresolvable(kNotAvailable);
  }
  if (!c.to_allocate.empty()) c.of_node[node.id] = found.solution;
  return {};
}

Status DynamicResources::post_filter(Cycle& cycle, const NodeStatuses&, Nominating*) {
  const Data* data = cycle.state->find<Data>(id());
  // A PreFilter plugin before this one ended the cycle: the plugin misses its state.
  if (!data) return Status::error(kNoState);
  if (!data->cycled) return Status::unschedulable(kNothingToFree);
  for (size_t i : data->cycled->unavailable) {
    const ClaimRef& held = data->cycled->claims[i].object;
    const auto& users = held->status.reserved_for;
    const bool idle = users.empty() || (users.size() == 1 && users[0].uid == cycle.info().uid());
    if (!idle) continue;
    api::Ref<api::ResourceClaim> free = api::clone(*held);
    free->status = {};
    client::Request request;
    request.verb = client::Verb::kUpdateStatus;
    request.kind = api::Kind::ResourceClaim;
    request.ns = free->metadata.namespace_;
    request.name = free->metadata.name;
    request.body = api::ObjectRef(free);
    cycle.ctx.submit(std::move(request), kUnheard);
    return Status::unschedulable(kFreed);
  }
  return Status::unschedulable(kStillUnschedulable);
}

void DynamicResources::score_all(const Cycle& cycle, const NodeList& nodes,
                                 std::span<int64_t> scores) const {
  std::fill(scores.begin(), scores.end(), 0);
  const Data* data = cycle.state->find<Data>(id());
  if (!data || !data->cycled || !data->cycled->allocator) return;
  const Cycled& c = *data->cycled;
  size_t allocating = 0;
  for (const Cycled::Claim& claim : c.claims) {
    const auto& written = claim.object->status.allocation;
    const size_t number = written ? allocating : allocating++;
    const auto& requests = claim.object->spec.devices.requests;
    const bool choice = std::any_of(requests.begin(), requests.end(),
                                    [](const auto& r) { return !r.first_available.empty(); });
    for (size_t n = 0; choice && n < nodes.size(); ++n) {
      const std::optional<size_t> solution = c.of_node[nodes.slot(n)];
      if (!solution) continue;
      std::vector<std::string_view> served;
      if (!written) served = c.allocator->requests(*solution, number);
      for (size_t i = 0; written && i < written->devices.results.size(); ++i) {
        served.push_back(written->devices.results[i].request);
      }
      scores[n] += worth(requests, served);
    }
  }
  default_normalize(scores, false);
}

// ---- reserve and bind

// Whether the pod of an entry has its node, or is gone.
bool DynamicResources::has_arrived(const client::ControlContext& ctx,
                                   const std::pair<const api::Str, Pending>& entry) {
  const auto& [uid, p] = entry;
  const auto* pod = ctx.cache(api::Kind::Pod).get<api::Pod>(p.ns, p.name);
  return !pod || pod->metadata.uid != uid || !pod->spec.node_name.empty();
}

Status DynamicResources::reserve(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) {
  const Data* data = cycle.state->find<Data>(id());
  if (!data || !data->cycled) return {};
  std::erase_if(pending_,
                [&](const auto& e) { return e.second.done && has_arrived(cycle.ctx, e); });
  const Cycled& c = *data->cycled;
  Pending p;
  p.ns = pod.pod->metadata.namespace_;
  p.name = pod.pod->metadata.name;
  size_t next = 0;
  std::vector<api::AllocationResult> found;
  if (c.allocator) {
    const std::optional<size_t> solution = c.of_node[node.id];
    if (!solution) return Status::error(kNoAllocation);
    found = c.allocator->results(*solution);
  }
  for (const Cycled::Claim& claim : c.claims) {
    p.claims.push_back(claim.object);
    Allocation& allocation = p.allocations.emplace_back();
    if (claim.object->status.allocation) continue;
    allocation = std::move(found[next++]);
    api::Ref<api::ResourceClaim> allocated = api::clone(*claim.object);
    allocated->status.allocation = *allocation;
    in_flight_[allocated->metadata.uid] = ClaimRef(allocated);
  }
  pending_[pod.uid()] = std::move(p);
  return {};
}

void DynamicResources::unreserve(client::ControlContext& ctx, const PodInfo& pod, const api::Str&) {
  const auto it = pending_.find(pod.uid());
  if (it == pending_.end()) return;
  const Pending p = std::move(it->second);
  pending_.erase(it);
  for (const ClaimRef& c : p.claims) {
    if (in_flight_.erase(c->metadata.uid) > 0) {
      assumed_.erase({c->metadata.namespace_, c->metadata.name});
    }
    if (!c->status.allocation || !api::is_reserved_for(*c, *pod.pod)) continue;
    // Nobody waits for the answer: the pod will come again and find what became of it.
    client::Request request;
    request.verb = client::Verb::kPatchStatusJson;
    request.patch_type = client::PatchType::kStrategicMerge;
    request.kind = api::Kind::ResourceClaim;
    request.ns = c->metadata.namespace_;
    request.name = c->metadata.name;
    request.uid = c->metadata.uid;
    api::Json entry =
        api::Json::object({{"$patch", api::Json("delete")}, {"uid", api::Json(pod.uid())}});
    request.patch = api::Json::object(
        {{"status", api::Json::object({{"reservedFor", api::Json::array({std::move(entry)})}})}});
    ctx.submit(std::move(request), kUnheard);
  }
}

Status DynamicResources::pre_bind_pre_flight(client::ControlContext&, const PodInfo& pod,
                                             const api::Str&) {
  return pending_.contains(pod.uid()) ? Status() : Status::skip();
}

Status DynamicResources::pre_bind(client::ControlContext& ctx, const PodInfo& pod, const api::Str&,
                                  PreBindStep* step) {
  const auto it = pending_.find(pod.uid());
  if (it == pending_.end()) return {};
  Pending& p = it->second;
  if (p.asked == Pending::Asked::kNothing) return next_claim(pod, p, step);
  return hear(ctx, pod, p, step);
}

// Goes on with the next claim that is not the pod's yet.
Status DynamicResources::next_claim(const PodInfo& pod, Pending& p, PreBindStep* step) {
  while (p.at < p.claims.size() && api::is_reserved_for(*p.claims[p.at], *pod.pod)) ++p.at;
  if (p.at == p.claims.size()) {
    p.asked = Pending::Asked::kNothing;
    p.done = true;
    return {};
  }
  p.newest = p.claims[p.at];
  p.tries = 1;
  return write_claim(pod, p, step);
}

// The finalizer first, then the allocation and the reservation.
Status DynamicResources::write_claim(const PodInfo& pod, Pending& p, PreBindStep* step) {
  const std::string name = api::namespaced_name(*p.newest);
  if (p.newest->metadata.deletion_timestamp) {
    forget(p, p.at);
    return Status::error(fmt::format("claim {} got deleted in the meantime", name));
  }
  const Allocation& allocation = p.allocations[p.at];
  api::Ref<api::ResourceClaim> next = api::clone(*p.newest);
  client::Request request;
  request.kind = api::Kind::ResourceClaim;
  request.ns = next->metadata.namespace_;
  request.name = next->metadata.name;
  if (allocation && next->status.allocation) {
    forget(p, p.at);
    return Status::error(fmt::format("claim {} got allocated elsewhere in the meantime", name));
  }
  if (allocation && !api::is_protected(*next)) {
    next->metadata.finalizers.push_back(api::kClaimFinalizer);
    request.verb = client::Verb::kUpdate;
    p.asked = Pending::Asked::kFinalizer;
  } else {
    if (allocation) next->status.allocation = *allocation;
    next->status.reserved_for.push_back(api::reservation_for(*pod.pod));
    request.verb = client::Verb::kUpdateStatus;
    p.asked = Pending::Asked::kStatus;
  }
  request.body = api::ObjectRef(next);
  step->request = std::move(request);
  return Status(Code::kWait);
}

// What came of the last request. Conflicts are tried again with the newest claim.
Status DynamicResources::hear(client::ControlContext& ctx, const PodInfo& pod, Pending& p,
                              PreBindStep* step) {
  using Asked = Pending::Asked;
  if (p.asked == Asked::kPause) {
    client::Request request;
    request.verb = client::Verb::kGet;
    request.kind = api::Kind::ResourceClaim;
    request.ns = p.newest->metadata.namespace_;
    request.name = p.newest->metadata.name;
    step->request = std::move(request);
    p.asked = Asked::kNewest;
    return Status(Code::kWait);
  }
  const client::Outcome& outcome = *step->outcome;
  const std::string name = api::namespaced_name(*p.newest);
  if (!outcome.ok() && outcome.conflict() && p.tries < kMaxTries && p.asked != Asked::kNewest) {
    ++p.tries;
    p.asked = Asked::kPause;
    step->wait = kRetryPause;
    return Status(Code::kWait);
  }
  if (!outcome.ok()) {
    const bool allocating = p.allocations[p.at].has_value();
    const std::string what = p.asked == Asked::kNewest
                                 ? "get updated claim " + name + " after conflict"
                             : p.asked == Asked::kFinalizer ? "add finalizer to claim " + name
                             : allocating ? "add allocation and reservation to claim " + name
                                          : "add reservation to claim " + name;
    forget(p, p.at);
    return Status::error(what + ": " + outcome.message.str());
  }
  p.newest = api::cast<api::ResourceClaim>(outcome.object);
  if (p.asked != Asked::kStatus) return write_claim(pod, p, step);
  forget(p, p.at);
  p.claims[p.at] = p.newest;
  assumed_[{p.newest->metadata.namespace_, p.newest->metadata.name}] = p.newest;
  ++p.at;
  // What the informers have caught up with need not be remembered.
  std::erase_if(assumed_, [&](const auto& e) {
    const auto* stored =
        ctx.cache(api::Kind::ResourceClaim).get<api::ResourceClaim>(e.first.first, e.first.second);
    return !stored || api::version_of(*stored) >= api::version_of(*e.second);
  });
  return next_claim(pod, p, step);
}

// The allocation is not on its way any more: it is written, or will not be.
void DynamicResources::forget(const Pending& p, size_t claim) {
  if (p.allocations[claim]) in_flight_.erase(p.claims[claim]->metadata.uid);
}

// ---- hints

std::vector<EventRegistration> DynamicResources::events() const {
  constexpr uint8_t kAlways = EventRegistration::kAlways;
  return {{{Resource::kNode, kAdd | kUpdateNodeLabel | kUpdateNodeAllocatable}, kAlways},
          {{Resource::kResourceClaim, kAdd | kUpdate}, kClaimHint},
          {{Resource::kPod, kUpdatePodGeneratedClaim}, kPodHint},
          {{Resource::kDeviceClass, kAdd | kUpdate}, kAlways},
          {{Resource::kResourceSlice, kAdd | kUpdate}, kAlways}};
}

bool DynamicResources::hint(uint8_t hint, const client::ControlContext& ctx, const ClusterCache&,
                            const PodInfo& pod, const EventObjects& objects) const {
  if (hint == kPodHint) {
    return objects.new_pod->uid() == pod.uid() &&
           find_claims(ctx, *objects.new_pod->pod, nullptr).empty();
  }
  std::vector<ClaimRef> claims;
  if (!find_claims(ctx, *pod.pod, &claims).empty()) return false;
  const auto& is = api::as<api::ResourceClaim>(*objects.new_object);
  const auto* was =
      objects.old_object ? &api::as<api::ResourceClaim>(*objects.old_object) : nullptr;
  if (was && was->status.allocation && !is.status.allocation) return true;
  const bool uses = std::any_of(claims.begin(), claims.end(), [&](const ClaimRef& c) {
    return c->metadata.uid == is.metadata.uid;
  });
  if (!uses) return false;
  return !was || !(was->status == is.status);
}

}  // namespace mainspring::scheduler
