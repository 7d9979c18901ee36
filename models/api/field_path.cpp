#include <charconv>

#include "models/api/compare.h"
#include "models/api/descriptor_access.h"

namespace mainspring::api {

namespace {

struct Step {
  enum class Kind { kName, kIndex, kMatch, kEnd, kBad };
  Kind kind = Kind::kEnd;
  std::string_view name;   // of a field, or of the field to match
  std::string_view value;  // to match
  size_t index = 0;
};

// Takes the first step off the path.
Step take_step(std::string_view* path) {
  if (path->starts_with('.')) path->remove_prefix(1);
  if (path->empty()) return {};
  if (!path->starts_with('[')) {
    const size_t n = path->find_first_of(".[");
    const Step step{.kind = Step::Kind::kName, .name = path->substr(0, n)};
    path->remove_prefix(step.name.size());
    return step;
  }
  path->remove_prefix(1);
  if (path->starts_with('\'') || path->starts_with('"')) {
    const char quote = path->front();
    const size_t end = path->find(quote, 1);
    if (end == std::string_view::npos || path->substr(end + 1, 1) != "]") {
      return {.kind = Step::Kind::kBad};
    }
    const Step step{.kind = Step::Kind::kName, .name = path->substr(1, end - 1)};
    path->remove_prefix(end + 2);
    return step;
  }
  const size_t end = path->find(']');
  if (end == std::string_view::npos) return {.kind = Step::Kind::kBad};
  const std::string_view inner = path->substr(0, end);
  path->remove_prefix(end + 1);
  if (const size_t equals = inner.find('='); equals != std::string_view::npos) {
    return {.kind = Step::Kind::kMatch,
            .name = inner.substr(0, equals),
            .value = inner.substr(equals + 1)};
  }
  Step step{.kind = Step::Kind::kIndex};
  const auto [p, error] = std::from_chars(inner.data(), inner.data() + inner.size(), step.index);
  if (error != std::errc() || p != inner.data() + inner.size()) step.kind = Step::Kind::kBad;
  return step;
}

bool matches(const Json& item, const Step& step) {
  const Json& v = item[step.name];
  if (v.is_string()) return v.as_view() == step.value;
  if (v.is_bool()) return (v.as_bool() ? "true" : "false") == step.value;
  return v.is_number() && v.number_text() == step.value;
}

Json walk_json(Json at, std::string_view path) {
  while (true) {
    const Step step = take_step(&path);
    switch (step.kind) {
      case Step::Kind::kEnd:
        return at;
      case Step::Kind::kBad:
        return Json();
      case Step::Kind::kName:
        at = Json(at[step.name]);
        break;
      case Step::Kind::kIndex:
        if (step.index >= at.items().size()) return Json();
        at = Json(at.items()[step.index]);
        break;
      case Step::Kind::kMatch: {
        Json found;
        for (const Json& item : at.items()) {
          if (!matches(item, step)) continue;
          found = item;
          break;
        }
        at = std::move(found);
        break;
      }
    }
  }
}

// Goes down by descriptors as long as the path names structs held once, so that only what the
// path ends in becomes a tree.
Json walk_struct(const TypeInfo& type, const void* value, std::string_view path) {
  std::string_view rest = path;
  const Step step = take_step(&rest);
  if (step.kind != Step::Kind::kName) return Json();
  const FieldInfo* f = type.find(step.name);
  if (!f) return walk_json(extra_of(type, value), path);
  const void* field = field_of(value, *f);
  if (f->type == FieldType::kStruct && !rest.empty()) {
    if (f->shape == Shape::kValue) return walk_struct(*f->type_info, field, rest);
    if (f->shape == Shape::kOptional) {
      const void* inner = f->opt->get(field);
      return inner ? walk_struct(*f->type_info, inner, rest) : Json();
    }
    std::string_view after = rest;
    const Step element = take_step(&after);
    if (f->shape == Shape::kList && element.kind == Step::Kind::kIndex && !after.empty()) {
      if (element.index >= f->list->size(field)) return Json();
      return walk_struct(*f->type_info,
                         at_offset(f->list->data(field), element.index * f->list->stride), after);
    }
  }
  if (is_absent(*f, field)) {
    // Plain numbers and flags have a value also when they are zero.
    const bool number = f->shape == Shape::kValue &&
                        (f->type == FieldType::kInt32 || f->type == FieldType::kInt64 ||
                         f->type == FieldType::kBool || f->type == FieldType::kDouble);
    if (!number) return Json();
  }
  return walk_json(encode_field(*f, field), rest);
}

}  // namespace

Json get_field(const Object& object, std::string_view path) {
  if (path.starts_with('{') && path.ends_with('}')) path = path.substr(1, path.size() - 2);
  if (path.starts_with('.')) path.remove_prefix(1);
  if (path == "kind") return Json(kind_name_of(object));
  if (path == "apiVersion") return Json(api_version_of(object));
  if (const TypeInfo* type = kind_info(object).type) return walk_struct(*type, &object, path);
  std::string_view rest = path;
  const Step step = take_step(&rest);
  if (step.kind == Step::Kind::kName && step.name == "metadata" && !rest.empty()) {
    return walk_struct(ObjectMeta::kType, &object.metadata, rest);
  }
  return walk_json(object.extra, path);
}

}  // namespace mainspring::api
