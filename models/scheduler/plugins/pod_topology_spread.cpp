#include "models/scheduler/plugins/pod_topology_spread.h"

#include <algorithm>
#include <cmath>

#include "models/api/types/apps.h"
#include "models/scheduler/domain_sums.h"
#include "sim/math.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodHint = 0;
constexpr uint8_t kNodeHint = 1;

// Whether the node counts for the constraint, by the pod's node affinity and tolerations.
bool included(const SpreadConstraint& c, const PodTemplate& t, const NodeInfo& node) {
  if (c.honor_affinity && !t.required.trivial() && !t.required.matches(*node.node)) return false;
  return !c.honor_taints || !node.has_hard_taints ||
         !untolerated_taint(node.node->spec.taints, t.tolerations);
}

bool has_all_keys(const std::vector<SpreadConstraint>& constraints, const ClusterCache& cluster,
                  uint32_t slot) {
  return std::all_of(constraints.begin(), constraints.end(),
                     [&](const SpreadConstraint& c) { return cluster.topology(c.key)[slot] >= 0; });
}

bool has_all_keys(const std::vector<SpreadConstraint>& constraints, const ClusterCache& cluster,
                  const api::Node& node) {
  return std::all_of(constraints.begin(), constraints.end(), [&](const SpreadConstraint& c) {
    return node.metadata.labels.contains(cluster.topology_name(c.key));
  });
}

}  // namespace

// The constraints of pods of one template, and what the cluster's nodes come to for them.
struct PodTopologySpread::Memory {
  api::Ref<const PodTemplate> t;
  bool hard = false;
  std::vector<SpreadConstraint> constraints;
  std::vector<ClassMatches> matches;  // by constraint; one for all if they share the selector
  DomainSums sums;

  // How many pods of the node the constraint counts; an empty selector counts none.
  int64_t count_pods(const ClusterCache& cluster, const NodeInfo& node, size_t i) {
    const size_t m = matches.size() == 1 ? 0 : i;
    const Selector& selector = constraints[i].selector;
    if (selector.empty()) return 0;
    int64_t n = 0;
    for (const NodeInfo::ClassCount& c : node.classes) {
      const auto match = [&](const ClusterCache::ClassInfo& info) {
        return info.ns == t->ns && selector.matches(info.labels);
      };
      if (matches[m].get(cluster, c.label_class, match)) n += c.pods - c.terminating;
    }
    return n;
  }
};

struct PodTopologySpread::Data final : CycleDataOf<Data> {
  // Filter.
  Memory* hard = nullptr;
  struct Limit {
    int64_t min = 0;  // of the domains' pods, and how many domains have no more
    int32_t at_min = 0;
    int32_t domains = 0;
    int32_t self = 0;  // 1 if the pod counts itself
    int64_t most = 0;  // pods that a domain may have so that this one fits
  };
  std::vector<Limit> limits;
  // What simulated moves of pods add to the sums.
  struct Delta {
    size_t constraint;
    int32_t value;
    int64_t by;
  };
  std::vector<Delta> deltas;
  // Score.
  Memory* soft = nullptr;
  std::vector<double> weights;
  std::vector<uint8_t> ignored;  // by slot of the node
  bool any_ignored = false;

