#include "models/controllers/endpointslice_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "models/api/time_text.h"
#include "models/api/types/discovery.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Endpoint;
using api::EndpointPort;
using api::EndpointSlice;
using api::Pod;
using api::Service;
using SliceRef = api::Ref<const EndpointSlice>;

constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kManager = "endpointslice-controller.k8s.io";
constexpr std::string_view kHeadless = "service.kubernetes.io/headless";
constexpr std::string_view kTriggerTime = "endpoints.kubernetes.io/last-change-trigger-time";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";
// Changes of slices by others are answered after this long at least.
constexpr api::Duration kSliceDelay = api::Duration::seconds(1);
// A sync finds the service's pods among all of the namespace before it looks at the slices, so that
// the last one's write is there by then: in none of the 25 places of the recorded timelines where a
// sync directly follows another did it find a stale slice (and wait for a second).
constexpr api::Duration kWindUp = api::Duration::micros(250);
constexpr int64_t kDeletionExpected = -1;

enum Tag : uint32_t { kCreate, kUpdate, kDelete };

bool is_reserved(std::string_view label) {
  return label == kServiceName || label == kManagedBy || label == kHeadless;
}

bool is_headless(const Service& s) {
  return s.spec.cluster_ip.empty() || s.spec.cluster_ip == "None";
}

bool managed(const EndpointSlice& slice) {
  return slice.metadata.labels.get(kManagedBy) == kManager;
}

// --- endpoints of pods --------------------------------------------------------------------------

// Whether the pod has an address to publish.
bool has_endpoint(const Pod& pod) {
  return !api::is_terminal(pod) && (!pod.status.pod_ip.empty() || !pod.status.pod_ips.empty());
}

bool same_ips(const Pod& a, const Pod& b) {
  return a.status.pod_ip == b.status.pod_ip && a.status.pod_ips == b.status.pod_ips;
}

bool endpoint_changed(const Pod& was, const Pod& is) {
  return was.metadata.deletion_timestamp != is.metadata.deletion_timestamp ||
         api::is_ready(was) != api::is_ready(is) || !same_ips(was, is) ||
         was.spec.node_name != is.spec.node_name || api::is_terminal(was) != api::is_terminal(is);
}

api::List<api::Str> addresses_of(const Pod& pod, bool ipv6) {
  api::List<api::Str> result;
  const auto add = [&](const api::Str& ip) {
    if ((ip.view().find(':') != std::string_view::npos) == ipv6) result.push_back(ip);
  };
  for (const api::PodIP& ip : pod.status.pod_ips) add(ip.ip);
  if (pod.status.pod_ips.empty() && !pod.status.pod_ip.empty()) add(pod.status.pod_ip);
  return result;
}

// The number behind a service port on this pod: itself, or that of a container port by name.
std::optional<int32_t> find_port(const Pod& pod, const api::ServicePort& port) {
  if (port.target_port.is_int()) return port.target_port.int_value();
  const auto search = [&](const api::Container& c) -> std::optional<int32_t> {
    for (const api::ContainerPort& p : c.ports) {
      if (p.name == port.target_port.string_value() && p.protocol == port.protocol) {
        return p.container_port;
      }
    }
    return std::nullopt;
  };
  for (const api::Container& c : pod.spec.containers) {
    if (const std::optional<int32_t> n = search(c)) return n;
  }
  for (const api::Container& c : pod.spec.init_containers) {
    if (!api::is_sidecar(c)) continue;
    if (const std::optional<int32_t> n = search(c)) return n;
  }
  return std::nullopt;
}

std::vector<EndpointPort> ports_of(const Service& service, const Pod& pod) {
  std::vector<EndpointPort> ports;
  for (const api::ServicePort& p : service.spec.ports) {
    const std::optional<int32_t> number = find_port(pod, p);
    if (!number) continue;
    EndpointPort port;
    port.name = p.name;
    port.protocol = p.protocol;
    port.port = *number;
    port.app_protocol = p.app_protocol;
    ports.push_back(std::move(port));
  }
  return ports;
}

