#include "models/scheduler/plugins/inter_pod_affinity.h"

#include <algorithm>

#include "models/scheduler/domain_sums.h"

namespace mainspring::scheduler {

namespace {
constexpr uint8_t kPodHint = 0;
constexpr uint8_t kNodeHint = 1;
using Terms = std::vector<AffinityTerm>;

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

namespace {

// Numbers by topology key, one DomainSums column a key.
struct KeyedSums {
  std::vector<TopologyKey> keys;
  DomainSums sums;

  size_t column(TopologyKey key) {
    const auto at = std::find(keys.begin(), keys.end(), key);
    if (at == keys.end()) keys.push_back(key);
    return static_cast<size_t>(at - keys.begin());
  }
  // Calls `share(node, add)`, where `add(key, amount)` adds what the node has to the key's values.
  template <class F>
  void update(const ClusterCache& cluster, F&& share) {
    size_t columns = 0;
    do {
      // A key that was not seen before needs a column, and all nodes be asked again.
      columns = keys.size();
      sums.update(cluster, columns, [&](const NodeInfo& node, auto shares) {
        share(node, [&](TopologyKey key, int64_t amount) {
          const size_t i = column(key);
          if (i >= shares.size()) return;
          const int32_t value = cluster.topology_value(key, node);
          if (value < 0) return;
          shares[i].value = value;
          shares[i].amount += amount;
        });
      });
    } while (keys.size() > columns);
  }
  // By value of a key; none if nothing has it.
  std::span<const int64_t> of(TopologyKey key) const {
    const auto at = std::find(keys.begin(), keys.end(), key);
    if (at == keys.end()) return {};
    return sums.sums(static_cast<size_t>(at - keys.begin()));
  }
  int64_t total() const {
    int64_t n = 0;
    for (size_t i = 0; i < keys.size(); ++i) n += sums.total(i);
    return n;
  }
  bool any_nodes() const {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (sums.all_nodes(i) > 0) return true;
    }
    return false;
  }
};

// KeyedSums with what simulated moves of pods add.
struct MovedSums {
  const KeyedSums* base = nullptr;
  struct Delta {
    TopologyKey key;
    int32_t value;
    int64_t by;
  };
  std::vector<Delta> deltas;
  int64_t total = 0;

