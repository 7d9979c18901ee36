// What the controllers of volumes do about what the scheduler writes, at once: the same as the
// oracle's (oracle/volumes.go).
#pragma once

#include <functional>

#include "models/api/types/storage.h"
#include "models/client/control_loop.h"

namespace mainspring::conformance {

class VolumeController {
 public:
  using Put = std::function<void(api::Ref<api::Object>)>;
  VolumeController(const client::ControlContext& ctx, Put put) : ctx_(ctx), put_(std::move(put)) {}

  // The scheduler has written a volume or a claim.
  void written(const api::ObjectRef& object) const;

 private:
  // Binds the claim that a volume points at to the volume.
  void bind_claim(const api::PersistentVolume& volume) const;
  // Makes a volume for a claim whose node has been chosen. What comes of it depends on the
  // provisioner: one never answers, one gives up, one makes volumes out of the node's reach.
  void provision(const api::PersistentVolumeClaim& claim) const;

  const client::ControlContext& ctx_;
  Put put_;
};

}  // namespace mainspring::conformance
