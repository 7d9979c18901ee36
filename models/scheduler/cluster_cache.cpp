#include "models/scheduler/cluster_cache.h"

#include <algorithm>

#include "models/api/pod_helpers.h"
#include "models/api/validation.h"

namespace mainspring::scheduler {

namespace {

// How many templates are remembered for sharing; a pod of an older one gets a new template.
constexpr size_t kTemplates = 64;
// How many changes of nodes are remembered at least.
constexpr size_t kMinLog = 4096;

std::string normalized_image(std::string_view image) {
  // A name without a tag means latest: the last colon, if any, belongs to the registry's port.
  const size_t colon = image.rfind(':');
  const size_t slash = image.rfind('/');
  const bool tagged =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return std::string(image) + (tagged ? "" : ":latest");
}

// What a template looks at in a container.
bool same_container(const api::Container& a, const api::Container& b) {
  return a.resources.requests == b.resources.requests && a.ports == b.ports && a.image == b.image &&
         a.restart_policy == b.restart_policy && a.name == b.name;
}
bool same_containers(const api::List<api::Container>& a, const api::List<api::Container>& b) {
  if (a.same(b)) return true;
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same_container(a[i], b[i])) return false;
  }
  return true;
}

const api::ResourceList& score_defaults() {
  static const api::ResourceList kDefaults = {
      {"cpu", api::Quantity::from_milli(kDefaultMilliCpu)},
      {"memory", api::Quantity::from_value(kDefaultMemory)}};
  return kDefaults;
}

// NodeInfo's non-zero requests: containers that ask for no CPU or memory count as the defaults;
// with pod-level requests only where the containers together ask for none.
std::pair<int64_t, int64_t> nonzero_request(const api::PodSpec& spec,
                                            const api::PodStatus* status) {
  api::PodRequestOptions options;
  options.use_status = status != nullptr;
  bool pod_level = false;
  if (spec.resources) {
    for (const auto& [name, quantity] : spec.resources->requests) {
      if (api::is_pod_level_resource(name)) pod_level = true;
    }
  }
  api::ResourceList defaults = score_defaults();
  if (pod_level) {
    const api::ResourceList plain = api::pod_requests(spec, status, options);
    for (const char* name : {"cpu", "memory"}) {
      if (plain.contains(name)) defaults.erase(name);
    }
  }
  options.non_missing = &defaults;
  const Resources r = Resources::of(api::pod_requests(spec, status, options));
  return {r.milli_cpu, r.memory};
}

// Whether a status reports other resources than the spec asks for.
bool resized(const api::Pod& pod) {
  const auto differs = [](const api::List<api::Container>& containers,
                          const api::List<api::ContainerStatus>& statuses) {
    for (const api::ContainerStatus& s : statuses) {
      if (!s.resources && s.allocated_resources.empty()) continue;
      for (const api::Container& c : containers) {
        if (c.name != s.name) continue;
        if (s.resources && !(s.resources->requests == c.resources.requests)) return true;
        if (!s.allocated_resources.empty() && !(s.allocated_resources == c.resources.requests)) {
          return true;
        }
      }
    }
    return false;
  };
  return pod.status.resources.has_value() ||
         differs(pod.spec.containers, pod.status.container_statuses) ||
         differs(pod.spec.init_containers, pod.status.init_container_statuses);
}

// Ports and images.
void compile_containers(PodTemplate& t) {
  const auto add_ports = [&](const api::Container& c) {
    for (const api::ContainerPort& p : c.ports) {
      if (p.host_port <= 0) continue;
      t.host_ports.push_back({p.host_ip.empty() ? api::Str("0.0.0.0") : p.host_ip,
                              p.protocol.empty() ? api::Str("TCP") : p.protocol, p.host_port});
    }
  };
  for (const api::Container& c : t.containers) add_ports(c);
  for (const api::Container& c : t.init_containers) {
    if (api::is_sidecar(c)) add_ports(c);
    t.images.push_back(normalized_image(c.image));
  }
  for (const api::Container& c : t.containers) t.images.push_back(normalized_image(c.image));
}

