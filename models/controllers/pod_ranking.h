// Which pods go first when there are too many.
// Source: pkg/controller/controller_utils.go (ActivePodsWithRanks), v1.35.
#pragma once

#include <vector>

#include "models/api/types/core.h"

namespace mainspring::controllers {

using PodRef = api::Ref<const api::Pod>;

// A pod and how many related active pods share its node.
struct RankedPod {
  PodRef pod;
  int32_t rank = 0;
};

// Sorts the pods so that the first ones are the ones to delete.
void sort_for_deletion(std::vector<RankedPod>& pods, api::Time now);

}  // namespace mainspring::controllers
