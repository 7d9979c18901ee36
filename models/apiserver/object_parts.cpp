#include "models/apiserver/object_parts.h"

#include <algorithm>
#include <type_traits>

#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/api/types/batch.h"
#include "models/api/types/core.h"
#include "models/api/types/policy.h"
#include "models/api/types/resource.h"
#include "models/api/types/storage.h"
#include "sim/check.h"

namespace mainspring::apiserver {

namespace {
template <class T>
struct Tag {
  using type = T;
};

// Calls f(Tag<T>) with the type of the kind, for kinds that have a spec and a status. False for
// others.
template <class F>
bool with_type(api::Kind kind, F f) {
  switch (kind) {
#define MAINSPRING_PARTS(T) \
  case api::Kind::T:        \
    f(Tag<api::T>());       \
    return true;
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
    MAINSPRING_PARTS(ResourceClaim)
#undef MAINSPRING_PARTS
    default:
      return false;
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
  const bool known = with_type(object.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    api::as<T>(object).status = {};
  });
  MAINSPRING_CHECK(known, "{} is not listed above", api::kind_info(object).name);
}

void copy_status(const api::Object& from, api::Object& to) {
  const bool known = with_type(to.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    api::as<T>(to).status = api::as<T>(from).status;
  });
  MAINSPRING_CHECK(known, "{} is not listed above", api::kind_info(to).name);
}

void merge_status(const api::Object& old, api::Object& next) {
  if (old.kind == api::Kind::Pod) {
    const api::PodStatus& was = api::as<api::Pod>(old).status;
    api::PodStatus& is = api::as<api::Pod>(next).status;
    merge(was.conditions, is.conditions);
    // Only their controller names them.
    is.resource_claim_statuses = was.resource_claim_statuses;
  } else if (old.kind == api::Kind::Node) {
    merge(api::as<api::Node>(old).status.conditions, api::as<api::Node>(next).status.conditions);
  }
}

bool equal_spec(const api::Object& a, const api::Object& b) {
  bool same = true;
  const bool known = with_type(a.kind, [&](auto tag) {
    using T = typename decltype(tag)::type;
    same = api::as<T>(a).spec == api::as<T>(b).spec;
  });
  if (known) return same;
  // Kinds without a spec of their own: everything but metadata counts.
  api::Ref<api::Object> copy = api::clone(b);
  copy->metadata = a.metadata;
  return api::equal(a, *copy);
}

}  // namespace mainspring::apiserver
