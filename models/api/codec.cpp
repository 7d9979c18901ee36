#include "models/api/codec.h"

#include <cmath>
#include <limits>

#include "models/api/descriptor_access.h"
#include "models/api/diagnostics.h"
#include "models/api/time_text.h"
#include "models/api/types/autoscaling.h"

namespace mainspring::api {

namespace {

class Decoder {
 public:
  Decoder(Diagnostics& diagnostics, std::string_view root,
          UnknownFields unknown = UnknownFields::kKeep)
      : diagnostics_(diagnostics), root_(root), unknown_(unknown) {}

  void decode_struct(const TypeInfo& type, const Json& tree, void* out, int skip_type_meta = 0) {
    if (!tree.is_object()) {
      if (!tree.is_null()) mismatch(tree, "mapping");
      return;
    }
    size_t next = 0;  // fields mostly come in some steady order: start where the last one was
    for (const Json::Member& m : tree.members()) {
      if (skip_type_meta && (m.key == "apiVersion" || m.key == "kind")) continue;
      const FieldInfo* f = find_field(type, m.key, &next);
      if (!f) {
        keep(type, m, out);
        continue;
      }
      if (m.value.is_null()) continue;
      path_.push_back({m.key.view(), 0});
      decode_field(*f, m.value, field_of(out, *f));
      path_.pop_back();
    }
  }

  std::string path() const {
    std::string text;
    for (const Step& step : path_) {
      if (step.name.empty()) {
        text += '[' + std::to_string(step.index) + ']';
      } else {
        if (!text.empty()) text += '.';
        text += step.name;
      }
    }
    if (root_.empty()) return text;
    std::string whole(root_);
    if (!text.empty()) whole += ' ' + text;
    return whole;
  }

 private:
  struct Step {
    std::string_view name;  // empty: an index
    size_t index;
  };

  static const FieldInfo* find_field(const TypeInfo& type, std::string_view name, size_t* next) {
    const size_t n = type.fields.size();
    for (size_t i = 0; i < n; ++i) {
      const size_t at = *next + i < n ? *next + i : *next + i - n;
      if (type.fields[at].name == name) {
        *next = at + 1 < n ? at + 1 : 0;
        return &type.fields[at];
      }
    }
    return nullptr;
  }

  void keep(const TypeInfo& type, const Json::Member& m, void* out) {
    extra_of(type, out).set(m.key, m.value);
    for (std::string_view k : type.kept) {
      if (k == m.key) return;
    }
    std::vector<std::string_view> names;
    for (const FieldInfo& f : type.fields) names.push_back(f.name);
    names.insert(names.end(), type.kept.begin(), type.kept.end());
    path_.push_back({m.key.view(), 0});
    Diagnostic d;
    const bool kept = unknown_ == UnknownFields::kKeep;
    d.severity = kept ? Diagnostic::Severity::kWarning : Diagnostic::Severity::kError;
    d.at = m.at;
    d.path = path();
    d.message = "unknown field \"" + m.key.str() + '"';
    if (kept) d.message += " is kept but has no effect";
    d.suggestion = nearest(m.key, names);
    diagnostics_.add(std::move(d));
    path_.pop_back();
  }

  void mismatch(const Json& found, std::string_view expected) {
    diagnostics_.mismatch(found.position(), path(), std::string(expected), describe(found));
  }
  void bad(const Json& found, std::string message) {
    diagnostics_.error(found.position(), path(), std::move(message));
  }

