// Resource claims for tests: what asks for devices, and what a server makes of a request about one.
#pragma once

#include "models/api/diagnostics.h"
#include "models/api/patch.h"
#include "models/api/types/resource.h"
#include "models/client/request.h"

namespace mainspring::test {

// A request "gpu" for devices of the class "gpu".
inline api::DeviceRequest gpu_request(int64_t count = 1) {
  api::ExactDeviceRequest exactly;
  exactly.device_class_name = "gpu";
  exactly.allocation_mode = "ExactCount";
  exactly.count = count;
  api::DeviceRequest request;
  request.name = "gpu";
  request.exactly = exactly;
  return request;
}

// The claim as the request leaves it; null if that changes nothing.
inline api::Ref<api::ResourceClaim> claim_after(const client::Request& request,
                                                const api::ResourceClaim& stored) {
  api::Ref<api::ResourceClaim> next;
  switch (request.verb) {
    case client::Verb::kUpdate:
      next = api::clone(api::as<api::ResourceClaim>(*request.body));
      next->status = stored.status;
      break;
    case client::Verb::kUpdateStatus:
      next = api::clone(stored);
      next->status = api::as<api::ResourceClaim>(*request.body).status;
      break;
    case client::Verb::kPatchStatusJson: {
      api::Diagnostics problems;
      const auto patched = api::apply_strategic_merge_patch(stored, request.patch, problems);
      next = api::clone(stored);
      next->status = api::as<api::ResourceClaim>(*patched).status;
      break;
    }
    default:
      break;
  }
  return next;
}

}  // namespace mainspring::test
