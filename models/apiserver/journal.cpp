// How changes of the store stand in the journal: type "store.add", "store.update" or
// "store.delete", key "KIND/NAMESPACE/NAME", payload what differs from the version before.
#include <string>

#include "models/api/compare.h"
#include "models/apiserver/api_server.h"

namespace mainspring::apiserver {

void ApiServer::journal_change(sim::World& world, const client::WatchEvent& change) {
  const api::Object& object = *change.object;
  std::string key;
  key.reserve(64);
  key.append(api::kind_name_of(object)).append("/");
  key.append(object.metadata.namespace_).append("/").append(object.metadata.name);
  std::string payload;
  payload.reserve(256);
  switch (change.type) {
    case client::WatchType::kAdded:
      api::encode_delta(nullptr, object, payload);
      world.record("store.add", key, payload);
      return;
    case client::WatchType::kModified:
      api::encode_delta(change.old.get(), object, payload);
      world.record("store.update", key, payload);
      return;
    case client::WatchType::kDeleted:
      payload = object.metadata.resource_version.str();
      world.record("store.delete", key, payload);
      return;
  }
}

}  // namespace mainspring::apiserver
