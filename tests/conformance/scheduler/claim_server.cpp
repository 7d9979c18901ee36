#include "tests/conformance/scheduler/claim_server.h"

#include <fmt/format.h>

#include <string>

#include "tests/support/resource_claims.h"

namespace mainspring::conformance {

namespace {
using api::Json;
using api::ResourceClaim;

api::Ref<const ResourceClaim> find(const test::FakeControl& ctx, std::string_view ns,
                                   std::string_view name) {
  return ctx.cache(api::Kind::ResourceClaim).get_ref<ResourceClaim>(ns, name);
}

std::string joined(const api::List<api::Str>& list) {
  std::string out;
  for (const api::Str& s : list) out += (out.empty() ? "" : ",") + s.str();
  return out;
}

void add_devices(const api::AllocationResult& a, Json* words) {
  words->push_back("allocated");
  for (const auto& r : a.devices.results) {
    words->push_back(fmt::format("{}: {}/{}/{}{}", r.request.view(), r.driver.view(), r.pool.view(),
                                 r.device.view(), r.admin_access.value_or(false) ? " admin" : ""));
  }
  for (const auto& c : a.devices.config) {
    words->push_back(fmt::format("{} {}: {}", c.source.view(), joined(c.requests),
                                 c.opaque ? c.opaque->driver.view() : ""));
  }
  if (!a.node_selector) return;
  for (const api::NodeSelectorTerm& term : a.node_selector->node_selector_terms) {
    for (const auto* list : {&term.match_fields, &term.match_expressions}) {
      for (const api::NodeSelectorRequirement& r : *list) {
        words->push_back(
            fmt::format("on {} {} {}", r.key.view(), r.operator_.view(), joined(r.values)));
      }
    }
  }
}
}  // namespace

void answer_claim(const client::Request& request, const test::FakeControl& ctx,
                  const PutObject& put, client::Outcome* out) {
  const auto stored = find(ctx, request.ns, request.name);
  if (!stored) {
    out->code = 404;
    return;
  }
  const api::Ref<ResourceClaim> next = test::claim_after(request, *stored);
  if (!next) {
    out->object = stored;
    return;
  }
  put(next);
  out->object = find(ctx, request.ns, request.name);
}

void free_claim(std::string_view ns, std::string_view name, const test::FakeControl& ctx,
                const PutObject& put) {
  const auto stored = find(ctx, ns, name);
  if (!stored) return;
  api::Ref<ResourceClaim> next = api::clone(*stored);
  next->status = {};
  put(next);
}

Json given_devices(const test::FakeControl& ctx) {
  Json out = Json::object();
  for (const api::ObjectRef& o : ctx.cache(api::Kind::ResourceClaim).list()) {
    const auto& claim = api::as<ResourceClaim>(*o);
    Json words = Json::array();
    if (claim.status.allocation) add_devices(*claim.status.allocation, &words);
    for (const auto& r : claim.status.reserved_for) words.push_back("for " + r.name.str());
    if (!words.empty()) {
      out.set(api::namespaced_name(claim), words);
    }
  }
  return out;
}

}  // namespace mainspring::conformance
