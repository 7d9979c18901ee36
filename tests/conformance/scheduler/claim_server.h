// What the API server does with resource claims, for the case runner.
#pragma once

#include <functional>

#include "models/api/json.h"
#include "tests/support/fake_control.h"

namespace mainspring::conformance {

using PutObject = std::function<void(api::Ref<api::Object>)>;

// Answers a request about a claim; changes go through `put`.
void answer_claim(const client::Request& request, const test::FakeControl& ctx,
                  const PutObject& put, client::Outcome* out);
// Takes back what the claim was given, as the claim controller does once nobody uses it.
void free_claim(std::string_view ns, std::string_view name, const test::FakeControl& ctx,
                const PutObject& put);
// By claim: its devices, their configuration, where they can be used, and who may use them.
api::Json given_devices(const test::FakeControl& ctx);

}  // namespace mainspring::conformance