// The node names that matchFields allow, if every term names some: terms add up, within a term
// only common names count.
std::optional<std::vector<api::Str>> allowed_names(const api::NodeSelector& required) {
  if (required.node_selector_terms.empty()) return std::nullopt;
  std::vector<api::Str> names;
  bool all = true;
  for (const api::NodeSelectorTerm& term : required.node_selector_terms) {
    bool named = false;
    std::vector<api::Str> of_term;
    for (const api::NodeSelectorRequirement& r : term.match_fields) {
      if (r.key != "metadata.name" || r.operator_ != "In") continue;
      std::vector<api::Str> values(r.values.begin(), r.values.end());
      if (named) {
        std::erase_if(of_term, [&](const api::Str& n) {
          return std::find(values.begin(), values.end(), n) == values.end();
        });
      } else {
        of_term = std::move(values);
      }
      named = true;
    }
    all = all && named;
    names.insert(names.end(), of_term.begin(), of_term.end());
  }
  if (!all) return std::nullopt;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void compile_node_affinity(const api::PodSpec& spec, PodTemplate& t) {
  t.required = RequiredNodeAffinity::of(spec);
  if (!spec.affinity || !spec.affinity->node_affinity) return;
  const api::NodeAffinity& node = *spec.affinity->node_affinity;
  const auto& preferred = node.preferred_during_scheduling_ignored_during_execution;
  t.has_preferred = !preferred.empty();
  std::vector<std::string> problems;
  t.preferred = compile_preferred(preferred, &problems);
  if (!problems.empty()) t.preferred_problem = api::aggregate(problems);
  const auto& required = node.required_during_scheduling_ignored_during_execution;
  if (required) t.node_names = allowed_names(*required);
}

}  // namespace

// ---- NodeTree

void NodeTree::add(const api::Str& zone, uint32_t node) {
  ++size_;
  for (Zone& z : zones_) {
    if (z.key == zone) {
      z.nodes.push_back(node);
      return;
    }
  }
  zones_.push_back({zone, {node}});
}

void NodeTree::remove(const api::Str& zone, uint32_t node) {
  for (size_t i = 0; i < zones_.size(); ++i) {
    std::vector<uint32_t>& nodes = zones_[i].nodes;
    if (zones_[i].key != zone) continue;
    const auto it = std::find(nodes.begin(), nodes.end(), node);
    if (it == nodes.end()) return;
    nodes.erase(it);
    --size_;
    if (nodes.empty()) zones_.erase(zones_.begin() + static_cast<ptrdiff_t>(i));
    return;
  }
}

void NodeTree::list(std::vector<uint32_t>* out) const {
  out->clear();
  for (size_t k = 0; out->size() < size_; ++k) {
    for (const Zone& z : zones_) {
      if (k < z.nodes.size()) out->push_back(z.nodes[k]);
    }
  }
}

std::string NodeTree::zone_of(const api::Node& node) {
  const api::StrMap& labels = node.metadata.labels;
  // The beta label wins even when it is empty.
  const auto value = [&](std::string_view beta, std::string_view ga) {
    const api::Str* v = labels.find(beta);
    if (!v) v = labels.find(ga);
    return v ? v->view() : std::string_view();
  };
  const std::string_view region =
      value("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region");
  const std::string_view zone =
      value("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone");
  if (region.empty() && zone.empty()) return "";
  std::string key(region);
  key.append(":\0:", 3);
  key.append(zone);
  return key;
}

// ---- templates

bool PodTemplate::same_spec(const api::Pod& pod) const {
  const api::PodSpec& s = pod.spec;
  return ns == pod.metadata.namespace_ && same_containers(containers, s.containers) &&
         same_containers(init_containers, s.init_containers) && affinity == s.affinity &&
         tolerations == s.tolerations && node_selector == s.node_selector &&
         topology_spread_constraints == s.topology_spread_constraints && overhead == s.overhead &&
         pod_resources == s.resources && (!labels_matter || labels == pod.metadata.labels);
}

AffinityTerm ClusterCache::compile_term(const api::PodAffinityTerm& term, const api::Str& ns,
                                        int32_t weight) {
  AffinityTerm out;
  out.namespaces.assign(term.namespaces.begin(), term.namespaces.end());
  out.has_namespace_selector = term.namespace_selector.has_value();
  if (out.namespaces.empty() && !out.has_namespace_selector) out.namespaces.push_back(ns);
  out.labels = Selector::of(term.label_selector);
  out.namespace_labels = Selector::of(term.namespace_selector);
  out.key = topology_key(term.topology_key);
  out.weight = weight;
  return out;
}

