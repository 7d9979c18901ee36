#include "models/controllers/namespace_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Namespace;
using api::NamespaceCondition;
using api::Pod;

constexpr int64_t kFinalizerEstimate = 15;  // seconds to wait for somebody's finalizer
constexpr std::string_view kFinalizer = "kubernetes";

struct Inputs final : client::SyncState {
  api::Str name;
};

// What is left of the contents.
struct Remaining {
  std::vector<std::pair<std::string, size_t>> resources;  // "pods." -> how many
  std::map<std::string, size_t> finalizers;
  int64_t estimate = 0;  // seconds until it might be gone
};

class NamespaceController final : public client::Reconciler {
 public:
  explicit NamespaceController(NamespaceOptions options) : options_(options) {}

  std::string_view name() const override { return "namespace-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<NamespaceController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override { return {{api::Kind::Namespace, {}}}; }
  int32_t workers() const override { return options_.workers; }
  client::ClientLimits client_limits() const override {
    return {options_.qps_milli, options_.burst};
  }
  client::RateLimits rate_limits() const override {
    return {api::Duration::millis(5), api::Duration::seconds(60), true};
  }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.type == WatchType::kDeleted || event.object->metadata.deletion_timestamp.is_zero()) {
      return;
    }
    ctx.enqueue_after(key_of(*event.object), options_.grace);
  }
  Plan sync(ReconcileContext& ctx, const Key& key) override {
    api::Ref<Inputs> in(new Inputs());
    in->name = key;
    return run(ctx, key, Script(ctx, std::move(in)));
  }
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }

 private:
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  static Error empty(Script& script, int64_t* estimate);
  static Error delete_kind(Script& script, const Namespace& ns, const api::KindInfo& info,
                           Remaining* left, std::string* error);
  static Error report(Script& script, const Namespace& ns, const Remaining& left,
                      const std::string& error);

  NamespaceOptions options_;
};

Plan NamespaceController::run(ReconcileContext&, const Key&, Script script) {
  int64_t estimate = 0;
  const Error e = empty(script, &estimate);
  if (e.is_pending()) return script.next_plan();
  if (e) return Plan::retry(e.message());
  return estimate > 0 ? Plan::after(api::Duration::seconds(estimate / 2 + 1)) : Plan::done();
}

Error NamespaceController::empty(Script& script, int64_t* estimate) {
  Request get;
  get.verb = Verb::kGet;
  get.kind = api::Kind::Namespace;
  get.name = script.inputs<Inputs>().name;
  const Outcome* o = nullptr;
  if (Error e = script.call(get, &o)) return e;
  if (o->not_found()) return {};
  if (!o->ok()) return Error::of(*o);
  const Namespace& ns = api::as<Namespace>(*o->object);
  if (ns.metadata.deletion_timestamp.is_zero() || ns.spec.finalizers.empty()) return {};

  Remaining left;
  std::string error;
  if (Error e = delete_kind(script, ns, api::kind_info(api::Kind::Pod), &left, &error)) return e;
  if (left.resources.empty()) {
    for (const api::KindInfo& info : api::all_kinds()) {
      if (!info.namespaced || info.kind == api::Kind::Pod || info.kind == api::Kind::Unstructured) {
        continue;
      }
      if (Error e = delete_kind(script, ns, info, &left, &error)) return e;
    }
  }
  if (Error e = report(script, ns, left, error)) return e;
  if (!error.empty()) return Error::failed(error);
  *estimate = left.estimate;
  if (left.estimate > 0) return {};

  // Empty: our finalizer goes, and the namespace with it.
  if (Error e = script.call(get, &o)) return e;
  if (o->not_found()) return {};
  if (!o->ok()) return Error::of(*o);
  api::Ref<Namespace> body = api::clone(api::as<Namespace>(*o->object));
  std::vector<api::Str> kept;
  for (const api::Str& f : body->spec.finalizers) {
    if (f != kFinalizer) kept.push_back(f);
  }
  body->spec.finalizers = api::List<api::Str>(std::move(kept));
  Request finalize = get;
  finalize.verb = Verb::kFinalize;
  finalize.body = body;
  if (Error e = script.call(finalize, &o)) return e;
  return o->ok() || o->not_found() ? Error() : Error::of(*o);
}