// A text that is the same for the same ports in any order.
template <class Ports>
std::string port_key(const Ports& ports) {
  std::vector<std::string> parts;
  parts.reserve(ports.size());
  for (const EndpointPort& p : ports) {
    parts.push_back(fmt::format("{}|{}|{}|{}", p.name.value_or(api::Str()).view(),
                                p.protocol.view(), p.port.value_or(0), p.app_protocol.view()));
  }
  std::sort(parts.begin(), parts.end());
  return fmt::format("{}", fmt::join(parts, ";"));
}

// What makes two endpoints the same one, whatever state they are in.
std::string identity(const Endpoint& e) {
  std::string key = e.hostname.str();
  for (const api::Str& a : e.addresses) key.append("|").append(a.view());
  if (e.target_ref) {
    key.append("|").append(e.target_ref->namespace_.view());
    key.append("/").append(e.target_ref->name.view());
  }
  return key;
}

bool same_state(const Endpoint& a, const Endpoint& b) {
  return a.conditions == b.conditions && a.node_name == b.node_name && a.zone == b.zone &&
         a.target_ref == b.target_ref;
}

// The endpoints wanted for one set of ports, in order; taken out as they find their place.
class Wanted {
 public:
  void insert(Endpoint e) {
    std::string key = identity(e);
    const auto [at, fresh] = by_key_.try_emplace(std::move(key), order_);
    if (fresh)
      in_order_.emplace(order_++, std::move(e));
    else
      in_order_[at->second] = std::move(e);
  }
  std::optional<Endpoint> take(const Endpoint& like) {
    const auto found = by_key_.find(identity(like));
    if (found == by_key_.end()) return std::nullopt;
    const auto at = in_order_.find(found->second);
    Endpoint e = std::move(at->second);
    in_order_.erase(at);
    by_key_.erase(found);
    return e;
  }
  Endpoint take_first() {
    Endpoint e = std::move(in_order_.begin()->second);
    in_order_.erase(in_order_.begin());
    by_key_.erase(identity(e));
    return e;
  }
  size_t size() const { return in_order_.size(); }
  bool empty() const { return in_order_.empty(); }

 private:
  std::map<std::string, uint64_t> by_key_;
  std::map<uint64_t, Endpoint> in_order_;
  uint64_t order_ = 0;
};

// --- what a sync wants written ------------------------------------------------------------------

struct Changes {
  std::vector<api::Ref<EndpointSlice>> create;
  std::vector<api::Ref<EndpointSlice>> update;
  std::vector<SliceRef> remove;
  std::vector<std::string> errors;
};

struct State final : client::SyncState {
  api::Ref<const Service> service;
  std::vector<std::string> errors;
};

class SliceReconciler {
 public:
  SliceReconciler(const Service& service, size_t max_per_slice, const client::Cache& nodes)
      : service_(service), max_(max_per_slice), nodes_(nodes) {}

  Changes run(const std::vector<const Pod*>& pods, const std::vector<SliceRef>& existing,
              api::Time trigger);

 private:
  struct Group {
    std::vector<EndpointPort> ports;
    Wanted wanted;
    std::vector<SliceRef> existing;
  };

  void family(const std::vector<const Pod*>& pods, const std::vector<SliceRef>& existing,
              bool ipv6);
  void place(Group& group, std::string_view address_type);
  void finish(size_t first_create, size_t first_remove);
  void add_hints(std::vector<SliceRef>& unchanged);
  bool hint(std::span<Endpoint> endpoints) const;
  Endpoint endpoint_of(const Pod& pod, bool ipv6) const;
  api::Ref<EndpointSlice> fresh(std::string_view address_type,
                                const std::vector<EndpointPort>& ports) const;
  api::StrMap labels() const;
  bool labels_differ(const EndpointSlice& slice) const;
  const api::Node* node(const api::Str& name) const { return nodes_.get<api::Node>("", name); }

