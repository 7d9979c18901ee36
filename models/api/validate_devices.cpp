#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "models/api/cel.h"
#include "models/api/quantity.h"
#include "models/api/text.h"
#include "models/api/types/all.h"
#include "models/api/types/hooks.h"
#include "models/api/validate_context.h"

// Rules of resource.k8s.io. Source: pkg/apis/resource/validation/validation.go of v1.35; the limits
// stand in staging/src/k8s.io/api/resource/v1/types.go.
namespace mainspring::api {

namespace {

using Scope = ValidateContext::Scope;

constexpr size_t kMaxRequests = 32;  // also the devices of an allocation
constexpr size_t kMaxConstraints = 32;
constexpr size_t kMaxConfigs = 32;
constexpr size_t kMaxSelectors = 32;
constexpr size_t kMaxAlternatives = 8;
constexpr size_t kMaxExpression = 10 * 1024;
constexpr size_t kMaxDevices = 128;
constexpr size_t kMaxNamesOfDevice = 32;  // attributes and capacities
constexpr size_t kMaxValueLength = 64;
constexpr size_t kMaxIdLength = 32;
constexpr size_t kMaxDriverName = 63;
constexpr size_t kMaxPoolName = 253;
constexpr size_t kMaxParameters = 10 * 1024;
constexpr size_t kMaxReservations = 256;

std::string at(std::string_view list, size_t index) {
  return std::string(list) + '[' + std::to_string(index) + ']';
}

// Whether the list may be looked at further.
bool check_size(std::string_view field, size_t size, size_t most, ValidateContext& c) {
  if (size <= most) return true;
  c.add(FieldError::Type::kTooMany, field,
        "Too many: " + std::to_string(size) + ": must have at most " + std::to_string(most) +
            " items");
  return false;
}

void check_length(std::string_view field, std::string_view text, size_t most, ValidateContext& c) {
  if (text.size() <= most) return;
  c.add(FieldError::Type::kTooLong, field,
        "Too long: may not be more than " + std::to_string(most) + " bytes");
}

// Names must be unlike each other.
template <class T, class Name>
void check_unique(std::string_view field, const List<T>& list, Name name, ValidateContext& c) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const Str& key = name(list[i]);
    if (!key.empty() && !seen.insert(key.view()).second) c.duplicate(at(field, i), Json(key));
  }
}

void check_driver(std::string_view field, const Str& name, ValidateContext& c) {
  if (name.empty()) return;  // required, which the schema says
  check_length(field, name, kMaxDriverName, c);
  c.check(field, name, check_dns_subdomain(to_lower(name)));
}

void check_identifier(std::string_view field, std::string_view id, ValidateContext& c) {
  check_length(field, id, kMaxIdLength, c);
  const auto letter = [](char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
  };
  const bool good = !id.empty() && letter(id.front()) &&
                    std::all_of(id.begin(), id.end(),
                                [&](char ch) { return letter(ch) || (ch >= '0' && ch <= '9'); });
  if (good) return;
  c.invalid(
      field, Json(id),
      "a valid C identifier must start with alphabetic character or '_', followed by a string "
      "of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex "
      "used for validation is '[A-Za-z_][A-Za-z0-9_]*')");
}

// [domain/]name
void check_name(std::string_view field, std::string_view name, ValidateContext& c) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return check_identifier(field, name, c);
  if (name.find('/', slash + 1) != std::string_view::npos) return;  // as Kubernetes does
  if (slash == 0) {
    c.invalid(field, Json(""), "the domain must not be empty");
  } else {
    check_driver(field, Str(name.substr(0, slash)), c);
  }
  if (slash + 1 == name.size()) {
    c.invalid(field, Json(""), "the name must not be empty");
  } else {
    check_identifier(field, name.substr(slash + 1), c);
  }
}

constexpr std::string_view kNoSuchRequest =
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'";

// request[/subrequest]
bool has_request(const DeviceClaim& claim, std::string_view name) {
  const size_t slash = name.find('/');
  for (const DeviceRequest& r : claim.requests) {
    if (r.name != name.substr(0, slash)) continue;
    if (slash == std::string_view::npos) return true;
    for (const DeviceSubRequest& s : r.first_available) {
      if (s.name == name.substr(slash + 1)) return true;
    }
  }
  return false;
}

void check_request_name(std::string_view field, const DeviceClaim& claim, std::string_view name,
                        ValidateContext& c) {
  const size_t slash = name.find('/');
  const bool two = slash != std::string_view::npos;
  if (two && name.find('/', slash + 1) != std::string_view::npos) {
    return c.invalid(field, Json(name), kNoSuchRequest);
  }
  c.check(field, name.substr(0, slash), check_dns_label(name.substr(0, slash)));
  if (two) c.check(field, name.substr(slash + 1), check_dns_label(name.substr(slash + 1)));
  if (!has_request(claim, name)) c.invalid(field, Json(name), kNoSuchRequest);
}