  void decode_field(const FieldInfo& f, const Json& value, void* out) {
    switch (f.shape) {
      case Shape::kValue:
        if (f.type == FieldType::kStruct) {
          decode_struct(*f.type_info, value, out);
        } else if (f.has(FieldInfo::kNumber) && value.is_number()) {
          *static_cast<Str*>(out) = value.number_text();
        } else {
          with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
            scalar(value, *static_cast<T*>(out));
          });
        }
        return;
      case Shape::kOptional:
        if (f.type == FieldType::kStruct) {
          if (!value.is_object()) return mismatch(value, "mapping");
          decode_struct(*f.type_info, value, f.opt->edit(out));
        } else {
          with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
            T scalar_value{};
            if (scalar(value, scalar_value)) {
              *static_cast<std::optional<T>*>(out) = std::move(scalar_value);
            }
          });
        }
        return;
      case Shape::kList: {
        if (!value.is_array()) return mismatch(value, "list");
        const std::span<const Json> items = value.items();
        if (items.empty()) return;
        void* element = f.list->resize(out, items.size());
        for (size_t i = 0; i < items.size(); ++i, element = at_offset(element, f.list->stride)) {
          if (items[i].is_null()) continue;
          path_.push_back({{}, i});
          if (f.type == FieldType::kStruct) {
            decode_struct(*f.type_info, items[i], element);
          } else {
            with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
              scalar(items[i], *static_cast<T*>(element));
            });
          }
          path_.pop_back();
        }
        return;
      }
      case Shape::kMap:
        if (!value.is_object()) return mismatch(value, "mapping");
        with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          Map<T>& map = *static_cast<Map<T>*>(out);
          for (const Json::Member& m : value.members()) {
            path_.push_back({m.key.view(), 0});
            T scalar_value{};
            if (m.value.is_null() || scalar(m.value, scalar_value)) {
              map.set(m.key, std::move(scalar_value));
            }
            path_.pop_back();
          }
        });
        return;
    }
  }

  bool scalar(const Json& value, Str& out) {
    if (!value.is_string()) {
      const bool plain = value.is_number() || value.is_bool();
      mismatch(value, plain ? "string (put it in quotes)" : "string");
      return false;
    }
    out = value.as_str();
    return true;
  }
  bool scalar(const Json& value, bool& out) {
    if (!value.is_bool()) return mismatch(value, "boolean"), false;
    out = value.as_bool();
    return true;
  }
  bool scalar(const Json& value, int64_t& out) {
    if (value.is_int()) {
      out = value.as_int();
      return true;
    }
    const double d = value.as_double();
    if (value.is_double() && d == std::floor(d) && std::fabs(d) < 9007199254740992.0) {
      out = static_cast<int64_t>(d);
      return true;
    }
    mismatch(value, "integer");
    return false;
  }
  bool scalar(const Json& value, int32_t& out) {
    int64_t wide = 0;
    if (!scalar(value, wide)) return false;
    if (wide < std::numeric_limits<int32_t>::min() || wide > std::numeric_limits<int32_t>::max()) {
      mismatch(value, "integer of 32 bits");
      return false;
    }
    out = static_cast<int32_t>(wide);
    return true;
  }
  bool scalar(const Json& value, double& out) {
    if (!value.is_number()) return mismatch(value, "number"), false;
    out = value.as_double();
    return true;
  }
  bool scalar(const Json& value, Quantity& out) {
    if (!value.is_string() && !value.is_number()) {
      return mismatch(value, "quantity, such as 500m or 2Gi"), false;
    }
    std::string_view error;
    const std::string number = value.number_text();
    const std::optional<Quantity> q =
        Quantity::parse(value.is_string() ? value.as_view() : std::string_view(number), &error);
    if (!q) {
      mismatch(value, "quantity, such as 500m or 2Gi");
      return false;
    }
    out = *q;
    return true;
  }
  bool scalar(const Json& value, IntOrString& out) {
    if (value.is_string()) {
      out = IntOrString(value.as_str());
      return true;
    }
    if (!value.is_number()) return mismatch(value, "integer or string"), false;
    int32_t number = 0;
    if (!scalar(value, number)) return false;
    out = IntOrString(number);
    return true;
  }
  bool scalar(const Json& value, Time& out) {
    std::optional<Time> t;
    if (value.is_string()) t = parse_time(value.as_view());
    if (!t) return mismatch(value, "time, such as 2025-01-02T15:04:05Z"), false;
    out = *t;
    return true;
  }
  bool scalar(const Json& value, Json& out) {
    out = value;
    return true;
  }

  Diagnostics& diagnostics_;
  std::string_view root_;
  UnknownFields unknown_;
  std::vector<Step> path_;
};