  const Service& service_;
  size_t max_;
  const client::Cache& nodes_;
  Changes changes_;
  std::vector<SliceRef> unchanged_;
};

api::StrMap SliceReconciler::labels() const {
  api::StrMap result;
  for (const auto& [key, value] : service_.metadata.labels) {
    if (!is_reserved(key)) result.set(key, value);
  }
  if (is_headless(service_)) result.set(kHeadless, "");
  result.set(kServiceName, service_.metadata.name);
  result.set(kManagedBy, kManager);
  return result;
}

bool SliceReconciler::labels_differ(const EndpointSlice& slice) const {
  const auto count = [](const api::StrMap& all) {
    return std::count_if(all.begin(), all.end(),
                         [](const auto& e) { return !is_reserved(e.first); });
  };
  if (count(slice.metadata.labels) != count(service_.metadata.labels)) return true;
  for (const auto& [key, value] : service_.metadata.labels) {
    if (is_reserved(key)) continue;
    const api::Str* has = slice.metadata.labels.find(key);
    if (!has || *has != value) return true;
  }
  return false;
}

api::Ref<EndpointSlice> SliceReconciler::fresh(std::string_view address_type,
                                               const std::vector<EndpointPort>& ports) const {
  api::Ref<EndpointSlice> slice = api::make<EndpointSlice>();
  slice->metadata.namespace_ = service_.metadata.namespace_;
  slice->metadata.generate_name = service_.metadata.name.str() + "-";
  slice->metadata.labels = labels();
  slice->metadata.owner_references = {api::make_controller_reference(service_)};
  slice->address_type = address_type;
  slice->ports = api::List<EndpointPort>(ports);
  return slice;
}

Endpoint SliceReconciler::endpoint_of(const Pod& pod, bool ipv6) const {
  Endpoint e;
  const bool serving = api::is_ready(pod);
  const bool terminating = api::is_terminating(pod);
  e.addresses = addresses_of(pod, ipv6);
  e.conditions.ready = service_.spec.publish_not_ready_addresses || (serving && !terminating);
  e.conditions.serving = serving;
  e.conditions.terminating = terminating;
  e.node_name = pod.spec.node_name;
  if (const api::Node* n = node(pod.spec.node_name)) e.zone = n->metadata.labels.get(kZone);
  if (!pod.spec.hostname.empty() && pod.spec.subdomain == service_.metadata.name) {
    e.hostname = pod.spec.hostname;
  }
  api::ObjectReference target;
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  e.target_ref = std::move(target);
  return e;
}

Changes SliceReconciler::run(const std::vector<const Pod*>& pods,
                             const std::vector<SliceRef>& existing, api::Time trigger) {
  std::vector<bool> families;  // false: IPv4
  for (const api::Str& f : service_.spec.ip_families) families.push_back(f == "IPv6");
  if (families.empty()) families.push_back(false);
  std::vector<SliceRef> unsupported;
  for (const SliceRef& s : existing) {
    const bool ipv6 = s->address_type == "IPv6";
    if (std::find(families.begin(), families.end(), ipv6) == families.end()) {
      unsupported.push_back(s);
    }
  }
  for (const bool ipv6 : families) {
    std::vector<SliceRef> of_family;
    for (const SliceRef& s : existing) {
      if ((s->address_type == "IPv6") == ipv6) of_family.push_back(s);
    }
    family(pods, of_family, ipv6);
  }
  changes_.remove.insert(changes_.remove.end(), unsupported.begin(), unsupported.end());

  const std::string text = trigger.is_zero() ? std::string() : api::format_time(trigger);
  const auto stamp = [&](EndpointSlice& s) {
    if (trigger.is_zero()) {
      s.metadata.annotations.erase(kTriggerTime);
    } else {
      s.metadata.annotations.set(kTriggerTime, text);
    }
  };
  if (!service_.metadata.deletion_timestamp.is_zero()) changes_.create.clear();
  for (const auto& s : changes_.create) stamp(*s);
  for (const auto& s : changes_.update) stamp(*s);
  return std::move(changes_);
}