  bool moved(size_t i, int32_t value) const {
    return std::any_of(deltas.begin(), deltas.end(),
                       [&](const Delta& d) { return d.constraint == i && d.value == value; });
  }
  int64_t pods(size_t i, int32_t value) const {
    int64_t n = hard->sums.sum(i, value);
    for (const Delta& d : deltas) {
      if (d.constraint == i && d.value == value) n += d.by;
    }
    return n;
  }
  void set_limit(size_t i) {
    Limit& l = limits[i];
    l.min = INT64_MAX;
    l.at_min = l.domains = 0;
    const std::span<const int64_t> sums = hard->sums.sums(i);
    const std::span<const int32_t> nodes = hard->sums.nodes(i);
    for (size_t v = 0; v < sums.size(); ++v) {
      if (nodes[v] == 0) continue;
      ++l.domains;
      if (sums[v] < l.min) {
        l.min = sums[v];
        l.at_min = 0;
      }
      if (sums[v] == l.min) ++l.at_min;
    }
    set_most(i, l.min);
  }
  void set_most(size_t i, int64_t min) {
    const SpreadConstraint& c = hard->constraints[i];
    Limit& l = limits[i];
    if (l.domains == 0 || l.domains < c.min_domains) min = 0;
    l.most = min + c.max_skew - l.self;
  }
  void move(size_t i, int32_t value, int64_t by) {
    const auto d = std::find_if(deltas.begin(), deltas.end(), [&](const Delta& x) {
      return x.constraint == i && x.value == value;
    });
    if (d == deltas.end()) {
      deltas.push_back({i, value, by});
    } else {
      d->by += by;
    }
    const Limit& l = limits[i];
    int64_t min = INT64_MAX;
    int32_t at_min = l.at_min;
    for (const Delta& x : deltas) {
      if (x.constraint != i) continue;
      const int64_t before = hard->sums.sum(i, x.value);
      min = std::min(min, before + x.by);
      if (before == l.min) --at_min;
    }
    if (at_min > 0) {
      min = std::min(min, l.min);
    } else {
      const std::span<const int64_t> sums = hard->sums.sums(i);
      const std::span<const int32_t> nodes = hard->sums.nodes(i);
      for (size_t v = 0; v < sums.size(); ++v) {
        if (nodes[v] > 0 && sums[v] < min && !moved(i, static_cast<int32_t>(v))) min = sums[v];
      }
    }
    set_most(i, min);
  }
};

PodTopologySpread::PodTopologySpread(const Args& args, ClusterCache& cluster)
    : system_defaults_(args.system_defaults) {
  const auto add = [&](TopologyKey key, int32_t skew, bool hard) {
    SpreadConstraint c;
    c.key = key;
    c.max_skew = skew;
    c.hard = hard;
    defaults_.push_back(std::move(c));
    return &defaults_.back();
  };
  if (system_defaults_) {
    add(ClusterCache::kHostname, 3, false);
    add(ClusterCache::kZone, 5, false);
    return;
  }
  for (const api::TopologySpreadConstraint& c : args.default_constraints) {
    SpreadConstraint* added = add(cluster.topology_key(c.topology_key), c.max_skew,
                                  c.when_unsatisfiable == "DoNotSchedule");
    added->min_domains = c.min_domains.value_or(1);
    added->honor_affinity = c.node_affinity_policy != "Ignore";
    added->honor_taints = c.node_taints_policy == "Honor";
  }
}

PodTopologySpread::PodTopologySpread(const PodTopologySpread& other) = default;
PodTopologySpread::~PodTopologySpread() = default;

double PodTopologySpread::weight_of(size_t domains) {
  return sim::log(static_cast<double>(domains + 2));
}

Selector default_selector(const client::ControlContext& ctx, const api::Pod& pod) {
  const api::StrMap& labels = pod.metadata.labels;
  const api::Str& ns = pod.metadata.namespace_;
  api::StrMap merged;
  for (const api::ObjectRef& ref :
       ctx.cache(api::Kind::Service).by(client::IndexBy::kNamespace, ns)) {
    const api::StrMap& selector = api::as<api::Service>(ref).spec.selector;
    if (selector.empty()) continue;
    const bool match = std::all_of(selector.begin(), selector.end(), [&](const auto& e) {
      const api::Str* v = labels.find(e.first);
      return v && *v == e.second;
    });
    if (!match) continue;
    for (const auto& [key, value] : selector) merged.set(key, value);
  }
  const api::OwnerReference* owner = api::controller_of(pod);
  if (!owner) return Selector::of(merged);
  if (owner->api_version == "v1" && owner->kind == "ReplicationController") {
    const auto* rc = ctx.cache(api::Kind::ReplicationController)
                         .get<api::ReplicationController>(ns, owner->name);
    if (rc) {
      for (const auto& [key, value] : rc->spec.selector) merged.set(key, value);
    }
    return Selector::of(merged);
  }
  Selector selector = Selector::of(merged);
  if (owner->api_version == "apps/v1" && owner->kind == "ReplicaSet") {
    const auto* rs = ctx.cache(api::Kind::ReplicaSet).get<api::ReplicaSet>(ns, owner->name);
    if (rs && rs->spec.selector) selector.add(Selector::of(*rs->spec.selector));
  } else if (owner->api_version == "apps/v1" && owner->kind == "StatefulSet") {
    const auto* set = ctx.cache(api::Kind::StatefulSet).get<api::StatefulSet>(ns, owner->name);
    if (set && set->spec.selector) selector.add(Selector::of(*set->spec.selector));
  }
  return selector;
}

