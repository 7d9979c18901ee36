#include "models/autoscaling/horizontal_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/autoscaling/replica_calculator.h"
#include "models/controllers/util.h"

namespace mainspring::autoscaling {

namespace {

using api::HorizontalPodAutoscaler;
using api::HorizontalPodAutoscalerStatus;
using api::HPAScalingRules;
using api::MetricSpec;
using api::MetricStatus;
using api::Pod;
using api::Time;
using client::Outcome;
using client::Plan;
using client::ReconcileContext;
using client::Request;
using client::Verb;
using client::WatchEvent;
using client::WatchType;
using controllers::Key;
using controllers::key_of;
using controllers::kFalse;
using controllers::kNormal;
using controllers::kTrue;
using controllers::kWarning;
namespace condition = api::horizontal_pod_autoscaler_condition_type;
namespace source = api::metric_source_type;

// What the scale subresource of a workload says.
struct Scale {
  int32_t spec_replicas = 0;
  int32_t status_replicas = 0;
  api::Opt<api::LabelSelector> selector;
};

bool scale_of(const api::Object& o, Scale* scale) {
  if (const auto* d = api::try_as<api::Deployment>(o)) {
    *scale = {d->spec.replicas.value_or(1), d->status.replicas, d->spec.selector};
  } else if (const auto* rs = api::try_as<api::ReplicaSet>(o)) {
    *scale = {rs->spec.replicas.value_or(1), rs->status.replicas, rs->spec.selector};
  } else if (const auto* s = api::try_as<api::StatefulSet>(o)) {
    *scale = {s->spec.replicas.value_or(1), s->status.replicas, s->spec.selector};
  } else {
    return false;
  }
  return true;
}

void set_condition(HorizontalPodAutoscalerStatus& status, std::string_view type,
                   std::string_view value, std::string_view reason, const std::string& message,
                   Time now) {
  api::ListItems<api::HorizontalPodAutoscalerCondition>& all = status.conditions.edit();
  auto c = std::find_if(all.begin(), all.end(), [type](const auto& x) { return x.type == type; });
  if (c == all.end()) {
    all.emplace_back();
    c = all.end() - 1;
    c->type = type;
  }
  if (c->status != value) c->last_transition_time = now.truncated_to_second();
  c->status = value;
  c->reason = reason;
  c->message = message;
}

// --- history ------------------------------------------------------------------------------------

struct Recommendation {
  int32_t replicas = 0;
  Time at;
};
struct ScaleEvent {
  int32_t change = 0;
  Time at;
  bool outdated = false;
};
// What is remembered of one autoscaler; lost when the process restarts.
struct History {
  std::vector<Recommendation> recommendations;
  std::vector<ScaleEvent> ups;
  std::vector<ScaleEvent> downs;
  api::Opt<api::LabelSelector> selector;
};

void remember(History& h, int32_t replicas, Time now, std::optional<size_t> old) {
  if (old) {
    h.recommendations[*old] = {replicas, now};
  } else {
    h.recommendations.push_back({replicas, now});
  }
}

int32_t changed_within(const std::vector<ScaleEvent>& events, int32_t seconds, Time now) {
  const Time cutoff = now - api::Duration::seconds(seconds);
  int32_t sum = 0;
  for (const ScaleEvent& e : events) {
    if (e.at > cutoff) sum += e.change;
  }
  return sum;
}

void store_event(std::vector<ScaleEvent>& events, const HPAScalingRules& rules, int32_t change,
                 Time now) {
  int32_t longest = 0;
  for (const api::HPAScalingPolicy& p : rules.policies) {
    longest = std::max(longest, p.period_seconds);
  }
  const Time cutoff = now - api::Duration::seconds(longest);
  ScaleEvent* old = nullptr;
  for (ScaleEvent& e : events) {
    if (e.at < cutoff) e.outdated = true;
    if (e.outdated) old = &e;
  }
  if (old) {
    *old = {change, now, false};
  } else {
    events.push_back({change, now, false});
  }
}

// --- behaviour ----------------------------------------------------------------------------------

api::HPAScalingPolicy policy(std::string_view type, int32_t value) {
  api::HPAScalingPolicy p;
  p.type = type;
  p.value = value;
  p.period_seconds = 15;
  return p;
}

// The given rules over the defaults (pkg/apis/autoscaling/v2/defaults.go).
HPAScalingRules with_defaults(const api::Opt<HPAScalingRules>& given, bool up,
                              api::Duration down_window) {
  namespace type = api::hpa_scaling_policy_type;
  HPAScalingRules rules;
  const int64_t down_seconds = down_window / api::Duration::seconds(1);
  rules.stabilization_window_seconds = up ? 0 : static_cast<int32_t>(down_seconds);
  rules.select_policy = api::scaling_policy_select::kMax;
  if (up) {
    rules.policies = {policy(type::kPods, 4), policy(type::kPercent, 100)};
  } else {
    rules.policies = {policy(type::kPercent, 100)};
  }
  if (!given) return rules;
  if (given->stabilization_window_seconds) {
    rules.stabilization_window_seconds = given->stabilization_window_seconds;
  }
  if (!given->select_policy.empty()) rules.select_policy = given->select_policy;
  if (!given->policies.empty()) rules.policies = given->policies;
  return rules;
}

// How far the policies let the workload go from `current`.
int32_t rate_limit(const HPAScalingRules& rules, bool up, int32_t current, const History& h,
                   Time now) {
  namespace type = api::hpa_scaling_policy_type;
  if (rules.select_policy == api::scaling_policy_select::kDisabled) return current;
  const bool least = rules.select_policy == api::scaling_policy_select::kMin;
  // The smallest change is the lowest count upwards, the highest downwards.
  const bool take_smaller = least == up;
  int32_t result = take_smaller ? INT32_MAX : INT32_MIN;
  for (const api::HPAScalingPolicy& p : rules.policies) {
    const int32_t start = current - changed_within(h.ups, p.period_seconds, now) +
                          changed_within(h.downs, p.period_seconds, now);
    const double part = static_cast<double>(p.value) / 100;
    int32_t proposed = 0;
    if (p.type == type::kPods) {
      proposed = up ? start + p.value : start - p.value;
    } else if (up) {
      proposed = static_cast<int32_t>(std::ceil(static_cast<double>(start) * (1 + part)));
    } else {
      proposed = static_cast<int32_t>(static_cast<double>(start) * (1 - part));
    }
    result = take_smaller ? std::min(result, proposed) : std::max(result, proposed);
  }
  return result;
}

constexpr std::string_view kScaleUpLimit = "ScaleUpLimit";
constexpr std::string_view kTooFast =
    "the desired replica count is increasing faster than the maximum scale rate";
constexpr std::string_view kTooMany =
    "the desired replica count is more than the maximum replica count";
constexpr std::string_view kTooFew =
    "the desired replica count is less than the minimum replica count";
constexpr std::string_view kHigher =
    "recent recommendations were higher than current one, applying the highest recent "
    "recommendation";
constexpr std::string_view kLower =
    "recent recommendations were lower than current one, applying the lowest recent "
    "recommendation";

// A count and why it is what it is.
struct Limited {
  int32_t replicas = 0;
  std::string_view reason;
  std::string_view message;
};
constexpr std::string_view kWithinReason = "DesiredWithinRange";
constexpr std::string_view kWithin = "the desired count is within the acceptable range";

// --- one sync -----------------------------------------------------------------------------------

// A sync has three stages: the scale subresource is read; everything is decided, in memory and
// once; the new scale is written and the status reports it.
enum Stage : uint32_t { kDecide = 1, kScaled, kFailed };

struct Turn final : client::SyncState {
  api::Ref<const HorizontalPodAutoscaler> hpa;
  HorizontalPodAutoscalerStatus status;  // being made
  Scale scale;
  int32_t desired = 0;
  std::string reason;
  std::string error;  // of the metrics
};

// One decision in progress.
struct Sync {
  ReconcileContext& ctx;
  const HorizontalPodAutoscaler& hpa;
  HorizontalPodAutoscalerStatus status;
  History& history;