void SliceReconciler::family(const std::vector<const Pod*>& pods,
                             const std::vector<SliceRef>& existing, bool ipv6) {
  const std::string_view address_type = ipv6 ? "IPv6" : "IPv4";
  const size_t first_create = changes_.create.size();
  const size_t first_remove = changes_.remove.size();
  unchanged_.clear();

  std::map<std::string, Group> groups;
  for (const Pod* pod : pods) {
    if (!has_endpoint(*pod)) continue;
    std::vector<EndpointPort> ports = ports_of(service_, *pod);
    Group& group = groups[port_key(ports)];
    if (group.ports.empty()) group.ports = std::move(ports);
    if (!node(pod->spec.node_name) && !service_.spec.publish_not_ready_addresses) {
      changes_.errors.push_back(
          fmt::format("skipping Pod {} for Service {}/{}: Node {} Not Found",
                      pod->metadata.name.view(), service_.metadata.namespace_.view(),
                      service_.metadata.name.view(), pod->spec.node_name.view()));
      continue;
    }
    Endpoint e = endpoint_of(*pod, ipv6);
    if (!e.addresses.empty()) group.wanted.insert(std::move(e));
  }

  std::vector<SliceRef> undesired;
  for (const SliceRef& s : existing) {
    if (!api::is_controlled_by(*s, service_)) {
      changes_.remove.push_back(s);
      continue;
    }
    const auto found = groups.find(port_key(s->ports));
    if (found == groups.end()) {
      undesired.push_back(s);
    } else {
      found->second.existing.push_back(s);
    }
  }
  for (auto& [key, group] : groups) place(group, address_type);
  changes_.remove.insert(changes_.remove.end(), undesired.begin(), undesired.end());

  // A service without endpoints keeps one empty slice, so that its consumers see that it is there.
  const size_t removing = changes_.remove.size() - first_remove;
  if (existing.size() == removing && changes_.create.size() == first_create) {
    const SliceRef only = removing == 1 ? changes_.remove.back() : SliceRef();
    if (only && only->endpoints.empty() && only->ports.empty() && !labels_differ(*only) &&
        api::is_controlled_by(*only, service_)) {
      changes_.remove.pop_back();
      unchanged_.push_back(only);
    } else {
      changes_.create.push_back(fresh(address_type, {}));
    }
  }
  add_hints(unchanged_);
  finish(first_create, first_remove);
}

// Finds a place for every wanted endpoint of one set of ports.
void SliceReconciler::place(Group& group, std::string_view address_type) {
  std::vector<api::Ref<EndpointSlice>> updates;
  std::vector<SliceRef> unchanged;
  for (const SliceRef& slice : group.existing) {
    std::vector<Endpoint> kept;
    bool changed = false;
    for (const Endpoint& e : slice->endpoints) {
      std::optional<Endpoint> want = group.wanted.take(e);
      if (!want) continue;
      changed = changed || !same_state(*want, e);
      kept.push_back(std::move(*want));
    }
    if (changed || kept.size() != slice->endpoints.size()) {
      if (kept.empty()) {
        changes_.remove.push_back(slice);
        continue;
      }
      api::Ref<EndpointSlice> copy = api::clone(*slice);
      copy->endpoints = api::List<Endpoint>(std::move(kept));
      copy->metadata.labels = labels();
      updates.push_back(std::move(copy));
    } else if (labels_differ(*slice)) {
      api::Ref<EndpointSlice> copy = api::clone(*slice);
      copy->metadata.labels = labels();
      updates.push_back(std::move(copy));
    } else {
      unchanged.push_back(slice);
    }
  }

  Wanted& wanted = group.wanted;
  const auto fill = [&](EndpointSlice& slice) {
    api::ListItems<Endpoint>& endpoints = slice.endpoints.edit();
    while (!wanted.empty() && endpoints.size() < max_) endpoints.push_back(wanted.take_first());
  };
  // Slices that are written anyway are filled first, the fullest before the others.
  std::stable_sort(updates.begin(), updates.end(), [](const auto& a, const auto& b) {
    return a->endpoints.size() > b->endpoints.size();
  });
  for (const auto& slice : updates) {
    if (!wanted.empty()) fill(*slice);
  }
  // The rest goes into one more slice if it fits there, the fullest that can hold it, else into
  // new ones.
  while (!wanted.empty()) {
    size_t best = unchanged.size();
    size_t best_room = max_;
    for (size_t i = 0; i < unchanged.size() && wanted.size() < max_; ++i) {
      const size_t total = wanted.size() + unchanged[i]->endpoints.size();
      if (total <= max_ && max_ - total < best_room) {
        best = i;
        best_room = max_ - total;
      }
    }
    if (best < unchanged.size()) {
      api::Ref<EndpointSlice> copy = api::clone(*unchanged[best]);
      unchanged.erase(unchanged.begin() + static_cast<ptrdiff_t>(best));
      fill(*copy);
      updates.push_back(std::move(copy));
    } else {
      api::Ref<EndpointSlice> slice = fresh(address_type, group.ports);
      fill(*slice);
      changes_.create.push_back(std::move(slice));
    }
  }
  changes_.update.insert(changes_.update.end(), updates.begin(), updates.end());
  unchanged_.insert(unchanged_.end(), unchanged.begin(), unchanged.end());
}

