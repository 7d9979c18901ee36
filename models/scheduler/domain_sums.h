// Sums over the nodes of the snapshot by value of a topology key ("how many matching pods are in
// each zone"), which follow the cluster: only nodes that changed since the last look are asked
// again. A node that changed is found in the ClusterCache's log of changes.
//
// Also here: what plugins need to keep such sums from cycle to cycle without making them part of
// the state. A sum is a function of the cluster alone: a copy of a scheduler starts without any
// and comes to the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "models/scheduler/cluster_cache.h"

namespace mainspring::scheduler {

// The sum of a value of a topology key among a column's; 0 for one beyond its end, and for -1.
inline int64_t sum_at(std::span<const int64_t> sums, int32_t value) {
  return static_cast<uint32_t>(value) < sums.size() ? sums[static_cast<uint32_t>(value)] : 0;
}

class DomainSums {
 public:
  // What one node adds to one column.
  struct Share {
    int32_t value = -1;  // of the topology key; -1: nothing
    int64_t amount = 0;
  };

  // Brings the sums up to date. `share(node, shares)` fills in what a node adds to each column; it
  // is asked of nodes of the snapshot only, and must depend on nothing but the node.
  template <class F>
  void update(const ClusterCache& cluster, size_t columns, F&& share) {
    const size_t slots = cluster.slots();
    if (columns != columns_.size() || seen_ < cluster.first_change()) {
      clear();
      columns_.resize(columns);
      shares_.resize(slots * columns);
      for (const uint32_t slot : cluster.order()) recount(cluster, slot, share);
    } else {
      shares_.resize(slots * columns);
      for (const uint32_t slot : cluster.changes_since(seen_)) recount(cluster, slot, share);
    }
    seen_ = cluster.generation();
  }
  void clear() {
    columns_.clear();
    shares_.clear();
    seen_ = 0;
  }

  // The sum by value of the column's key; values beyond its end have none.
  std::span<const int64_t> sums(size_t column) const { return columns_[column].sums; }
  int64_t sum(size_t column, int32_t value) const { return sum_at(sums(column), value); }
  // How many nodes add to the value: a value without any is not a domain.
  std::span<const int32_t> nodes(size_t column) const { return columns_[column].nodes; }
  // Over all values.
  int64_t total(size_t column) const { return columns_[column].total; }
  int64_t all_nodes(size_t column) const { return columns_[column].all_nodes; }
  // What one node added.
  int64_t amount(size_t column, uint32_t slot) const {
    return shares_[slot * columns_.size() + column].amount;
  }

 private:
  struct Column {
    std::vector<int64_t> sums;
    std::vector<int32_t> nodes;
    int64_t total = 0;
    int64_t all_nodes = 0;
  };

  template <class F>
  void recount(const ClusterCache& cluster, uint32_t slot, F& share) {
    const std::span<Share> own =
        std::span(shares_).subspan(slot * columns_.size(), columns_.size());
    for (size_t i = 0; i < own.size(); ++i) {
      add(i, own[i], -1);
      own[i] = Share();
    }
    const NodeInfo& node = cluster.node(slot);
    if (!node.in_snapshot || !node.node) return;
    share(node, own);
    for (size_t i = 0; i < own.size(); ++i) add(i, own[i], 1);
  }
  void add(size_t column, const Share& s, int sign) {
    if (s.value < 0) return;
    Column& c = columns_[column];
    const size_t v = static_cast<size_t>(s.value);
    if (v >= c.sums.size()) {
      c.sums.resize(v + 1);
      c.nodes.resize(v + 1);
    }
    c.sums[v] += sign * s.amount;
    c.nodes[v] += sign;
    c.total += sign * s.amount;
    c.all_nodes += sign;
  }

  std::vector<Column> columns_;
  std::vector<Share> shares_;  // by slot, then column
  uint64_t seen_ = 0;          // changes of the cluster that are worked in
};

// Which label classes something matches; asked once for each.
class ClassMatches {
 public:
  // `matches(info)` is asked when the class is new to it.
  template <class F>
  bool get(const ClusterCache& cluster, LabelClass label_class, F&& matches) {
    if (label_class >= seen_.size()) seen_.resize(cluster.classes().size());
    const ClusterCache::ClassInfo& info = cluster.classes()[label_class];
    Seen& s = seen_[label_class];
    if (s.since != info.since) s = {info.since, matches(info)};
    return s.matches;
  }

 private:
  struct Seen {
    uint64_t since = 0;
    bool matches = false;
  };
  std::vector<Seen> seen_;
};

// The latest few of something that is kept by what it was made for; copies start empty.
template <class T>
class Recent {
 public:
  Recent() = default;
  Recent(const Recent&) {}
  Recent& operator=(const Recent&) { return *this; }

  // The entry that `is(entry)` accepts, or a new one (`*made`), which may take the place of the
  // one that was not asked for the longest. Entries stay where they are until then.
  template <class F>
  T& find(size_t capacity, bool* made, F&& is) {
    size_t i = 0;
    while (i < entries_.size() && !is(static_cast<const T&>(*entries_[i]))) ++i;
    *made = i == entries_.size();
    std::unique_ptr<T> entry;
    if (*made) {
      entry = std::make_unique<T>();
      if (entries_.size() >= capacity) entries_.pop_back();
      i = entries_.size();
      entries_.push_back(nullptr);
    } else {
      entry = std::move(entries_[i]);
    }
    for (; i > 0; --i) entries_[i] = std::move(entries_[i - 1]);
    entries_[0] = std::move(entry);
    return *entries_[0];
  }
  void clear() { entries_.clear(); }

 private:
  std::vector<std::unique_ptr<T>> entries_;  // most recently used first
};

// How many things may be kept of which each holds something for every node.
inline size_t recent_capacity(const ClusterCache& cluster) {
  constexpr size_t kNodes = 1 << 18;
  constexpr size_t kLeast = 8;
  constexpr size_t kMost = 64;
  return std::min(kMost, std::max(kLeast, kNodes / (cluster.slots() + 1)));
}

}  // namespace mainspring::scheduler
