// matchLabelKeys and mismatchLabelKeys of a new pod.
// Source: pkg/registry/core/pod/strategy.go mutatePodAffinity and mutateTopologySpreadConstraints
// of v1.35, whose gates MatchLabelKeysInPodAffinity and
// MatchLabelKeysInPodTopologySpreadSelectorMerge are on.
#pragma once

#include "models/api/types/core.h"

namespace mainspring::apiserver {

// Adds the pod's own values of the labels that its affinity terms and spread constraints name by
// key to their selectors: "In" for the keys that must match, "NotIn" for those that must not.
void merge_label_keys(api::Pod& pod);

}  // namespace mainspring::apiserver