std::vector<SpreadConstraint> PodTopologySpread::constraints(const client::ControlContext& ctx,
                                                             const PodInfo& pod, bool hard) const {
  std::vector<SpreadConstraint> out;
  const bool own = !pod.t->spread.empty();
  for (const SpreadConstraint& c : own ? pod.t->spread : defaults_) {
    if (c.hard == hard) out.push_back(c);
  }
  if (own || out.empty()) return out;
  const Selector selector = default_selector(ctx, *pod.pod);
  if (selector.empty()) return {};
  for (SpreadConstraint& c : out) c.selector = selector;
  return out;
}

bool PodTopologySpread::any(const PodInfo& pod, bool hard) const {
  const std::vector<SpreadConstraint>& all = pod.t->spread.empty() ? defaults_ : pod.t->spread;
  return std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.hard == hard; });
}

// The memory for the pod's constraints of one kind, up to date; null if it has none.
PodTopologySpread::Memory* PodTopologySpread::memory(const Cycle& cycle, bool hard) {
  const PodInfo& pod = cycle.info();
  if (!any(pod, hard)) return nullptr;
  const bool own = !pod.t->spread.empty();
  Selector selector;
  if (!own) {
    selector = default_selector(cycle.ctx, *pod.pod);
    if (selector.empty()) return nullptr;
  }
  if (!cycle.remember) memories_.clear();
  bool made = false;
  Memory& m = memories_.find(recent_capacity(cycle.cluster), &made, [&](const Memory& x) {
    return x.t.get() == pod.t.get() && x.hard == hard &&
           (own || x.constraints.front().selector == selector);
  });
  if (made) {
    m.t = pod.t;
    m.hard = hard;
    for (const SpreadConstraint& c : own ? pod.t->spread : defaults_) {
      if (c.hard != hard) continue;
      m.constraints.push_back(c);
      if (!own) m.constraints.back().selector = selector;
    }
    m.matches.resize(own ? m.constraints.size() : 1);
  }
  const ClusterCache& cluster = cycle.cluster;
  if (hard) {
    m.sums.update(cluster, m.constraints.size(), [&](const NodeInfo& node, auto shares) {
      if (!has_all_keys(m.constraints, cluster, node.id)) return;
      for (size_t i = 0; i < m.constraints.size(); ++i) {
        const SpreadConstraint& c = m.constraints[i];
        if (!included(c, *m.t, node)) continue;
        shares[i] = {cluster.topology_value(c.key, node), m.count_pods(cluster, node, i)};
      }
    });
  } else {
    const bool require_all = own || !system_defaults_;
    m.sums.update(cluster, m.constraints.size(), [&](const NodeInfo& node, auto shares) {
      if (require_all && !has_all_keys(m.constraints, cluster, node.id)) return;
      for (size_t i = 0; i < m.constraints.size(); ++i) {
        const SpreadConstraint& c = m.constraints[i];
        if (c.key == ClusterCache::kHostname) {
          shares[i].amount = m.count_pods(cluster, node, i);
        } else if (included(c, *m.t, node)) {
          // Nodes without the label are a domain too.
          shares[i] = {cluster.loose_topology_value(c.key, node.id),
                       m.count_pods(cluster, node, i)};
        }
      }
    });
  }
  return &m;
}

// ---- filter

Status PodTopologySpread::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  Memory* const m = memory(cycle, true);
  if (!m) return Status::skip();
  Data& d = cycle.state->write<Data>(id());
  d.hard = m;
  d.deltas.clear();
  d.limits.assign(m->constraints.size(), {});
  for (size_t i = 0; i < d.limits.size(); ++i) {
    d.limits[i].self = m->constraints[i].selector.matches(cycle.info().labels()) ? 1 : 0;
    d.set_limit(i);
  }
  return {};
}

