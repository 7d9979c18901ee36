#include "models/api/validation.h"

#include <algorithm>
#include <limits>

#include "models/api/codec.h"
#include "models/api/compare.h"
#include "models/api/descriptor_access.h"
#include "models/api/diagnostics.h"
#include "models/api/text.h"
#include "models/api/types/all.h"
#include "models/api/validate_context.h"

// The walk over the schema, rules on names, whole objects and updates. The rules of single structs
// are in validate_fields.cpp.
namespace mainspring::api {

std::string ValidateContext::with(std::string text, std::string_view why) {
  if (!why.empty()) text.append(": ").append(why);
  return text;
}

namespace {

constexpr std::string_view kLabelMessage =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kSubdomainMessage =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabel1035Message =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kLabelValueMessage =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr std::string_view kNamePartMessage =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kQualifiedNameMessage =
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
    "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain "
    "prefix and '/' (e.g. 'example.com/MyName')";

constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower_alnum(char c) { return is_lower(c) || is_digit(c); }
constexpr bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_label_text(std::string_view s) {
  if (s.empty() || !is_lower_alnum(s.front()) || !is_lower_alnum(s.back())) return false;
  return std::all_of(s.begin(), s.end(), [](char c) { return is_lower_alnum(c) || c == '-'; });
}
bool is_name_text(std::string_view s) {
  if (s.empty() || !is_alnum(s.front()) || !is_alnum(s.back())) return false;
  return std::all_of(s.begin(), s.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

std::string_view check_dns_label(std::string_view text) {
  if (text.size() > 63) return "must be no more than 63 characters";
  return is_label_text(text) ? std::string_view() : kLabelMessage;
}

std::string_view check_dns_1035_label(std::string_view text) {
  if (text.size() > 63) return "must be no more than 63 characters";
  return is_label_text(text) && is_lower(text.front()) ? std::string_view() : kLabel1035Message;
}

std::string_view check_dns_subdomain(std::string_view text) {
  if (text.size() > 253) return "must be no more than 253 characters";
  while (true) {
    const size_t dot = text.find('.');
    if (!is_label_text(text.substr(0, dot))) return kSubdomainMessage;
    if (dot == std::string_view::npos) return {};
    text.remove_prefix(dot + 1);
  }
}

std::string_view check_label_value(std::string_view text) {
  if (text.size() > 63) return "must be no more than 63 characters";
  return text.empty() || is_name_text(text) ? std::string_view() : kLabelValueMessage;
}

std::string_view check_qualified_name(std::string_view text) {
  std::string_view name = text;
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) return kQualifiedNameMessage;
    if (prefix.empty()) return "prefix part must be non-empty";
    if (!check_dns_subdomain(prefix).empty()) {
      return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
             "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
             "'example.com', regex used for validation is "
             "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    }
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 characters";
  return is_name_text(name) ? std::string_view() : kNamePartMessage;
}

namespace {

// A port's name: 1 to 15 of a-z 0-9 -, a letter among them, no hyphen at an end or doubled.
std::string_view check_port_name(std::string_view text) {
  if (text.size() > 15) return "must be no more than 15 characters";
  if (!std::all_of(text.begin(), text.end(),
                   [](char c) { return is_lower_alnum(c) || c == '-'; })) {
    return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
  }
  if (std::none_of(text.begin(), text.end(), is_lower)) {
    return "must contain at least one letter (a-z)";
  }
  if (text.find("--") != std::string_view::npos) return "must not contain consecutive hyphens";
  if (text.starts_with('-') || text.ends_with('-')) return "must not begin or end with a hyphen";
  return {};
}

void check_labels(const StrMap& labels, std::string_view field, ValidateContext& c) {
  for (const auto& [key, value] : labels) {
    c.check(field, key, check_qualified_name(key));
    c.check(field, value, check_label_value(value));
  }
}

void check_annotations(const StrMap& annotations, std::string_view field, ValidateContext& c) {
  constexpr size_t kMaxBytes = 256 * 1024;
  size_t bytes = 0;
  for (const auto& [key, value] : annotations) {
    c.check(field, key, check_qualified_name(to_lower(key)));
    bytes += key.size() + value.size();
  }
  if (bytes > kMaxBytes) {
    c.add(FieldError::Type::kTooLong, field, "Too long: may not be more than 262144 bytes");
  }
}

void check_format(const FieldInfo& f, const void* field, ValidateContext& c) {
  std::string_view text;
  if (f.type == FieldType::kString && f.shape == Shape::kValue) {
    text = static_cast<const Str*>(field)->view();
    if (text.empty()) return;
  }
  switch (f.format) {
    case Format::kNone:
      return;
    case Format::dns_label:
      return c.check(f.name, text, check_dns_label(text));
    case Format::dns_subdomain:
      return c.check(f.name, text, check_dns_subdomain(text));
    case Format::qualified_name:
      return c.check(f.name, text, check_qualified_name(text));
    case Format::label_value:
      return c.check(f.name, text, check_label_value(text));
    case Format::port_name:
      return c.check(f.name, text, check_port_name(text));
    case Format::labels:
      return check_labels(*static_cast<const StrMap*>(field), f.name, c);
    case Format::annotations:
      return check_annotations(*static_cast<const StrMap*>(field), f.name, c);
    case Format::port: {
      const int32_t port = *static_cast<const int32_t*>(field);
      if (port == 0 && f.has(FieldInfo::kRequired) && f.name == "containerPort") {
        return c.required(f.name);
      }
      if (port < 1 || port > 65535) {
        c.invalid(f.name, Json(port), "must be between 1 and 65535, inclusive");
      }
      return;
    }
  }
}

template <class T>
void check_range(const FieldInfo& f, T value, ValidateContext& c) {
  const bool low = f.has_min && value < f.min;
  const bool high = f.has_max && value > f.max;
  if (!low && !high) return;
  std::string why;
  if (f.has_max && f.max == 511) {
    why = "must be a number between 0 and 0777 (octal), both inclusive";
  } else if (f.has_max && f.has_min) {
    why = "must be between " + std::to_string(f.min) + " and " + std::to_string(f.max) +
          ", inclusive";
  } else if (f.min == 1) {
    why = "must be greater than 0";
  } else {
    why = "must be greater than or equal to " + std::to_string(f.min);
  }
  c.invalid(f.name, Json(value), why);
}

void check_enum(const FieldInfo& f, std::string_view field, const Str& value, ValidateContext& c) {
  if (!f.enum_info || f.enum_info->open || value.empty()) return;
  const auto values = f.enum_info->values;
  if (std::find(values.begin(), values.end(), value.view()) == values.end()) {
    c.unsupported(field, Json(value), values);
  }
}

void walk(const TypeInfo& type, const void* value, ValidateContext& c);

void walk_field(const FieldInfo& f, const void* field, ValidateContext& c) {
  const bool is_struct = f.type == FieldType::kStruct;
  const bool is_text = f.type == FieldType::kString;
  if (f.has(FieldInfo::kRequired) && f.type != FieldType::kInt32 && f.type != FieldType::kInt64 &&
      f.type != FieldType::kTime && f.type != FieldType::kMicroTime && f.type != FieldType::kBool &&
      is_absent(f, field)) {
    c.required(f.name);
    return;
  }
  if (f.format != Format::kNone) check_format(f, field, c);
  switch (f.shape) {
    case Shape::kValue:
      if (is_struct) {
        const ValidateContext::Scope scope(c, f.name);
        walk(*f.type_info, field, c);
      } else if (is_text) {
        check_enum(f, f.name, *static_cast<const Str*>(field), c);
      } else if (f.type == FieldType::kInt32) {
        check_range(f, *static_cast<const int32_t*>(field), c);
      } else if (f.type == FieldType::kInt64) {
        check_range(f, *static_cast<const int64_t*>(field), c);
      }
      return;
    case Shape::kOptional:
      if (is_struct) {
        if (const void* inner = f.opt->get(field)) {
          const ValidateContext::Scope scope(c, f.name);
          walk(*f.type_info, inner, c);
        }
      } else if (f.type == FieldType::kInt32) {
        const auto& v = *static_cast<const std::optional<int32_t>*>(field);
        if (v) check_range(f, *v, c);
      } else if (f.type == FieldType::kInt64) {
        const auto& v = *static_cast<const std::optional<int64_t>*>(field);
        if (v) check_range(f, *v, c);
      } else if (is_text) {
        const auto& v = *static_cast<const std::optional<Str>*>(field);
        if (v) check_enum(f, f.name, *v, c);
      }
      return;
    case Shape::kList: {
      const size_t n = f.list->size(field);
      const void* element = f.list->data(field);
      for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
        if (is_struct) {
          const ValidateContext::Scope scope(c, f.name, i);
          walk(*f.type_info, element, c);
        } else if (is_text && f.enum_info) {
          check_enum(f, std::string(f.name) + '[' + std::to_string(i) + ']',
                     *static_cast<const Str*>(element), c);
        }
      }
      return;
    }
    case Shape::kMap:
      return;
  }
}

void walk(const TypeInfo& type, const void* value, ValidateContext& c) {
  for (const FieldInfo& f : type.fields) walk_field(f, field_of(value, f), c);
  if (type.validate) type.validate(value, c);
}

std::string_view check_name(const Object& object, std::string_view name) {
  switch (object.kind) {
    case Kind::Namespace:
      return check_dns_label(name);
    case Kind::Service:
      return check_dns_1035_label(name);
    case Kind::Unstructured:
      return {};
    default:
      return check_dns_subdomain(name);
  }
}

void check_metadata(const Object& object, ValidateContext& c) {
  const ObjectMeta& m = object.metadata;
  // Files of kinds that are not stored, such as configurations, have no name.
  if (m.name.empty() && m.generate_name.empty() && object.kind != Kind::Unstructured) {
    c.required("name", "name or generateName is required");
  }
  if (!m.name.empty()) c.check("name", m.name, check_name(object, m.name));
  if (!m.generate_name.empty()) {
    // Five characters will follow.
    c.check("generateName", m.generate_name,
            check_name(object, m.generate_name.str() + (m.generate_name.size() < 58 ? "x" : "")));
  }
  if (!kind_info(object).namespaced && object.kind != Kind::Unstructured) {
    if (!m.namespace_.empty()) c.forbidden("namespace", "not allowed on this type");
  } else if (!m.namespace_.empty()) {
    c.check("namespace", m.namespace_, check_dns_label(m.namespace_));
  }
  const OwnerReference* controller = nullptr;
  for (size_t i = 0; i < m.owner_references.size(); ++i) {
    const OwnerReference& r = m.owner_references[i];
    if (!r.controller.value_or(false)) continue;
    if (controller) {
      c.invalid("ownerReferences", encode_as(r),
                "Only one reference can have Controller set to true");
    }
    controller = &r;
  }
}

template <class T>
void immutable(std::string_view field, const T& old, const T& now, const Json& value,
               ValidateContext& c) {
  if (!(old == now)) c.invalid(field, value, "field is immutable");
}

void immutable_selector(const Opt<LabelSelector>& old, const Opt<LabelSelector>& now,
                        ValidateContext& c) {
  immutable("spec.selector", old, now, now ? encode_as(*now) : Json(), c);
}

// What a pod's spec may change into: images, a shorter deadline, more tolerations, fewer gates.
void check_pod_update(const Pod& old, const Pod& now, ValidateContext& c) {
  const std::optional<int64_t>& deadline = old.spec.active_deadline_seconds;
  const std::optional<int64_t>& new_deadline = now.spec.active_deadline_seconds;
  if (deadline && !new_deadline) {
    c.invalid("spec.activeDeadlineSeconds", Json(),
              "must not update from a positive integer to nil value");
  } else if (deadline && *new_deadline > *deadline) {
    c.invalid("spec.activeDeadlineSeconds", Json(*new_deadline),
              "must be less than or equal to previous value");
  }
  for (const PodSchedulingGate& gate : now.spec.scheduling_gates) {
    const auto same = [&](const PodSchedulingGate& g) { return g.name == gate.name; };
    if (std::none_of(old.spec.scheduling_gates.begin(), old.spec.scheduling_gates.end(), same)) {
      c.forbidden(
          "spec.schedulingGates",
          "only deletion is allowed, but found new scheduling gate '" + gate.name.str() + "'");
    }
  }
  for (const Toleration& t : old.spec.tolerations) {
    const auto same = [&](const Toleration& n) {
      return n.key == t.key && n.operator_ == t.operator_ && n.value == t.value &&
             n.effect == t.effect;
    };
    if (std::none_of(now.spec.tolerations.begin(), now.spec.tolerations.end(), same)) {
      c.forbidden("spec.tolerations",
                  "existing toleration can not be modified except its "
                  "tolerationSeconds");
      break;
    }
  }
  PodSpec allowed = now.spec;
  const auto keep_images = [](List<Container>& to, const List<Container>& from) {
    if (to.size() != from.size() || to == from) return;
    ListItems<Container>& containers = to.edit();
    for (size_t i = 0; i < containers.size(); ++i) {
      containers[i].image = from[i].image;
      containers[i].resources = from[i].resources;  // in-place resize
    }
  };
  keep_images(allowed.containers, old.spec.containers);
  keep_images(allowed.init_containers, old.spec.init_containers);
  allowed.active_deadline_seconds = deadline;
  allowed.tolerations = old.spec.tolerations;
  allowed.scheduling_gates = old.spec.scheduling_gates;
  allowed.ephemeral_containers = old.spec.ephemeral_containers;
  if (old.spec.termination_grace_period_seconds.value_or(0) < 0 &&
      now.spec.termination_grace_period_seconds == 1) {
    allowed.termination_grace_period_seconds = old.spec.termination_grace_period_seconds;
  }
  // Binding, and gated pods, whose placement may still be narrowed.
  if (old.spec.node_name.empty()) allowed.node_name = old.spec.node_name;
  if (!old.spec.scheduling_gates.empty()) {
    allowed.node_selector = old.spec.node_selector;
    allowed.affinity = old.spec.affinity;
  }
  if (allowed != old.spec) {
    c.forbidden("spec",
                "pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
                "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
                "(allow it to be set to 1 if it was previously negative)");
  }
}

void check_stateful_set_update(const StatefulSet& old, const StatefulSet& now, ValidateContext& c) {
  StatefulSetSpec allowed = now.spec;
  allowed.replicas = old.spec.replicas;
  allowed.template_ = old.spec.template_;
  allowed.update_strategy = old.spec.update_strategy;
  allowed.min_ready_seconds = old.spec.min_ready_seconds;
  allowed.ordinals = old.spec.ordinals;
  allowed.revision_history_limit = old.spec.revision_history_limit;
  allowed.persistent_volume_claim_retention_policy =
      old.spec.persistent_volume_claim_retention_policy;
  if (allowed != old.spec) {
    c.forbidden("spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                "'template', 'updateStrategy', 'revisionHistoryLimit', "
                "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
  }
}

void check_job_update(const Job& old, const Job& now, ValidateContext& c) {
  const bool indexed = now.spec.completion_mode == completion_mode::kIndexed;
  // An indexed job may grow and shrink if completions and parallelism stay the same.
  const bool elastic = indexed && now.spec.completions == now.spec.parallelism;
  if (!elastic && old.spec.completions != now.spec.completions) {
    c.invalid("spec.completions", now.spec.completions ? Json(*now.spec.completions) : Json(),
              "field is immutable");
  }
  immutable_selector(old.spec.selector, now.spec.selector, c);
  const bool suspended = old.spec.suspend.value_or(false);
  PodTemplateSpec allowed = now.spec.template_;
  if (suspended && old.status.start_time.is_zero()) {
    // A suspended job's pods may still be told where to go.
    allowed.metadata.labels = old.spec.template_.metadata.labels;
    allowed.metadata.annotations = old.spec.template_.metadata.annotations;
    allowed.spec.affinity = old.spec.template_.spec.affinity;
    allowed.spec.node_selector = old.spec.template_.spec.node_selector;
    allowed.spec.tolerations = old.spec.template_.spec.tolerations;
    allowed.spec.scheduling_gates = old.spec.template_.spec.scheduling_gates;
  }
  immutable("spec.template", old.spec.template_, allowed, encode_as(now.spec.template_), c);
  immutable("spec.completionMode", old.spec.completion_mode, now.spec.completion_mode,
            Json(now.spec.completion_mode), c);
}

void check_service_update(const Service& old, const Service& now, ValidateContext& c) {
  const bool was_external = old.spec.type == service_type::kExternalName;
  const bool is_external = now.spec.type == service_type::kExternalName;
  if (!was_external && !is_external && !old.spec.cluster_ip.empty() &&
      old.spec.cluster_ip != now.spec.cluster_ip) {
    c.invalid("spec.clusterIPs[0]", Json::array({Json(now.spec.cluster_ip)}),
              "may not change once set");
  }
}

}  // namespace

std::string_view FieldError::reason() const {
  switch (type) {
    case Type::kInvalid:
      return "FieldValueInvalid";
    case Type::kRequired:
      return "FieldValueRequired";
    case Type::kDuplicate:
      return "FieldValueDuplicate";
    case Type::kNotSupported:
      return "FieldValueNotSupported";
    case Type::kForbidden:
      return "FieldValueForbidden";
    case Type::kTooLong:
      return "FieldValueTooLong";
    case Type::kTooMany:
      return "FieldValueTooMany";
    case Type::kNotFound:
      return "FieldValueNotFound";
  }
  return {};
}

std::vector<FieldError> validate(const Object& object) {
  ValidateContext c;
  {
    const ValidateContext::Scope scope(c, "metadata");
    check_metadata(object, c);
  }
  const TypeInfo* type = kind_info(object).type;
  if (!type) {
    const ValidateContext::Scope scope(c, "metadata");
    walk(ObjectMeta::kType, &object.metadata, c);
    return std::move(c.errors);
  }
  for (const FieldInfo& f : type->fields) {
    // Status is what the cluster says, not what people ask for.
    if (f.name != "status") walk_field(f, field_of(&object, f), c);
  }
  if (type->validate) type->validate(&object, c);
  return std::move(c.errors);
}

Position place_of(const Json& tree, std::string_view path) {
  const Json* at = &tree;
  Position found = tree.position();
  while (!path.empty()) {
    if (path.front() == '.') path.remove_prefix(1);
    const Json* next = nullptr;
    if (path.front() == '[') {
      const size_t end = path.find(']');
      if (end == std::string_view::npos) break;
      const std::string_view inner = path.substr(1, end - 1);
      path.remove_prefix(end + 1);
      size_t index = 0;
      bool number = !inner.empty();
      for (char ch : inner) {
        number = number && is_digit(ch);
        index = index * 10 + static_cast<size_t>(ch - '0');
      }
      if (!number) {
        next = at->find(inner);
      } else if (index < at->items().size()) {
        next = &at->items()[index];
      }
      if (next && next->position().known()) found = next->position();
    } else {
      const size_t n = std::min(path.find_first_of(".["), path.size());
      const std::string_view name = path.substr(0, n);
      path.remove_prefix(n);
      next = at->find(name);
      if (next) {
        const Position key = at->key_position(name);
        found = path.empty() && next->position().known() ? next->position()
                : key.known()                            ? key
                                                         : found;
      }
    }
    if (!next) break;
    at = next;
  }
  return found;
}

namespace {

// A value of the wrong type was reported while decoding; that it is then missing, or that what it
// stands in is empty, says nothing new.
void report(std::vector<FieldError> errors, Diagnostics& diagnostics, const Json* source,
            const std::string& root) {
  const auto place_in = [&](const FieldError& e) {
    if (e.field.empty()) return root;
    return root.empty() ? e.field : root + ' ' + e.field;
  };
  // Against what was there before, not against one another.
  std::erase_if(errors, [&](const FieldError& e) {
    return !e.field.empty() && diagnostics.has_error_within(place_in(e));
  });
  for (FieldError& e : errors) {
    std::string place = place_in(e);
    const Position at = source ? place_of(*source, e.field) : Position();
    diagnostics.error(at, std::move(place), std::move(e.detail));
  }
}

}  // namespace

void validate(const Object& object, Diagnostics& diagnostics, const Json* source) {
  std::string root(kind_name_of(object));
  const Str& name =
      object.metadata.name.empty() ? object.metadata.generate_name : object.metadata.name;
  if (!name.empty()) root += '/' + name.str();
  report(validate(object), diagnostics, source, root);
}

void validate_struct(const TypeInfo& type, const void* value, Diagnostics& diagnostics,
                     const Json& source, std::string_view path) {
  ValidateContext c;
  walk(type, value, c);
  report(std::move(c.errors), diagnostics, &source, std::string(path));
}

namespace {

// Spec and status: what the claim is given stays as it is until it is given back.
void check_resource_claim_update(const ResourceClaim& old, const ResourceClaim& now,
                                 ValidateContext& c) {
  immutable("spec", old.spec, now.spec, encode_as(now.spec), c);
  if (now.status == old.status) return;
  const ValidateContext::Scope scope(c, "status");
  walk(ResourceClaimStatus::kType, &now.status, c);
  if (old.status.allocation && now.status.allocation) {
    immutable("allocation", old.status.allocation, now.status.allocation,
              encode_as(*now.status.allocation), c);
  }
  if (now.status.allocation && !now.metadata.deletion_timestamp.is_zero()) {
    for (const ResourceClaimConsumerReference& r : now.status.reserved_for) {
      const auto& before = old.status.reserved_for;
      if (std::find(before.begin(), before.end(), r) == before.end()) {
        c.forbidden("reservedFor",
                    "new entries may not be added while `deallocationRequested` or "
                    "`deletionTimestamp` are set");
        break;
      }
    }
  }
}

}  // namespace

std::vector<FieldError> validate_update(const Object& old, const Object& now) {
  ValidateContext c;
  if (old.kind != now.kind) {
    c.invalid("kind", Json(kind_name_of(now)), "field is immutable");
    return std::move(c.errors);
  }
  {
    const ObjectMeta& a = old.metadata;
    const ObjectMeta& b = now.metadata;
    const ValidateContext::Scope scope(c, "metadata");
    immutable("name", a.name, b.name, Json(b.name), c);
    immutable("namespace", a.namespace_, b.namespace_, Json(b.namespace_), c);
    immutable("uid", a.uid, b.uid, Json(b.uid), c);
    // Nothing new may wait for an object that is being deleted.
    if (!a.deletion_timestamp.is_zero()) {
      for (const Str& f : b.finalizers) {
        if (std::find(a.finalizers.begin(), a.finalizers.end(), f) == a.finalizers.end()) {
          c.forbidden("finalizers",
                      "no new finalizers can be added if the object is being deleted, found new "
                      "finalizers []string{\"" +
                          f.str() + "\"}");
        }
      }
    }
  }
  switch (now.kind) {
    case Kind::Pod:
      check_pod_update(as<Pod>(old), as<Pod>(now), c);
      break;
    case Kind::Deployment:
      immutable_selector(as<Deployment>(old).spec.selector, as<Deployment>(now).spec.selector, c);
      break;
    case Kind::ReplicaSet:
      immutable_selector(as<ReplicaSet>(old).spec.selector, as<ReplicaSet>(now).spec.selector, c);
      break;
    case Kind::DaemonSet:
      immutable_selector(as<DaemonSet>(old).spec.selector, as<DaemonSet>(now).spec.selector, c);
      break;
    case Kind::StatefulSet:
      check_stateful_set_update(as<StatefulSet>(old), as<StatefulSet>(now), c);
      break;
    case Kind::Job:
      check_job_update(as<Job>(old), as<Job>(now), c);
      break;
    case Kind::Service:
      check_service_update(as<Service>(old), as<Service>(now), c);
      break;
    case Kind::PriorityClass:
      if (as<PriorityClass>(old).value != as<PriorityClass>(now).value) {
        c.forbidden("value", "may not be changed in an update.");
      }
      immutable("preemptionPolicy", as<PriorityClass>(old).preemption_policy,
                as<PriorityClass>(now).preemption_policy,
                Json(as<PriorityClass>(now).preemption_policy), c);
      break;
    case Kind::StorageClass: {
      const StorageClass& a = as<StorageClass>(old);
      const StorageClass& b = as<StorageClass>(now);
      if (a.provisioner != b.provisioner) {
        c.forbidden("provisioner", "updates to provisioner are forbidden.");
      }
      if (a.parameters != b.parameters) {
        c.forbidden("parameters", "updates to parameters are forbidden.");
      }
      if (a.reclaim_policy != b.reclaim_policy) {
        c.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden.");
      }
      immutable("volumeBindingMode", a.volume_binding_mode, b.volume_binding_mode,
                Json(b.volume_binding_mode), c);
      break;
    }
    case Kind::ConfigMap: {
      const ConfigMap& a = as<ConfigMap>(old);
      const ConfigMap& b = as<ConfigMap>(now);
      if (!a.immutable.value_or(false)) break;
      if (!b.immutable.value_or(false)) {
        c.forbidden("immutable", "field is immutable when `immutable` is set");
      }
      if (a.data != b.data) c.forbidden("data", "field is immutable when `immutable` is set");
      break;
    }
    case Kind::Secret: {
      const Secret& a = as<Secret>(old);
      const Secret& b = as<Secret>(now);
      immutable("type", a.type, b.type, Json(b.type), c);
      if (!a.immutable.value_or(false)) break;
      if (!b.immutable.value_or(false)) {
        c.forbidden("immutable", "field is immutable when `immutable` is set");
      }
      if (a.data != b.data) c.forbidden("data", "field is immutable when `immutable` is set");
      break;
    }
    case Kind::ResourceClaim:
      check_resource_claim_update(as<ResourceClaim>(old), as<ResourceClaim>(now), c);
      break;
    case Kind::ResourceClaimTemplate:
      immutable("spec", as<ResourceClaimTemplate>(old).spec, as<ResourceClaimTemplate>(now).spec,
                encode_as(as<ResourceClaimTemplate>(now).spec), c);
      break;
    case Kind::ResourceSlice: {
      const ResourceSliceSpec& a = as<ResourceSlice>(old).spec;
      const ResourceSliceSpec& b = as<ResourceSlice>(now).spec;
      const ValidateContext::Scope scope(c, "spec");
      immutable("pool.name", a.pool.name, b.pool.name, Json(b.pool.name), c);
      immutable("driver", a.driver, b.driver, Json(b.driver), c);
      immutable("nodeName", a.node_name, b.node_name, Json(b.node_name.value_or(Str())), c);
      break;
    }
    case Kind::PersistentVolumeClaim: {
      // Bound claims may still grow.
      PersistentVolumeClaimSpec allowed = as<PersistentVolumeClaim>(now).spec;
      const PersistentVolumeClaimSpec& before = as<PersistentVolumeClaim>(old).spec;
      allowed.resources = before.resources;
      if (before.volume_name.empty()) allowed.volume_name = before.volume_name;
      allowed.volume_attributes_class_name = before.volume_attributes_class_name;
      if (!before.storage_class_name) allowed.storage_class_name = before.storage_class_name;
      if (allowed != before) {
        c.forbidden("spec",
                    "spec is immutable after creation except resources.requests and "
                    "volumeAttributesClassName for bound claims");
      }
      break;
    }
    default:
      break;
  }
  return std::move(c.errors);
}

std::string invalid_message(const Object& object, const std::vector<FieldError>& errors) {
  const KindInfo& info = kind_info(object);
  std::string text(kind_name_of(object));
  if (!info.group.empty()) text += '.' + std::string(info.group);
  text += " \"" + object.metadata.name.str() + "\" is invalid: ";
  std::vector<std::string> texts;
  texts.reserve(errors.size());
  for (const FieldError& e : errors) texts.push_back(e.text());
  return text + aggregate(texts);
}

std::string aggregate(const std::vector<std::string>& errors) {
  // A message is said once.
  std::vector<std::string_view> distinct;
  for (const std::string& e : errors) {
    if (std::find(distinct.begin(), distinct.end(), e) == distinct.end()) distinct.push_back(e);
  }
  if (distinct.size() == 1) return std::string(distinct[0]);
  std::string text = "[";
  for (size_t i = 0; i < distinct.size(); ++i) text.append(i ? ", " : "").append(distinct[i]);
  return text + ']';
}

}  // namespace mainspring::api
