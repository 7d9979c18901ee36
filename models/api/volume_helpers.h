// Questions about claims and volumes that the scheduler and the controllers both ask.
// Source: component-helpers/storage/{volume,ephemeral} (v1.35).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/api/types/core.h"

namespace mainspring::api {

inline constexpr std::string_view kBindCompleted = "pv.kubernetes.io/bind-completed";
inline constexpr std::string_view kBoundByController = "pv.kubernetes.io/bound-by-controller";
inline constexpr std::string_view kSelectedNode = "volume.kubernetes.io/selected-node";
inline constexpr std::string_view kNoProvisioner = "kubernetes.io/no-provisioner";

// The name of the claim that a volume of the pod stands for; nothing for other kinds of volumes.
std::optional<std::string> claim_of(const Pod& pod, const Volume& volume);

// The class, where the beta annotation wins over the field.
Str class_of(const PersistentVolumeClaim& claim);
Str class_of(const PersistentVolume& volume);

bool is_fully_bound(const PersistentVolumeClaim& claim);
// Whether the volume is pre-bound or bound to the claim.
bool is_bound_to(const PersistentVolume& volume, const PersistentVolumeClaim& claim);
// Points the volume at the claim, and notes that no user did. False if it said so already.
bool bind_to(PersistentVolume& volume, const PersistentVolumeClaim& claim);

// Size, mode and attributes are what the claim asks for, and the volume is not going.
bool suits(const PersistentVolume& volume, const PersistentVolumeClaim& claim);
// Nothing where the claim or the volume says none.
Quantity storage_of(const Map<Quantity>& amounts);

}  // namespace mainspring::api