  Time now() const { return ctx.now(); }
  void condition(std::string_view type, std::string_view value, std::string_view reason,
                 std::string_view message) {
    set_condition(status, type, value, reason, std::string(message), now());
  }
  void event(std::string_view type, std::string_view reason, std::string message) {
    ctx.event(hpa, type, reason, std::move(message));
  }
};

void set_status(HorizontalPodAutoscalerStatus& status, int32_t current, int32_t desired,
                const api::List<MetricStatus>& metrics) {
  status.current_replicas = current;
  status.desired_replicas = desired;
  status.current_metrics = metrics;
  status.observed_generation.reset();
}

class HorizontalController final : public client::Reconciler {
 public:
  explicit HorizontalController(HorizontalOptions options) : options_(options) {}

  std::string_view name() const override { return "horizontal-pod-autoscaler"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<HorizontalController>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    return {{api::Kind::HorizontalPodAutoscaler, {}},
            {api::Kind::Pod, {client::IndexBy::kNamespace}}};
  }
  int32_t workers() const override { return options_.workers; }
  client::RateLimits rate_limits() const override {
    return client::RateLimits::fixed(options_.sync_period);
  }

  void start(ReconcileContext& ctx) override {
    for (const api::ObjectRef& o : ctx.cache(api::Kind::HorizontalPodAutoscaler).list()) {
      ctx.enqueue_after(key_of(*o), wait(ctx.now()));
    }
  }
  void observe(ReconcileContext& ctx, const WatchEvent& event) override {
    if (event.object->kind != api::Kind::HorizontalPodAutoscaler) return;
    const Key key = key_of(*event.object);
    if (event.type == WatchType::kDeleted) {
      ctx.queue().add(key);
    } else {
      ctx.enqueue_after(key, wait(ctx.now()));
    }
  }
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t stage, const client::SyncState* state,
              const client::PlanResult& result) override;

