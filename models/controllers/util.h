// What several controllers share: keys, owners, label selectors, pods made from templates, hashes
// of templates. Semantics of Kubernetes v1.35 (pkg/controller/controller_utils.go,
// apimachinery labels and meta/v1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/labels.h"
#include "models/api/object.h"
#include "models/api/pod_helpers.h"
#include "models/api/types/core.h"
#include "models/client/expectations.h"
#include "models/client/reconciler.h"

namespace mainspring::controllers {

using client::Key;

Key key_of(const api::Object& object);
Key make_key(std::string_view ns, std::string_view name);
// "ns/name" -> {ns, name}; "name" -> {"", name}.
std::pair<std::string_view, std::string_view> split_key(const Key& key);

// Whether the labels satisfy the selector. An empty selector matches everything, null nothing.
using api::matches;
bool selects_everything(const api::LabelSelector& selector);

// The name and uid of the controlling owner if it is of this kind, else null.
const api::OwnerReference* controller_of_kind(const api::Object& object, std::string_view kind);
// Older first, by second of creation, then by name.
bool older(const api::ObjectMeta& a, const api::ObjectMeta& b);

// The pod that a controller creates from its template: labels, annotations and finalizers of the
// template, generateName "owner-", owner reference.
api::Ref<api::Pod> pod_from_template(const api::PodTemplateSpec& pod_template,
                                     const api::Object& owner);
client::Request create_request(api::ObjectRef body);
client::Request delete_request(const api::Object& object);
// The whole object, or its status, at the resource version that the body carries.
client::Request update_request(api::ObjectRef body);
client::Request update_status_request(api::ObjectRef body);
client::Request get_request(const api::Object& object);
// Adoption and release of an object: a merge patch of metadata.ownerReferences guarded by uid.
client::Request adopt_request(const api::Object& object, const api::Object& owner);
client::Request release_request(const api::Object& object, const api::Object& owner);

// What came of creating a pod, or deleting one, for the owner with this key: what was expected of a
// failed request will not be seen, and the owner, if it is still there, gets an event.
// Source: RealPodControl of pkg/controller/controller_utils.go.
void hear_of_pod(client::ReconcileContext& ctx, const Key& key, const api::Object* owner,
                 bool create, const client::Write& write, const client::Outcome& outcome,
                 client::Expectations* creations, client::Expectations* deletions);

// Whether a create failed because its namespace is being deleted.
bool namespace_terminating(const client::Outcome& outcome);

// 32-bit hash of a pod template, written as Kubernetes writes it: decimal digits mapped to letters
// that spell no words. The number itself is ours: Kubernetes hashes Go's dump of its structs.
std::string template_hash(const api::PodTemplateSpec& pod_template,
                          std::optional<int32_t> collision_count);
// Letters for the decimal digits of the text (apimachinery rand.SafeEncodeString).
std::string safe_encode(std::string_view text);

// Decimal int64, or nothing.
std::optional<int64_t> parse_int(std::string_view text);

// Events as `kubectl get events` shows their type.
inline constexpr std::string_view kNormal = "Normal";
inline constexpr std::string_view kWarning = "Warning";

inline constexpr std::string_view kTrue = "True";
inline constexpr std::string_view kFalse = "False";
inline constexpr std::string_view kUnknown = "Unknown";

// floor(log2(d in ns)), -1 for nothing or less: how ages are told apart when pods are ranked.
int64_t log2_bucket(api::Duration d);

}  // namespace mainspring::controllers
