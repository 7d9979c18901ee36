// The objects of the cluster, as etcd behind the API server holds them: the newest version of each,
// one resourceVersion counter for all.
//
// Objects are immutable and shared with caches, the journal and forks. Lookups go through a hash;
// lists are in key order (namespace, name), as the real server answers, and are sorted when asked
// for. What find() answers holds until the next put() or erase().
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/api/object.h"
#include "models/client/slot_table.h"

namespace mainspring::apiserver {

class Store {
 public:
  Store();
  const api::ObjectRef* find(api::Kind kind, std::string_view ns, std::string_view name) const;
  size_t size(api::Kind kind) const { return table(kind).slots.size(); }
  // The objects of a kind; those of one namespace.
  std::vector<api::ObjectRef> list(api::Kind kind) const;
  std::vector<api::ObjectRef> list(api::Kind kind, std::string_view ns) const;
  // Insert or replace; erase. The caller has stamped the resourceVersion.
  void put(api::ObjectRef object);
  void erase(const api::Object& object);

  uint64_t next_version() { return ++version_; }
  uint64_t version() const { return version_; }

 private:
  // Without holes: the last object moves into the place of an erased one.
  struct Table {
    std::vector<api::ObjectRef> slots;
    client::SlotTable index;
  };
  const Table& table(api::Kind kind) const { return tables_[static_cast<size_t>(kind)]; }
  static uint32_t slot_of(const Table& t, std::string_view ns, std::string_view name);

  std::vector<Table> tables_;
  uint64_t version_ = 0;
};

}  // namespace mainspring::apiserver