void ClusterCache::compile_pod_affinity(const api::Affinity& affinity, PodTemplate& t) {
  t.has_pod_affinity = affinity.pod_affinity.has_value() || affinity.pod_anti_affinity.has_value();
  if (affinity.pod_affinity) {
    const api::PodAffinity& a = *affinity.pod_affinity;
    for (const auto& term : a.required_during_scheduling_ignored_during_execution) {
      t.required_affinity.push_back(compile_term(term, t.ns, 0));
    }
    for (const auto& w : a.preferred_during_scheduling_ignored_during_execution) {
      t.preferred_affinity.push_back(compile_term(w.pod_affinity_term, t.ns, w.weight));
    }
  }
  if (affinity.pod_anti_affinity) {
    const api::PodAntiAffinity& a = *affinity.pod_anti_affinity;
    for (const auto& term : a.required_during_scheduling_ignored_during_execution) {
      t.required_anti_affinity.push_back(compile_term(term, t.ns, 0));
    }
    for (const auto& w : a.preferred_during_scheduling_ignored_during_execution) {
      t.preferred_anti_affinity.push_back(compile_term(w.pod_affinity_term, t.ns, w.weight));
    }
  }
}

void ClusterCache::compile_spread(const api::Pod& pod, PodTemplate& t) {
  for (const api::TopologySpreadConstraint& c : pod.spec.topology_spread_constraints) {
    SpreadConstraint out;
    out.key = topology_key(c.topology_key);
    out.max_skew = c.max_skew;
    out.min_domains = c.min_domains.value_or(1);
    out.hard = c.when_unsatisfiable == "DoNotSchedule";
    out.honor_affinity = c.node_affinity_policy != "Ignore";
    out.honor_taints = c.node_taints_policy == "Honor";
    out.selector = Selector::of(c.label_selector);
    for (const api::Str& key : c.match_label_keys) {
      t.labels_matter = true;
      if (const api::Str* v = pod.metadata.labels.find(key)) out.selector.require_equal(key, *v);
    }
    t.spread.push_back(std::move(out));
  }
}

api::Ref<const PodTemplate> ClusterCache::template_for(const api::Pod& pod) {
  for (size_t i = 0; i < templates_.size(); ++i) {
    if (!templates_[i]->same_spec(pod)) continue;
    std::rotate(templates_.begin(), templates_.begin() + static_cast<ptrdiff_t>(i),
                templates_.begin() + static_cast<ptrdiff_t>(i) + 1);
    return templates_.front();
  }
  const api::PodSpec& spec = pod.spec;
  api::Ref<PodTemplate> t(new PodTemplate());
  t->ns = pod.metadata.namespace_;
  t->labels = pod.metadata.labels;
  t->init_containers = spec.init_containers;
  t->containers = spec.containers;
  t->node_selector = spec.node_selector;
  t->affinity = spec.affinity;
  t->tolerations = spec.tolerations;
  t->topology_spread_constraints = spec.topology_spread_constraints;
  t->overhead = spec.overhead;
  t->pod_resources = spec.resources;

  t->request = Resources::of(api::pod_requests(spec));
  t->node_request = t->request;
  api::PodRequestOptions score;
  score.skip_pod_level = true;
  score.non_missing = &score_defaults();
  t->score_request = Resources::of(api::pod_requests(spec, nullptr, score));
  std::tie(t->nonzero_cpu, t->nonzero_memory) = nonzero_request(spec, nullptr);

  compile_containers(*t);
  compile_node_affinity(spec, *t);
  if (spec.affinity) compile_pod_affinity(*spec.affinity, *t);
  compile_spread(pod, *t);
  if (templates_.size() == kTemplates) templates_.pop_back();
  templates_.insert(templates_.begin(), t);
  return t;
}

PodInfoRef ClusterCache::make_pod_info(PodRef pod) {
  api::Ref<PodInfo> info(new PodInfo());
  info->t = template_for(*pod);
  info->node_name = pod->spec.node_name;
  info->priority = pod->spec.priority.value_or(0);
  info->terminating = !pod->metadata.deletion_timestamp.is_zero();
  for (const api::Volume& v : pod->spec.volumes) {
    info->has_claims = info->has_claims || v.persistent_volume_claim || v.ephemeral;
    const bool names_one =
        v.persistent_volume_claim && !v.persistent_volume_claim->claim_name.empty();
    info->has_odd_claims =
        info->has_odd_claims || v.ephemeral || (v.persistent_volume_claim && !names_one);
    if (names_one) ++info->named_claims;
    info->has_disks = info->has_disks || !v.extra.is_null();
  }
  if (resized(*pod)) {
    api::PodRequestOptions options;
    options.use_status = true;
    PodInfo::Resized& now = info->resized.edit();
    now.request = Resources::of(api::pod_requests(*pod, options));
    std::tie(now.nonzero_cpu, now.nonzero_memory) = nonzero_request(pod->spec, &pod->status);
  }
  info->pod = std::move(pod);
  return info;
}