// --- encoding ---

Json scalar_json(const Str& v, FieldType) { return Json(v); }
Json scalar_json(bool v, FieldType) { return Json(v); }
Json scalar_json(int32_t v, FieldType) { return Json(v); }
Json scalar_json(int64_t v, FieldType) { return Json(v); }
Json scalar_json(double v, FieldType) { return Json(v); }
Json scalar_json(const Quantity& v, FieldType) { return Json(v.to_string()); }
Json scalar_json(const IntOrString& v, FieldType) {
  return v.is_string() ? Json(v.string_value()) : Json(v.int_value());
}
Json scalar_json(Time v, FieldType type) {
  if (v.is_zero()) return Json();
  return Json(type == FieldType::kMicroTime ? format_micro_time(v) : format_time(v));
}
Json scalar_json(const Json& v, FieldType) { return v; }

void encode_members(const TypeInfo& type, const void* value, std::vector<Json::Member>& out);

Json struct_json(const TypeInfo& type, const void* value) {
  std::vector<Json::Member> members;
  encode_members(type, value, members);
  return Json::object(std::move(members));
}

}  // namespace

Json encode_field(const FieldInfo& f, const void* field) {
  switch (f.shape) {
    case Shape::kValue:
      if (f.type == FieldType::kStruct) return struct_json(*f.type_info, field);
      return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
        return scalar_json(*static_cast<const T*>(field), f.type);
      });
    case Shape::kOptional:
      if (f.type == FieldType::kStruct) {
        const void* inner = f.opt->get(field);
        return inner ? struct_json(*f.type_info, inner) : Json();
      }
      return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
        const auto& o = *static_cast<const std::optional<T>*>(field);
        return o ? scalar_json(*o, f.type) : Json();
      });
    case Shape::kList: {
      const size_t n = f.list->size(field);
      if (n == 0) return Json();
      std::vector<Json> items;
      items.reserve(n);
      const void* element = f.list->data(field);
      for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
        if (f.type == FieldType::kStruct) {
          items.push_back(struct_json(*f.type_info, element));
        } else {
          with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
            items.push_back(scalar_json(*static_cast<const T*>(element), f.type));
          });
        }
      }
      return Json::array(std::move(items));
    }
    case Shape::kMap: {
      std::vector<Json::Member> members;
      with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
        for (const auto& [key, value] : *static_cast<const Map<T>*>(field)) {
          members.push_back({key, scalar_json(value, f.type)});
        }
      });
      return Json::object(std::move(members));
    }
  }
  return Json();
}