// Sets or removes the hints of trafficDistribution; whether anything changed.
bool SliceReconciler::hint(std::span<Endpoint> endpoints) const {
  const std::string_view mode = service_.spec.traffic_distribution.view();
  const bool zone = mode == "PreferClose" || mode == "PreferSameZone" || mode == "PreferSameNode";
  bool changed = false;
  for (Endpoint& e : endpoints) {
    api::Opt<api::EndpointHints> hints;
    if (zone && e.conditions.ready.value_or(true)) {
      api::EndpointHints h;
      if (!e.zone.empty()) h.for_zones = {api::ForZone{e.zone}};
      if (mode == "PreferSameNode" && !e.node_name.empty()) {
        h.for_nodes = {api::ForNode{e.node_name}};
      }
      if (!h.for_zones.empty() || !h.for_nodes.empty()) hints = std::move(h);
    }
    if (hints == e.hints) continue;
    e.hints = std::move(hints);
    changed = true;
  }
  return changed;
}

void SliceReconciler::add_hints(std::vector<SliceRef>& unchanged) {
  for (const auto& s : changes_.create) hint(s->endpoints.edit());
  for (const auto& s : changes_.update) hint(s->endpoints.edit());
  for (const SliceRef& s : unchanged) {
    std::vector<Endpoint> endpoints(s->endpoints.begin(), s->endpoints.end());
    if (!hint(endpoints)) continue;
    api::Ref<EndpointSlice> copy = api::clone(*s);
    copy->endpoints = api::List<Endpoint>(std::move(endpoints));
    changes_.update.push_back(std::move(copy));
  }
}

// A slice to delete and one to create become one update.
void SliceReconciler::finish(size_t first_create, size_t first_remove) {
  for (size_t i = first_remove; i < changes_.remove.size();) {
    if (changes_.create.size() <= first_create) break;
    const SliceRef& old = changes_.remove[i];
    const api::Ref<EndpointSlice> slice = changes_.create.back();
    if (old->address_type != slice->address_type || !api::is_controlled_by(*old, service_)) {
      ++i;
      continue;
    }
    slice->metadata.name = old->metadata.name;
    changes_.create.pop_back();
    changes_.update.push_back(slice);
    changes_.remove.erase(changes_.remove.begin() + static_cast<ptrdiff_t>(i));
  }
}

// --- the controller -----------------------------------------------------------------------------

class EndpointSliceController final : public client::Reconciler {
 public:
  explicit EndpointSliceController(EndpointSliceOptions options) : options_(options) {}