void PodTopologySpread::change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node,
                               int32_t by) const {
  Data* d = cycle.state->find<Data>(id());
  if (!d || pod.ns() != cycle.info().ns()) return;
  const std::vector<SpreadConstraint>& hard = d->hard->constraints;
  if (!has_all_keys(hard, cycle.cluster, node.id)) return;
  for (size_t i = 0; i < hard.size(); ++i) {
    const SpreadConstraint& c = hard[i];
    if (!included(c, cycle.t(), node) || !c.selector.matches(pod.labels())) continue;
    d->move(i, cycle.cluster.topology_value(c.key, node), by);
  }
}

void PodTopologySpread::add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, 1);
}
void PodTopologySpread::remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, -1);
}

void PodTopologySpread::filter_all(const Cycle& cycle, const NodeList& nodes,
                                   std::span<uint8_t> marks) const {
  const Data& d = *cycle.state->find<Data>(id());
  if (!d.deltas.empty()) {
    Plugin::filter_all(cycle, nodes, marks);
    return;
  }
  for (size_t i = 0; i < d.limits.size(); ++i) {
    const std::span<const int32_t> values = cycle.cluster.topology(d.hard->constraints[i].key);
    const std::span<const int64_t> sums = d.hard->sums.sums(i);
    const int64_t most = d.limits[i].most;
    for (size_t k = 0; k < marks.size(); ++k) {
      const int32_t value = values[nodes.slot(k)];
      if (value < 0 || sum_at(sums, value) > most) marks[k] = 0;
    }
  }
}

Status PodTopologySpread::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  for (size_t i = 0; i < d.limits.size(); ++i) {
    const int32_t value = cycle.cluster.topology_value(d.hard->constraints[i].key, node);
    if (value < 0) return Status::unresolvable(reason_missing_);
    if (d.pods(i, value) > d.limits[i].most) return Status::unschedulable(reason_);
  }
  return {};
}

// ---- score

Status PodTopologySpread::pre_score(Cycle& cycle, const NodeList& nodes) {
  Memory* const m = memory(cycle, false);
  if (!m) return Status::skip();
  const ClusterCache& cluster = cycle.cluster;
  const bool require_all = !cycle.t().spread.empty() || !system_defaults_;
  Data& d = cycle.state->write<Data>(id());
  d.soft = m;
  d.any_ignored = false;
  size_t ignored = 0;
  if (require_all) {
    for (size_t k = 0; k < nodes.size(); ++k) {
      if (has_all_keys(m->constraints, cluster, nodes.slot(k))) continue;
      if (!d.any_ignored) d.ignored.assign(cluster.slots(), 0);
      d.any_ignored = true;
      d.ignored[nodes.slot(k)] = 1;
      ++ignored;
    }
  }
  d.weights.resize(m->constraints.size());
  for (size_t i = 0; i < m->constraints.size(); ++i) {
    const TopologyKey key = m->constraints[i].key;
    size_t domains = nodes.size() - ignored;
    if (key != ClusterCache::kHostname) {
      seen_values_.assign(cluster.topology_values(key) + 1, 0);
      domains = 0;
      for (size_t k = 0; k < nodes.size(); ++k) {
        const uint32_t slot = nodes.slot(k);
        if (d.any_ignored && d.ignored[slot]) continue;
        uint8_t& seen = seen_values_[static_cast<size_t>(cluster.loose_topology_value(key, slot))];
        domains += seen ? 0 : 1;
        seen = 1;
      }
    }
    d.weights[i] = weight_of(domains);
  }
  return {};
}

