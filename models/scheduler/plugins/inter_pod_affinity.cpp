#include "models/scheduler/plugins/inter_pod_affinity.h"

#include <algorithm>

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodHint = 0;
constexpr uint8_t kNodeHint = 1;
using Terms = std::vector<AffinityTerm>;

// Counts or scores by value of a topology key.
struct KeyCounts {
  TopologyKey key = 0;
  std::vector<int64_t> values;
};
struct Counts {
  std::vector<KeyCounts> keys;
  int64_t sum = 0;        // of counts; zero: none
  bool recorded = false;  // anything was added, even if it came to zero

  void clear() {
    keys.clear();
    sum = 0;
    recorded = false;
  }
  void add(TopologyKey key, const NodeInfo& node, int64_t by) {
    const int32_t value = node.topology_value(key);
    if (value < 0) return;
    recorded = true;
    sum += by;
    KeyCounts* at = nullptr;
    for (KeyCounts& k : keys) {
      if (k.key == key) at = &k;
    }
    if (!at) {
      keys.push_back({key, {}});
      at = &keys.back();
    }
    const size_t i = static_cast<size_t>(value);
    if (i >= at->values.size()) at->values.resize(i + 1);
    at->values[i] += by;
  }
  int64_t get(const KeyCounts& k, const NodeInfo& node) const {
    const int32_t value = node.topology_value(k.key);
    if (value < 0 || static_cast<size_t>(value) >= k.values.size()) return 0;
    return k.values[static_cast<size_t>(value)];
  }
  int64_t get(TopologyKey key, const NodeInfo& node) const {
    for (const KeyCounts& k : keys) {
      if (k.key == key) return get(k, node);
    }
    return 0;
  }
};

bool contains(const std::vector<api::Str>& list, const api::Str& s) {
  return std::find(list.begin(), list.end(), s) != list.end();
}

const api::StrMap& namespace_labels(const client::ControlContext& ctx, const api::Str& ns) {
  static const api::StrMap kNone;
  const auto* o = ctx.cache(api::Kind::Namespace).get<api::Namespace>("", ns);
  return o ? o->metadata.labels : kNone;
}

// A term of an existing pod, on the incoming one.
bool existing_term_matches(const AffinityTerm& term, const PodInfo& incoming,
                           const api::StrMap& ns_labels) {
  if (!contains(term.namespaces, incoming.ns()) && !term.namespace_labels.matches(ns_labels)) {
    return false;
  }
  return term.labels.matches(incoming.labels());
}

// The terms of an incoming pod with the namespaces their selectors stand for.
Terms expanded(const client::ControlContext& ctx, const Terms& terms) {
  Terms out = terms;
  for (AffinityTerm& t : out) {
    if (!t.has_namespace_selector) continue;
    for (const api::ObjectRef& ns : ctx.cache(api::Kind::Namespace).list()) {
      if (t.namespace_labels.matches(ns->metadata.labels)) {
        t.namespaces.push_back(ns->metadata.name);
      }
    }
  }
  return out;
}

bool incoming_term_matches(const AffinityTerm& term, const api::Str& ns,
                           const api::StrMap& labels) {
  static const api::StrMap kNone;
  if (!contains(term.namespaces, ns) && !term.namespace_labels.matches(kNone)) return false;
  return term.labels.matches(labels);
}

bool matches_all(const Terms& terms, const api::Str& ns, const api::StrMap& labels) {
  return !terms.empty() && std::all_of(terms.begin(), terms.end(), [&](const AffinityTerm& t) {
    return incoming_term_matches(t, ns, labels);
  });
}
bool matches_all(const Terms& terms, const PodInfo& pod) {
  return matches_all(terms, pod.ns(), pod.labels());
}

}  // namespace

struct InterPodAffinity::Data final : CycleDataOf<Data> {
  // Filter.
  Counts existing_anti;
  Counts affinity;
  Counts anti;
  Terms affinity_terms;
  Terms anti_terms;
  api::StrMap ns_labels;
  bool self_match = false;
  // Score.
  Counts scores;
};