 private:
  api::Duration wait(Time now) const;
  // The next turn comes with the period, whatever became of this one.
  Plan until_next(ReconcileContext& ctx) const { return Plan::after(wait(ctx.now())); }
  Plan write_status(ReconcileContext& ctx, const Turn& turn, uint32_t then = 0) const;
  Plan decide(ReconcileContext& ctx, const Key& key, const Turn& turn, const Outcome& target);
  Plan scaled(ReconcileContext& ctx, const Key& key, const Turn& turn, const Outcome& written);

  struct MetricsResult {
    int32_t replicas = -1;  // -1: nothing can be said
    std::string metric;
    std::string error;
    api::List<MetricStatus> statuses;
  };
  // What one metric says: a count, or why there is none.
  struct MetricResult {
    int32_t replicas = 0;
    std::string metric;
    std::string reason;  // of the condition, when it failed
    std::string cause;   // in the condition and the event
    std::string error;   // as the sync reports it
    MetricStatus status;
  };
  MetricsResult compute(Sync& s, const Key& key, const Scale& scale);
  MetricResult compute_one(const Sync& s, const MetricSpec& spec, const Scale& scale,
                           const std::vector<const Pod*>& pods,
                           const std::vector<client::PodMetrics>& metrics) const;
  MetricResult compute_resource(const Sync& s, std::string_view resource,
                                std::string_view container, const api::MetricTarget& target,
                                const Scale& scale, const std::vector<const Pod*>& pods,
                                const std::vector<client::PodMetrics>& metrics,
                                api::MetricValueStatus* value) const;
  std::string check_selector(Sync& s, const Key& key, const Scale& scale,
                             std::vector<const Pod*>* pods);
  Tolerances tolerances(const HorizontalPodAutoscaler& hpa) const;
  int32_t normalize(Sync& s, int32_t current, int32_t desired);
  int32_t normalize_with_behavior(Sync& s, int32_t current, int32_t desired);

