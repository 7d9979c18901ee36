#include "models/apiserver/object_parts.h"

#include <algorithm>
#include <type_traits>

#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/api/types/batch.h"
#include "models/api/types/core.h"
#include "models/api/types/policy.h"
#include "models/api/types/storage.h"

namespace mainspring::apiserver {

namespace {
template <class T>
struct Tag {
  using type = T;
};

// Calls f(Tag<T>) with the type of the kind, for kinds that have a spec or a status.
template <class F>
void with_type(api::Kind kind, F f) {
  switch (kind) {
#define MAINSPRING_PARTS(T) \
  case api::Kind::T:        \
    return f(Tag<api::T>());
    MAINSPRING_PARTS(Namespace)
    MAINSPRING_PARTS(Node)
    MAINSPRING_PARTS(Pod)
    MAINSPRING_PARTS(Service)
    MAINSPRING_PARTS(ReplicationController)
    MAINSPRING_PARTS(PersistentVolume)
    MAINSPRING_PARTS(PersistentVolumeClaim)
    MAINSPRING_PARTS(ResourceQuota)
    MAINSPRING_PARTS(Deployment)
    MAINSPRING_PARTS(ReplicaSet)
    MAINSPRING_PARTS(StatefulSet)
    MAINSPRING_PARTS(DaemonSet)
    MAINSPRING_PARTS(Job)
    MAINSPRING_PARTS(CronJob)
    MAINSPRING_PARTS(HorizontalPodAutoscaler)
    MAINSPRING_PARTS(PodDisruptionBudget)
    MAINSPRING_PARTS(VolumeAttachment)
#undef MAINSPRING_PARTS
    default:
      return;
  }
}

template <class C>
void merge(const api::List<C>& old, api::List<C>& next) {
  const auto named = [&next](const C& c) {
    return std::any_of(next.begin(), next.end(), [&](const C& n) { return n.type == c.type; });
  };
  const auto kept = std::count_if(old.begin(), old.end(), [&](const C& c) { return !named(c); });
  if (kept == 0) return;
  std::vector<C> all;
  all.reserve(next.size() + static_cast<size_t>(kept));
  all.assign(next.begin(), next.end());
  for (const C& c : old) {
    if (!named(c)) all.push_back(c);
  }
  next = api::List<C>(std::move(all));
}
}  // namespace

void clear_status(api::Object& object) {
  with_type(object.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    api::as<T>(object).status = {};
  });
}

void copy_status(const api::Object& from, api::Object& to) {
  with_type(to.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    api::as<T>(to).status = api::as<T>(from).status;
  });
}

void merge_conditions(const api::Object& old, api::Object& next) {
  if (old.kind == api::Kind::Pod) {
    merge(api::as<api::Pod>(old).status.conditions, api::as<api::Pod>(next).status.conditions);
  } else if (old.kind == api::Kind::Node) {
    merge(api::as<api::Node>(old).status.conditions, api::as<api::Node>(next).status.conditions);
  }
}

bool equal_spec(const api::Object& a, const api::Object& b) {
  bool same = true;
  bool known = false;
  with_type(a.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    known = true;
    same = api::as<T>(a).spec == api::as<T>(b).spec;
  });
  if (known) return same;
  // Kinds without a spec of their own: everything but metadata counts.
  api::Ref<api::Object> copy = api::clone(b);
  copy->metadata = a.metadata;
  return api::equal(a, *copy);
}

}  // namespace mainspring::apiserver
