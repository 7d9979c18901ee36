// Kubernetes' patch formats on typed objects: JSON patch (RFC 6902), JSON merge patch (RFC 7386)
// and strategic merge patch, whose merge keys come from the schema.
//
// Each gives a new object, or null with an error in `diagnostics`. Neither defaults nor validates.
#pragma once

#include "models/api/json.h"
#include "models/api/object.h"

namespace mainspring::api {

class Diagnostics;

Ref<Object> apply_merge_patch(const Object& object, const Json& patch, Diagnostics& diagnostics);
// Kinds without a schema take merge patches only, as custom resources do.
Ref<Object> apply_strategic_merge_patch(const Object& object, const Json& patch,
                                        Diagnostics& diagnostics);
Ref<Object> apply_json_patch(const Object& object, const Json& patch, Diagnostics& diagnostics);

// The same on trees.
Json merge_patch(const Json& target, const Json& patch);
Json strategic_merge(const TypeInfo& type, const Json& target, const Json& patch);

// The three-way strategic merge patch of `kubectl apply`: what takes `live` to `modified`, with
// deletions of what was in `last_applied` only.
Json three_way_patch(const TypeInfo& type, const Json& last_applied, const Json& modified,
                     const Json& live);

}  // namespace mainspring::api
