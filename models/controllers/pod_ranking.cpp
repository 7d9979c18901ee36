#include "models/controllers/pod_ranking.h"

#include <algorithm>
#include <optional>

#include "models/api/pod_helpers.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {
using api::Pod;

int phase_rank(const Pod& pod) {
  if (pod.status.phase == api::pod_phase::kUnknown) return 1;
  if (pod.status.phase == api::pod_phase::kRunning) return 2;
  return 0;
}

int64_t deletion_cost(const Pod& pod) {
  const api::Str* text =
      pod.metadata.annotations.find("controller.kubernetes.io/pod-deletion-cost");
  if (!text) return 0;
  const std::optional<int64_t> cost = parse_int(*text);
  return cost && *cost >= INT32_MIN && *cost <= INT32_MAX ? *cost : 0;
}

api::Time ready_since(const Pod& pod) {
  const api::PodCondition* c =
      api::find_condition(pod.status.conditions, api::pod_condition_type::kReady);
  return c && c->status == kTrue ? c->last_transition_time : api::Time();
}

// {restarts of regular containers, restarts of sidecars}, the largest of each.
std::pair<int32_t, int32_t> most_restarts(const Pod& pod) {
  int32_t regular = 0;
  int32_t sidecar = 0;
  for (const api::ContainerStatus& s : pod.status.container_statuses) {
    regular = std::max(regular, s.restart_count);
  }
  for (const api::Container& c : pod.spec.init_containers) {
    if (!api::is_sidecar(c)) continue;
    const api::ContainerStatus* s =
        api::find_container_status(pod.status.init_container_statuses, c.name);
    if (s) sidecar = std::max(sidecar, s->restart_count);
  }
  return {regular, sidecar};
}

// <0 when the first goes before the second, >0 when after, 0 when the times are the same. Younger
// goes first; ages are compared in powers of two, and within one power the uid decides, so that
// not always the youngest are hit.
int compare_age(api::Time a, api::Time b, const Pod& pa, const Pod& pb, api::Time now) {
  if (a == b) return 0;
  if (a.is_zero()) return -1;
  if (b.is_zero()) return 1;
  const int64_t da = log2_bucket(now - a);
  const int64_t db = log2_bucket(now - b);
  if (da != db) return da < db ? -1 : 1;
  return pa.metadata.uid < pb.metadata.uid ? -1 : 1;
}

// Everything that is compared, taken once per pod.
struct SortKey {
  size_t index = 0;
  const Pod* pod = nullptr;
  bool assigned = false;
  int phase = 0;
  bool ready = false;
  int64_t cost = 0;
  int32_t rank = 0;
  api::Time ready_since;
  std::pair<int32_t, int32_t> restarts;
};

bool goes_first(const SortKey& a, const SortKey& b, api::Time now) {
  if (a.assigned != b.assigned) return !a.assigned;
  if (a.phase != b.phase) return a.phase < b.phase;
  if (a.ready != b.ready) return !a.ready;
  if (a.cost != b.cost) return a.cost < b.cost;
  if (a.rank != b.rank) return a.rank > b.rank;
  if (a.ready && b.ready) {
    const int by_ready = compare_age(a.ready_since, b.ready_since, *a.pod, *b.pod, now);
    if (by_ready != 0) return by_ready < 0;
  }
  if (a.restarts != b.restarts) return a.restarts > b.restarts;
  return compare_age(a.pod->metadata.creation_timestamp, b.pod->metadata.creation_timestamp, *a.pod,
                     *b.pod, now) < 0;
}
}  // namespace

void sort_for_deletion(std::vector<RankedPod>& pods, api::Time now) {
  std::vector<SortKey> keys;
  keys.reserve(pods.size());
  for (size_t i = 0; i < pods.size(); ++i) {
    const Pod& p = *pods[i].pod;
    keys.push_back({i, &p, !p.spec.node_name.empty(), phase_rank(p), api::is_ready(p),
                    deletion_cost(p), pods[i].rank, ready_since(p), most_restarts(p)});
  }
  // A stable merge: the order is not transitive for every mix of ages, as in Kubernetes, and the
  // result must depend on nothing but the input.
  std::stable_sort(keys.begin(), keys.end(),
                   [now](const SortKey& a, const SortKey& b) { return goes_first(a, b, now); });
  std::vector<RankedPod> sorted;
  sorted.reserve(pods.size());
  for (const SortKey& k : keys) sorted.push_back(pods[k.index]);
  pods = std::move(sorted);
}

}  // namespace mainspring::controllers
