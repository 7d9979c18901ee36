#include "models/apiserver/object_parts.h"

#include <algorithm>

#include "models/api/types/core.h"

namespace mainspring::apiserver {

namespace {
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
  if (const auto equal = api::kind_info(a).equal_spec) return equal(a, b);
  // Kinds without a status: everything but metadata counts.
  api::Ref<api::Object> copy = api::clone(b);
  copy->metadata = a.metadata;
  return api::equal(a, *copy);
}

}  // namespace mainspring::apiserver
