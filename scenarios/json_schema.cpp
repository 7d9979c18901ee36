#include <string>

#include "models/api/descriptor.h"
#include "models/api/json.h"
#include "scenarios/loader.h"

namespace mainspring::scenarios {

using api::FieldInfo;
using api::FieldType;
using api::Json;
using api::Shape;
using api::TypeInfo;

namespace {

Json ref_to(const TypeInfo& type) {
  return Json::object().set("$ref", "#/$defs/" + std::string(type.name));
}

Json scalar(const FieldInfo& field) {
  Json out = Json::object();
  switch (field.type) {
    case FieldType::kBool:
      return out.set("type", "boolean");
    case FieldType::kInt32:
    case FieldType::kInt64:
      out.set("type", "integer");
      if (field.has_min) out.set("minimum", field.min);
      if (field.has_max) out.set("maximum", field.max);
      return out;
    case FieldType::kDouble:
      return out.set("type", "number");
    case FieldType::kQuantity:
      return out.set("type", Json::array({"string", "number"}));
    case FieldType::kIntOrString:
      return out.set("type", Json::array({"string", "integer"}));
    case FieldType::kJson:
      return out;
    case FieldType::kStruct:
      return ref_to(*field.type_info);
    case FieldType::kString:
    case FieldType::kTime:
    case FieldType::kMicroTime:
      break;
  }
  if (field.has(FieldInfo::kNumber)) return out.set("type", Json::array({"string", "number"}));
  out.set("type", "string");
  if (field.enum_info && !field.enum_info->open) {
    Json values = Json::array();
    for (const std::string_view v : field.enum_info->values) values.push_back(v);
    out.set("enum", values);
  }
  return out;
}

Json default_of(const FieldInfo& field) {
  switch (field.type) {
    case FieldType::kBool:
      return field.default_value == "true";
    case FieldType::kInt32:
    case FieldType::kInt64:
      return static_cast<int64_t>(std::stoll(std::string(field.default_value)));
    default:
      return field.default_value;
  }
}

Json property(const FieldInfo& field) {
  Json out = scalar(field);
  if (field.shape == Shape::kList) {
    out = Json::object().set("type", "array").set("items", out);
  } else if (field.shape == Shape::kMap) {
    out = Json::object().set("type", "object").set("additionalProperties", out);
  }
  if (!field.doc.empty()) out.set("description", field.doc);
  if (field.has_default && field.type != FieldType::kStruct) out.set("default", default_of(field));
  return out;
}

void define(const TypeInfo& type, Json& definitions);

Json object_schema(const TypeInfo& type, Json& definitions) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const FieldInfo& field : type.fields) {
    properties.set(field.name, property(field));
    if (field.has(FieldInfo::kRequired)) required.push_back(field.name);
    if (field.type == FieldType::kStruct) define(*field.type_info, definitions);
  }
  for (const std::string_view kept : type.kept) properties.set(kept, Json::object());
  Json out = Json::object();
  if (!type.doc.empty()) out.set("description", type.doc);
  out.set("type", "object").set("properties", properties);
  if (!required.empty()) out.set("required", required);
  return out.set("additionalProperties", false);
}

void define(const TypeInfo& type, Json& definitions) {
  if (definitions.contains(type.name)) return;
  definitions.set(type.name, Json());  // holds the place, should a type contain itself
  Json made = object_schema(type, definitions);
  definitions.set(type.name, made);
}

}  // namespace

Json scenario_json_schema() {
  Json definitions = Json::object();
  Json root = object_schema(spec::ScenarioFile::kType, definitions);
  root.edit("properties")
      .set("apiVersion", Json::object().set("const", "mainspring.dev/v1"))
      .set("kind", Json::object().set("const", "Scenario"));
  Json out = Json::object();
  out.set("$schema", "https://json-schema.org/draft/2020-12/schema")
      .set("$id", "https://mainspring.dev/schema/v1/scenario.json")
      .set("title", "Mainspring scenario");
  for (const Json::Member& member : root.members()) out.set(member.key, member.value);
  return out.set("$defs", definitions);
}

}  // namespace mainspring::scenarios
