#include "models/autoscaling/replica_calculator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "models/api/pod_helpers.h"

namespace mainspring::autoscaling {

namespace {
using api::Pod;

constexpr std::string_view kNoMetrics =
    "did not receive metrics for targeted pods (pods might be unready)";

// Which pods count, by what is known of them.
struct Groups {
  int64_t ready = 0;
  std::vector<api::Str> unready;
  std::vector<api::Str> missing;
  std::vector<api::Str> ignored;
};

bool is_unready_for_cpu(const Pod& pod, const PodMetric& sample, const CalculatorOptions& options,
                        api::Time now) {
  const api::PodCondition* c =
      api::find_condition(pod.status.conditions, api::pod_condition_type::kReady);
  if (!c || pod.status.start_time.is_zero()) return true;
  const bool not_ready = c->status == api::condition_status::kFalse;
  if (pod.status.start_time + options.cpu_initialization_period > now) {
    // A young pod counts once a whole window was measured since it became ready.
    return not_ready || sample.timestamp < c->last_transition_time + sample.window;
  }
  // An older one counts unless it has never been ready.
  return not_ready &&
         pod.status.start_time + options.initial_readiness_delay > c->last_transition_time;
}

Groups group(const std::vector<const Pod*>& pods, const Samples& samples, std::string_view resource,
             const CalculatorOptions& options, api::Time now) {
  Groups g;
  for (const Pod* pod : pods) {
    const api::Str& name = pod->metadata.name;
    if (api::is_terminating(*pod) || pod->status.phase == api::pod_phase::kFailed) {
      g.ignored.push_back(name);
      continue;
    }
    if (pod->status.phase == api::pod_phase::kPending) {
      g.unready.push_back(name);
      continue;
    }
    const auto sample = samples.find(name);
    if (sample == samples.end()) {
      g.missing.push_back(name);
      continue;
    }
    if (resource == "cpu" && is_unready_for_cpu(*pod, sample->second, options, now)) {
      g.unready.push_back(name);
      continue;
    }
    ++g.ready;
  }
  return g;
}

void remove(Samples& samples, const std::vector<api::Str>& names) {
  for (const api::Str& n : names) samples.erase(n);
}

// The groups of the pods, whose samples are left to those that count.
Groups sort_out(const std::vector<const Pod*>& pods, std::string_view resource,
                const CalculatorOptions& options, api::Time now, Samples* samples,
                std::string* error) {
  if (pods.empty()) {
    *error = "no pods returned by selector while calculating replica count";
    return {};
  }
  Groups g = group(pods, *samples, resource, options, now);
  remove(*samples, g.ignored);
  remove(*samples, g.unready);
  if (samples->empty()) *error = kNoMetrics;
  return g;
}

void put(Samples& samples, const std::vector<api::Str>& names, int64_t value) {
  for (const api::Str& n : names) samples[n] = PodMetric{value, {}, {}};
}

using Requests = std::map<api::Str, int64_t>;  // thousandths, by pod

std::string requests_of(const std::vector<const Pod*>& pods, std::string_view resource,
                        std::string_view container, Requests* out) {
  for (const Pod* pod : pods) {
    int64_t sum = 0;
    const api::Quantity* whole = nullptr;
    if (container.empty() && pod->spec.resources) {
      whole = pod->spec.resources->requests.find(resource);
    }
    std::string error;
    const auto add = [&](const api::Container& c) {
      if (!container.empty() && c.name != container) return;
      const api::Quantity* q = c.resources.requests.find(resource);
      if (q) {
        sum += q->milli_value();
      } else if (error.empty()) {
        error = fmt::format("missing request for {} in container {} of Pod {}", resource,
                            c.name.view(), pod->metadata.name.view());
      }
    };
    if (whole) {
      sum = whole->milli_value();
    } else {
      for (const api::Container& c : pod->spec.containers) add(c);
      for (const api::Container& c : pod->spec.init_containers) {
        if (api::is_sidecar(c)) add(c);
      }
    }
    if (!error.empty()) return error;
    (*out)[pod->metadata.name] = sum;
  }
  return {};
}

struct Ratio {
  std::string error;
  double ratio = 0;
  int32_t utilization = 0;
  int64_t average_milli = 0;
};

// Percent of requests in use, as a whole number, over the target.
Ratio utilization_ratio(const Samples& samples, const Requests& requests, int32_t target_percent) {
  int64_t used = 0;
  int64_t requested = 0;
  int64_t n = 0;
  for (const auto& [name, sample] : samples) {
    const auto request = requests.find(name);
    if (request == requests.end()) continue;
    used += sample.value_milli;
    requested += request->second;
    ++n;
  }
  Ratio r;
  if (requested == 0) {
    r.error = "no metrics returned matched known pods";
    return r;
  }
  r.utilization = static_cast<int32_t>(used * 100 / requested);
  r.ratio = static_cast<double>(r.utilization) / static_cast<double>(target_percent);
  r.average_milli = used / n;
  return r;
}

Ratio value_ratio(const Samples& samples, int64_t target_milli) {
  int64_t used = 0;
  for (const auto& [name, sample] : samples) used += sample.value_milli;
  Ratio r;
  r.average_milli = used / static_cast<int64_t>(samples.size());
  r.ratio = static_cast<double>(r.average_milli) / static_cast<double>(target_milli);
  return r;
}

int32_t ceil_of(double x) { return static_cast<int32_t>(std::ceil(x)); }

// The part that both kinds of target share. `ratio_of` computes a ratio from samples, `fallback`
// is what a pod without a sample is taken to use when the workload would shrink.
template <class RatioOf, class Fallback>
Proposal propose(Samples samples, const Groups& g, int32_t current, const Tolerances& tolerances,
                 const RatioOf& ratio_of, const Fallback& fallback) {
  Proposal p;
  const Ratio first = ratio_of(samples);
  if (!first.error.empty()) {
    p.error = first.error;
    return p;
  }
  p.utilization = first.utilization;
  p.average_milli = first.average_milli;
  p.replicas = current;
  const bool grow_with_unready = !g.unready.empty() && first.ratio > 1.0;
  if (!grow_with_unready && g.missing.empty()) {
    if (!tolerances.within(first.ratio)) {
      p.replicas = ceil_of(first.ratio * static_cast<double>(g.ready));
    }
    return p;
  }
  // Cautious either way: pods that are not measured use nothing when growing, all when shrinking.
  if (first.ratio < 1.0) {
    for (const api::Str& n : g.missing) samples[n] = PodMetric{fallback(n), {}, {}};
  } else if (first.ratio > 1.0) {
    put(samples, g.missing, 0);
  }
  if (grow_with_unready) put(samples, g.unready, 0);
  const Ratio second = ratio_of(samples);
  if (!second.error.empty()) {
    p.error = second.error;
    return p;
  }
  if (tolerances.within(second.ratio) || (first.ratio < 1.0 && second.ratio > 1.0) ||
      (first.ratio > 1.0 && second.ratio < 1.0)) {
    return p;
  }
  const int32_t n = ceil_of(second.ratio * static_cast<double>(samples.size()));
  if ((second.ratio < 1.0 && n > current) || (second.ratio > 1.0 && n < current)) return p;
  p.replicas = n;
  return p;
}
}  // namespace

Samples samples_of(const std::vector<client::PodMetrics>& metrics,
                   const std::vector<const Pod*>& pods, std::string_view resource,
                   std::string_view container) {
  std::set<api::Str> selected;
  for (const Pod* pod : pods) selected.insert(pod->metadata.name);
  Samples samples;
  for (const client::PodMetrics& m : metrics) {
    if (!selected.contains(m.name)) continue;
    PodMetric sample{0, m.timestamp, m.window};
    bool found = container.empty() && !m.containers.empty();
    for (const client::ContainerMetrics& c : m.containers) {
      if (!container.empty() && c.name != container) continue;
      found = true;
      sample.value_milli += resource == "cpu" ? c.cpu_milli : c.memory_bytes * 1000;
    }
    if (found) samples.emplace(m.name, sample);
  }
  return samples;
}

Proposal replicas_for_utilization(Samples samples, const std::vector<const Pod*>& pods,
                                  int32_t current, int32_t target_percent,
                                  std::string_view resource, std::string_view container,
                                  const Tolerances& tolerances, const CalculatorOptions& options,
                                  api::Time now) {
  Proposal p;
  const Groups g = sort_out(pods, resource, options, now, &samples, &p.error);
  if (!p.error.empty()) return p;
  Requests requests;
  p.error = requests_of(pods, resource, container, &requests);
  if (!p.error.empty()) return p;
  const auto ratio = [&](const Samples& s) {
    return utilization_ratio(s, requests, target_percent);
  };
  const auto fallback = [&](const api::Str& pod) {
    return requests[pod] * std::max(100, target_percent) / 100;
  };
  return propose(std::move(samples), g, current, tolerances, ratio, fallback);
}

Proposal replicas_for_value(Samples samples, const std::vector<const Pod*>& pods, int32_t current,
                            int64_t target_milli, std::string_view resource,
                            const Tolerances& tolerances, const CalculatorOptions& options,
                            api::Time now) {
  Proposal p;
  const Groups g = sort_out(pods, resource, options, now, &samples, &p.error);
  if (!p.error.empty()) return p;
  const auto ratio = [&](const Samples& s) { return value_ratio(s, target_milli); };
  const auto fallback = [&](const api::Str&) { return target_milli; };
  return propose(std::move(samples), g, current, tolerances, ratio, fallback);
}

}  // namespace mainspring::autoscaling
