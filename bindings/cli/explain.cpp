#include <fmt/format.h>

#include "bindings/cli/commands.h"
#include "models/api/descriptor.h"
#include "models/api/json.h"
#include "models/api/text.h"
#include "models/scheduler/types/kubescheduler.h"
#include "scenarios/loader.h"

namespace mainspring::cli {

namespace {

using api::FieldInfo;
using api::FieldType;
using api::Shape;
using api::TypeInfo;

std::string type_name(const FieldInfo& field) {
  std::string name;
  switch (field.type) {
    case FieldType::kString:
      name = "string";
      break;
    case FieldType::kBool:
      name = "boolean";
      break;
    case FieldType::kInt32:
    case FieldType::kInt64:
      name = "integer";
      break;
    case FieldType::kDouble:
      name = "number";
      break;
    case FieldType::kQuantity:
      name = "Quantity";
      break;
    case FieldType::kIntOrString:
      name = "IntOrString";
      break;
    case FieldType::kTime:
    case FieldType::kMicroTime:
      name = "Time";
      break;
    case FieldType::kJson:
      name = "any";
      break;
    case FieldType::kStruct:
      name = std::string(field.type_info->name);
      break;
  }
  if (field.shape == Shape::kList) return "[]" + name;
  if (field.shape == Shape::kMap) return "map[string]" + name;
  return name;
}

std::string facts(const FieldInfo& field) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (!field.doc.empty()) add(std::string(field.doc));
  if (field.enum_info) {
    std::string values;
    for (const std::string_view v : field.enum_info->values) {
      values += fmt::format("{}{}", values.empty() ? "" : ", ", v);
    }
    add("one of " + values);
  }
  if (field.has_default && field.type != FieldType::kStruct) {
    add(fmt::format("default {}", field.default_value));
  }
  if (field.has_min) add(fmt::format("at least {}", field.min));
  if (field.has_max) add(fmt::format("at most {}", field.max));
  return out;
}

std::string field_list(const TypeInfo& type) {
  std::string out;
  for (const FieldInfo& f : type.fields) {
    out += fmt::format("  {}\t<{}>{}\n", f.name, type_name(f),
                       f.has(FieldInfo::kRequired) ? " -required-" : "");
    const std::string text = facts(f);
    if (!text.empty()) out += fmt::format("    {}\n", text);
  }
  return out;
}

api::Json field_json(const FieldInfo& field) {
  api::Json out = api::Json::object()
                      .set("name", field.name)
                      .set("type", type_name(field))
                      .set("required", field.has(FieldInfo::kRequired))
                      .set("description", field.doc);
  if (field.enum_info) {
    api::Json values = api::Json::array();
    for (const std::string_view v : field.enum_info->values) values.push_back(v);
    out.set("values", values);
  }
  if (field.has_default && field.type != FieldType::kStruct) {
    out.set("default", field.default_value);
  }
  if (field.has_min) out.set("minimum", field.min);
  if (field.has_max) out.set("maximum", field.max);
  return out;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts(1);
  bool index = false;
  for (const char c : path) {
    if (c == '[') index = true;
    if (c == '.') parts.emplace_back();
    if (c != '.' && !index) parts.back() += c;
    if (c == ']') index = false;
  }
  return parts;
}

// "nodePool" -> ", did you mean nodePools?"
std::string suggestion(const TypeInfo& type, const std::string& name) {
  std::vector<std::string_view> names;
  for (const FieldInfo& f : type.fields) names.push_back(f.name);
  const std::string_view near = api::nearest(name, names);
  return near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near);
}

}  // namespace

int explain_command(const std::string& path, Output output, const Terminal& terminal) {
  const std::vector<std::string> parts = split_path(path);
  const TypeInfo* type = nullptr;
  std::string kind_name = "Scenario";
  std::string version = "mainspring.dev/v1";
  if (parts.front() == "scenario" || parts.front() == "Scenario") {
    type = &scenarios::spec::ScenarioFile::kType;
  } else if (api::to_lower(parts.front()) == "kubeschedulerconfiguration") {
    type = &scheduler::file::KubeSchedulerConfiguration::kType;
    kind_name = "KubeSchedulerConfiguration";
    version = "kubescheduler.config.k8s.io/v1";
  } else if (const api::KindInfo* kind = api::kind_by_resource(parts.front()); kind && kind->type) {
    type = kind->type;
    kind_name = kind->name;
    version = kind->api_version;
  } else {
    print_error(terminal, fmt::format("nothing is known of \"{}\"; try `mainspring explain "
                                      "scenario`",
                                      parts.front()));
    return kUsage;
  }
  const FieldInfo* field = nullptr;
  for (size_t i = 1; i < parts.size(); ++i) {
    field = type ? type->find(parts[i]) : nullptr;
    if (!field) {
      print_error(terminal, fmt::format("no field \"{}\" in {}{}", parts[i],
                                        type ? type->name : "a value without fields",
                                        type ? suggestion(*type, parts[i]) : ""));
      return kUsage;
    }
    type = field->type == FieldType::kStruct ? field->type_info : nullptr;
  }
  if (output == Output::kJson) {
    api::Json out = api::Json::object().set("kind", kind_name).set("apiVersion", version);
    if (field) out.set("field", field_json(*field));
    if (!field) out.set("description", type->doc);
    api::Json fields = api::Json::array();
    if (type) {
      for (const FieldInfo& f : type->fields) fields.push_back(field_json(f));
    }
    print_out(api::to_pretty_json(out.set("fields", fields)) + "\n");
    return kOk;
  }
  std::string out = fmt::format("KIND:     {}\nVERSION:  {}\n", kind_name, version);
  if (field) {
    out += fmt::format("\nFIELD:    {} <{}>{}\n", field->name, type_name(*field),
                       field->has(FieldInfo::kRequired) ? " -required-" : "");
  }
  const std::string text = field ? facts(*field) : std::string(type->doc);
  if (!text.empty()) out += fmt::format("\nDESCRIPTION:\n  {}\n", text);
  if (type) out += "\nFIELDS:\n" + field_list(*type);
  print_out(out);
  return kOk;
}

int schema_command() {
  print_out(api::to_pretty_json(scenarios::scenario_json_schema()) + "\n");
  return kOk;
}

}  // namespace mainspring::cli
