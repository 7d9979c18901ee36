// Kubernetes' defaults (v1.35): those of the schema's lines and, for what depends on several
// fields, those written by hand in defaulting.cpp. Admission (priorities, service accounts,
// tolerations, addresses) is the API server's.
#pragma once

#include "models/api/object.h"

namespace mainspring::api {

// Fills what is absent. Idempotent. Shares everything that needs no default.
void set_defaults(Object& object);

// Of one struct of the schema.
void set_struct_defaults(const TypeInfo& type, void* value);
template <class T>
void set_defaults_of(T& value) {
  set_struct_defaults(T::kType, &value);
}

}  // namespace mainspring::api