PodInfoRef ClusterCache::placed_on(const PodInfo& pod, const api::Str& node) {
  api::Ref<PodInfo> info(new PodInfo(pod));
  info->node_name = node;
  return info;
}

// ---- topology, images, label classes

ClusterCache::ClusterCache() {
  topology_key("kubernetes.io/hostname");
  topology_key("topology.kubernetes.io/zone");
}

TopologyKey ClusterCache::topology_key(const api::Str& key) {
  for (size_t i = 0; i < topologies_.size(); ++i) {
    if (topologies_[i].name == key) return static_cast<TopologyKey>(i);
  }
  topologies_.push_back({.name = key});
  Topology& t = topologies_.back();
  for (const NodeInfo& n : nodes_) t.of_slot.push_back(n.node ? topology_value(t, *n.node) : -1);
  return static_cast<TopologyKey>(topologies_.size() - 1);
}

int32_t ClusterCache::topology_value(Topology& topology, const api::Node& node) {
  const api::Str* label = node.metadata.labels.find(topology.name);
  if (!label) return -1;
  if (const auto found = topology.index.find(*label)) return static_cast<int32_t>(*found);
  topology.index.set(*label, static_cast<uint32_t>(topology.values));
  if (label->empty()) topology.empty = static_cast<int32_t>(topology.values);
  return static_cast<int32_t>(topology.values++);
}

void ClusterCache::set_topology(NodeInfo& node) {
  for (Topology& t : topologies_) {
    t.of_slot[node.id] = node.node ? topology_value(t, *node.node) : -1;
  }
}

void ClusterCache::set_images(NodeInfo& node, const api::Node* old) {
  if (old && node.node && old->status.images.same(node.node->status.images)) return;
  for (const NodeInfo::Image& i : node.images) --images_[i.image].nodes;
  node.images.clear();
  if (!node.node) return;
  for (const api::ContainerImage& image : node.node->status.images) {
    for (const api::Str& name : image.names) {
      std::optional<uint32_t> id = image_index_.find(name);
      if (!id) {
        id = static_cast<uint32_t>(images_.size());
        images_.emplace_back();
        image_index_.set(name, *id);
      }
      const auto seen = [&](const NodeInfo::Image& i) { return i.image == *id; };
      if (std::any_of(node.images.begin(), node.images.end(), seen)) continue;
      ImageState& state = images_[*id];
      if (state.nodes == 0) state.size = image.size_bytes;
      ++state.nodes;
      node.images.push_back({*id, state.size, state.nodes});
    }
  }
}

LabelClass ClusterCache::acquire_class(const PodInfo& pod) {
  if (last_class_ != kNoClass) {
    ClassInfo& last = classes_[last_class_];
    if (last.users > 0 && last.labels.same(pod.labels()) && last.ns == pod.ns()) {
      ++last.users;
      return last_class_;
    }
  }
  std::string key = pod.ns().str();
  for (const auto& [k, v] : pod.labels()) {
    key.append("\0", 1).append(k.view()).append("\0", 1).append(v.view());
  }
  LabelClass id = kNoClass;
  if (const auto found = class_index_.find(key)) {
    id = *found;
  } else {
    if (free_classes_.empty()) {
      id = static_cast<LabelClass>(classes_.size());
      classes_.emplace_back();
    } else {
      id = free_classes_.back();
      free_classes_.pop_back();
    }
    classes_[id].ns = pod.ns();
    classes_[id].labels = pod.labels();
    classes_[id].since = ++classes_made_;
    class_index_.set(key, id);
  }
  ++classes_[id].users;
  last_class_ = id;
  return id;
}

void ClusterCache::release_class(LabelClass id) {
  ClassInfo& c = classes_[id];
  if (--c.users > 0) return;
  std::string key = c.ns.str();
  for (const auto& [k, v] : c.labels) {
    key.append("\0", 1).append(k.view()).append("\0", 1).append(v.view());
  }
  class_index_.erase(key);
  c = ClassInfo();
  free_classes_.push_back(id);
  if (last_class_ == id) last_class_ = kNoClass;
}

// ---- nodes

