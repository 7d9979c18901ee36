#include "models/controllers/disruption_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/api/types/apps.h"
#include "models/api/types/policy.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Pod;
using api::PodDisruptionBudget;
using api::PodDisruptionBudgetStatus;
using api::Time;

// A pod that was let go counts as gone for this long before its deletion is seen.
constexpr api::Duration kDeletionTimeout = api::Duration::minutes(2);

class DisruptionController final : public client::Reconciler {
 public:
  // Events come from "controllermanager", and that is the only place where the name is seen.
  std::string_view name() const override { return "controllermanager"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<DisruptionController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::PodDisruptionBudget, {client::IndexBy::kNamespace}},
            {api::Kind::Pod, {client::IndexBy::kNamespace}},
            {api::Kind::ReplicaSet, {}},
            {api::Kind::Deployment, {}},
            {api::Kind::StatefulSet, {}}};
  }
  int32_t workers() const override { return 1; }

  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.object->kind == api::Kind::PodDisruptionBudget) {
      ctx.queue().add(key_of(*event.object));
    } else if (event.object->kind == api::Kind::Pod) {
      add_budget_of(ctx, *event.object);
      if (event.old && !(event.old->metadata.labels == event.object->metadata.labels)) {
        add_budget_of(ctx, *event.old);
      }
    }
  }
  Plan sync(ReconcileContext& ctx, const Key& key) override;

 private:
  // The first budget that selects the pod; several are a mistake that evictions report.
  static void add_budget_of(ReconcileContext& ctx, const api::Object& pod) {
    for (const api::ObjectRef& o : ctx.cache(api::Kind::PodDisruptionBudget)
                                       .by(client::IndexBy::kNamespace, pod.metadata.namespace_)) {
      const PodDisruptionBudget& budget = api::as<PodDisruptionBudget>(*o);
      if (!matches(budget.spec.selector, pod.metadata.labels)) continue;
      ctx.queue().add(key_of(budget));
      return;
    }
  }
  static bool expected_scale(ReconcileContext& ctx, const std::vector<const Pod*>& pods,
                             int32_t* expected, std::vector<std::string>* unmanaged,
                             std::string* error);
  static std::optional<Time> count_healthy(ReconcileContext& ctx, const PodDisruptionBudget& budget,
                                           const std::vector<const Pod*>& pods,
                                           PodDisruptionBudgetStatus* s);
};

// The replicas that the controllers of the pods want, each controller once.
bool DisruptionController::expected_scale(ReconcileContext& ctx,
                                          const std::vector<const Pod*>& pods, int32_t* expected,
                                          std::vector<std::string>* unmanaged, std::string* error) {
  std::map<api::Str, int32_t> scales;
  for (const Pod* pod : pods) {
    const api::OwnerReference* owner = api::controller_of(*pod);
    if (!owner) {
      unmanaged->push_back(pod->metadata.name.str());
      continue;
    }
    const api::Str& ns = pod->metadata.namespace_;
    if (owner->kind == "ReplicaSet") {
      const api::ReplicaSet* rs =
          ctx.cache(api::Kind::ReplicaSet).get<api::ReplicaSet>(ns, owner->name);
      if (!rs) continue;
      const api::OwnerReference* top = controller_of_kind(*rs, "Deployment");
      if (!top) {
        scales[rs->metadata.uid] = rs->spec.replicas.value_or(1);
      } else if (const api::Deployment* d =
                     ctx.cache(api::Kind::Deployment).get<api::Deployment>(ns, top->name)) {
        scales[d->metadata.uid] = d->spec.replicas.value_or(1);
      }
    } else if (owner->kind == "StatefulSet") {
      const api::StatefulSet* s =
          ctx.cache(api::Kind::StatefulSet).get<api::StatefulSet>(ns, owner->name);
      if (s) scales[s->metadata.uid] = s->spec.replicas.value_or(1);
    } else {
      *error = fmt::format("{}.{} does not implement the scale subresource", owner->kind.view(),
                           owner->api_version.view());
      return false;
    }
  }
  for (const auto& [uid, n] : scales) *expected += n;
  return true;
}