void check_request_names(const DeviceClaim& claim, const List<Str>& names, ValidateContext& c) {
  if (!check_size("requests", names.size(), kMaxRequests, c)) return;
  for (size_t i = 0; i < names.size(); ++i) {
    check_request_name(at("requests", i), claim, names[i], c);
  }
  check_unique(
      "requests", names, [](const Str& s) -> const Str& { return s; }, c);
}

// What exact requests and alternatives have in common.
template <class Request>
void check_request(const Request& v, ValidateContext& c) {
  c.check("deviceClassName", v.device_class_name,
          v.device_class_name.empty() ? "" : check_dns_subdomain(v.device_class_name));
  check_size("selectors", v.selectors.size(), kMaxSelectors, c);
  if (v.allocation_mode == device_allocation_mode::kAll && v.count != 0) {
    c.invalid("count", Json(v.count), "must not be specified when allocationMode is 'All'");
  }
  if (v.allocation_mode == device_allocation_mode::kExactCount && v.count <= 0) {
    c.invalid("count", Json(v.count), "must be greater than zero");
  }
}

}  // namespace

void validate_fields(const CELDeviceSelector& v, ValidateContext& c) {
  if (v.expression.size() > kMaxExpression) {
    return check_length("expression", v.expression, kMaxExpression, c);
  }
  std::string error;
  if (v.expression.empty() || CelSelector::compile(v.expression, &error)) return;
  c.invalid("expression", Json(v.expression), error);
}

void validate_fields(const OpaqueDeviceConfiguration& v, ValidateContext& c) {
  check_driver("driver", v.driver, c);
  if (v.parameters.is_null()) return;
  if (to_json(v.parameters).size() > kMaxParameters) {
    check_length("parameters", to_json(v.parameters), kMaxParameters, c);
  } else if (!v.parameters.is_object()) {
    c.invalid("parameters", Json("<value omitted>"), "must be a valid JSON object");
  }
}

void validate_fields(const DeviceClassSpec& v, ValidateContext& c) {
  check_size("selectors", v.selectors.size(), kMaxSelectors, c);
  check_size("config", v.config.size(), kMaxConfigs, c);
}

void validate_fields(const ExactDeviceRequest& v, ValidateContext& c) { check_request(v, c); }

void validate_fields(const DeviceSubRequest& v, ValidateContext& c) {
  c.check("name", v.name, v.name.empty() ? "" : check_dns_label(v.name));
  check_request(v, c);
}

void validate_fields(const DeviceRequest& v, ValidateContext& c) {
  c.check("name", v.name, v.name.empty() ? "" : check_dns_label(v.name));
  if (!v.exactly && v.first_available.empty()) {
    c.required("", "exactly one of `exactly` or `firstAvailable` is required");
  } else if (v.exactly && !v.first_available.empty()) {
    c.invalid("", Json(),
              "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are "
              "set");
  }
  if (!check_size("firstAvailable", v.first_available.size(), kMaxAlternatives, c)) return;
  check_unique(
      "firstAvailable", v.first_available,
      [](const DeviceSubRequest& s) -> const Str& { return s.name; }, c);
}

void validate_fields(const DeviceClaim& v, ValidateContext& c) {
  if (check_size("requests", v.requests.size(), kMaxRequests, c)) {
    check_unique(
        "requests", v.requests, [](const DeviceRequest& r) -> const Str& { return r.name; }, c);
  }
  if (check_size("constraints", v.constraints.size(), kMaxConstraints, c)) {
    for (size_t i = 0; i < v.constraints.size(); ++i) {
      const DeviceConstraint& constraint = v.constraints[i];
      const Scope scope(c, "constraints", i);
      check_request_names(v, constraint.requests, c);
      if (constraint.match_attribute.empty()) {
        c.required("matchAttribute");
        continue;
      }
      check_name("matchAttribute", constraint.match_attribute, c);
      if (constraint.match_attribute.view().find('/') == std::string_view::npos) {
        c.invalid("matchAttribute", Json(constraint.match_attribute),
                  "a fully qualified name must be a domain and a name separated by a slash");
      }
    }
  }
  if (!check_size("config", v.config.size(), kMaxConfigs, c)) return;
  for (size_t i = 0; i < v.config.size(); ++i) {
    const Scope scope(c, "config", i);
    check_request_names(v, v.config[i].requests, c);
  }
}