namespace {

void encode_members(const TypeInfo& type, const void* value, std::vector<Json::Member>& out) {
  for (const FieldInfo& f : type.fields) {
    const void* field = field_of(value, f);
    if (!f.has(FieldInfo::kAlways) && is_absent(f, field)) continue;
    out.push_back({f.name, encode_field(f, field)});
  }
  const Json& extra = extra_of(type, value);
  for (const Json::Member& m : extra.members()) out.push_back(m);
}

// --- objects ---

// autoscaling/v1: one CPU target instead of metrics.
Json convert_hpa_v1(const Json& tree) {
  Json result = tree;
  const Json& spec = tree["spec"];
  if (spec.is_object()) {
    Json converted = spec;
    if (const Json* target = spec.find("targetCPUUtilizationPercentage")) {
      if (!target->is_null()) {
        Json metric = Json::object(
            {{"type", "Resource"},
             {"resource",
              Json::object({{"name", "cpu"},
                            {"target", Json::object({{"type", "Utilization"},
                                                     {"averageUtilization", *target}})}})}});
        converted.set("metrics", Json::array({std::move(metric)}));
      }
      converted.erase("targetCPUUtilizationPercentage");
    }
    result.set("spec", std::move(converted));
  }
  const Json& status = tree["status"];
  if (status.is_object()) {
    Json converted = status;
    if (const Json* current = status.find("currentCPUUtilizationPercentage")) {
      if (!current->is_null()) {
        Json metric = Json::object(
            {{"type", "Resource"},
             {"resource",
              Json::object({{"name", "cpu"},
                            {"current", Json::object({{"averageUtilization", *current}})}})}});
        converted.set("currentMetrics", Json::array({std::move(metric)}));
      }
      converted.erase("currentCPUUtilizationPercentage");
    }
    result.set("status", std::move(converted));
  }
  return result;
}

// Says why a kind that the schema knows is not served under this apiVersion. False if it may be
// somebody else's kind of the same name.
bool report_unserved(const Json& tree, std::string_view api_version, std::string_view kind,
                     Diagnostics& diagnostics) {
  const std::string_view group = api_version.find('/') == std::string_view::npos
                                     ? std::string_view()
                                     : api_version.substr(0, api_version.find('/'));
  bool known_group = false;
  const KindInfo* by_name = nullptr;
  for (const KindInfo& info : all_kinds().subspan(1)) {
    known_group = known_group || info.group == group;
    if (info.name != kind) continue;
    by_name = &info;
    for (const RemovedVersion& removed : info.removed_versions) {
      if (removed.api_version != api_version) continue;
      diagnostics.error(tree.key_position("apiVersion"), std::string(kind),
                        std::string(api_version) + " " + std::string(kind) +
                            " was removed in Kubernetes " + std::string(removed.removed_in) +
                            "; use " + std::string(info.api_version));
      return true;
    }
  }
  if (!by_name || !known_group) return false;
  diagnostics.error(tree.key_position("apiVersion"), std::string(kind),
                    "no matches for kind \"" + std::string(kind) + "\" in version \"" +
                        std::string(api_version) + "\"; use " + std::string(by_name->api_version));
  return true;
}

std::string root_name(std::string_view kind, const Json& tree) {
  std::string root(kind);
  const Json& metadata = tree["metadata"];
  std::string_view name = metadata["name"].as_view();
  if (name.empty()) name = metadata["generateName"].as_view();
  if (!name.empty()) root += '/' + std::string(name);
  return root;
}

// A kind that the schema does not have may be another one misspelt; so may its apiVersion.
void warn_of_misspelling(const Json& tree, std::string_view api_version, std::string_view kind,
                         Diagnostics& diagnostics) {
  Diagnostic d;
  d.severity = Diagnostic::Severity::kWarning;
  std::vector<std::string_view> kinds, versions;
  for (const KindInfo& known : all_kinds()) {
    if (known.api_version == api_version) kinds.push_back(known.name);
    if (known.name == kind) versions.push_back(known.api_version);
  }
  if (const std::string_view near = nearest(kind, kinds); !near.empty()) {
    d.at = tree["kind"].position();
    d.suggestion = near;
  } else if (const std::string_view close = nearest(api_version, versions); !close.empty()) {
    d.at = tree["apiVersion"].position();
    d.suggestion = close;
  } else {
    return;
  }
  d.path = root_name(kind, tree);
  d.message = "no kind \"" + std::string(kind) + "\" of " + std::string(api_version) +
              " is known: it is kept but has no effect";
  diagnostics.add(std::move(d));
}

ObjectRef decode_unstructured(const Json& tree, std::string_view api_version, std::string_view kind,
                              Decoder& decoder) {
  Ref<Unstructured> object = make<Unstructured>();
  object->api_version = api_version;
  object->kind_name = kind;
  for (const Json::Member& m : tree.members()) {
    if (m.key == "apiVersion" || m.key == "kind") continue;
    if (m.key == "metadata") {
      decoder.decode_struct(ObjectMeta::kType, m.value, &object->metadata);
    } else {
      object->extra.set(m.key, m.value);
    }
  }
  return object;
}

}  // namespace