  void start(const KeyedSums* sums) {
    base = sums;
    deltas.clear();
    total = sums->total();
  }
  void add(const ClusterCache& cluster, TopologyKey key, const NodeInfo& node, int64_t by) {
    const int32_t value = cluster.topology_value(key, node);
    if (value < 0) return;
    deltas.push_back({key, value, by});
    total += by;
  }
  int64_t get(const ClusterCache& cluster, TopologyKey key, const NodeInfo& node) const {
    const int32_t value = cluster.topology_value(key, node);
    if (value < 0) return 0;
    int64_t n = sum_at(base->of(key), value);
    for (const Delta& d : deltas) {
      if (d.key == key && d.value == value) n += d.by;
    }
    return n;
  }
  // Whether any key has something where the node is.
  bool any(const ClusterCache& cluster, const NodeInfo& node) const {
    for (const TopologyKey key : base->keys) {
      if (get(cluster, key, node) > 0) return true;
    }
    return std::any_of(deltas.begin(), deltas.end(),
                       [&](const Delta& d) { return get(cluster, d.key, node) > 0; });
  }
};

}  // namespace

// What pods of one template and labels meet in the cluster.
struct InterPodAffinity::Memory {
  api::Ref<const PodTemplate> t;
  api::StrMap labels;
  bool scoring = false;
  uint64_t namespaces = 0;  // changes of namespaces when it was made
  api::StrMap ns_labels;
  Terms affinity_terms;  // required ones when filtering, preferred ones when scoring
  Terms anti_terms;
  bool self_match = false;
  // By class: all affinity terms (filtering), or each term (scoring; anti-affinity: both).
  ClassMatches all_affine;
  std::vector<ClassMatches> affine;
  std::vector<ClassMatches> repelled;
  KeyedSums existing_anti;
  KeyedSums affinity;
  KeyedSums anti;
  KeyedSums scores;
};

struct InterPodAffinity::Data final : CycleDataOf<Data> {
  // Filter.
  const Memory* filter = nullptr;
  MovedSums existing_anti;
  MovedSums affinity;
  MovedSums anti;
  // Score.
  const Memory* score = nullptr;
};

InterPodAffinity::InterPodAffinity(const Args& args) : args_(args) {}
InterPodAffinity::InterPodAffinity(const InterPodAffinity& other) = default;
InterPodAffinity::~InterPodAffinity() = default;

InterPodAffinity::Memory& InterPodAffinity::memory(const Cycle& cycle, bool scoring) {
  const PodInfo& pod = cycle.info();
  const PodTemplate& t = *pod.t;
  const uint64_t namespaces = cycle.ctx.cache(api::Kind::Namespace).changes();
  if (!cycle.remember) memories_.clear();
  bool made = false;
  Memory& m = memories_.find(recent_capacity(cycle.cluster), &made, [&](const Memory& x) {
    return x.t.get() == &t && x.scoring == scoring && x.namespaces == namespaces &&
           x.labels == pod.labels();
  });
  if (!made) return m;
  m.t = pod.t;
  m.labels = pod.labels();
  m.scoring = scoring;
  m.namespaces = namespaces;
  m.ns_labels = namespace_labels(cycle.ctx, pod.ns());
  m.affinity_terms = expanded(cycle.ctx, scoring ? t.preferred_affinity : t.required_affinity);
  m.anti_terms =
      expanded(cycle.ctx, scoring ? t.preferred_anti_affinity : t.required_anti_affinity);
  m.self_match = !scoring && matches_all(m.affinity_terms, pod);
  m.affine.resize(m.affinity_terms.size());
  m.repelled.resize(m.anti_terms.size());
  return m;
}

void InterPodAffinity::count_for_filter(const Cycle& cycle, Memory& m) const {
  const ClusterCache& cluster = cycle.cluster;
  const PodInfo& pod = cycle.info();
  m.existing_anti.update(cluster, [&](const NodeInfo& node, auto add) {
    for (const PodInfoRef& e : node.pods_with_required_anti_affinity) {
      for (const AffinityTerm& term : e->t->required_anti_affinity) {
        if (existing_term_matches(term, pod, m.ns_labels)) add(term.key, 1);
      }
    }
  });
  if (!m.affinity_terms.empty()) {
    const auto matches = [&](const ClusterCache::ClassInfo& c) {
      return matches_all(m.affinity_terms, c.ns, c.labels);
    };
    m.affinity.update(cluster, [&](const NodeInfo& node, auto add) {
      for (const NodeInfo::ClassCount& c : node.classes) {
        if (!m.all_affine.get(cluster, c.label_class, matches)) continue;
        for (const AffinityTerm& term : m.affinity_terms) add(term.key, c.pods);
      }
    });
  }
  if (m.anti_terms.empty()) return;
  m.anti.update(cluster, [&](const NodeInfo& node, auto add) {
    for (const NodeInfo::ClassCount& c : node.classes) {
      for (size_t k = 0; k < m.anti_terms.size(); ++k) {
        const auto matches = [&](const ClusterCache::ClassInfo& i) {
          return incoming_term_matches(m.anti_terms[k], i.ns, i.labels);
        };
        if (m.repelled[k].get(cluster, c.label_class, matches)) add(m.anti_terms[k].key, c.pods);
      }
    }
  });
}

Status InterPodAffinity::pre_filter(Cycle& cycle, std::optional<std::vector<api::Str>>*) {
  const PodTemplate& t = cycle.t();
  const bool own = !t.required_affinity.empty() || !t.required_anti_affinity.empty();
  if (!own && cycle.cluster.pods_with_required_anti_affinity() == 0) return Status::skip();
  Memory& m = memory(cycle, false);
  count_for_filter(cycle, m);
  Data& d = cycle.state->write<Data>(id());
  d.filter = &m;
  d.score = nullptr;
  d.existing_anti.start(&m.existing_anti);
  d.affinity.start(&m.affinity);
  d.anti.start(&m.anti);
  return !own && d.existing_anti.total == 0 ? Status::skip() : Status();
}

void InterPodAffinity::change(Cycle& cycle, const PodInfo& pod, const NodeInfo& node,
                              int32_t by) const {
  Data* d = cycle.state->find<Data>(id());
  if (!d) return;
  const Memory& m = *d->filter;
  const ClusterCache& cluster = cycle.cluster;
  for (const AffinityTerm& term : pod.t->required_anti_affinity) {
    if (existing_term_matches(term, cycle.info(), m.ns_labels)) {
      d->existing_anti.add(cluster, term.key, node, by);
    }
  }
  if (matches_all(m.affinity_terms, pod)) {
    for (const AffinityTerm& term : m.affinity_terms) {
      d->affinity.add(cluster, term.key, node, by);
    }
  }
  for (const AffinityTerm& term : m.anti_terms) {
    if (incoming_term_matches(term, pod.ns(), pod.labels())) {
      d->anti.add(cluster, term.key, node, by);
    }
  }
}

void InterPodAffinity::add_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, 1);
}
void InterPodAffinity::remove_pod(Cycle& cycle, const PodInfo& pod, const NodeInfo& node) const {
  change(cycle, pod, node, -1);
}

InterPodAffinity::Verdict InterPodAffinity::verdict(const Cycle& cycle,
                                                    const NodeInfo& node) const {
  const Data& d = *cycle.state->find<Data>(id());
  const ClusterCache& cluster = cycle.cluster;
  bool near = true;
  for (const AffinityTerm& term : d.filter->affinity_terms) {
    if (cluster.topology_value(term.key, node) < 0) return Verdict::kNotNear;
    near = near && d.affinity.get(cluster, term.key, node) > 0;
  }
  // The first pod of a group that wants to be together may start anywhere.
  if (!near && !(d.affinity.total == 0 && d.filter->self_match)) return Verdict::kNotNear;
  if (d.anti.any(cluster, node)) return Verdict::kTooNear;
  return d.existing_anti.any(cluster, node) ? Verdict::kUnwelcome : Verdict::kFits;
}

