// An informer's cache of one kind: what a client knows of the API server, which lags behind it.
//
// Lookups go through a hash; every walk is in a fixed order: by insertion for the whole cache, by
// creation sequence (resourceVersion at first sight) for an index. Copyable; objects are shared.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "models/api/object.h"
#include "models/client/chunked_vector.h"
#include "models/client/flat_index.h"
#include "models/client/request.h"
#include "models/client/slot_table.h"

namespace mainspring::client {

// The ways a cache can be asked for the objects that belong together.
enum class IndexBy : uint8_t {
  kNamespace,      // metadata.namespace
  kControllerUid,  // uid of the controlling owner; "" for objects without one
  kNodeName,       // pods: spec.nodeName, "" when unbound
  kServiceName,    // endpoint slices: "namespace/" + label kubernetes.io/service-name
  kCount,
};

class Cache {
 public:
  explicit Cache(api::Kind kind) : kind_(kind) {}

  api::Kind kind() const { return kind_; }
  size_t size() const { return by_name_.size(); }
  const api::ObjectRef* find(std::string_view ns, std::string_view name) const;
  template <class T>
  const T* get(std::string_view ns, std::string_view name) const {
    const api::ObjectRef* ref = find(ns, name);
    return ref ? &api::as<T>(**ref) : nullptr;
  }
  template <class T>
  api::Ref<const T> get_ref(std::string_view ns, std::string_view name) const {
    const api::ObjectRef* ref = find(ns, name);
    return ref ? api::cast<T>(*ref) : api::Ref<const T>();
  }

  // Every object, in order of arrival in this cache.
  std::vector<api::ObjectRef> list() const;
  // The objects under one key of an index, in order of arrival under that key. The index is made by
  // add_index(); asking for one that was not added is a programmer's error.
  std::span<const api::ObjectRef> by(IndexBy index, std::string_view key) const;
  void add_index(IndexBy index);

  // Applies a change and returns the event as handlers see it: type and old state relative to this
  // cache. The caller (the informer) guarantees order.
  WatchEvent apply(WatchType type, api::ObjectRef object);
  // Counts the changes applied.
  uint64_t changes() const { return changes_; }
  // The newest resourceVersion applied.
  uint64_t resource_version() const { return resource_version_; }

 private:
  static constexpr size_t kIndexes = static_cast<size_t>(IndexBy::kCount);
  struct Slot {
    api::ObjectRef object;
    uint64_t arrival = 0;
  };
  // The objects of one key; `order` is ascending, so that a member is found by bisection.
  struct Bucket {
    std::vector<api::ObjectRef> objects;
    std::vector<uint64_t> order;
  };
  struct Index {
    bool on = false;
    FlatIndex keys;  // key -> bucket number
    std::vector<Bucket> buckets;
    ChunkedVector<uint64_t> order;  // of each slot: its arrival under its current key
  };
  uint32_t slot_of(std::string_view ns, std::string_view name) const;
  uint32_t new_slot();
  static size_t place_in(const Bucket& bucket, uint64_t order);
  static Bucket& bucket_of(Index& index, std::string_view key);
  void index_insert(size_t index, uint32_t slot);
  void index_erase(size_t index, uint32_t slot);
  void index_replace(size_t index, uint32_t slot, const api::ObjectRef& now);

  api::Kind kind_;
  SlotTable by_name_;
  ChunkedVector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint64_t arrivals_ = 0;
  uint64_t resource_version_ = 0;
  uint64_t changes_ = 0;
  std::array<Index, kIndexes> indexes_;
};

}  // namespace mainspring::client