void* object_base(Object& object) {
  // Descriptors of kinds count from the start of the most derived object, which is where Object,
  // its only base, starts.
  return &object;
}

ObjectRef decode(const Json& tree, Diagnostics& diagnostics) {
  if (!tree.is_object()) {
    diagnostics.mismatch(tree.position(), "", "a Kubernetes object", describe(tree));
    return nullptr;
  }
  const std::string_view kind = tree["kind"].as_view();
  const std::string_view api_version = tree["apiVersion"].as_view();
  if (kind.empty() || api_version.empty()) {
    diagnostics.error(tree.position(), "",
                      kind.empty() ? "kind is missing: not a Kubernetes object"
                                   : "apiVersion is missing: not a Kubernetes object");
    return nullptr;
  }
  const std::string root = root_name(kind, tree);
  Decoder decoder(diagnostics, root);
  const KindInfo* info = find_kind(api_version, kind);
  if (!info) {
    if (report_unserved(tree, api_version, kind, diagnostics)) return nullptr;
    warn_of_misspelling(tree, api_version, kind, diagnostics);
    return decode_unstructured(tree, api_version, kind, decoder);
  }
  Ref<Object> object = info->make();
  if (api_version == "autoscaling/v1" && info->kind == Kind::HorizontalPodAutoscaler) {
    decoder.decode_struct(*info->type, convert_hpa_v1(tree), object_base(*object), 1);
  } else {
    decoder.decode_struct(*info->type, tree, object_base(*object), 1);
  }
  return object;
}

void decode_all(const Json& tree, Diagnostics& diagnostics, std::vector<ObjectRef>* out,
                std::vector<Position>* places) {
  const auto take = [&](const Json& one) {
    ObjectRef object = decode(one, diagnostics);
    if (!object) return;
    out->push_back(std::move(object));
    if (places) places->push_back(one.position());
  };
  const std::string_view kind = tree["kind"].as_view();
  const Json& items = tree["items"];
  if (kind.ends_with("List") && items.is_array()) {
    const std::string_view element_kind = kind.substr(0, kind.size() - 4);
    for (const Json& item : items.items()) {
      // Elements of typed lists need not name their kind.
      if (!element_kind.empty() && item.is_object() && !item.contains("kind")) {
        Json named = item;
        named.set("kind", element_kind);
        named.set("apiVersion", tree["apiVersion"]);
        take(named);
      } else {
        decode_all(item, diagnostics, out, places);
      }
    }
    return;
  }
  take(tree);
}

Json encode(const Object& object) {
  std::vector<Json::Member> members;
  members.push_back({"kind", kind_name_of(object)});
  members.push_back({"apiVersion", api_version_of(object)});
  if (const TypeInfo* type = kind_info(object).type) {
    encode_members(*type, &object, members);
  } else {
    members.push_back({"metadata", encode_as(object.metadata)});
    for (const Json::Member& m : object.extra.members()) members.push_back(m);
  }
  return Json::object(std::move(members));
}

Json encode_list(const KindInfo& info, std::string_view resource_version,
                 const std::vector<ObjectRef>& items) {
  std::vector<Json> trees;
  trees.reserve(items.size());
  for (const ObjectRef& item : items) {
    Json tree = encode(*item);
    tree.erase("kind");
    tree.erase("apiVersion");
    trees.push_back(std::move(tree));
  }
  return Json::object({{"kind", std::string(info.name) + "List"},
                       {"apiVersion", info.api_version},
                       {"metadata", Json::object({{"resourceVersion", resource_version}})},
                       {"items", Json::array(std::move(trees))}});
}

void decode_struct(const TypeInfo& type, const Json& tree, void* out, Diagnostics& diagnostics,
                   std::string_view path, UnknownFields unknown) {
  Decoder decoder(diagnostics, path, unknown);
  decoder.decode_struct(type, tree, out);
}

Json encode_struct(const TypeInfo& type, const void* value) { return struct_json(type, value); }

}  // namespace mainspring::api