Status InterPodAffinity::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodInfo& pod = cycle.info();
  const ClusterCache& cluster = cycle.cluster;
  const PodTemplate& t = *pod.t;
  const bool own = !t.required_affinity.empty() || !t.required_anti_affinity.empty();
  if (!own && cluster.pods_with_required_anti_affinity() == 0) return Status::skip();
  Data& d = cycle.state->write<Data>(id());
  d.existing_anti.clear();
  d.affinity.clear();
  d.anti.clear();
  d.ns_labels = namespace_labels(cycle.ctx, pod.ns());
  d.affinity_terms = expanded(cycle.ctx, t.required_affinity);
  d.anti_terms = expanded(cycle.ctx, t.required_anti_affinity);
  d.self_match = matches_all(d.affinity_terms, pod);

  if (cluster.pods_with_required_anti_affinity() > 0) {
    for (const uint32_t slot : cluster.order()) {
      const NodeInfo& node = cluster.node(slot);
      for (const PodInfoRef& e : node.pods_with_required_anti_affinity) {
        for (const AffinityTerm& term : e->t->required_anti_affinity) {
          if (existing_term_matches(term, pod, d.ns_labels)) d.existing_anti.add(term.key, node, 1);
        }
      }
    }
  }
  if (own) {
    const auto classes = cluster.classes();
    // By class: whether all affinity terms match, and which anti-affinity terms (in order).
    std::vector<uint8_t> affine(classes.size());
    std::vector<std::vector<uint16_t>> repelled(classes.size());
    for (size_t i = 0; i < classes.size(); ++i) {
      if (classes[i].users == 0) continue;
      affine[i] = matches_all(d.affinity_terms, classes[i].ns, classes[i].labels);
      for (size_t k = 0; k < d.anti_terms.size(); ++k) {
        if (incoming_term_matches(d.anti_terms[k], classes[i].ns, classes[i].labels)) {
          repelled[i].push_back(static_cast<uint16_t>(k));
        }
      }
    }
    for (const uint32_t slot : cluster.order()) {
      const NodeInfo& node = cluster.node(slot);
      for (const NodeInfo::ClassCount& c : node.classes) {
        if (affine[c.label_class]) {
          for (const AffinityTerm& term : d.affinity_terms) d.affinity.add(term.key, node, c.pods);
        }
        for (const uint16_t k : repelled[c.label_class]) {
          d.anti.add(d.anti_terms[k].key, node, c.pods);
        }
      }
    }
  }
  return !own && d.existing_anti.sum == 0 ? Status::skip() : Status();
}

void InterPodAffinity::change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node,
                              int32_t by) const {
  Data* d = cycle.state->find<Data>(id());
  if (!d) return;
  for (const AffinityTerm& term : pod.t->required_anti_affinity) {
    if (existing_term_matches(term, cycle.info(), d->ns_labels)) {
      d->existing_anti.add(term.key, node, by);
    }
  }
  if (matches_all(d->affinity_terms, pod)) {
    for (const AffinityTerm& term : d->affinity_terms) d->affinity.add(term.key, node, by);
  }
  for (const AffinityTerm& term : d->anti_terms) {
    if (incoming_term_matches(term, pod.ns(), pod.labels())) d->anti.add(term.key, node, by);
  }
}

void InterPodAffinity::add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, 1);
}
void InterPodAffinity::remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, -1);
}

Status InterPodAffinity::filter(const Cycle& cycle, const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  bool near = true;
  for (const AffinityTerm& term : d.affinity_terms) {
    if (node.topology_value(term.key) < 0) return Status::unresolvable(reason_affinity_);
    near = near && d.affinity.get(term.key, node) > 0;
  }
  // The first pod of a group that wants to be together may start anywhere.
  if (!near && !(d.affinity.sum == 0 && d.self_match)) {
    return Status::unresolvable(reason_affinity_);
  }
  for (const AffinityTerm& term : d.anti_terms) {
    if (d.anti.get(term.key, node) > 0) return Status::unschedulable(reason_anti_);
  }
  for (const KeyCounts& k : d.existing_anti.keys) {
    if (d.existing_anti.get(k, node) > 0) return Status::unschedulable(reason_existing_);
  }
  return {};
}

