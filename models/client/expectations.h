// Guards against acting twice on a lagging cache: what a controller has asked for and not yet seen.
// Source: pkg/controller/controller_utils.go (ControllerExpectations,
// UIDTrackingControllerExpectations).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "models/client/work_queue.h"

namespace mainspring::client {

class Expectations {
 public:
  static constexpr api::Duration kTimeout = api::Duration::minutes(5);

  // Replaces what was expected for the key.
  void expect_creations(const Key& key, int64_t n, api::Time now) { set(key, n, {}, now); }
  void expect_deletions(const Key& key, std::vector<api::Str> pods, api::Time now) {
    set(key, 0, std::move(pods), now);
  }
  void creation_observed(const Key& key, int64_t n = 1);
  // `pod` is "namespace/name"; one pod counts once however often it is seen going.
  void deletion_observed(const Key& key, const api::Str& pod);
  void forget(const Key& key) { records_.erase(key); }
  // Fulfilled, absent, or too old to wait for.
  bool satisfied(const Key& key, api::Time now) const;

 private:
  struct Record {
    int64_t add = 0;
    std::set<api::Str> del;
    api::Time at;
  };
  void set(const Key& key, int64_t add, std::vector<api::Str> del, api::Time now);
  std::map<Key, Record> records_;
};

}  // namespace mainspring::client