  HorizontalOptions options_;
  std::map<Key, History> history_;
};

// Until the next turn of an autoscaler.
api::Duration HorizontalController::wait(Time now) const {
  if (options_.phase.is_zero()) return options_.sync_period;
  api::Duration into = (now - options_.phase) % options_.sync_period;
  if (into < api::Duration()) into = into + options_.sync_period;
  return options_.sync_period - into;
}

// What the scale subresource is asked of.
std::optional<Request> target_request(Verb verb, const HorizontalPodAutoscaler& hpa) {
  const api::CrossVersionObjectReference& target = hpa.spec.scale_target_ref;
  const api::KindInfo* info = api::find_kind(target.api_version, target.kind);
  if (!info) return std::nullopt;
  Request r;
  r.verb = verb;
  r.kind = info->kind;
  r.ns = hpa.metadata.namespace_;
  r.name = target.name;
  return r;
}

Plan HorizontalController::sync(ReconcileContext& ctx, const Key& key) {
  const auto [ns, name] = controllers::split_key(key);
  api::Ref<Turn> turn(new Turn());
  turn->hpa =
      ctx.cache(api::Kind::HorizontalPodAutoscaler).get_ref<HorizontalPodAutoscaler>(ns, name);
  if (!turn->hpa) {
    history_.erase(key);
    return Plan::done();
  }
  const std::optional<Request> get = target_request(Verb::kGet, *turn->hpa);
  if (!get) {
    Outcome none;
    const api::CrossVersionObjectReference& target = turn->hpa->spec.scale_target_ref;
    none.message = fmt::format(
        "unable to determine resource for scale target reference: no matches for kind \"{}\" in "
        "group \"{}\"",
        target.kind.view(), target.api_version.view());
    return decide(ctx, key, *turn, none);
  }
  Plan plan;
  plan.write(*get);
  plan.then = kDecide;
  plan.state = std::move(turn);
  return plan;
}

Plan HorizontalController::resume(ReconcileContext& ctx, const Key& key, uint32_t stage,
                                  const client::SyncState* state,
                                  const client::PlanResult& result) {
  const Turn& turn = static_cast<const Turn&>(*state);
  switch (stage) {
    case kDecide:
      return decide(ctx, key, turn, result.outcomes.front());
    case kScaled:
      return scaled(ctx, key, turn, result.outcomes.front());
    default:
      ctx.event(*turn.hpa, kWarning, "FailedComputeMetricsReplicas", turn.error);
      return until_next(ctx);
  }
}

// Writes the status if it says anything new.
Plan HorizontalController::write_status(ReconcileContext& ctx, const Turn& turn,
                                        uint32_t then) const {
  Plan plan = until_next(ctx);
  if (!(turn.status == turn.hpa->status)) {
    api::Ref<HorizontalPodAutoscaler> body = api::clone(*turn.hpa);
    body->status = turn.status;
    plan.write(controllers::update_status_request(body));
  }
  plan.then = then;
  if (then) plan.state = api::Ref<const client::SyncState>(new Turn(turn));
  return plan;
}

Plan HorizontalController::decide(ReconcileContext& ctx, const Key& key, const Turn& turn,
                                  const Outcome& target) {
  Turn next = turn;
  const HorizontalPodAutoscaler& hpa = *turn.hpa;
  Sync s{ctx, hpa, hpa.status, history_[key]};

  std::string failure;
  if (target.not_found()) {
    const api::KindInfo& info =
        *api::find_kind(hpa.spec.scale_target_ref.api_version, hpa.spec.scale_target_ref.kind);
    failure = fmt::format("{}/scale.{} \"{}\" not found", info.resource, info.group,
                          hpa.spec.scale_target_ref.name.view());
  } else if (!target.ok()) {
    failure = target.message.str();
  } else if (!scale_of(*target.object, &next.scale)) {
    failure = "the server could not find the requested resource";
  }
  if (!failure.empty()) {
    s.event(kWarning, "FailedGetScale", failure);
    s.condition(condition::kAbleToScale, kFalse, "FailedGetScale",
                "the HPA controller was unable to get the target's current scale: " + failure);
    next.status = s.status;
    return write_status(ctx, next);
  }
  s.condition(condition::kAbleToScale, kTrue, "SucceededGetScale",
              "the HPA controller was able to get the target's current scale");

  const int32_t current = next.scale.spec_replicas;
  const int32_t min_replicas = hpa.spec.min_replicas.value_or(1);
  // A fresh process must not scale down at once: what there is counts as recommended.
  if (s.history.recommendations.empty()) s.history.recommendations.push_back({current, s.now()});

  int32_t desired = 0;
  bool rescale = true;
  api::List<MetricStatus> metrics;
  if (current == 0 && min_replicas != 0) {
    rescale = false;
    s.condition(condition::kScalingActive, kFalse, "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero");
  } else if (current > hpa.spec.max_replicas) {
    next.reason = "Current number of replicas above Spec.MaxReplicas";
    desired = hpa.spec.max_replicas;
  } else if (current < min_replicas) {
    next.reason = "Current number of replicas below Spec.MinReplicas";
    desired = min_replicas;
  } else {
    const MetricsResult result = compute(s, key, next.scale);
    metrics = result.statuses;
    if (!result.error.empty() && result.replicas == -1) {
      next.error = result.error;
      set_status(s.status, current, s.status.desired_replicas, metrics);
      next.status = s.status;
      return write_status(ctx, next, kFailed);
    }
    desired = std::max(0, result.replicas);
    if (desired > current) next.reason = result.metric + " above target";
    if (desired < current) next.reason = "All metrics below target";
    desired = hpa.spec.behavior ? normalize_with_behavior(s, current, desired)
                                : normalize(s, current, desired);
    rescale = desired != current;
  }

  next.desired = desired;
  if (!rescale) {
    set_status(s.status, current, current, metrics);
    next.status = s.status;
    return write_status(ctx, next);
  }
  s.status.current_metrics = metrics;
  next.status = s.status;
  Request write = *target_request(Verb::kScale, hpa);
  write.replicas = desired;
  Plan plan;
  plan.write(std::move(write));
  plan.then = kScaled;
  plan.state = api::Ref<const client::SyncState>(new Turn(std::move(next)));
  return plan;
}

// The answer to the write of the new scale.
Plan HorizontalController::scaled(ReconcileContext& ctx, const Key& key, const Turn& turn,
                                  const Outcome& written) {
  Turn next = turn;
  const HorizontalPodAutoscaler& hpa = *turn.hpa;
  Sync s{ctx, hpa, turn.status, history_[key]};
  const int32_t current = turn.scale.spec_replicas;
  const int32_t desired = turn.desired;
  const api::List<MetricStatus> metrics = turn.status.current_metrics;
  if (!written.ok()) {
    s.event(kWarning, "FailedRescale",
            fmt::format("New size: {}; reason: {}; error: {}", desired, turn.reason,
                        written.message.view()));
    s.condition(
        condition::kAbleToScale, kFalse, "FailedUpdateScale",
        "the HPA controller was unable to update the target scale: " + written.message.str());
    set_status(s.status, current, hpa.status.desired_replicas, metrics);
    next.status = s.status;
    return write_status(ctx, next);
  }
  s.condition(condition::kAbleToScale, kTrue, "SucceededRescale",
              fmt::format("the HPA controller was able to update the target scale to {}", desired));
  s.event(kNormal, "SuccessfulRescale",
          fmt::format("New size: {}; reason: {}", desired, turn.reason));
  if (hpa.spec.behavior) {
    const bool up = desired > current;
    const HPAScalingRules rules =
        with_defaults(up ? hpa.spec.behavior->scale_up : hpa.spec.behavior->scale_down, up,
                      options_.downscale_stabilization);
    store_event(up ? s.history.ups : s.history.downs, rules,
                up ? desired - current : current - desired, s.now());
  }
  set_status(s.status, current, desired, metrics);
  s.status.last_scale_time = s.now().truncated_to_second();
  next.status = s.status;
  return write_status(ctx, next);
}

// --- metrics ------------------------------------------------------------------------------------

Tolerances HorizontalController::tolerances(const HorizontalPodAutoscaler& hpa) const {
  Tolerances t{options_.tolerance, options_.tolerance};
  if (!options_.configurable_tolerance || !hpa.spec.behavior) return t;
  const auto& down = hpa.spec.behavior->scale_down;
  const auto& up = hpa.spec.behavior->scale_up;
  if (down && down->tolerance) t.down = down->tolerance->to_double();
  if (up && up->tolerance) t.up = up->tolerance->to_double();
  return t;
}

// The pods under the target's selector; an error if several autoscalers claim them.
std::string HorizontalController::check_selector(Sync& s, const Key& key, const Scale& scale,
                                                 std::vector<const Pod*>* pods) {
  if (!scale.selector || controllers::selects_everything(*scale.selector)) {
    s.event(kWarning, "SelectorRequired", "selector is required");
    s.condition(condition::kScalingActive, kFalse, "InvalidSelector",
                "the HPA target's scale is missing a selector");
    return "selector is required";
  }
  s.history.selector = scale.selector;
  const api::Str& ns = s.hpa.metadata.namespace_;
  for (const api::ObjectRef& o : s.ctx.cache(api::Kind::Pod).by(client::IndexBy::kNamespace, ns)) {
    const Pod& pod = api::as<Pod>(*o);
    if (controllers::matches(*scale.selector, pod.metadata.labels)) pods->push_back(&pod);
  }
  std::sort(pods->begin(), pods->end(),
            [](const Pod* a, const Pod* b) { return a->metadata.name < b->metadata.name; });
  std::vector<std::string> claimants;
  for (const auto& [other, history] : history_) {
    if (controllers::split_key(other).first != ns.view() || !history.selector) continue;
    const auto claims = [&selector = *history.selector](const Pod* p) {
      return controllers::matches(selector, p->metadata.labels);
    };
    if (other == key || std::any_of(pods->begin(), pods->end(), claims))
      claimants.push_back(other.str());
  }
  if (claimants.size() < 2 || pods->empty()) return {};
  const api::Selector selector = api::Selector::compile(*scale.selector).value_or(api::Selector());
  std::string message = fmt::format("pods by selector {} are controlled by multiple HPAs: [{}]",
                                    selector.to_string(), fmt::join(claimants, " "));
  s.event(kWarning, "AmbiguousSelector", message);
  s.condition(condition::kScalingActive, kFalse, "AmbiguousSelector", message);
  return message;
}

HorizontalController::MetricsResult HorizontalController::compute(Sync& s, const Key& key,
                                                                  const Scale& scale) {
  MetricsResult result;
  std::vector<const Pod*> pods;
  result.error = check_selector(s, key, scale, &pods);
  if (!result.error.empty()) return result;
  const std::vector<client::PodMetrics> metrics =
      s.ctx.control().pod_metrics(s.hpa.metadata.namespace_);

  int32_t replicas = 0;
  size_t invalid = 0;
  MetricResult first_invalid;
  std::vector<MetricStatus> statuses;
  for (const MetricSpec& spec : s.hpa.spec.metrics) {
    MetricResult one = compute_one(s, spec, scale, pods, metrics);
    statuses.push_back(one.status);
    if (!one.error.empty()) {
      s.event(kWarning, one.reason, one.cause);
      if (invalid++ == 0) first_invalid = std::move(one);
    } else if (replicas == 0 || one.replicas > replicas) {
      replicas = one.replicas;
      result.metric = one.metric;
    }
  }
  result.statuses = api::List<MetricStatus>(std::move(statuses));
  const size_t total = s.hpa.spec.metrics.size();
  if (invalid > 0) {
    result.error = fmt::format("invalid metrics ({} invalid out of {}), first error is: {}",
                               invalid, total, first_invalid.error);
  }
  // A metric that is missing might have asked for more: nothing is taken away on the word of the
  // others alone.
  if (invalid >= total || (invalid > 0 && replicas < scale.spec_replicas)) {
    s.condition(condition::kScalingActive, kFalse, first_invalid.reason,
                "the HPA was unable to compute the replica count: " + first_invalid.cause);
    return result;
  }
  s.condition(condition::kScalingActive, kTrue, "ValidMetricFound",
              "the HPA was able to successfully calculate a replica count from " + result.metric);
  result.replicas = replicas;
  return result;
}

HorizontalController::MetricResult HorizontalController::compute_resource(
    const Sync& s, std::string_view resource, std::string_view container,
    const api::MetricTarget& target, const Scale& scale, const std::vector<const Pod*>& pods,
    const std::vector<client::PodMetrics>& metrics, api::MetricValueStatus* value) const {
  MetricResult result;
  const Samples samples = samples_of(metrics, pods, resource, container);
  const CalculatorOptions calculator{options_.cpu_initialization_period,
                                     options_.initial_readiness_delay};
  const bool by_value = target.average_value.has_value();
  Proposal p;
  if (!by_value && !target.average_utilization) {
    result.cause =
        "invalid resource metric source: neither an average utilization target nor an average "
        "value (usage) target was set";
    return result;
  }
  if (samples.empty() && !pods.empty()) {
    p.error = fmt::format(
        "unable to get metrics for resource {}: no metrics returned from resource metrics API",
        resource);
  } else if (by_value) {
    p = replicas_for_value(samples, pods, scale.status_replicas,
                           target.average_value->milli_value(), resource, tolerances(s.hpa),
                           calculator, s.now());
  } else {
    p = replicas_for_utilization(samples, pods, scale.spec_replicas, *target.average_utilization,
                                 resource, container, tolerances(s.hpa), calculator, s.now());
  }
  if (!p.error.empty()) {
    result.cause = fmt::format("failed to get {} {}: {}", resource,
                               by_value ? "usage" : "utilization", p.error);
    return result;
  }
  result.replicas = p.replicas;
  value->average_value = api::Quantity::from_milli(p.average_milli);
  if (by_value) {
    result.metric = fmt::format("{} resource", resource);
  } else {
    value->average_utilization = p.utilization;
    result.metric = fmt::format("{} {}resource utilization (percentage of request)", resource,
                                container.empty() ? "" : "container ");
  }
  return result;
}

HorizontalController::MetricResult HorizontalController::compute_one(
    const Sync& s, const MetricSpec& spec, const Scale& scale, const std::vector<const Pod*>& pods,
    const std::vector<client::PodMetrics>& metrics) const {
  constexpr std::string_view kNoCustom =
      "unable to fetch metrics from custom metrics API: no custom metrics API "
      "(custom.metrics.k8s.io) registered";
  const api::Str& ns = s.hpa.metadata.namespace_;
  MetricResult result;
  api::MetricValueStatus value;
  if (spec.type == source::kResource && spec.resource) {
    const api::ResourceMetricSource& m = *spec.resource;
    result = compute_resource(s, m.name, "", m.target, scale, pods, metrics, &value);
    if (result.cause.empty()) {
      result.status.type = spec.type;
      api::ResourceMetricStatus status;
      status.name = m.name;
      status.current = value;
      result.status.resource = std::move(status);
      return result;
    }
    result.reason = "FailedGetResourceMetric";
    result.error =
        fmt::format("failed to get {} resource metric value: {}", m.name.view(), result.cause);
  } else if (spec.type == source::kContainerResource && spec.container_resource) {
    const api::ContainerResourceMetricSource& m = *spec.container_resource;
    result = compute_resource(s, m.name, m.container, m.target, scale, pods, metrics, &value);
    if (result.cause.empty()) {
      result.status.type = spec.type;
      api::ContainerResourceMetricStatus status;
      status.name = m.name;
      status.container = m.container;
      status.current = value;
      result.status.container_resource = std::move(status);
      return result;
    }
    result.reason = "FailedGetContainerResourceMetric";
    result.error = fmt::format("failed to get {} container metric value: {}", m.container.view(),
                               result.cause);
  } else if (spec.type == source::kPods && spec.pods) {
    result.reason = "FailedGetPodsMetric";
    result.cause =
        fmt::format("unable to get metric {}: {}", spec.pods->metric.name.view(), kNoCustom);
    result.error = "failed to get pods metric value: " + result.cause;
  } else if (spec.type == source::kObject && spec.object) {
    const api::CrossVersionObjectReference& o = spec.object->described_object;
    result.reason = "FailedGetObjectMetric";
    result.cause =
        fmt::format("unable to get metric {}: {} on {} {}/{}", spec.object->metric.name.view(),
                    o.kind.view(), ns.view(), o.name.view(), kNoCustom);
    result.error = "failed to get object metric value: " + result.cause;
  } else if (spec.type == source::kExternal && spec.external) {
    const api::MetricIdentifier& m = spec.external->metric;
    result.reason = "FailedGetExternalMetric";
    result.cause = fmt::format(
        "unable to get external metric {}/{}/{}: unable to fetch metrics from external metrics "
        "API: the server could not find the requested resource (get {}.external.metrics.k8s.io)",
        ns.view(), m.name.view(), m.selector ? "&LabelSelector{}" : "nil", m.name.view());
    result.error =
        fmt::format("failed to get {} external metric value: {}", m.name.view(), result.cause);
  } else {
    result.reason = "InvalidMetricSourceType";
    result.cause = fmt::format("unknown metric source type \"{}\"", spec.type.view());
    result.error = result.cause;
  }
  return result;
}

// --- from the proposal to the count -------------------------------------------------------------

int32_t HorizontalController::normalize(Sync& s, int32_t current, int32_t desired) {
  const Time now = s.now();
  int32_t stabilized = desired;
  std::optional<size_t> old;
  const Time cutoff = now - options_.downscale_stabilization;
  for (size_t i = 0; i < s.history.recommendations.size(); ++i) {
    const Recommendation& r = s.history.recommendations[i];
    if (r.at < cutoff) {
      old = i;
    } else {
      stabilized = std::max(stabilized, r.replicas);
    }
  }
  remember(s.history, desired, now, old);
  if (stabilized != desired) {
    s.condition(condition::kAbleToScale, kTrue, "ScaleDownStabilized", kHigher);
  } else {
    s.condition(condition::kAbleToScale, kTrue, "ReadyForNewScale",
                "recommended size matches current size");
  }

  // Never more than double in one turn, or four.
  const int32_t step = std::max(2 * current, 4);
  const int32_t max_replicas = s.hpa.spec.max_replicas;
  const int32_t min_replicas = s.hpa.spec.min_replicas.value_or(1);
  Limited limited{stabilized, kWithinReason, kWithin};
  if (stabilized < min_replicas) {
    limited = {min_replicas, "TooFewReplicas", kTooFew};
  } else if (stabilized > std::min(max_replicas, step)) {
    limited = max_replicas > step ? Limited{step, kScaleUpLimit, kTooFast}
                                  : Limited{max_replicas, "TooManyReplicas", kTooMany};
  }
  s.condition(condition::kScalingLimited, limited.replicas == stabilized ? kFalse : kTrue,
              limited.reason, limited.message);
  return limited.replicas;
}

int32_t HorizontalController::normalize_with_behavior(Sync& s, int32_t current, int32_t desired) {
  const Time now = s.now();
  const api::HorizontalPodAutoscalerBehavior& behavior = *s.hpa.spec.behavior;
  const HPAScalingRules up =
      with_defaults(behavior.scale_up, true, options_.downscale_stabilization);
  const HPAScalingRules down =
      with_defaults(behavior.scale_down, false, options_.downscale_stabilization);

  // Growth goes to the lowest recommendation of its window, shrinking to the highest of its own.
  const Time up_cutoff = now - api::Duration::seconds(up.stabilization_window_seconds.value_or(0));
  const Time down_cutoff =
      now - api::Duration::seconds(down.stabilization_window_seconds.value_or(0));
  int32_t up_to = desired;
  int32_t down_to = desired;
  std::optional<size_t> old;
  for (size_t i = 0; i < s.history.recommendations.size(); ++i) {
    const Recommendation& r = s.history.recommendations[i];
    if (r.at > up_cutoff) up_to = std::min(up_to, r.replicas);
    if (r.at > down_cutoff) down_to = std::max(down_to, r.replicas);
    if (r.at < up_cutoff && r.at < down_cutoff) old = i;
  }
  int32_t stabilized = std::max(current, up_to);
  if (stabilized > down_to) stabilized = down_to;
  remember(s.history, desired, now, old);
  if (stabilized == desired) {
    s.condition(condition::kAbleToScale, kTrue, "ReadyForNewScale",
                "recommended size matches current size");
  } else if (desired >= current) {
    s.condition(condition::kAbleToScale, kTrue, "ScaleUpStabilized", kLower);
  } else {
    s.condition(condition::kAbleToScale, kTrue, "ScaleDownStabilized", kHigher);
  }

  Limited limited{stabilized, kWithinReason, kWithin};
  if (stabilized > current) {
    const int32_t limit = std::max(current, rate_limit(up, true, current, s.history, now));
    const bool by_rate = s.hpa.spec.max_replicas > limit;
    const int32_t most = by_rate ? limit : s.hpa.spec.max_replicas;
    if (stabilized > most) {
      limited = by_rate ? Limited{most, kScaleUpLimit, kTooFast}
                        : Limited{most, "TooManyReplicas", kTooMany};
    }
  } else if (stabilized < current) {
    const int32_t min_replicas = s.hpa.spec.min_replicas.value_or(1);
    const int32_t limit = std::min(current, rate_limit(down, false, current, s.history, now));
    const bool by_rate = min_replicas < limit;
    const int32_t least = by_rate ? limit : min_replicas;
    if (stabilized < least) {
      limited = by_rate ? Limited{least, "ScaleDownLimit",
                                  "the desired replica count is decreasing faster than the maximum "
                                  "scale rate"}
                        : Limited{least, "TooFewReplicas", kTooFew};
    }
  }
  s.condition(condition::kScalingLimited, limited.replicas == stabilized ? kFalse : kTrue,
              limited.reason, limited.message);
  return limited.replicas;
}

}  // namespace

std::unique_ptr<client::Reconciler> make_horizontal_controller(HorizontalOptions options) {
  return std::make_unique<HorizontalController>(options);
}

}  // namespace mainspring::autoscaling