uint32_t ClusterCache::slot_for(const api::Str& name) {
  if (const auto found = node_index_.find(name)) return *found;
  uint32_t slot = 0;
  if (free_nodes_.empty()) {
    slot = static_cast<uint32_t>(nodes_.size());
    nodes_.emplace_back();
    for (Topology& t : topologies_) t.of_slot.push_back(-1);
  } else {
    slot = free_nodes_.back();
    free_nodes_.pop_back();
    nodes_[slot] = NodeInfo();
    for (Topology& t : topologies_) t.of_slot[slot] = -1;
  }
  NodeInfo& n = nodes_[slot];
  n.id = slot;
  n.name = name;
  node_index_.set(name, slot);
  return slot;
}

void ClusterCache::release_if_empty(uint32_t slot) {
  NodeInfo& n = nodes_[slot];
  // A node that the snapshot still lists keeps its slot until the next refresh.
  if (n.node || !n.pods.empty() || n.in_snapshot) return;
  node_index_.erase(n.name);
  n.name = api::Str();
  free_nodes_.push_back(slot);
}

void ClusterCache::changed(NodeInfo& node) {
  ++generation_;
  if (log_.size() >= kMinLog + 2 * nodes_.size()) {
    log_.erase(log_.begin(), log_.begin() + static_cast<ptrdiff_t>(log_.size() / 2));
  }
  log_.push_back(node.id);
}

// The next snapshot takes the node anew, which is when it learns how many nodes have its images.
void ClusterCache::touch(NodeInfo& node) {
  if (node.dirty) return;
  node.dirty = true;
  dirty_.push_back(node.id);
}

void ClusterCache::add_node(NodeRef node) {
  const uint32_t slot = slot_for(node->metadata.name);
  NodeInfo& n = nodes_[slot];
  if (n.node) return update_node(std::move(node));
  n.zone = NodeTree::zone_of(*node);
  n.set_node(std::move(node));
  tree_.add(n.zone, slot);
  set_topology(n);
  set_images(n, nullptr);
  changed(n);
  touch(n);
}

void ClusterCache::update_node(NodeRef node) {
  const auto slot = node_index_.find(node->metadata.name);
  if (!slot || !nodes_[*slot].node) return add_node(std::move(node));
  NodeInfo& n = nodes_[*slot];
  const NodeRef old = n.node;
  const bool relabelled = !(old->metadata.labels == node->metadata.labels);
  // A heartbeat changes nothing that plugins look at.
  const bool same = !relabelled && old->spec == node->spec &&
                    old->status.allocatable == node->status.allocatable &&
                    old->status.images == node->status.images;
  n.set_node(std::move(node));
  if (relabelled) {
    const std::string zone = NodeTree::zone_of(*n.node);
    if (n.zone != std::string_view(zone)) {
      tree_.remove(n.zone, *slot);
      n.zone = zone;
      tree_.add(n.zone, *slot);
    }
    set_topology(n);
  }
  set_images(n, old.get());
  if (!same) changed(n);
  touch(n);
}

void ClusterCache::remove_node(const api::Str& name) {
  const auto slot = node_index_.find(name);
  if (!slot || !nodes_[*slot].node) return;
  NodeInfo& n = nodes_[*slot];
  tree_.remove(n.zone, *slot);
  n.set_node(nullptr);
  set_images(n, nullptr);
  changed(n);
  touch(n);
  release_if_empty(*slot);
}

const NodeInfo* ClusterCache::find_node(std::string_view name) const {
  const auto slot = node_index_.find(name);
  return slot && nodes_[*slot].in_snapshot && nodes_[*slot].node ? &nodes_[*slot] : nullptr;
}

void ClusterCache::refresh() {
  bool rebuild = order_.size() != tree_.size();
  for (const uint32_t slot : dirty_) {
    NodeInfo& n = nodes_[slot];
    n.dirty = false;
    if (n.in_snapshot && !n.node) {
      n.in_snapshot = false;
      rebuild = true;
      release_if_empty(slot);
    } else if (n.node) {
      // A node that came and went between two snapshots changes nothing.
      if (!n.in_snapshot) rebuild = true;
      bool other = false;
      for (NodeInfo::Image& i : n.images) {
        const ImageState& now = images_[i.image];
        other = other || i.size != now.size || i.nodes != now.nodes;
        i.size = now.size;
        i.nodes = now.nodes;
      }
      if (other) changed(n);
    }
  }
  dirty_.clear();
  if (!rebuild) return;
  tree_.list(&order_);
  ++order_version_;
  for (size_t i = 0; i < order_.size(); ++i) {
    nodes_[order_[i]].in_snapshot = true;
    nodes_[order_[i]].position = static_cast<uint32_t>(i);
  }
}

