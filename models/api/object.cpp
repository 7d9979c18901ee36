#include "models/api/object.h"

#include <charconv>
#include <stdexcept>
#include <string>

namespace mainspring::api {

extern const KindInfo kKindTable[kKindCount];

Object::~Object() = default;

void wrong_kind(Kind is, Kind expected) {
  throw std::logic_error("an object of kind " + std::string(kind_info(is).name) +
                         " was taken for a " + std::string(kind_info(expected).name));
}

Ref<Object> clone(const Object& object) { return kind_info(object.kind).clone(object); }

Ref<Object> make(Kind kind) { return kind_info(kind).make(); }

bool equal(const Object& a, const Object& b) {
  return &a == &b || (a.kind == b.kind && kind_info(a.kind).equal(a, b));
}

const KindInfo& kind_info(Kind kind) { return kKindTable[static_cast<size_t>(kind)]; }

std::span<const KindInfo> all_kinds() { return kKindTable; }

const KindInfo* find_kind(std::string_view api_version, std::string_view kind) {
  for (const KindInfo& info : all_kinds().subspan(1)) {
    if (info.name != kind) continue;
    if (info.api_version == api_version) return &info;
    for (std::string_view also : info.also_versions) {
      if (also == api_version) return &info;
    }
  }
  return nullptr;
}

const KindInfo* kind_by_resource(std::string_view resource) {
  std::string_view name = resource.substr(0, resource.find('.'));
  std::string_view group = resource.substr(name.size());
  if (!group.empty()) group.remove_prefix(1);
  const auto group_matches = [group](const KindInfo& info) {
    if (group.empty() || group == info.group) return true;
    // "v1.apps"
    return group.starts_with(info.version) && group.size() > info.version.size() &&
           group[info.version.size()] == '.' && group.substr(info.version.size() + 1) == info.group;
  };
  for (const KindInfo& info : all_kinds().subspan(1)) {
    bool match = name == info.resource || name == info.singular || name == info.name;
    for (std::string_view s : info.short_names) match = match || name == s;
    if (match && group_matches(info)) return &info;
  }
  return nullptr;
}

std::string_view api_version_of(const Object& object) {
  const Unstructured* u = try_as<Unstructured>(object);
  return u ? u->api_version.view() : kind_info(object).api_version;
}

std::string_view kind_name_of(const Object& object) {
  const Unstructured* u = try_as<Unstructured>(object);
  return u ? u->kind_name.view() : kind_info(object).name;
}

void copy_status(const Object& from, Object& to) {
  if (const auto set = kind_info(to).set_status) set(to, &from);
}
void clear_status(Object& object) {
  if (const auto set = kind_info(object).set_status) set(object, nullptr);
}

std::string namespaced_name(const Object& object) {
  return object.metadata.namespace_.str() + '/' + object.metadata.name.str();
}

uint64_t version_of(const Object& object) {
  const std::string_view text = object.metadata.resource_version.view();
  uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

}  // namespace mainspring::api
