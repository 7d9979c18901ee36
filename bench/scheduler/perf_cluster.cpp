#include "bench/scheduler/perf_cluster.h"

#include <fmt/format.h>

#include "models/api/codec.h"
#include "models/api/patch.h"
#include "models/api/yaml.h"

namespace mainspring::bench {

namespace {
api::Json tree(std::string_view yaml) {
  api::Diagnostics diagnostics;
  const std::vector<api::Json> documents = api::read_documents(yaml, 0, &diagnostics);
  MAINSPRING_CHECK(diagnostics.ok() && documents.size() == 1, "bad YAML: {}\n{}", yaml,
                   diagnostics.to_text());
  return documents.front();
}

template <class T>
api::Ref<T> patched(const T& like, std::string_view patch) {
  api::Diagnostics diagnostics;
  api::Ref<api::Object> out = api::apply_strategic_merge_patch(like, tree(patch), diagnostics);
  MAINSPRING_CHECK(diagnostics.ok(), "bad patch: {}\n{}", patch, diagnostics.to_text());
  return api::Ref<T>(static_cast<T*>(out.detach()));
}
}  // namespace

api::Ref<api::Object> object(std::string_view yaml) {
  api::Diagnostics diagnostics;
  const api::ObjectRef decoded = api::decode(tree(yaml), diagnostics);
  MAINSPRING_CHECK(diagnostics.ok(), "bad object: {}\n{}", yaml, diagnostics.to_text());
  return api::clone(*decoded);
}

api::Ref<api::Pod> light_pod(std::string_view patch) {
  static const api::Ref<api::Pod> light = make<api::Pod>(R"(
    apiVersion: v1
    kind: Pod
    spec:
      schedulerName: default-scheduler
      containers: [{name: pause, image: "registry.k8s.io/pause:3.10.1"}]
    status: {phase: Pending})");
  return patched(*light, patch);
}

api::Ref<api::Pod> default_pod(std::string_view patch) {
  const api::Ref<api::Pod> pod = light_pod(
      "spec: {containers: [{name: pause, resources: {requests: {cpu: 100m, memory: 500Mi}}}]}");
  return patched(*pod, patch);
}

api::Ref<api::Node> default_node(std::string_view patch) {
  static const api::Ref<api::Node> node = make<api::Node>(R"(
    apiVersion: v1
    kind: Node
    status: {allocatable: {cpu: "4", memory: 32Gi, pods: "110"}})");
  return patched(*node, patch);
}

Context::Context(const client::ControlLoop& loop) {
  for (const client::WatchSpec& w : loop.watches()) {
    client::Cache& c = caches_.try_emplace(w.kind, w.kind).first->second;
    for (const client::IndexBy i : w.indexes) c.add_index(i);
  }
}

PerfCluster::PerfCluster(bool plain)
    : scheduler_([plain] {
        scheduler::SchedulerOptions options;
        options.cycle_time = api::Duration();
        options.remember_verdicts = !plain;
        return std::make_unique<scheduler::Scheduler>(options);
      }()),
      ctx_(*scheduler_) {}

void PerfCluster::add_nodes(int count, const std::vector<std::string>& zones,
                            const api::Ref<api::Node>& like) {
  for (int i = 0; i < count; ++i) {
    const api::Ref<api::Node> node = api::clone(*like);
    node->metadata.name = fmt::format("node-{}", nodes_++);
    node->metadata.labels.set("kubernetes.io/hostname", node->metadata.name);
    if (!zones.empty()) {
      node->metadata.labels.set("topology.kubernetes.io/zone",
                                zones[static_cast<size_t>(i) % zones.size()]);
    }
    put(node);
  }
}

void PerfCluster::add_namespace(const std::string& name, const char* labels) {
  put(object(fmt::format("{{apiVersion: v1, kind: Namespace, metadata: {{name: {}, labels: {}}}}}",
                         name, labels)));
}

std::vector<PodRef> PerfCluster::make_pods(const api::Ref<api::Pod>& like, int count,
                                           const char* in_namespace) {
  std::vector<PodRef> out;
  for (int i = 0; i < count; ++i) {
    const api::Ref<api::Pod> p = api::clone(*like);
    p->metadata.name = fmt::format("pod-{}", ++pods_);
    p->metadata.namespace_ = in_namespace;
    p->metadata.uid = fmt::format("00000000-0000-4000-8000-{:012}", pods_);
    p->metadata.resource_version = "1";
    out.push_back(p);
  }
  return out;
}

void PerfCluster::put(api::ObjectRef object) {
  const api::Kind kind = object->kind;
  const bool there =
      ctx_.cache(kind).find(object->metadata.namespace_, object->metadata.name) != nullptr;
  hear(ctx_.apply(there ? client::WatchType::kModified : client::WatchType::kAdded,
                  std::move(object)));
}

void PerfCluster::remove(api::Kind kind, std::string_view ns, std::string_view name) {
  const api::ObjectRef* found = ctx_.cache(kind).find(ns, name);
  MAINSPRING_CHECK(found != nullptr, "nothing to remove: {}/{}", ns, name);
  hear(ctx_.apply(client::WatchType::kDeleted, api::ObjectRef(*found)));
}

void PerfCluster::schedule(const PodRef& pod) {
  put(pod);
  while (!ctx_.sent.empty()) answer();
}

void PerfCluster::schedule_all(const std::vector<PodRef>& pods) {
  for (const PodRef& p : pods) schedule(p);
}

void PerfCluster::hear(const client::WatchEvent& event) {
  const auto start = std::chrono::steady_clock::now();
  scheduler_->on_watch(ctx_, event);
  busy_ += std::chrono::steady_clock::now() - start;
}

void PerfCluster::answer() {
  const auto [request, cookie] = std::move(ctx_.sent.back());
  ctx_.sent.pop_back();
  Answer answer = carry_out(request);
  const auto start = std::chrono::steady_clock::now();
  scheduler_->on_outcome(ctx_, cookie, answer.outcome);
  busy_ += std::chrono::steady_clock::now() - start;
  if (answer.object) hear(ctx_.apply(answer.type, std::move(answer.object)));
}

PerfCluster::Answer PerfCluster::carry_out(const client::Request& request) {
  Answer answer;
  answer.outcome.code = 200;
  if (request.kind != api::Kind::Pod && request.kind != api::Kind::ResourceClaim) return answer;
  const api::ObjectRef* found = ctx_.cache(request.kind).find(request.ns, request.name);
  MAINSPRING_CHECK(found != nullptr, "a request about {}/{}, which is not there", request.ns.view(),
                   request.name.view());
  api::Ref<api::Object> after;
  switch (request.verb) {
    case client::Verb::kBind:
      after = api::clone(**found);
      static_cast<api::Pod&>(*after).spec.node_name = request.target;
      ++bound_;
      break;
    case client::Verb::kUpdate:
      after = api::clone(*request.body);
      api::copy_status(**found, *after);
      break;
    case client::Verb::kUpdateStatus:
      after = api::clone(**found);
      api::copy_status(*request.body, *after);
      break;
    case client::Verb::kPatchStatusJson: {
      api::Diagnostics diagnostics;
      after = api::apply_strategic_merge_patch(**found, request.patch, diagnostics);
      break;
    }
    case client::Verb::kDelete:
      answer.type = client::WatchType::kDeleted;
      answer.object = *found;
      ++deleted_;
      return answer;
    default:
      return answer;
  }
  after->metadata.resource_version = std::to_string(++version_);
  answer.outcome.object = answer.object = after;
  return answer;
}

void steady(benchmark::State& state, int nodes, const std::vector<std::string>& zones,
            const api::Ref<api::Pod>& init, int init_pods, const api::Ref<api::Pod>& measured,
            int pods) {
  run(state, [&](PerfCluster& c) {
    c.add_namespace("sched-0");
    c.add_namespace("sched-1");
    c.add_nodes(nodes, zones);
    c.schedule_all(c.make_pods(init, init_pods, "sched-0"));
    return c.make_pods(measured, pods);
  });
}

}  // namespace mainspring::bench
