// Spec and status as parts of an object: what the main resource and the status subresource of the
// API keep apart.
#pragma once

#include "models/api/object.h"

namespace mainspring::apiserver {

// What a strategic merge of the status keeps: conditions of `old` that `next` does not name, by
// type, and the claims that were made for a pod. Pods and nodes.
void merge_status(const api::Object& old, api::Object& next);
// Whether everything but metadata and status is equal: what metadata.generation counts.
bool equal_spec(const api::Object& a, const api::Object& b);

}  // namespace mainspring::apiserver