void validate_fields(const ResourceClaimStatus& v, ValidateContext& c) {
  if (check_size("reservedFor", v.reserved_for.size(), kMaxReservations, c)) {
    check_unique(
        "reservedFor", v.reserved_for,
        [](const ResourceClaimConsumerReference& r) -> const Str& { return r.uid; }, c);
  }
  if (!v.reserved_for.empty() && !v.allocation) {
    c.forbidden("reservedFor", "may not be specified when `allocated` is not set");
  }
}

void validate_fields(const ResourcePool& v, ValidateContext& c) {
  check_length("name", v.name, kMaxPoolName, c);
  for (size_t from = 0; !v.name.empty() && from <= v.name.size();) {
    const size_t end = std::min(v.name.view().find('/', from), v.name.size());
    const std::string_view part = v.name.view().substr(from, end - from);
    c.check("name", part, check_dns_subdomain(part));
    from = end + 1;
  }
  if (v.resource_slice_count <= 0) {
    c.invalid("resourceSliceCount", Json(v.resource_slice_count), "must be greater than zero");
  }
}

namespace {

// As semver.org gives it. Numbers may be longer than Semver reads: such a device cannot be shown to
// an expression.
bool is_version(std::string_view text) {
  static const re2::RE2 kPattern(
      R"((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*))"
      R"((-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?)"
      R"((\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?)");
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kPattern);
}

void check_attribute(const Json& v, ValidateContext& c) {
  size_t values = 0;
  for (std::string_view type : {"int", "bool", "string", "version"}) {
    const Json* value = v.find(type);
    if (!value || value->is_null()) continue;
    ++values;
    if (type == "int" && !value->is_int()) c.invalid(type, *value, "must be an integer");
    if (type == "bool" && !value->is_bool()) c.invalid(type, *value, "must be a boolean");
    if (type != "string" && type != "version") continue;
    if (!value->is_string()) {
      c.invalid(type, *value, "must be a string");
      continue;
    }
    if (type == "version" && !is_version(value->as_view())) {
      c.invalid(type, *value, "must be a string compatible with semver.org spec 2.0.0");
    }
    check_length(type, value->as_view(), kMaxValueLength, c);
  }
  if (values != 1) c.invalid("", values == 0 ? Json("") : v, "exactly one value must be specified");
}

}  // namespace

void validate_fields(const Device& v, ValidateContext& c) {
  c.check("name", v.name, v.name.empty() ? "" : check_dns_label(v.name));
  const size_t names = v.attributes.size() + v.capacity.size();
  if (names > kMaxNamesOfDevice) {
    c.invalid("", Json(names), "the total number of attributes and capacities must not exceed 32");
  }
  for (const auto& [name, attribute] : v.attributes) {
    const Scope scope(c, "attributes[" + name.str() + ']');
    check_name("", name, c);
    check_attribute(attribute, c);
  }
  for (const auto& [name, capacity] : v.capacity) {
    const Scope scope(c, "capacity[" + name.str() + ']');
    check_name("", name, c);
    const Json& value = capacity["value"];
    const std::string text = value.is_string() ? value.as_str().str() : value.number_text();
    std::string_view error;
    if (!Quantity::parse(text, &error)) c.invalid("value", value, error);
  }
}

void validate_fields(const ResourceSliceSpec& v, ValidateContext& c) {
  check_driver("driver", v.driver, c);
  std::vector<std::string> set;
  if (v.node_name && !v.node_name->empty()) {
    set.push_back("`nodeName`");
    c.check("nodeName", *v.node_name, check_dns_subdomain(*v.node_name));
  } else if (v.node_name) {
    c.invalid("nodeName", Json(""), "must be either unset or set to a non-empty string");
  }
  if (v.node_selector) {
    set.push_back("`nodeSelector`");
    if (v.node_selector->node_selector_terms.size() != 1) {
      c.invalid("nodeSelector.nodeSelectorTerms", Json::array(),
                "must have exactly one node selector term");
    }
  }
  if (v.all_nodes && *v.all_nodes) {
    set.push_back("`allNodes`");
  } else if (v.all_nodes) {
    c.invalid("allNodes", Json(false), "must be either unset or set to true");
  }
  if (set.empty()) {
    c.required("",
               "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is "
               "required");
  }
  if (set.size() > 1) {
    std::string fields;
    for (const std::string& s : set) fields += (fields.empty() ? "{" : ", ") + s;
    c.invalid("", Json(fields + '}'),
              "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is "
              "required, but multiple fields are set");
  }
  if (check_size("devices", v.devices.size(), kMaxDevices, c)) {
    check_unique(
        "devices", v.devices, [](const Device& d) -> const Str& { return d.name; }, c);
  }
}

}  // namespace mainspring::api
