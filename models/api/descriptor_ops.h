// Type-erased access to List<T> and Opt<T>, for the generated tables only.
#pragma once

#include "models/api/descriptor.h"
#include "models/api/value.h"

namespace mainspring::api {

template <class T>
inline constexpr ListOps kListOps{
    .size = [](const void* list) { return static_cast<const List<T>*>(list)->size(); },
    .data = [](const void* list) -> const void* {
      return static_cast<const List<T>*>(list)->data();
    },
    .resize = [](void* list, size_t n) -> void* {
      List<T>& l = *static_cast<List<T>*>(list);
      if (n == 0) {
        l.clear();
        return nullptr;
      }
      l.edit().resize(n);
      return l.edit().data();
    },
    .erase =
        [](void* list, size_t i) {
          ListItems<T>& v = static_cast<List<T>*>(list)->edit();
          v.erase(v.begin() + i);
        },
    .stride = sizeof(T),
};

template <class T>
inline constexpr OptOps kOptOps{
    .get = [](const void* opt) -> const void* { return static_cast<const Opt<T>*>(opt)->get(); },
    .edit = [](void* opt) -> void* { return &static_cast<Opt<T>*>(opt)->edit(); },
    .reset = [](void* opt) { static_cast<Opt<T>*>(opt)->reset(); },
};

}  // namespace mainspring::api