void PodTopologySpread::score_all(const Cycle& cycle, const NodeList& nodes,
                                  std::span<int64_t> scores) const {
  const Data& d = *cycle.state->find<Data>(id());
  std::vector<double>& sums = sums_;
  sums.assign(nodes.size(), 0);
  for (size_t i = 0; i < d.soft->constraints.size(); ++i) {
    const SpreadConstraint& c = d.soft->constraints[i];
    const std::span<const int32_t> values = cycle.cluster.topology(c.key);
    const bool hostname = c.key == ClusterCache::kHostname;
    const double more = static_cast<double>(c.max_skew - 1);
    for (size_t k = 0; k < nodes.size(); ++k) {
      const uint32_t slot = nodes.slot(k);
      if (values[slot] < 0) continue;
      const int64_t n = hostname
                            ? d.soft->sums.amount(i, slot)
                            : d.soft->sums.sum(i, cycle.cluster.loose_topology_value(c.key, slot));
      sums[k] += static_cast<double>(n) * d.weights[i] + more;
    }
  }
  for (size_t k = 0; k < nodes.size(); ++k) {
    // Half away from zero; scores are not negative.
    const double whole = std::floor(sums[k]);
    scores[k] = static_cast<int64_t>(whole) + (sums[k] - whole >= 0.5 ? 1 : 0);
  }
}

Status PodTopologySpread::normalize(Cycle& cycle, const NodeList& nodes,
                                    std::span<int64_t> scores) const {
  const Data& d = *cycle.state->find<Data>(id());
  const auto ignored = [&](size_t i) { return d.any_ignored && d.ignored[nodes.slot(i)]; };
  int64_t min = INT64_MAX;
  int64_t max = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (ignored(i)) continue;
    min = std::min(min, scores[i]);
    max = std::max(max, scores[i]);
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (ignored(i)) {
      scores[i] = 0;
    } else {
      scores[i] = max == 0 ? kMaxNodeScore : kMaxNodeScore * (max + min - scores[i]) / max;
    }
  }
  return {};
}

// ---- hints

std::vector<EventRegistration> PodTopologySpread::events() const {
  return {{{Resource::kPod, kAdd | kDelete | kUpdatePodLabel | kUpdatePodToleration}, kPodHint},
          {{Resource::kNode, kAdd | kDelete | kUpdateNodeLabel | kUpdateNodeTaint}, kNodeHint}};
}

bool PodTopologySpread::hint(uint8_t hint, const client::ControlContext& ctx,
                             const ClusterCache& cluster, const PodInfo& pod,
                             const EventObjects& objects) const {
  const std::vector<SpreadConstraint> hard = constraints(ctx, pod, true);
  if (hint == kNodeHint) {
    const bool was = objects.old_node && has_all_keys(hard, cluster, *objects.old_node);
    const bool is = objects.new_node && has_all_keys(hard, cluster, *objects.new_node);
    if (!objects.old_node || !objects.new_node) return was || is;
    if (was != is) return true;
    if (!is) return false;
    if (!(objects.old_node->spec.taints == objects.new_node->spec.taints)) return true;
    return std::any_of(hard.begin(), hard.end(), [&](const SpreadConstraint& c) {
      const api::Str& key = cluster.topology_name(c.key);
      return *objects.old_node->metadata.labels.find(key) !=
             *objects.new_node->metadata.labels.find(key);
    });
  }
  const auto involved = [&](const PodInfoRef& p) {
    return !p || p->uid() == pod.uid() || (!p->node_name.empty() && p->ns() == pod.ns());
  };
  if (!involved(objects.old_pod) || !involved(objects.new_pod)) return false;
  const auto matches_any = [&](const PodInfo& p) {
    return std::any_of(hard.begin(), hard.end(),
                       [&](const auto& c) { return c.selector.matches(p.labels()); });
  };
  if (!objects.old_pod) return objects.new_pod && matches_any(*objects.new_pod);
  if (!objects.new_pod) return matches_any(*objects.old_pod);
  const PodInfo& was = *objects.old_pod;
  const PodInfo& is = *objects.new_pod;
  if (is.uid() == pod.uid() && !(is.t->tolerations == was.t->tolerations) &&
      std::any_of(hard.begin(), hard.end(), [](const auto& c) { return c.honor_taints; })) {
    return true;
  }
  return std::any_of(hard.begin(), hard.end(), [&](const SpreadConstraint& c) {
    return c.selector.matches(was.labels()) != c.selector.matches(is.labels());
  });
}

}  // namespace mainspring::scheduler
