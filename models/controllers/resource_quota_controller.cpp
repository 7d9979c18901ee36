#include "models/controllers/resource_quota_controller.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Pod;
using api::Quantity;
using api::ResourceQuota;
using api::Str;

enum Timer : client::Cookie { kResync = 1 };

// The kinds that quotas can count.
constexpr api::Kind kCounted[] = {
    api::Kind::Pod,        api::Kind::Service,    api::Kind::PersistentVolumeClaim,
    api::Kind::ConfigMap,  api::Kind::Secret,     api::Kind::ReplicationController,
    api::Kind::ReplicaSet, api::Kind::Deployment, api::Kind::StatefulSet,
    api::Kind::DaemonSet,  api::Kind::Job,        api::Kind::CronJob};

// Whether a pod falls under one scope of a quota.
bool in_scope(const Pod& pod, std::string_view scope) {
  namespace s = api::resource_quota_scope;
  const bool limited = pod.spec.active_deadline_seconds.has_value();
  const bool best_effort = api::compute_qos_class(pod.spec) == api::pod_qos_class::kBestEffort;
  if (scope == s::kTerminating) return limited;
  if (scope == s::kNotTerminating) return !limited;
  if (scope == s::kBestEffort) return best_effort;
  if (scope == s::kNotBestEffort) return !best_effort;
  if (scope == s::kPriorityClass) return !pod.spec.priority_class_name.empty();
  return true;
}

bool in_scopes(const ResourceQuota& quota, const Pod& pod) {
  for (const Str& scope : quota.spec.scopes) {
    if (!in_scope(pod, scope)) return false;
  }
  if (!quota.spec.scope_selector) return true;
  for (const auto& r : quota.spec.scope_selector->match_expressions) {
    const bool listed =
        std::find(r.values.begin(), r.values.end(), pod.spec.priority_class_name) != r.values.end();
    const bool in = in_scope(pod, r.scope_name);
    if (r.operator_ == "In" && !(in && listed)) return false;
    if (r.operator_ == "NotIn" && in && listed) return false;
    if (r.operator_ == "Exists" && !in) return false;
    if (r.operator_ == "DoesNotExist" && in) return false;
  }
  return true;
}

void add(api::Map<Quantity>& used, const Str& name, const Quantity& q) {
  if (used.contains(name)) used.set(name, used.get(name) + q);
}

class ResourceQuotaController final : public client::Reconciler {
 public:
  explicit ResourceQuotaController(ResourceQuotaOptions options) : options_(options) {}

  std::string_view name() const override { return "resourcequota-controller"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<ResourceQuotaController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    std::vector<client::WatchSpec> all{{api::Kind::ResourceQuota, {client::IndexBy::kNamespace}}};
    for (const api::Kind k : kCounted) all.push_back({k, {client::IndexBy::kNamespace}});
    return all;
  }
  int32_t workers() const override { return options_.workers; }

  void start(ReconcileContext& ctx) override { resync(ctx); }
  void on_timer(ReconcileContext& ctx, client::Cookie) override { resync(ctx); }
  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;

 private:
  // Counts everything anew; only needs its timer while there are quotas.
  void resync(ReconcileContext& ctx) {
    armed_ = false;
    for (const api::ObjectRef& o : ctx.cache(api::Kind::ResourceQuota).list()) {
      ctx.queue().add(key_of(*o));
    }
    arm(ctx);
  }
  void arm(ReconcileContext& ctx) {
    if (armed_ || ctx.cache(api::Kind::ResourceQuota).size() == 0) return;
    ctx.control().set_timer(ctx.now() + options_.sync_period, kResync);
    armed_ = true;
  }

  ResourceQuotaOptions options_;
  bool armed_ = false;
};

void ResourceQuotaController::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const api::Object& o = *event.object;
  if (o.kind == api::Kind::ResourceQuota) {
    arm(ctx);
    // Its own status writes are of no interest.
    const bool same =
        event.type == WatchType::kModified && event.old &&
        api::as<ResourceQuota>(*event.old).spec.hard == api::as<ResourceQuota>(o).spec.hard;
    if (!same) ctx.queue().add(key_of(o));
    return;
  }
  bool freed = event.type == WatchType::kDeleted;
  if (const Pod* pod = api::try_as<Pod>(o); pod && event.old && !freed) {
    freed = api::is_terminal(*pod) && !api::is_terminal(api::as<Pod>(*event.old));
  }
  if (!freed) return;
  for (const api::ObjectRef& quota :
       ctx.cache(api::Kind::ResourceQuota).by(client::IndexBy::kNamespace, o.metadata.namespace_)) {
    ctx.queue().add(key_of(*quota));
  }
}

Plan ResourceQuotaController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  const api::Ref<const ResourceQuota> quota =
      ctx.cache(api::Kind::ResourceQuota).get_ref<ResourceQuota>(ns, name);
  if (!quota) return Plan::done();
  api::Map<Quantity> used;
  for (const auto& [resource, hard] : quota->spec.hard) used.set(resource, Quantity());
  for (const api::Kind kind : kCounted) {
    const api::KindInfo& info = api::kind_info(kind);
    const std::string full = info.group.empty() ? std::string(info.resource)
                                                : fmt::format("{}.{}", info.resource, info.group);
    const Str by_count = "count/" + full;
    const Str plain = info.group.empty() ? Str(info.resource) : Str();
    for (const api::ObjectRef& o : ctx.cache(kind).by(client::IndexBy::kNamespace, ns)) {
      const Pod* pod = api::try_as<Pod>(*o);
      if (pod && !in_scopes(*quota, *pod)) continue;
      add(used, by_count, Quantity::from_value(1));
      if (!pod) {
        if (!plain.empty()) add(used, plain, Quantity::from_value(1));
        continue;
      }
      // Pods that have ended hold nothing but their place among all objects.
      if (api::is_terminal(*pod)) continue;
      add(used, plain, Quantity::from_value(1));
      for (const auto& [resource, q] : api::pod_requests(*pod)) {
        add(used, resource, q);
        add(used, fmt::format("requests.{}", resource.view()), q);
      }
      for (const auto& [resource, q] : api::pod_limits(pod->spec)) {
        add(used, fmt::format("limits.{}", resource.view()), q);
      }
    }
  }
  if (quota->status.hard == quota->spec.hard && quota->status.used == used) return Plan::done();
  api::Ref<ResourceQuota> body = api::clone(*quota);
  body->status.hard = quota->spec.hard;
  body->status.used = std::move(used);
  Plan plan;
  plan.write(update_status_request(body));
  return plan;
}

}  // namespace

std::unique_ptr<client::Reconciler> make_resource_quota_controller(ResourceQuotaOptions options) {
  return std::make_unique<ResourceQuotaController>(options);
}

}  // namespace mainspring::controllers