Status InterPodAffinity::filter(const Cycle& cycle, const NodeInfo& node) const {
  switch (verdict(cycle, node)) {
    case Verdict::kFits:
      break;
    case Verdict::kNotNear:
      return Status::unresolvable(reason_affinity_);
    case Verdict::kTooNear:
      return Status::unschedulable(reason_anti_);
    case Verdict::kUnwelcome:
      return Status::unschedulable(reason_existing_);
  }
  return {};
}

// verdict(), key by key rather than node by node.
void InterPodAffinity::filter_all(const Cycle& cycle, const NodeList& nodes,
                                  std::span<uint8_t> marks) const {
  const Data& d = *cycle.state->find<Data>(id());
  if (!d.affinity.deltas.empty() || !d.anti.deltas.empty() || !d.existing_anti.deltas.empty()) {
    Plugin::filter_all(cycle, nodes, marks);
    return;
  }
  const ClusterCache& cluster = cycle.cluster;
  const bool anywhere = d.affinity.total == 0 && d.filter->self_match;
  for (const AffinityTerm& term : d.filter->affinity_terms) {
    const std::span<const int32_t> values = cluster.topology(term.key);
    const std::span<const int64_t> sums = d.affinity.base->of(term.key);
    for (size_t k = 0; k < marks.size(); ++k) {
      const int32_t value = values[nodes.slot(k)];
      if (value < 0 || !(anywhere || sum_at(sums, value) > 0)) marks[k] = 0;
    }
  }
  for (const MovedSums* away : {&d.anti, &d.existing_anti}) {
    for (const TopologyKey key : away->base->keys) {
      const std::span<const int32_t> values = cluster.topology(key);
      const std::span<const int64_t> sums = away->base->of(key);
      for (size_t k = 0; k < marks.size(); ++k) {
        if (sum_at(sums, values[nodes.slot(k)]) > 0) marks[k] = 0;
      }
    }
  }
}

void InterPodAffinity::count_for_score(const Cycle& cycle, Memory& m) const {
  const ClusterCache& cluster = cycle.cluster;
  const PodInfo& pod = cycle.info();
  m.scores.update(cluster, [&](const NodeInfo& node, auto add) {
    const auto own = [&](const Terms& terms, std::vector<ClassMatches>& memo, int64_t sign) {
      for (size_t k = 0; k < terms.size(); ++k) {
        const auto matches = [&](const ClusterCache::ClassInfo& i) {
          return incoming_term_matches(terms[k], i.ns, i.labels);
        };
        for (const NodeInfo::ClassCount& c : node.classes) {
          if (!memo[k].get(cluster, c.label_class, matches)) continue;
          add(terms[k].key, sign * terms[k].weight * c.pods);
        }
      }
    };
    own(m.affinity_terms, m.affine, 1);
    own(m.anti_terms, m.repelled, -1);
    for (const PodInfoRef& e : node.pods_with_affinity) {
      const auto theirs = [&](const Terms& terms, int64_t sign, int64_t fixed) {
        for (const AffinityTerm& term : terms) {
          if (!existing_term_matches(term, pod, m.ns_labels)) continue;
          add(term.key, sign * (fixed > 0 ? fixed : term.weight));
        }
      };
      if (args_.hard_pod_affinity_weight > 0) {
        theirs(e->t->required_affinity, 1, args_.hard_pod_affinity_weight);
      }
      theirs(e->t->preferred_affinity, 1, 0);
      theirs(e->t->preferred_anti_affinity, -1, 0);
    }
  });
}

Status InterPodAffinity::pre_score(Cycle& cycle, const NodeList&) {
  const PodTemplate& t = cycle.t();
  const bool own = !t.preferred_affinity.empty() || !t.preferred_anti_affinity.empty();
  if (!own &&
      (args_.ignore_preferred_terms_of_existing_pods || cycle.cluster.pods_with_affinity() == 0)) {
    return Status::skip();
  }
  Memory& m = memory(cycle, true);
  count_for_score(cycle, m);
  if (!m.scores.any_nodes()) return Status::skip();
  cycle.state->write<Data>(id()).score = &m;
  return {};
}

void InterPodAffinity::score_all(const Cycle& cycle, const NodeList& nodes,
                                 std::span<int64_t> scores) const {
  const KeyedSums& s = cycle.state->find<Data>(id())->score->scores;
  std::fill(scores.begin(), scores.end(), 0);
  for (size_t i = 0; i < s.keys.size(); ++i) {
    const std::span<const int32_t> values = cycle.cluster.topology(s.keys[i]);
    for (size_t k = 0; k < nodes.size(); ++k) {
      const int32_t value = values[nodes.slot(k)];
      if (value >= 0) scores[k] += s.sums.sum(i, value);
    }
  }
}

Status InterPodAffinity::normalize(Cycle&, const NodeList&, std::span<int64_t> scores) const {
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

bool InterPodAffinity::hint(uint8_t hint, const client::ControlContext&,
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
  // Kubernetes does not look up what namespaces a term's selector stands for here.
  const Terms& affinity = t.required_affinity;
  const Terms& anti = t.required_anti_affinity;
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
