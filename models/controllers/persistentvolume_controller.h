// The persistent volume controller: binds claims to volumes and says so on both, releases volumes
// whose claim is gone, and asks for volumes where none fits. It also plays the part of a storage
// driver's external provisioner: a while after a volume was asked for it exists, reachable from
// where the selected node is, and a released one with reclaimPolicy Delete goes.
//
// Not modelled: protection finalizers, recycling, expansion, snapshots and clones, provisioning
// that fails, default classes given to claims in retrospect; volumes are tried in order of name.
// Source: pkg/controller/volume/persistentvolume (v1.35), external-provisioner v5.
#pragma once

#include "models/client/reconciler.h"

namespace mainspring::controllers {

struct PersistentVolumeOptions {
  // From the request for a volume until the driver has made it; cloud disks take seconds.
  api::Duration provision_delay = api::Duration::seconds(3);
};

std::unique_ptr<client::Reconciler> make_persistentvolume_controller(
    PersistentVolumeOptions options = {});

}  // namespace mainspring::controllers
