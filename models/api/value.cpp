#include "models/api/value.h"

namespace mainspring::api {

template class ListItems<Str>;
template class ListItems<StrMap::Entry>;
template class Map<Str>;

Str::Rep* Str::make(std::string_view s) {
  if (s.empty()) return nullptr;
  void* memory = ::operator new(sizeof(Rep) + s.size());
  Rep* rep = new (memory) Rep{RefCount(), static_cast<uint32_t>(s.size())};
  std::memcpy(rep->data(), s.data(), s.size());
  return rep;
}

void Str::destroy(Rep* r) noexcept { ::operator delete(r); }

}  // namespace mainspring::api