// Deletes all objects of a kind and counts those that stay for a while.
Error NamespaceController::delete_kind(Script& script, const Namespace& ns,
                                       const api::KindInfo& info, Remaining* left,
                                       std::string* error) {
  Request r;
  r.kind = info.kind;
  r.ns = ns.metadata.name;
  int64_t grace = 0;
  const Outcome* o = nullptr;
  if (info.kind == api::Kind::Pod) {
    r.verb = Verb::kList;
    if (Error e = script.call(r, &o)) return e;
    for (const api::ObjectRef& p : o->objects) {
      const Pod& pod = api::as<Pod>(*p);
      if (api::is_terminal(pod)) continue;
      grace = std::max(grace, pod.spec.termination_grace_period_seconds.value_or(0));
    }
    const api::Duration gone = script.now() - ns.metadata.deletion_timestamp;
    grace = std::max<int64_t>(0, grace - gone.ns() / 1'000'000'000);
  }
  r.verb = Verb::kDeleteCollection;
  r.propagation = client::Propagation::kBackground;
  if (Error e = script.call(r, &o)) return e;
  if (!o->ok()) {
    *error = o->message.str();
    return {};
  }
  r.verb = Verb::kList;
  r.propagation = client::Propagation::kDefault;
  if (Error e = script.call(r, &o)) return e;
  if (o->objects.empty()) return {};
  left->resources.emplace_back(fmt::format("{}.{}", info.resource, info.group), o->objects.size());
  bool finalizers = false;
  for (const api::ObjectRef& object : o->objects) {
    for (const api::Str& f : object->metadata.finalizers) {
      ++left->finalizers[f.str()];
      finalizers = true;
    }
  }
  if (grace > 0) {
    left->estimate = std::max(left->estimate, grace);
  } else if (finalizers) {
    left->estimate = std::max(left->estimate, kFinalizerEstimate);
  } else {
    *error = fmt::format("unexpected items still remain in namespace: {} for gvr: {}",
                         ns.metadata.name.view(), info.resource);
  }
  return {};
}

// The conditions say how far the deletion is; written only when they change.
Error NamespaceController::report(Script& script, const Namespace& ns, const Remaining& left,
                                  const std::string& error) {
  api::Ref<Namespace> body = api::clone(ns);
  bool changed = false;
  const auto set = [&](std::string_view type, bool bad, std::string_view reason,
                       std::string_view message) {
    api::ListItems<NamespaceCondition>& all = body->status.conditions.edit();
    auto c = std::find_if(all.begin(), all.end(), [&](const auto& x) { return x.type == type; });
    if (c == all.end()) {
      all.emplace_back();
      c = all.end() - 1;
      c->type = type;
    } else if (c->status == (bad ? kTrue : kFalse) && c->message == message &&
               c->reason == reason) {
      return;
    }
    if (c->status != (bad ? kTrue : kFalse)) {
      c->last_transition_time = script.now().truncated_to_second();
    }
    c->status = bad ? kTrue : kFalse;
    c->reason = reason;
    c->message = message;
    changed = true;
  };
  set("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
      "All resources successfully discovered");
  set("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
      "All legacy kube types successfully parsed");
  if (error.empty()) {
    set("NamespaceDeletionContentFailure", false, "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization");
  } else {
    set("NamespaceDeletionContentFailure", true, "ContentDeletionFailed",
        "Failed to delete all resource types, 1 remaining: " + error);
  }
  if (left.resources.empty()) {
    set("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed");
  } else {
    std::vector<std::string> parts;
    for (const auto& [resource, n] : left.resources) {
      parts.push_back(fmt::format("{} has {} resource instances", resource, n));
    }
    std::sort(parts.begin(), parts.end());
    set("NamespaceContentRemaining", true, "SomeResourcesRemain",
        fmt::format("Some resources are remaining: {}", fmt::join(parts, ", ")));
  }
  if (left.finalizers.empty()) {
    set("NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
        "All content-preserving finalizers finished");
  } else {
    std::vector<std::string> parts;
    for (const auto& [finalizer, n] : left.finalizers) {
      parts.push_back(fmt::format("{} in {} resource instances", finalizer, n));
    }
    set("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain",
        fmt::format("Some content in the namespace has finalizers remaining: {}",
                    fmt::join(parts, ", ")));
  }
  if (!changed) return {};
  const Outcome* o = nullptr;
  return script.call(update_status_request(body), &o);
}

}  // namespace

std::unique_ptr<client::Reconciler> make_namespace_controller(NamespaceOptions options) {
  return std::make_unique<NamespaceController>(options);
}

}  // namespace mainspring::controllers
