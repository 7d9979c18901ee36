// A Kubernetes object of any kind: the common base, the table of kinds, and making, copying and
// casting objects.
//
// Objects are made with make<T>(), filled, and then shared as Ref<const T> or ObjectRef; a shared
// object never changes. To change one, clone() it: that copies the struct and counts references on
// everything that it holds. Kinds that the schema does not have are Unstructured: they keep their
// whole tree (except apiVersion, kind and metadata) in `extra`.
//
// Thread-compatible, as models/api/value.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "models/api/json.h"
#include "models/api/types/kinds.h"
#include "models/api/types/meta.h"
#include "models/api/value.h"

namespace mainspring::api {

struct TypeInfo;

struct Object {
  RefCount refs;
  const Kind kind;
  ObjectMeta metadata = {};
  Json extra = {};  // top-level fields that the schema does not know

  virtual ~Object();
  Object& operator=(const Object&) = delete;

 protected:
  explicit Object(Kind k) : kind(k) {}
  Object(const Object&) = default;
};

using ObjectRef = Ref<const Object>;

struct Unstructured final : Object {
  static constexpr Kind kKind = Kind::Unstructured;
  Unstructured() : Object(kKind) {}

  Str api_version;
  Str kind_name;

  friend bool operator==(const Unstructured& a, const Unstructured& b) {
    return a.metadata == b.metadata && a.api_version == b.api_version &&
           a.kind_name == b.kind_name && a.extra == b.extra;
  }
};

template <class T>
Ref<T> make() {
  return Ref<T>(new T());
}

template <class T>
requires(!std::is_same_v<T, Object>) Ref<T> clone(const T& object) { return Ref<T>(new T(object)); }
Ref<Object> clone(const Object& object);
// An empty object of the kind.
Ref<Object> make(Kind kind);
// Same kind and same contents.
bool equal(const Object& a, const Object& b);

// Stops the run: the code took an object for another kind than it is.
[[noreturn]] void wrong_kind(Kind is, Kind expected);

template <class T>
const T& as(const Object& object) {
  if (object.kind != T::kKind) wrong_kind(object.kind, T::kKind);
  return static_cast<const T&>(object);
}
template <class T>
T& as(Object& object) {
  if (object.kind != T::kKind) wrong_kind(object.kind, T::kKind);
  return static_cast<T&>(object);
}
template <class T, class O>
std::conditional_t<std::is_const_v<O>, const T, T>& as(const Ref<O>& object) {
  return as<T>(*object);
}
// Null for another kind.
template <class T>
const T* try_as(const Object& object) {
  return object.kind == T::kKind ? static_cast<const T*>(&object) : nullptr;
}
// A null reference stays null; another kind is a programmer's error.
template <class T>
Ref<const T> cast(ObjectRef object) {
  if (object && object->kind != T::kKind) wrong_kind(object->kind, T::kKind);
  return Ref<const T>(static_cast<const T*>(object.detach()));
}

// A version of a kind that Kubernetes served once.
struct RemovedVersion {
  std::string_view api_version;
  std::string_view removed_in;  // "1.25"
};

struct KindInfo {
  Kind kind = Kind::Unstructured;
  std::string_view name;         // "Deployment"
  std::string_view api_version;  // "apps/v1"
  std::string_view group;        // "apps"; empty for the core group
  std::string_view version;      // "v1"
  std::string_view resource;     // "deployments"
  std::string_view singular;     // "deployment"
  std::span<const std::string_view> short_names;
  std::span<const std::string_view> also_versions;  // still served, and converted when decoded
  std::span<const RemovedVersion> removed_versions;
  bool namespaced = true;
  bool has_status = false;         // has a status subresource
  bool tracks_generation = false;  // metadata.generation counts changes of spec
  bool simulated = false;          // false: stored, but nothing acts on it
  const TypeInfo* type = nullptr;  // null for Unstructured
  Ref<Object> (*make)() = nullptr;
  Ref<Object> (*clone)(const Object&) = nullptr;
  bool (*equal)(const Object&, const Object&) = nullptr;
  // Of kinds that have a status, null for others: whether the specs are equal, and taking over
  // another object's status (without one, its zero value).
  bool (*equal_spec)(const Object&, const Object&) = nullptr;
  void (*set_status)(Object& to, const Object* from) = nullptr;
};

const KindInfo& kind_info(Kind kind);
inline const KindInfo& kind_info(const Object& object) { return kind_info(object.kind); }
// All kinds, Unstructured first.
std::span<const KindInfo> all_kinds();

// The kind of an apiVersion that is served today (also one that is converted, such as
// autoscaling/v1); null if there is none.
const KindInfo* find_kind(std::string_view api_version, std::string_view kind);
// As kubectl takes them: "deploy", "deployment", "deployments", "deployments.apps",
// "deployments.v1.apps", "Deployment"; null if there is none.
const KindInfo* kind_by_resource(std::string_view resource);

// "apps/v1" and "Deployment", also of unstructured objects.
std::string_view api_version_of(const Object& object);
std::string_view kind_name_of(const Object& object);
// Takes over the status of another object of the same kind, or sets it to its zero value; nothing
// where the kind has none.
void copy_status(const Object& from, Object& to);
void clear_status(Object& object);
// "namespace/name".
std::string namespaced_name(const Object& object);
// metadata.resourceVersion as the number that this API server makes it of; 0 if there is none.
uint64_t version_of(const Object& object);

}  // namespace mainspring::api