  std::string_view name() const override { return "endpoint-slice-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<EndpointSliceController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::Service, {client::IndexBy::kNamespace}},
            {api::Kind::Pod, {client::IndexBy::kNamespace}},
            {api::Kind::EndpointSlice, {client::IndexBy::kServiceName}},
            {api::Kind::Node, {}}};
  }
  int32_t workers() const override { return options_.workers; }
  client::RateLimits rate_limits() const override {
    return {api::Duration::seconds(1), api::Duration::seconds(1000), true};
  }

  api::Duration wind_up() const override { return kWindUp; }

  void start(ReconcileContext& ctx) override;
  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* state,
              const client::PlanResult& result) override;
  void on_write(ReconcileContext& ctx, const Key& key, const client::Write& write,
                const Outcome& outcome) override;

 private:
  // What is remembered of a service between syncs.
  struct Tracked {
    std::vector<api::Str> pods;  // names of the pods that the selector matches, as first seen
    std::map<api::Str, int64_t> generations;  // of slices written, by uid
    std::map<api::Str, api::Time> pod_times;  // Ready transitions seen
    api::Time service_time;
  };
  static bool selects(const Service& service, const Pod& pod);
  void observe_service(ReconcileContext& ctx, const WatchEvent& event);
  void observe_pod(ReconcileContext& ctx, const WatchEvent& event);
  void observe_slice(ReconcileContext& ctx, const WatchEvent& event);
  void collect(ReconcileContext& ctx, const Service& service);
  void join(const Service& service, const Pod& pod);
  void leave(const Key& service, const Pod& pod);
  bool is_stale(const Tracked& tracked, const std::vector<SliceRef>& slices) const;
  static api::Time trigger_time(Tracked& tracked, const Service& service,
                                const std::vector<const Pod*>& pods);
  Plan failed(ReconcileContext& ctx, const Key& key, std::string why) const;

  EndpointSliceOptions options_;
  std::map<Key, Tracked> services_;
};

bool EndpointSliceController::selects(const Service& service, const Pod& pod) {
  return !service.spec.selector.empty() &&
         api::matches_all(service.spec.selector, pod.metadata.labels);
}

void EndpointSliceController::collect(ReconcileContext& ctx, const Service& service) {
  Tracked& tracked = services_[key_of(service)];
  tracked.pods.clear();
  if (service.spec.selector.empty()) return;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Pod).by(client::IndexBy::kNamespace, service.metadata.namespace_)) {
    if (selects(service, api::as<Pod>(*o))) tracked.pods.push_back(o->metadata.name);
  }
}

void EndpointSliceController::join(const Service& service, const Pod& pod) {
  std::vector<api::Str>& pods = services_[key_of(service)].pods;
  if (std::find(pods.begin(), pods.end(), pod.metadata.name) == pods.end()) {
    pods.push_back(pod.metadata.name);
  }
}

void EndpointSliceController::leave(const Key& service, const Pod& pod) {
  std::vector<api::Str>& pods = services_[service].pods;
  pods.erase(std::remove(pods.begin(), pods.end(), pod.metadata.name), pods.end());
}

void EndpointSliceController::start(ReconcileContext& ctx) {
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Service).list()) {
    collect(ctx, api::as<Service>(*o));
    ctx.queue().add(key_of(*o));
  }
}

void EndpointSliceController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  switch (event.object->kind) {
    case api::Kind::Service:
      observe_service(ctx, event);
      break;
    case api::Kind::Pod:
      observe_pod(ctx, event);
      break;
    case api::Kind::EndpointSlice:
      observe_slice(ctx, event);
      break;
    default:
      break;
  }
}

void EndpointSliceController::observe_service(ReconcileContext& ctx, const WatchEvent& event) {
  const Service& service = api::as<Service>(*event.object);
  const Key key = key_of(service);
  if (event.type != WatchType::kDeleted) {
    const bool same = event.type == WatchType::kModified && event.old &&
                      api::as<Service>(*event.old).spec.selector == service.spec.selector;
    if (!same) collect(ctx, service);
  }
  ctx.queue().add(key);
}