// ---- pods

uint32_t ClusterCache::state_of(const api::Str& uid) const {
  return pod_index_.find(client::uid_hash(uid),
                         [&](uint32_t state) { return pods_[state].pod->uid() == uid; });
}

void ClusterCache::place(uint32_t state) {
  PodState& p = pods_[state];
  const PodInfo& pod = *p.pod;
  p.label_class = acquire_class(pod);
  p.node = slot_for(pod.node_name);
  NodeInfo& n = nodes_[p.node];
  p.index = static_cast<uint32_t>(n.pods.size());
  n.add_pod(p.pod, p.label_class, state);
  if (pod.t->has_pod_affinity) ++pods_with_affinity_;
  if (!pod.t->required_anti_affinity.empty()) ++pods_with_anti_;
  changed(n);
  touch(n);
}

void ClusterCache::unplace(uint32_t state) {
  PodState& p = pods_[state];
  const PodInfo& pod = *p.pod;
  NodeInfo& n = nodes_[p.node];
  n.remove_at(p.index);
  if (p.index < n.pods.size()) pods_[n.pods[p.index].state].index = p.index;
  changed(n);
  touch(n);
  release_if_empty(p.node);
  if (pod.t->has_pod_affinity) --pods_with_affinity_;
  if (!pod.t->required_anti_affinity.empty()) --pods_with_anti_;
  release_class(p.label_class);
  p.label_class = kNoClass;
}

// Takes a newer state of a pod that counts as the one before; false if it does not.
bool ClusterCache::replace(uint32_t state, const PodInfoRef& pod) {
  PodState& p = pods_[state];
  const PodInfo& old = *p.pod;
  if (old.t != pod->t || old.terminating != pod->terminating || old.resized || pod->resized ||
      old.node_name != pod->node_name || !(old.labels() == pod->labels())) {
    return false;
  }
  NodeInfo& n = nodes_[p.node];
  n.replace_at(p.index, pod);
  pods_[n.pods[p.index].state].index = p.index;
  p.index = static_cast<uint32_t>(n.pods.size() - 1);
  p.pod = pod;
  touch(n);
  return true;
}

void ClusterCache::add_pod(PodInfoRef pod) {
  if (const uint32_t found = state_of(pod->uid()); found != kNone) {
    // Assumed before, or known: what the API says now counts.
    pods_[found].assumed = false;
    if (replace(found, pod)) return;
    unplace(found);
    pods_[found].pod = std::move(pod);
    place(found);
    return;
  }
  uint32_t state = 0;
  if (free_pods_.empty()) {
    state = static_cast<uint32_t>(pods_.size());
    pods_.emplace_back();
  } else {
    state = free_pods_.back();
    free_pods_.pop_back();
  }
  pod_index_.insert(client::uid_hash(pod->uid()), state);
  pods_[state] = PodState();
  pods_[state].pod = std::move(pod);
  place(state);
}

void ClusterCache::update_pod(PodInfoRef pod) { add_pod(std::move(pod)); }

void ClusterCache::assume(PodInfoRef pod) {
  const api::Str uid = pod->uid();
  add_pod(std::move(pod));
  pods_[state_of(uid)].assumed = true;
}

void ClusterCache::forget(const api::Str& uid) {
  if (is_assumed(uid)) remove_pod(uid);
}

void ClusterCache::finish_binding(const api::Str& uid) {
  if (const uint32_t found = state_of(uid); found != kNone) pods_[found].binding_finished = true;
}

bool ClusterCache::is_assumed(const api::Str& uid) const {
  const uint32_t found = state_of(uid);
  return found != kNone && pods_[found].assumed;
}

PodInfoRef ClusterCache::find_pod(const api::Str& uid) const {
  const uint32_t found = state_of(uid);
  return found != kNone ? pods_[found].pod : PodInfoRef();
}

void ClusterCache::remove_pod(const api::Str& uid) {
  const uint32_t state = state_of(uid);
  if (state == kNone) return;
  unplace(state);
  pod_index_.erase(client::uid_hash(uid), state);
  pods_[state] = PodState();
  free_pods_.push_back(state);
}

}  // namespace mainspring::scheduler
