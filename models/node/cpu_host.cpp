#include "models/node/cpu_host.h"

#include <algorithm>

#include "sim/check.h"

namespace mainspring::node {

namespace {

__extension__ using Wide = __int128;

// One sibling in the cgroup tree.
struct Share {
  int64_t weight = 0;
  int64_t wanted = 0;
  int64_t given = 0;
  bool full = false;
};

// Max-min fairness by weight: those that want no more than their share get what they want, the
// rest share the remainder by weight. Integer division leaves less than one unit a sibling idle.
void fill(std::vector<Share>& siblings, int64_t capacity) {
  int64_t left = capacity;
  int64_t weights = 0;
  for (Share& s : siblings) {
    s.full = s.wanted <= 0;
    s.given = 0;
    if (!s.full) weights += s.weight;
  }
  while (weights > 0) {
    bool satisfied = false;
    const int64_t round_left = left;
    const int64_t round_weights = weights;
    for (Share& s : siblings) {
      if (s.full) continue;
      const int64_t share = static_cast<int64_t>(Wide{round_left} * s.weight / round_weights);
      if (s.wanted > share) continue;
      s.given = s.wanted;
      s.full = true;
      left -= s.given;
      weights -= s.weight;
      satisfied = true;
    }
    if (satisfied) continue;
    for (Share& s : siblings) {
      if (!s.full) s.given = static_cast<int64_t>(Wide{left} * s.weight / weights);
    }
    return;
  }
}

}  // namespace

int32_t cpu_shares(int64_t request_milli) {
  return static_cast<int32_t>(std::clamp<int64_t>(request_milli * 1024 / 1000, 2, 262144));
}

MicroCores CpuHost::used() const {
  if (!shared_out_) return wanted_;
  MicroCores sum;
  for (const Entry& e : entries_) sum += e.rate;
  return sum;
}

uint32_t CpuHost::add(const Entry& entry) {
  MAINSPRING_CHECK(entry.demand.value == 0, "entries start without demand");
  entries_.push_back(entry);
  entries_.back().rate = MicroCores{};
  return static_cast<uint32_t>(entries_.size() - 1);
}

uint32_t CpuHost::remove(uint32_t position, std::vector<Change>& changes) {
  set_demand(position, MicroCores{}, changes);
  uint32_t moved = UINT32_MAX;
  if (position + 1 != entries_.size()) {
    entries_[position] = entries_.back();
    moved = entries_[position].container;
  }
  entries_.pop_back();
  return moved;
}

void CpuHost::set_demand(uint32_t position, MicroCores demand, MicroCores limit,
                         std::vector<Change>& changes) {
  Entry& e = entries_[position];
  if (demand.value < 0) demand = MicroCores{};
  if (demand == e.demand && limit == e.limit) return;
  const MicroCores before = effective(e);
  e.demand = demand;
  e.limit = limit;
  if (effective(e) == before) return;
  wanted_ += effective(e) - before;
  if (wanted_ > capacity_ || shared_out_) {
    share_out(changes);
    return;
  }
  if (e.rate != effective(e)) {
    e.rate = effective(e);
    changes.push_back({e.container, e.rate});
  }
}

void CpuHost::set_capacity(MicroCores capacity, std::vector<Change>& changes) {
  capacity_ = capacity;
  if (wanted_ > capacity_ || shared_out_) share_out(changes);
}

void CpuHost::share_out(std::vector<Change>& changes) {
  const auto give = [&](Entry& e, MicroCores rate) {
    if (e.rate == rate) return;
    e.rate = rate;
    changes.push_back({e.container, rate});
  };
  if (wanted_ <= capacity_) {
    shared_out_ = false;
    for (Entry& e : entries_) give(e, effective(e));
    return;
  }
  shared_out_ = true;

  // The tree: node -> {guaranteed pods, burstable slice, best-effort slice} -> pods -> containers.
  // Pods in order of their first entry that wants anything.
  struct Pod {
    uint32_t slot;
    QosClass qos;
    Share share;
    std::vector<uint32_t> members;
  };
  std::vector<Pod> pods;
  std::vector<std::pair<uint32_t, uint32_t>> order;  // pod slot, position
  for (uint32_t i = 0; i < entries_.size(); ++i) order.emplace_back(entries_[i].pod, i);
  std::sort(order.begin(), order.end());
  int64_t burstable_shares = 0;
  for (const auto& [slot, position] : order) {
    const Entry& e = entries_[position];
    if (pods.empty() || pods.back().slot != slot) {
      pods.push_back({slot, e.qos, {}, {}});
    }
    Pod& pod = pods.back();
    // A pod's weight comes from the sum of its containers' requests; sums of shares differ from
    // the share of the sum by rounding only.
    pod.share.weight += e.shares;
    pod.share.wanted += effective(e).value;
    pod.members.push_back(position);
    if (e.qos == QosClass::kBurstable) burstable_shares += e.shares;
  }

  std::vector<Share> top;
  Share burstable{std::clamp<int64_t>(burstable_shares, 2, 262144), 0, 0, false};
  Share besteffort{2, 0, 0, false};
  for (const Pod& pod : pods) {
    if (pod.qos == QosClass::kGuaranteed) top.push_back(pod.share);
    if (pod.qos == QosClass::kBurstable) burstable.wanted += pod.share.wanted;
    if (pod.qos == QosClass::kBestEffort) besteffort.wanted += pod.share.wanted;
  }
  top.push_back(burstable);
  top.push_back(besteffort);
  fill(top, capacity_.value);
  burstable = top[top.size() - 2];
  besteffort = top[top.size() - 1];

  const auto fill_class = [&](QosClass qos, int64_t capacity) {
    std::vector<Share> shares;
    for (const Pod& pod : pods) {
      if (pod.qos == qos) shares.push_back(pod.share);
    }
    fill(shares, capacity);
    size_t i = 0;
    for (Pod& pod : pods) {
      if (pod.qos == qos) pod.share = shares[i++];
    }
  };
  fill_class(QosClass::kBurstable, burstable.given);
  fill_class(QosClass::kBestEffort, besteffort.given);
  size_t guaranteed = 0;
  for (Pod& pod : pods) {
    if (pod.qos == QosClass::kGuaranteed) pod.share = top[guaranteed++];
  }

  std::vector<Share> members;
  for (const Pod& pod : pods) {
    members.clear();
    for (const uint32_t i : pod.members) {
      members.push_back({entries_[i].shares, effective(entries_[i]).value, 0, false});
    }
    fill(members, pod.share.given);
    for (size_t k = 0; k < members.size(); ++k) {
      give(entries_[pod.members[k]], MicroCores{members[k].given});
    }
  }
}

}  // namespace mainspring::node