Status InterPodAffinity::pre_score(Cycle& cycle, std::span<const NodeInfo* const>) {
  const PodInfo& pod = cycle.info();
  const PodTemplate& t = *pod.t;
  const ClusterCache& cluster = cycle.cluster;
  const bool own = !t.preferred_affinity.empty() || !t.preferred_anti_affinity.empty();
  if (!own && (args_.ignore_preferred_terms_of_existing_pods ||
               cluster.pods_with_affinity() == 0)) {
    return Status::skip();
  }
  Data& d = cycle.state->write<Data>(id());
  d.scores.clear();
  d.ns_labels = namespace_labels(cycle.ctx, pod.ns());
  const Terms affinity = expanded(cycle.ctx, t.preferred_affinity);
  const Terms anti = expanded(cycle.ctx, t.preferred_anti_affinity);
  struct Pull {
    TopologyKey key;
    int64_t weight;
  };
  std::vector<std::vector<Pull>> pulls;  // by class
  if (own) {
    const auto classes = cluster.classes();
    pulls.resize(classes.size());
    for (size_t i = 0; i < classes.size(); ++i) {
      if (classes[i].users == 0) continue;
      const auto collect = [&](const Terms& terms, int64_t sign) {
        for (const AffinityTerm& term : terms) {
          if (incoming_term_matches(term, classes[i].ns, classes[i].labels)) {
            pulls[i].push_back({term.key, sign * term.weight});
          }
        }
      };
      collect(affinity, 1);
      collect(anti, -1);
    }
  }
  for (const uint32_t slot : cluster.order()) {
    const NodeInfo& node = cluster.node(slot);
    if (own) {
      for (const NodeInfo::ClassCount& c : node.classes) {
        for (const Pull& p : pulls[c.label_class]) d.scores.add(p.key, node, p.weight * c.pods);
      }
    }
    for (const PodInfoRef& e : node.pods_with_affinity) {
      const auto collect = [&](const Terms& terms, int64_t sign, int64_t fixed) {
        for (const AffinityTerm& term : terms) {
          if (!existing_term_matches(term, pod, d.ns_labels)) continue;
          d.scores.add(term.key, node, sign * (fixed > 0 ? fixed : term.weight));
        }
      };
      if (args_.hard_pod_affinity_weight > 0) {
        collect(e->t->required_affinity, 1, args_.hard_pod_affinity_weight);
      }
      collect(e->t->preferred_affinity, 1, 0);
      collect(e->t->preferred_anti_affinity, -1, 0);
    }
  }
  return d.scores.recorded ? Status() : Status::skip();
}

int64_t InterPodAffinity::score(const Cycle& cycle, const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  int64_t sum = 0;
  for (const KeyCounts& k : d.scores.keys) sum += d.scores.get(k, node);
  return sum;
}

Status InterPodAffinity::normalize(Cycle&, std::span<const NodeInfo* const>,
                                   std::span<int64_t> scores) const {
  if (scores.empty()) return {};
  const auto [min, max] = std::minmax_element(scores.begin(), scores.end());
  const int64_t low = *min;
  const int64_t range = *max - low;
  for (int64_t& s : scores) {
    double f = 0;
    if (range > 0) {
      f = static_cast<double>(kMaxNodeScore) *
          (static_cast<double>(s - low) / static_cast<double>(range));
    }
    s = static_cast<int64_t>(f);
  }
  return {};
}

std::vector<EventRegistration> InterPodAffinity::events() const {
  return {{{Resource::kPod, kAdd | kDelete | kUpdatePodLabel}, kPodHint},
          {{Resource::kNode, kAdd | kUpdateNodeLabel}, kNodeHint}};
}

bool InterPodAffinity::hint(uint8_t hint, const client::ControlContext& ctx,
                            const ClusterCache& cluster, const PodInfo& pod,
                            const EventObjects& objects) const {
  const PodTemplate& t = *pod.t;
  if (hint == kNodeHint) {
    const auto label = [&](const NodeRef& node, const AffinityTerm& term) {
      return node ? node->metadata.labels.find(cluster.topology_name(term.key)) : nullptr;
    };
    const auto differ = [](const api::Str* a, const api::Str* b) { return !a || !b || *a != *b; };
    for (const AffinityTerm& term : t.required_affinity) {
      const api::Str* is = label(objects.new_node, term);
      if (is && differ(label(objects.old_node, term), is)) return true;
    }
    for (const AffinityTerm& term : t.required_anti_affinity) {
      if (!objects.old_node) return true;
      const api::Str* was = label(objects.old_node, term);
      if (was && differ(was, label(objects.new_node, term))) return true;
    }
    return false;
  }
  if ((objects.old_pod && objects.old_pod->node_name.empty()) ||
      (objects.new_pod && objects.new_pod->node_name.empty())) {
    return false;
  }
  const Terms affinity = expanded(ctx, t.required_affinity);
  const Terms anti = expanded(ctx, t.required_anti_affinity);
  if (objects.old_pod && objects.new_pod) {
    const PodInfo& was = *objects.old_pod;
    const PodInfo& is = *objects.new_pod;
    return (!matches_all(affinity, was) && matches_all(affinity, is)) ||
           (matches_all(anti, was) && !matches_all(anti, is));
  }
  if (objects.new_pod) return matches_all(affinity, *objects.new_pod);
  return objects.old_pod && matches_all(anti, *objects.old_pod);
}

}  // namespace mainspring::scheduler