// Counts the pods that are well, those let go already left out; when to look at these again.
std::optional<Time> DisruptionController::count_healthy(ReconcileContext& ctx,
                                                        const PodDisruptionBudget& budget,
                                                        const std::vector<const Pod*>& pods,
                                                        PodDisruptionBudgetStatus* s) {
  std::optional<Time> recheck;
  s->disrupted_pods.clear();
  s->current_healthy = 0;
  for (const Pod* pod : pods) {
    if (api::is_terminating(*pod)) continue;
    const Time* since = budget.status.disrupted_pods.find(pod->metadata.name);
    if (since) {
      const Time until = *since + kDeletionTimeout;
      if (until < ctx.now()) {
        ctx.event(*pod, kWarning, "NotDeleted",
                  fmt::format("Pod was expected by PDB {} to be deleted but it wasn't",
                              key_of(budget).view()));
      } else {
        s->disrupted_pods.set(pod->metadata.name, *since);
        if (!recheck || until < *recheck) recheck = until;
        continue;
      }
    }
    if (api::is_ready(*pod)) ++s->current_healthy;
  }
  return recheck;
}

Plan DisruptionController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = split_key(key);
  const api::Ref<const PodDisruptionBudget> budget =
      ctx.cache(api::Kind::PodDisruptionBudget).get_ref<PodDisruptionBudget>(ns, name);
  if (!budget) return Plan::done();
  const Time now = ctx.now();
  std::vector<const Pod*> pods;
  for (const api::ObjectRef& o : ctx.cache(api::Kind::Pod).by(client::IndexBy::kNamespace, ns)) {
    const Pod& pod = api::as<Pod>(*o);
    if (matches(budget->spec.selector, pod.metadata.labels)) pods.push_back(&pod);
  }
  if (pods.empty()) ctx.event(*budget, kNormal, "NoPods", "No matching pods found");

  PodDisruptionBudgetStatus s = budget->status;
  s.expected_pods = 0;
  s.desired_healthy = 0;
  std::vector<std::string> unmanaged;
  std::string error;
  const auto& max_unavailable = budget->spec.max_unavailable;
  const auto& min_available = budget->spec.min_available;
  bool known = true;
  if (max_unavailable) {
    known = expected_scale(ctx, pods, &s.expected_pods, &unmanaged, &error);
    const int64_t n = max_unavailable->scaled(s.expected_pods, true).value_or(0);
    s.desired_healthy = std::max(0, s.expected_pods - static_cast<int32_t>(n));
  } else if (min_available && min_available->is_int()) {
    s.desired_healthy = min_available->int_value();
    s.expected_pods = static_cast<int32_t>(pods.size());
  } else if (min_available) {
    known = expected_scale(ctx, pods, &s.expected_pods, &unmanaged, &error);
    s.desired_healthy =
        static_cast<int32_t>(min_available->scaled(s.expected_pods, true).value_or(0));
  }
  api::Condition c;
  c.type = "DisruptionAllowed";
  c.observed_generation = budget->metadata.generation;
  Plan plan;
  if (!known) {
    ctx.event(*budget, kWarning, "CalculateExpectedPodCountFailed",
              "Failed to calculate the number of expected pods: " + error);
    // Better nobody goes than too many.
    s = budget->status;
    s.disruptions_allowed = 0;
    c.status = kFalse;
    c.reason = "SyncFailed";
    c.message = error;
    plan = Plan::retry(error);
  } else {
    if (!unmanaged.empty()) {
      ctx.event(*budget, kWarning, "UnmanagedPods",
                "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{}) were "
                "found to be unmanaged. As a result, the status of the PDB cannot be calculated "
                "correctly, which may result in undefined behavior. To account for these pods "
                "please set \".spec.minAvailable\" field of the PDB to an integer value.");
    }
    const std::optional<Time> recheck = count_healthy(ctx, *budget, pods, &s);
    // A budget without pods allows nothing, so that the first ones are safe.
    s.disruptions_allowed =
        s.expected_pods <= 0 ? 0 : std::max(0, s.current_healthy - s.desired_healthy);
    c.status = s.disruptions_allowed > 0 ? kTrue : kFalse;
    c.reason = s.disruptions_allowed > 0 ? "SufficientPods" : "InsufficientPods";
    if (recheck) plan.requeue_after = std::max(*recheck - now, api::Duration::nanos(1));
  }
  s.observed_generation = budget->metadata.generation;
  const api::Condition* old = api::find_condition(s.conditions, c.type);
  c.last_transition_time =
      old && old->status == c.status ? old->last_transition_time : now.truncated_to_second();
  std::vector<api::Condition> conditions;
  for (const api::Condition& other : s.conditions) {
    if (other.type != c.type) conditions.push_back(other);
  }
  conditions.push_back(c);
  s.conditions = api::List<api::Condition>(std::move(conditions));
  if (s == budget->status) return plan;
  api::Ref<PodDisruptionBudget> body = api::clone(*budget);
  body->status = std::move(s);
  plan.write(update_status_request(body));
  return plan;
}

}  // namespace

std::unique_ptr<client::Reconciler> make_disruption_controller() {
  return std::make_unique<DisruptionController>();
}

}  // namespace mainspring::controllers
