// The objects of the cluster, as etcd behind the API server holds them: the newest version of each,
// one resourceVersion counter for all.
//
// Objects are immutable and shared with caches, the journal and forks. Lists are in key order
// ("namespace/name"), as the real server answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/object.h"

namespace mainspring::apiserver {

class Store {
 public:
  using Name = std::pair<api::Str, api::Str>;  // namespace, name
  using Table = std::map<Name, api::ObjectRef>;

  Store();
  const api::ObjectRef* find(api::Kind kind, const api::Str& ns, const api::Str& name) const;
  const Table& table(api::Kind kind) const { return tables_[static_cast<size_t>(kind)]; }
  // Insert or replace; erase. The caller has stamped the resourceVersion.
  void put(api::ObjectRef object);
  void erase(const api::Object& object);

  uint64_t next_version() { return ++version_; }
  uint64_t version() const { return version_; }

 private:
  std::vector<Table> tables_;
  uint64_t version_ = 0;
};

}  // namespace mainspring::apiserver