void EndpointSliceController::observe_pod(ReconcileContext& ctx, const WatchEvent& event) {
  const Pod& pod = api::as<Pod>(*event.object);
  const Pod* old = event.old ? &api::as<Pod>(*event.old) : nullptr;
  const bool update = event.type == WatchType::kModified && old;
  const bool labels_changed = update && (!(old->metadata.labels == pod.metadata.labels) ||
                                         old->spec.hostname != pod.spec.hostname ||
                                         old->spec.subdomain != pod.spec.subdomain);
  if (update && !labels_changed && !endpoint_changed(*old, pod)) return;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::Service).by(client::IndexBy::kNamespace, pod.metadata.namespace_)) {
    const Service& service = api::as<Service>(*o);
    const bool now = selects(service, pod);
    const bool before = update && labels_changed && selects(service, *old);
    if (!now && !before) continue;
    const Key key = key_of(service);
    if (event.type == WatchType::kDeleted || !now) {
      leave(key, pod);
    } else if (!update || !before) {
      join(service, pod);
    }
    ctx.enqueue_after(key, options_.batch_period);
  }
}

void EndpointSliceController::observe_slice(ReconcileContext& ctx, const WatchEvent& event) {
  const EndpointSlice& slice = api::as<EndpointSlice>(*event.object);
  const api::Str service = slice.metadata.labels.get(kServiceName);
  if (service.empty() || !managed(slice)) return;
  const Key key = make_key(slice.metadata.namespace_, service);
  const auto tracked = services_.find(key);
  bool sync = true;
  if (tracked != services_.end()) {
    std::map<api::Str, int64_t>& generations = tracked->second.generations;
    const auto seen = generations.find(slice.metadata.uid);
    if (event.type == WatchType::kDeleted) {
      // Nobody needs to hear of a slice that was never written here, or that was meant to go.
      sync = seen != generations.end() && seen->second != kDeletionExpected;
      if (seen != generations.end()) generations.erase(seen);
    } else {
      sync = seen == generations.end() || slice.metadata.generation > seen->second;
    }
  }
  if (sync) ctx.enqueue_after(key, std::max(kSliceDelay, options_.batch_period));
}

// Whether the cache still lacks what was written last.
bool EndpointSliceController::is_stale(const Tracked& tracked,
                                       const std::vector<SliceRef>& slices) const {
  std::set<api::Str> present;
  for (const SliceRef& s : slices) {
    present.insert(s->metadata.uid);
    const auto seen = tracked.generations.find(s->metadata.uid);
    if (seen == tracked.generations.end()) continue;
    if (seen->second == kDeletionExpected || seen->second > s->metadata.generation) return true;
  }
  for (const auto& [uid, generation] : tracked.generations) {
    if (generation != kDeletionExpected && !present.contains(uid)) return true;
  }
  return false;
}

// The earliest change since the last sync that this one answers: a pod's Ready transition or the
// service's creation.
api::Time EndpointSliceController::trigger_time(Tracked& tracked, const Service& service,
                                                const std::vector<const Pod*>& pods) {
  api::Time earliest;
  const auto consider = [&earliest](api::Time t) {
    if (earliest.is_zero() || t < earliest) earliest = t;
  };
  std::map<api::Str, api::Time> times;
  for (const Pod* pod : pods) {
    const api::PodCondition* c =
        api::find_condition(pod->status.conditions, api::pod_condition_type::kReady);
    if (!c || c->last_transition_time.is_zero()) continue;
    times[pod->metadata.name] = c->last_transition_time;
    const auto before = tracked.pod_times.find(pod->metadata.name);
    if (before == tracked.pod_times.end() || c->last_transition_time > before->second) {
      consider(c->last_transition_time);
    }
  }
  if (service.metadata.creation_timestamp > tracked.service_time) {
    consider(service.metadata.creation_timestamp);
  }
  tracked.pod_times = std::move(times);
  tracked.service_time = service.metadata.creation_timestamp;
  return earliest;
}

