// What a client says to the API server, and what it hears back: plain data, so that a request in
// flight can be copied with the world, shown and journalled.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "models/api/json.h"
#include "models/api/object.h"

namespace mainspring::client {

enum class Verb : uint8_t {
  kGet,           // an uncached read
  kList,          // an uncached read of a namespace (all of them when empty); see Outcome::objects
  kCreate,        // body; name from metadata.generateName when metadata.name is empty
  kUpdate,        // body replaces the object, its status kept where status is a subresource
  kUpdateStatus,  // body's status (and nothing else) replaces the stored one
  kPatchStatus,   // body's status replaces the stored one, but conditions merge by type and the
                  // ones the body does not name are kept, as are a pod's resourceClaimStatuses:
                  // a kubelet's strategic-merge patch
  kPatch,         // `patch` applied as `patch_type`
  kPatchStatusJson,  // `patch` applied to the status subresource
  kScale,            // the scale subresource: spec.replicas becomes `replicas`
  kDelete,
  kDeleteCollection,  // every object of the kind in `ns`
  kBind,              // pods/binding: the pod `name` goes to `target`
  kEvict,             // pods/eviction
  kFinalize,          // namespaces/finalize: body's spec.finalizers
};

enum class PatchType : uint8_t { kMerge, kStrategicMerge, kJson, kApply };

enum class Propagation : uint8_t { kDefault, kBackground, kForeground, kOrphan };

struct Request {
  Verb verb = Verb::kGet;
  api::Kind kind{};
  api::Str ns;    // empty for cluster-scoped kinds
  api::Str name;  // for kCreate: taken from the body
  api::ObjectRef body;

  // Preconditions: unset means none. kUpdate and kUpdateStatus take the resource version from the
  // body's metadata, as Kubernetes does.
  api::Str uid;
  uint64_t resource_version = 0;

  PatchType patch_type = PatchType::kMerge;
  api::Json patch;

  std::optional<int64_t> grace_period_seconds;  // kDelete, kEvict
  Propagation propagation = Propagation::kDefault;
  api::Str target;       // kBind: node name
  int32_t replicas = 0;  // kScale
  api::Str field_manager;
};

// The answer. `code` is the HTTP status: 200 or 201 on success.
struct Outcome {
  int16_t code = 0;
  api::Str reason;        // metav1.StatusReason: NotFound, AlreadyExists, Conflict, Invalid, ...
  api::Str message;       // as the real server words it
  api::ObjectRef object;  // the object after the request; the last state for kDelete
  api::List<api::ObjectRef> objects;  // kList
  // 429: seconds to wait before the next try, when the server says so.
  int32_t retry_after_seconds = 0;

  bool ok() const { return code >= 200 && code < 300; }
  bool not_found() const { return code == 404; }
  bool conflict() const { return code == 409 && reason == "Conflict"; }
  bool already_exists() const { return code == 409 && reason == "AlreadyExists"; }
};

enum class WatchType : uint8_t { kAdded, kModified, kDeleted };

// One change as a watch delivers it. `old` is what this watcher's cache held before, null for
// kAdded; `object` the new state, or the last one for kDeleted.
struct WatchEvent {
  WatchType type = WatchType::kAdded;
  api::ObjectRef object;
  api::ObjectRef old;
};

}  // namespace mainspring::client