Plan EndpointSliceController::failed(ReconcileContext& ctx, const Key& key, std::string why) const {
  Plan plan = Plan::retry(std::move(why));
  if (ctx.queue().requeues(key) >= options_.max_retries) plan.verdict = Plan::Verdict::kDrop;
  return plan;
}

Plan EndpointSliceController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  api::Ref<const Service> service = ctx.cache(api::Kind::Service).get_ref<Service>(ns, name);
  if (!service) {
    services_.erase(key);
    return Plan::done();
  }
  if (service->spec.type == api::service_type::kExternalName || service->spec.selector.empty()) {
    return Plan::done();
  }
  Tracked& tracked = services_[key];
  std::vector<SliceRef> slices;
  for (const api::ObjectRef& o :
       ctx.cache(api::Kind::EndpointSlice).by(client::IndexBy::kServiceName, key)) {
    const EndpointSlice& s = api::as<EndpointSlice>(*o);
    if (managed(s) && s.metadata.deletion_timestamp.is_zero()) {
      slices.push_back(api::cast<EndpointSlice>(o));
    }
  }
  if (is_stale(tracked, slices)) {
    return failed(ctx, key, "EndpointSlice informer cache is out of date");
  }
  std::vector<const Pod*> pods;
  pods.reserve(tracked.pods.size());
  for (const api::Str& pod : tracked.pods) {
    if (const Pod* p = ctx.cache(api::Kind::Pod).get<Pod>(ns, pod)) pods.push_back(p);
  }
  const api::Time trigger = trigger_time(tracked, *service, pods);
  SliceReconciler reconciler(*service, static_cast<size_t>(options_.max_endpoints_per_slice),
                             ctx.cache(api::Kind::Node));
  Changes changes = reconciler.run(pods, slices, trigger);

  Plan plan;
  Step step;
  step.mode = Step::Mode::kSerial;
  step.best_effort = true;
  for (const auto& s : changes.create) step.writes.push_back({create_request(s), kCreate});
  for (const auto& s : changes.update) step.writes.push_back({update_request(s), kUpdate});
  for (const SliceRef& s : changes.remove) step.writes.push_back({delete_request(*s), kDelete});
  if (step.writes.empty() && changes.errors.empty()) return Plan::done();
  api::Ref<State> state(new State());
  state->service = std::move(service);
  state->errors = std::move(changes.errors);
  plan.steps.push_back(std::move(step));
  plan.then = 1;
  plan.state = std::move(state);
  return plan;
}

Plan EndpointSliceController::resume(ReconcileContext& ctx, const Key& key, uint32_t,
                                     const client::SyncState* state,
                                     const client::PlanResult& result) {
  const State& s = static_cast<const State&>(*state);
  std::vector<std::string> errors = s.errors;
  for (const Outcome& o : result.outcomes) {
    if (o.ok() || namespace_terminating(o)) continue;
    errors.push_back(o.message.str());
  }
  if (errors.empty()) return Plan::done();
  const std::string all =
      errors.size() == 1 ? errors.front() : fmt::format("[{}]", fmt::join(errors, ", "));
  ctx.event(*s.service, kWarning, "FailedToUpdateEndpointSlices",
            fmt::format("Error updating Endpoint Slices for Service {}: {}", key.view(), all));
  return failed(ctx, key, all);
}

void EndpointSliceController::on_write(ReconcileContext&, const Key& key,
                                       const client::Write& write, const Outcome& outcome) {
  if (!outcome.ok()) return;
  const auto tracked = services_.find(key);
  if (tracked == services_.end() || !outcome.object) return;
  int64_t& generation = tracked->second.generations[outcome.object->metadata.uid];
  generation = write.tag == kDelete ? kDeletionExpected : outcome.object->metadata.generation;
}

}  // namespace

std::unique_ptr<client::Reconciler> make_endpointslice_controller(EndpointSliceOptions options) {
  return std::make_unique<EndpointSliceController>(options);
}

}  // namespace mainspring::controllers
