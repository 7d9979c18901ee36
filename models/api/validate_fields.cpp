#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "models/api/codec.h"
#include "models/api/pod_helpers.h"
#include "models/api/types/all.h"
#include "models/api/types/hooks.h"
#include "models/api/validate_context.h"

// Rules of single structs that depend on several fields. Sources: pkg/apis/{core,apps,batch,
// autoscaling,policy,scheduling}/validation/validation.go of v1.35.
namespace mainspring::api {

namespace {

using Scope = ValidateContext::Scope;

std::string at(std::string_view list, size_t index, std::string_view field = {}) {
  std::string path = std::string(list) + '[' + std::to_string(index) + ']';
  if (!field.empty()) path += '.' + std::string(field);
  return path;
}

std::string at_key(std::string_view map, const Str& key) {
  return std::string(map) + '[' + key.str() + ']';
}

bool selects(const LabelSelector& selector, const StrMap& labels) {
  for (const auto& [key, value] : selector.match_labels) {
    const Str* have = labels.find(key);
    if (!have || *have != value) return false;
  }
  for (const LabelSelectorRequirement& r : selector.match_expressions) {
    const Str* have = labels.find(r.key);
    const bool listed =
        have && std::find(r.values.begin(), r.values.end(), *have) != r.values.end();
    if (r.operator_ == label_selector_operator::kIn && !listed) return false;
    if (r.operator_ == label_selector_operator::kNotIn && listed) return false;
    if (r.operator_ == label_selector_operator::kExists && !have) return false;
    if (r.operator_ == label_selector_operator::kDoesNotExist && have) return false;
  }
  return true;
}

bool is_empty(const LabelSelector& s) {
  return s.match_labels.empty() && s.match_expressions.empty();
}

Json labels_json(const StrMap& labels) {
  if (labels.empty()) return Json();
  Json tree = Json::object();
  for (const auto& [key, value] : labels) tree.set(key, Json(value));
  return tree;
}

// The selector of a workload and the template that it must select.
void check_workload(const Opt<LabelSelector>& selector, const PodTemplateSpec& pod_template,
                    std::string_view empty_message, std::string_view kind, ValidateContext& c) {
  if (selector && is_empty(*selector)) c.invalid("selector", Json::object(), empty_message);
  if (selector && !is_empty(*selector) && !selects(*selector, pod_template.metadata.labels)) {
    c.invalid("template.metadata.labels", labels_json(pod_template.metadata.labels),
              "`selector` does not match template `labels`");
  }
  const Str& policy = pod_template.spec.restart_policy;
  if (!policy.empty() && policy != restart_policy::kAlways) {
    c.unsupported("template.spec.restartPolicy", Json(policy), {restart_policy::kAlways});
  }
  if (pod_template.spec.active_deadline_seconds) {
    c.forbidden("template.spec.activeDeadlineSeconds",
                "activeDeadlineSeconds in " + std::string(kind) + " is not Supported");
  }
}

Json int_or_string_json(const IntOrString& v) {
  return v.is_string() ? Json(v.string_value()) : Json(v.int_value());
}

// A count or a percentage; null if it is neither.
void check_int_or_percent(const std::optional<IntOrString>& v, std::string_view field,
                          ValidateContext& c) {
  if (!v) return;
  if (v->is_int()) {
    if (v->int_value() < 0) {
      c.invalid(field, Json(v->int_value()), "must be greater than or equal to 0");
    }
    return;
  }
  const std::string_view text = v->string_value();
  const bool percent =
      text.size() > 1 && text.ends_with('%') &&
      std::all_of(text.begin(), text.end() - 1, [](char ch) { return ch >= '0' && ch <= '9'; });
  if (!percent) {
    c.invalid(field, Json(v->string_value()),
              "a valid percent string must be a numeric string followed by an ending '%' (e.g. "
              "'1%',  or '93%', regex used for validation is '[0-9]+%')");
  }
}
bool is_percent_zero(const std::optional<IntOrString>& v) {
  return v && (v->is_int() ? v->int_value() == 0 : v->scaled(100, true) == 0);
}
void check_at_most_100_percent(const std::optional<IntOrString>& v, std::string_view field,
                               ValidateContext& c) {
  if (v && v->is_percent() && v->scaled(100, true).value_or(0) > 100) {
    c.invalid(field, Json(v->string_value()), "must not be greater than 100%");
  }
}

constexpr std::string_view kOneVolumeType = "may not specify more than 1 volume type";
constexpr std::string_view kOneHandler = "may not specify more than 1 handler type";

// One handler and only one.
void check_handlers(std::initializer_list<std::pair<std::string_view, bool>> handlers,
                    ValidateContext& c) {
  size_t n = 0;
  for (const auto& [name, present] : handlers) {
    if (present && n++ > 0) c.forbidden(name, kOneHandler);
  }
  if (n == 0) c.required("", "must specify a handler type");
}

// pkg/apis/core/helper/helpers.go: names of resources.
bool is_native(std::string_view name) {
  return name.find('/') == std::string_view::npos ||
         name.find("kubernetes.io/") != std::string_view::npos;
}
bool is_extended(std::string_view name) {
  return !is_native(name) && !name.starts_with("requests.") &&
         check_qualified_name("requests." + std::string(name)).empty();
}
// Objects that quotas count.
constexpr std::string_view kCountedObjects[] = {"configmaps",
                                                "persistentvolumeclaims",
                                                "pods",
                                                "replicationcontrollers",
                                                "resourcequotas",
                                                "secrets",
                                                "services",
                                                "services.loadbalancers",
                                                "services.nodeports"};
constexpr std::string_view kHugePages = "hugepages-";

bool is_counted(std::string_view name) {
  return std::find(std::begin(kCountedObjects), std::end(kCountedObjects), name) !=
         std::end(kCountedObjects);
}
bool is_of_containers(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" ||
         name.starts_with(kHugePages);
}
bool is_standard(std::string_view name) {
  if (is_counted(name) || is_of_containers(name) || name == "storage") return true;
  if (name == "requests.storage") return true;
  for (std::string_view prefix : {"requests.", "limits."}) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view of = name.substr(prefix.size());
    if (of.starts_with(kHugePages)) return prefix == "requests.";
    return is_of_containers(of);
  }
  return false;
}
bool overcommits(std::string_view name) { return is_native(name) && !name.starts_with(kHugePages); }

// ValidateResourceQuantityValue.
void check_amount(std::string_view place, std::string_view name, const Quantity& amount,
                  ValidateContext& c) {
  if (amount.sign() < 0) {
    c.invalid(place, Json(amount.to_string()), "must be greater than or equal to 0");
  }
  if ((is_counted(name) || is_extended(name)) && amount.milli_value() % 1000 != 0) {
    c.invalid(place, Json(amount.to_string()), "must be an integer");
  }
}

// validateResourceName.
std::string_view check_resource_name(std::string_view name) {
  const std::string_view why = check_qualified_name(name);
  if (!why.empty() || name.find('/') != std::string_view::npos || is_standard(name)) return why;
  return "must be a standard resource type or fully qualified";
}

void check_amounts(const Map<Quantity>& amounts, std::string_view field, ValidateContext& c) {
  for (const auto& [name, amount] : amounts) {
    const std::string place = at_key(field, name);
    c.check(place, name, check_resource_name(name));
    check_amount(place, name, amount, c);
  }
}

bool is_huge_page(std::string_view name) { return name.starts_with(kHugePages); }

// Whole pages, where the size of a page is the rest of the name. IsHugePageResourceValueDivisible.
bool is_whole_pages(std::string_view name, const Quantity& amount) {
  const std::optional<Quantity> page = Quantity::parse(name.substr(kHugePages.size()));
  if (!page || page->sign() <= 0 || page->milli_value() % 1000 != 0) return false;
  return amount.value() % page->value() == 0;
}

void check_huge_pages(const Map<Quantity>& amounts, std::string_view field, ValidateContext& c) {
  for (const auto& [name, amount] : amounts) {
    if (is_huge_page(name) && !is_whole_pages(name, amount)) {
      const std::string text = amount.to_string();
      c.invalid(at_key(field, name), Json(text),
                text + " is not positive integer multiple of " + name.str());
    }
  }
}

// What containers may ask for is less than what has a name.
void check_container_resources(const Map<Quantity>& amounts, std::string_view field,
                               ValidateContext& c) {
  for (const auto& [name, amount] : amounts) {
    if (name.view().find('/') == std::string_view::npos) {
      if (!is_of_containers(name)) {
        c.invalid(at_key(field, name), Json(name), "must be a standard resource for containers");
      }
    } else if (!is_native(name) && !is_extended(name)) {
      c.invalid(at_key(field, name), Json(name), "doesn't follow extended resource name standard");
    }
  }
}

// matchLabelKeys and mismatchLabelKeys, whose values the API server adds to the selector of a pod:
// a key that stood there already is there twice. ValidateMatchLabelKeysAndMismatchLabelKeys.
void check_label_keys(const List<Str>& match, const List<Str>& mismatch,
                      const Opt<LabelSelector>& selector, ValidateContext& c) {
  const auto names = [&](std::string_view field, const List<Str>& keys) {
    if (!keys.empty() && !selector) {
      return c.forbidden(field, "must not be specified when labelSelector is not set");
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      c.check(at(field, i), keys[i], check_qualified_name(keys[i]));
    }
  };
  names("matchLabelKeys", match);
  names("mismatchLabelKeys", mismatch);
  if (match.empty()) return;
  if (selector) {
    std::set<std::string_view> seen;
    for (const auto& [key, value] : selector->match_labels) seen.insert(key);
    for (const LabelSelectorRequirement& r : selector->match_expressions) {
      if (seen.insert(r.key).second) continue;
      for (size_t i = match.size(); i-- > 0;) {
        if (match[i] != r.key) continue;
        c.invalid(at("", i), Json(r.key), "exists in both matchLabelKeys and labelSelector");
        break;
      }
    }
  }
  for (size_t i = 0; i < match.size(); ++i) {
    if (std::find(mismatch.begin(), mismatch.end(), match[i]) != mismatch.end()) {
      c.invalid(at("matchLabelKeys", i), Json(match[i]),
                "exists in both matchLabelKeys and mismatchLabelKeys");
    }
  }
}

}  // namespace

// --- pods ---

void validate_fields(const ResourceRequirements& v, ValidateContext& c) {
  check_amounts(v.limits, "limits", c);
  check_amounts(v.requests, "requests", c);
  check_huge_pages(v.limits, "limits", c);
  check_huge_pages(v.requests, "requests", c);
  const auto any = [&](auto&& is) {
    const auto of = [&](const auto& e) { return is(e.first.view()); };
    return std::any_of(v.limits.begin(), v.limits.end(), of) ||
           std::any_of(v.requests.begin(), v.requests.end(), of);
  };
  if (any(is_huge_page) && !any([](auto name) { return name == "cpu" || name == "memory"; })) {
    c.forbidden("", "HugePages require cpu or memory");
  }
  for (const auto& [name, request] : v.requests) {
    const Quantity* limit = v.limits.find(name);
    if (!limit) {
      if (!overcommits(name)) {
        c.required("limits", "Limit must be set for non overcommitable resources");
      }
    } else if (request != *limit && !overcommits(name)) {
      c.invalid("requests", Json(request.to_string()),
                "must be equal to " + name.str() + " limit of " + limit->to_string());
    } else if (request > *limit) {
      c.invalid("requests", Json(request.to_string()),
                "must be less than or equal to " + name.str() + " limit of " + limit->to_string());
    }
  }
}

void validate_fields(const EnvVar& v, ValidateContext& c) {
  const std::string_view name = v.name;
  if (std::any_of(name.begin(), name.end(),
                  [](char ch) { return ch < 0x20 || ch > 0x7e || ch == '='; })) {
    c.invalid("name", Json(v.name),
              "a valid environment variable name must consist only of printable ASCII characters "
              "other than '='");
  }
  if (!v.value_from) return;
  const EnvVarSource& from = *v.value_from;
  const Scope scope(c, "valueFrom");
  const int sources = (from.field_ref ? 1 : 0) + (from.resource_field_ref ? 1 : 0) +
                      (from.config_map_key_ref ? 1 : 0) + (from.secret_key_ref ? 1 : 0) +
                      (from.file_key_ref ? 1 : 0) + (from.extra.empty() ? 0 : 1);
  if (sources == 0) {
    c.invalid("", Json(""),
              "must specify one of: `fieldRef`, `resourceFieldRef`, "
              "`configMapKeyRef` or `secretKeyRef`");
  } else if (!v.value.empty()) {
    c.invalid("", Json(""), "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    c.invalid("", Json(""), "may not have more than one field specified at a time");
  }
}

void validate_fields(const Probe& v, ValidateContext& c) {
  check_handlers({{"exec", v.exec.has_value()},
                  {"httpGet", v.http_get.has_value()},
                  {"tcpSocket", v.tcp_socket.has_value()},
                  {"grpc", v.grpc.has_value()}},
                 c);
}

void validate_fields(const LifecycleHandler& v, ValidateContext& c) {
  check_handlers({{"exec", v.exec.has_value()},
                  {"httpGet", v.http_get.has_value()},
                  {"tcpSocket", v.tcp_socket.has_value()},
                  {"sleep", v.sleep.has_value()}},
                 c);
}

void validate_fields(const Container& v, ValidateContext& c) {
  {
    const Scope scope(c, "resources");
    check_container_resources(v.resources.limits, "limits", c);
    check_container_resources(v.resources.requests, "requests", c);
  }
  if (v.image.empty()) c.required("image");
  if (v.liveness_probe && v.liveness_probe->success_threshold != 1) {
    c.invalid("livenessProbe.successThreshold", Json(v.liveness_probe->success_threshold),
              "must be 1");
  }
  if (v.startup_probe && v.startup_probe->success_threshold != 1) {
    c.invalid("startupProbe.successThreshold", Json(v.startup_probe->success_threshold),
              "must be 1");
  }
  if (v.readiness_probe && v.readiness_probe->termination_grace_period_seconds) {
    c.invalid("readinessProbe.terminationGracePeriodSeconds",
              Json(*v.readiness_probe->termination_grace_period_seconds),
              "must not be set for readinessProbes");
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < v.ports.size(); ++i) {
    const ContainerPort& p = v.ports[i];
    if (!p.name.empty() && !names.insert(p.name).second) {
      c.duplicate(at("ports", i, "name"), Json(p.name));
    }
  }
  std::set<std::string_view> paths;
  for (size_t i = 0; i < v.volume_mounts.size(); ++i) {
    const VolumeMount& m = v.volume_mounts[i];
    if (!m.mount_path.empty() && !paths.insert(m.mount_path).second) {
      c.invalid(at("volumeMounts", i, "mountPath"), Json(m.mount_path), "must be unique");
    }
    if (!m.sub_path.empty() && !m.sub_path_expr.empty()) {
      c.invalid(at("volumeMounts", i, "subPathExpr"), Json(m.sub_path_expr),
                "subPathExpr and subPath are mutually exclusive");
    }
  }
}

void validate_fields(const Toleration& v, ValidateContext& c) {
  if (!v.key.empty()) c.check("key", v.key, check_qualified_name(v.key));
  const bool exists = v.operator_ == toleration_operator::kExists;
  if (v.key.empty() && !exists) {
    c.invalid("operator", Json(v.operator_),
              "operator must be Exists when `key` is empty, which means \"match all values and "
              "all keys\"");
  }
  if (v.toleration_seconds && v.effect != taint_effect::kNoExecute) {
    c.invalid("effect", Json(v.effect),
              "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  if (exists && !v.value.empty()) {
    c.invalid("operator", Json(v.value), "value must be empty when `operator` is 'Exists'");
  }
  constexpr std::string_view kOperators[] = {toleration_operator::kEqual,
                                             toleration_operator::kExists, toleration_operator::kLt,
                                             toleration_operator::kGt};
  if (v.operator_.empty() || v.operator_ == toleration_operator::kEqual) {
    c.check("operator", v.value, check_label_value(v.value));
  } else if (v.operator_ == toleration_operator::kLt || v.operator_ == toleration_operator::kGt) {
    // Known, but TaintTolerationComparisonOperators is off.
    c.unsupported("operator", Json(v.operator_), kOperators);
  } else if (!exists) {
    c.unsupported("operator", Json(v.operator_), std::span(kOperators).first(2));
  }
}

namespace {

void check_node_labels(const NodeSelectorRequirement& v, ValidateContext& c) {
  if (!v.key.empty()) c.check("key", v.key, check_qualified_name(v.key));
  const Str& op = v.operator_;
  if (op == node_selector_operator::kIn || op == node_selector_operator::kNotIn) {
    if (v.values.empty()) {
      c.required("values", "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (op == node_selector_operator::kExists || op == node_selector_operator::kDoesNotExist) {
    if (!v.values.empty()) {
      c.forbidden("values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == node_selector_operator::kGt || op == node_selector_operator::kLt) {
    if (v.values.size() != 1) {
      c.required("values", "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  }
}

// Of fields only the name can be asked for, and for one name at a time.
void check_node_fields(const NodeSelectorRequirement& v, ValidateContext& c) {
  const Str& op = v.operator_;
  if (op == node_selector_operator::kIn || op == node_selector_operator::kNotIn) {
    if (v.values.size() != 1) {
      c.required("values",
                 "must be only one value when `operator` is 'In' or 'NotIn' for node field "
                 "selector");
    }
  } else {
    c.invalid("operator", Json(op), "not a valid selector operator");
  }
  if (v.key != "metadata.name") {
    c.invalid("key", Json(v.key), "not a valid field selector key");
    return;
  }
  for (size_t i = 0; i < v.values.size(); ++i) {
    c.check(at("values", i), v.values[i], check_dns_subdomain(v.values[i]));
  }
}

}  // namespace

void validate_fields(const NodeSelectorTerm& v, ValidateContext& c) {
  for (size_t i = 0; i < v.match_expressions.size(); ++i) {
    const Scope scope(c, "matchExpressions", i);
    check_node_labels(v.match_expressions[i], c);
  }
  for (size_t i = 0; i < v.match_fields.size(); ++i) {
    const Scope scope(c, "matchFields", i);
    check_node_fields(v.match_fields[i], c);
  }
}

// Only those of preferred affinity may ask for what is no value of a label.
void validate_fields(const NodeSelector& v, ValidateContext& c) {
  for (size_t i = 0; i < v.node_selector_terms.size(); ++i) {
    const Scope term(c, "nodeSelectorTerms", i);
    const auto& requirements = v.node_selector_terms[i].match_expressions;
    for (size_t k = 0; k < requirements.size(); ++k) {
      const Scope requirement(c, "matchExpressions", k);
      const List<Str>& values = requirements[k].values;
      for (size_t n = 0; n < values.size(); ++n) {
        c.check(at("values", n), values[n], check_label_value(values[n]));
      }
    }
  }
}

void validate_fields(const LabelSelectorRequirement& v, ValidateContext& c) {
  const Str& op = v.operator_;
  if (op == label_selector_operator::kIn || op == label_selector_operator::kNotIn) {
    if (v.values.empty()) {
      c.required("values", "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (!v.values.empty()) {
    c.forbidden("values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  }
  for (size_t i = 0; i < v.values.size(); ++i) {
    c.check(at("values", i), v.values[i], check_label_value(v.values[i]));
  }
}

void validate_fields(const PodAffinityTerm& v, ValidateContext& c) {
  for (const Str& name : v.namespaces) c.check("namespace", name, check_dns_label(name));
  check_label_keys(v.match_label_keys, v.mismatch_label_keys, v.label_selector, c);
  if (!v.topology_key.empty()) {
    c.check("topologyKey", v.topology_key, check_qualified_name(v.topology_key));
  }
}

void validate_fields(const TopologySpreadConstraint& v, ValidateContext& c) {
  check_label_keys(v.match_label_keys, {}, v.label_selector, c);
}

void validate_fields(const Volume& v, ValidateContext& c) {
  size_t n = 0;
  const auto source = [&](std::string_view name, bool present) {
    if (present && n++ > 0) c.forbidden(name, kOneVolumeType);
  };
  source("emptyDir", v.empty_dir.has_value());
  source("hostPath", v.host_path.has_value());
  source("secret", v.secret.has_value());
  source("nfs", v.nfs.has_value());
  source("persistentVolumeClaim", v.persistent_volume_claim.has_value());
  source("downwardAPI", v.downward_api.has_value());
  source("configMap", v.config_map.has_value());
  source("projected", v.projected.has_value());
  source("csi", v.csi.has_value());
  source("ephemeral", v.ephemeral.has_value());
  for (const Json::Member& m : v.extra.members()) source(m.key, !m.value.is_null());
  if (n == 0) c.required("", "must specify a volume type");
  if (v.config_map && v.config_map->name.empty()) c.required("configMap.name");
  if (v.secret && v.secret->secret_name.empty()) c.required("secret.secretName");
}

namespace {

bool names_claims(const Container& c) { return !c.resources.claims.empty(); }

// What is set for the whole pod covers what its containers ask for. validatePodResources.
void check_pod_level(const PodSpec& v, ValidateContext& c) {
  const Scope scope(c, "resources");
  const ResourceRequirements& pod = *v.resources;
  if (!pod.claims.empty()) {
    c.forbidden("claims", "claims may not be set for Resources at pod-level");
  }
  const auto names = [&](const Map<Quantity>& amounts, std::string_view field) {
    for (const auto& [name, amount] : amounts) {
      if (is_pod_level_resource(name) || !check_resource_name(name).empty()) continue;
      c.unsupported(at_key(field, name), Json(name), {"cpu", kHugePages, "memory"});
    }
  };
  names(pod.limits, "limits");
  names(pod.requests, "requests");
  const PodRequestOptions of_containers{.skip_pod_level = true, .exclude_overhead = true};
  for (const auto& [name, sum] : pod_requests(v, nullptr, of_containers)) {
    const Quantity* has = pod.requests.find(name);
    if (!has || sum <= *has) continue;
    c.invalid(
        at_key("requests", name), Json(has->to_string()),
        "must be greater than or equal to aggregate container requests of " + sum.to_string());
  }
  for (const auto& [name, sum] : container_limits(v)) {
    const Quantity* has = is_huge_page(name) ? pod.limits.find(name) : nullptr;
    if (!has || sum <= *has) continue;
    c.invalid(at_key("limits", name), Json(has->to_string()),
              "must be greater than or equal to aggregate container limits of " + sum.to_string());
  }
  for (size_t i = 0; i < v.containers.size(); ++i) {
    for (const auto& [name, limit] : v.containers[i].resources.limits) {
      const Quantity* has = pod.limits.find(name);
      if (!has || limit <= *has) continue;
      c.invalid(at_key(at("containers", i), name) + ".limits", Json(limit.to_string()),
                "must be less than or equal to pod limits of " + has->to_string());
    }
  }
}

// The pod's resource claims, and those of them that its containers name.
void check_resource_claims(const PodSpec& v, ValidateContext& c) {
  const auto& init = v.init_containers;
  if (v.resource_claims.empty() && std::none_of(init.begin(), init.end(), names_claims) &&
      std::none_of(v.containers.begin(), v.containers.end(), names_claims)) {
    return;
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < v.resource_claims.size(); ++i) {
    const PodResourceClaim& claim = v.resource_claims[i];
    const Scope scope(c, "resourceClaims", i);
    if (!claim.name.empty() && !names.insert(claim.name).second) {
      c.duplicate("name", Json(claim.name));
    }
    if (!claim.resource_claim_name.empty() && !claim.resource_claim_template_name.empty()) {
      c.invalid("", encode_as(claim),
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                "specified");
    } else if (claim.resource_claim_name.empty() && claim.resource_claim_template_name.empty()) {
      c.invalid("", encode_as(claim),
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    }
  }
  std::string what_is_there = "must be one of the names in pod.spec.resourceClaims";
  if (names.empty()) what_is_there += " which is empty";
  for (std::string_view name : names) {
    what_is_there += (name == *names.begin() ? ": " : ", ") + std::string(name);
  }
  const auto check = [&](std::string_view list, const List<Container>& containers) {
    for (size_t i = 0; i < containers.size(); ++i) {
      const auto& claims = containers[i].resources.claims;
      const Scope scope(c, at(list, i, "resources"));
      std::set<std::string> seen;  // claims, and single requests of claims
      for (size_t k = 0; k < claims.size(); ++k) {
        const std::string name = claims[k].name.str();
        if (name.empty()) continue;
        std::string key = name;
        if (!claims[k].request.empty()) key.append("/").append(claims[k].request.view());
        if (!seen.contains(name) && !claims[k].request.empty()) {
          c.check(at("claims", k, "request"), claims[k].request,
                  check_dns_label(claims[k].request));
        }
        const std::string prefix = name + '/';
        const auto part = seen.lower_bound(prefix);
        const bool has_part = part != seen.end() && part->starts_with(prefix);
        if (seen.contains(name) || (claims[k].request.empty() && has_part)) {
          c.duplicate(at("claims", k), Json(name));
        } else if (seen.contains(key)) {
          c.duplicate(at("claims", k), Json(key));
        }
        seen.insert(key);
        if (!names.contains(name)) {
          c.add(FieldError::Type::kNotFound, at("claims", k),
                fmt::format("Not found: \"{}\": {}", name, what_is_there));
        }
      }
    }
  };
  check("initContainers", v.init_containers);
  check("containers", v.containers);
}

}  // namespace

void validate_fields(const PodSpec& v, ValidateContext& c) {
  std::set<std::string_view> volumes;
  for (size_t i = 0; i < v.volumes.size(); ++i) {
    const Str& name = v.volumes[i].name;
    if (!name.empty() && !volumes.insert(name).second) {
      c.duplicate(at("volumes", i, "name"), Json(name));
    }
  }
  std::set<std::string_view> names;
  std::set<std::string> host_ports;
  const auto check = [&](std::string_view list, const List<Container>& containers, bool init) {
    for (size_t i = 0; i < containers.size(); ++i) {
      const Container& container = containers[i];
      const Scope scope(c, list, i);
      if (!container.name.empty() && !names.insert(container.name).second) {
        c.duplicate("name", Json(container.name));
      }
      for (size_t k = 0; k < container.volume_mounts.size(); ++k) {
        const Str& name = container.volume_mounts[k].name;
        if (!name.empty() && !volumes.contains(name)) {
          c.not_found(at("volumeMounts", k, "name"), Json(name));
        }
      }
      const bool sidecar = container.restart_policy == container_restart_policy::kAlways;
      if (init && !sidecar) {
        constexpr std::string_view kOnlySidecars =
            "may not be set for init containers without restartPolicy=Always";
        if (container.lifecycle) c.forbidden("lifecycle", kOnlySidecars);
        if (container.liveness_probe) c.forbidden("livenessProbe", kOnlySidecars);
        if (container.readiness_probe) c.forbidden("readinessProbe", kOnlySidecars);
        if (container.startup_probe) c.forbidden("startupProbe", kOnlySidecars);
      }
      for (size_t k = 0; k < container.ports.size(); ++k) {
        const ContainerPort& p = container.ports[k];
        if (p.host_port == 0) continue;
        if (v.host_network && p.host_port != p.container_port) {
          c.invalid(at("ports", k, "hostPort"), Json(p.host_port),
                    "must match `containerPort` when `hostNetwork` is true");
        }
        // Init containers run one after the other.
        const std::string key =
            p.protocol.str() + '/' + p.host_ip.str() + '/' + std::to_string(p.host_port);
        if (!init && !host_ports.insert(key).second) {
          c.duplicate(at("ports", k, "hostPort"), Json(key));
        }
      }
    }
  };
  check("containers", v.containers, false);
  check("initContainers", v.init_containers, true);
  if (v.dns_policy == dns_policy::kNone && (!v.dns_config || v.dns_config->nameservers.empty())) {
    c.required("dnsConfig.nameservers",
               "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  std::set<std::pair<std::string_view, std::string_view>> constraints;
  for (size_t i = 0; i < v.topology_spread_constraints.size(); ++i) {
    const TopologySpreadConstraint& t = v.topology_spread_constraints[i];
    const std::string place = at("topologySpreadConstraints", i);
    if (!constraints.insert({t.topology_key, t.when_unsatisfiable}).second) {
      c.duplicate(place + ".{topologyKey, whenUnsatisfiable}",
                  Json("{" + t.topology_key.str() + ", " + t.when_unsatisfiable.str() + "}"));
    }
    if (t.min_domains && t.when_unsatisfiable != unsatisfiable_constraint_action::kDoNotSchedule) {
      c.invalid(place + ".minDomains", Json(*t.min_domains),
                "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " +
                    t.when_unsatisfiable.str());
    }
  }
  if (!v.node_name.empty() && !v.scheduling_gates.empty()) {
    c.forbidden("nodeName", "cannot be set until all schedulingGates have been cleared");
  }
  std::set<std::string_view> gates;
  for (size_t i = 0; i < v.scheduling_gates.size(); ++i) {
    if (!gates.insert(v.scheduling_gates[i].name).second) {
      c.duplicate(at("schedulingGates", i), Json(v.scheduling_gates[i].name));
    }
  }
  check_resource_claims(v, c);
  if (v.resources) check_pod_level(v, c);
  const Scope scope(c, "overhead");
  check_amounts(v.overhead, "limits", c);
  check_container_resources(v.overhead, "limits", c);
}

// --- nodes and storage ---

void validate_fields(const NodeSpec& v, ValidateContext& c) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (size_t i = 0; i < v.taints.size(); ++i) {
    const Taint& t = v.taints[i];
    if (!seen.insert({t.key, t.effect}).second) c.duplicate(at("taints", i), encode_as(t));
  }
}

void validate_fields(const Node& v, ValidateContext& c) {
  const Scope scope(c, "status");
  for (const auto& [name, amount] : v.status.capacity) {
    check_amount("capacity." + name.str(), name, amount, c);
  }
  for (const auto& [name, amount] : v.status.allocatable) {
    check_amount("allocatable." + name.str(), name, amount, c);
  }
}

void validate_fields(const PersistentVolumeClaimSpec& v, ValidateContext& c) {
  const auto has = [&](std::string_view mode) {
    return std::find(v.access_modes.begin(), v.access_modes.end(), mode) != v.access_modes.end();
  };
  if (v.access_modes.size() > 1 && has(persistent_volume_access_mode::kReadWriteOncePod)) {
    c.forbidden("accessModes", "may not use ReadWriteOncePod with other access modes");
  }
  const Quantity* storage = v.resources.requests.find("storage");
  if (!storage) {
    c.required("resources[storage]");
  } else if (storage->sign() <= 0) {
    c.invalid("resources[storage]", Json(storage->to_string()), "must be greater than zero");
  }
}

void validate_fields(const PersistentVolumeSpec& v, ValidateContext& c) {
  const Quantity* storage = v.capacity.find("storage");
  if (!v.capacity.empty() && (!storage || v.capacity.size() > 1)) {
    Json amounts = Json::object();
    for (const auto& [name, amount] : v.capacity) amounts.set(name, Json(amount.to_string()));
    c.unsupported("capacity", amounts, {"storage"});
  }
  if (storage && storage->sign() <= 0) {
    c.invalid("capacity[storage]", Json(storage->to_string()), "must be greater than zero");
  }
  size_t n = 0;
  const auto source = [&](std::string_view name, bool present) {
    if (present && n++ > 0) c.forbidden(name, kOneVolumeType);
  };
  source("hostPath", v.host_path.has_value());
  source("nfs", v.nfs.has_value());
  source("local", v.local.has_value());
  source("csi", v.csi.has_value());
  for (const Json::Member& m : v.extra.members()) source(m.key, !m.value.is_null());
  if (n == 0) c.required("", "must specify a volume type");
  if (v.local && !v.node_affinity)
    c.required("nodeAffinity", "Local volume requires node affinity");
}

void validate_fields(const LimitRangeItem& v, ValidateContext& c) {
  const auto less = [&](const Map<Quantity>& low, std::string_view low_name,
                        const Map<Quantity>& high, std::string_view high_name,
                        std::string_view field) {
    for (const auto& [name, amount] : low) {
      const Quantity* bound = high.find(name);
      if (bound && amount > *bound) {
        c.invalid(std::string(field) + '[' + name.str() + ']', Json(amount.to_string()),
                  std::string(low_name) + " value " + amount.to_string() + " is greater than " +
                      std::string(high_name) + " value " + bound->to_string());
      }
    }
  };
  less(v.min, "min", v.max, "max", "min");
  if (v.type == limit_type::kPod) {
    constexpr std::string_view kNotForPods = "may not be specified when `type` is 'Pod'";
    if (!v.default_.empty()) c.forbidden("default", kNotForPods);
    if (!v.default_request.empty()) c.forbidden("defaultRequest", kNotForPods);
    return;
  }
  less(v.default_request, "default request", v.max, "max", "defaultRequest");
  less(v.default_request, "default request", v.default_, "default limit", "defaultRequest");
  less(v.default_, "default", v.max, "max", "default");
}

namespace {

void check_config_keys(const StrMap& data, std::string_view field, ValidateContext& c) {
  for (const auto& [key, value] : data) {
    const std::string place = std::string(field) + '[' + key.str() + ']';
    const bool good =
        !key.empty() && std::all_of(key.view().begin(), key.view().end(), [](char ch) {
          return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                 ch == '-' || ch == '_' || ch == '.';
        });
    if (key.size() > 253) {
      c.invalid(place, Json(key), "must be no more than 253 characters");
    } else if (!good) {
      c.invalid(place, Json(key),
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')");
    } else if (key == "." || key.view().starts_with("..")) {
      c.invalid(place, Json(key), key == "." ? "must not be '.'" : "must not start with '..'");
    }
  }
}

}  // namespace

void validate_fields(const ConfigMap& v, ValidateContext& c) {
  check_config_keys(v.data, "data", c);
  check_config_keys(v.binary_data, "binaryData", c);
  for (const auto& [key, value] : v.binary_data) {
    if (v.data.contains(key)) {
      c.invalid("data[" + key.str() + ']', Json(key), "duplicate of key present in binaryData");
    }
  }
}

void validate_fields(const Secret& v, ValidateContext& c) {
  check_config_keys(v.data, "data", c);
  if (v.type == secret_type::kTls) {
    for (std::string_view key : {"tls.crt", "tls.key"}) {
      if (!v.data.contains(key)) c.required("data[" + std::string(key) + ']');
    }
  }
}

void validate_fields(const PriorityClass& v, ValidateContext& c) {
  // Priorities above a billion are the system's own.
  constexpr int32_t kHighestUserPriority = 1'000'000'000;
  const bool system = v.metadata.name.view().starts_with("system-");
  const bool known = (v.metadata.name == "system-node-critical" && v.value == 2'000'001'000) ||
                     (v.metadata.name == "system-cluster-critical" && v.value == 2'000'000'000);
  if (system && !known) {
    c.forbidden("metadata.name",
                "priority class names with 'system-' prefix are reserved for system use only. "
                "error: " +
                    v.metadata.name.str() + " is not a known system priority class");
  } else if (!system && v.value > kHighestUserPriority) {
    c.forbidden("value", "maximum allowed value of a user defined priority is 1000000000");
  }
}

// --- services ---

void validate_fields(const ServicePort& v, ValidateContext& c) {
  if (!v.name.empty()) c.check("name", v.name, check_dns_label(v.name));
  if (v.target_port.is_int()) {
    const int32_t port = v.target_port.int_value();
    if (port < 1 || port > 65535) {
      c.invalid("targetPort", Json(port), "must be between 1 and 65535, inclusive");
    }
  } else if (v.target_port.string_value().size() > 15) {
    c.invalid("targetPort", int_or_string_json(v.target_port),
              "must be no more than 15 characters");
  }
}

void validate_fields(const ServiceSpec& v, ValidateContext& c) {
  const bool external_name = v.type == service_type::kExternalName;
  const bool headless = v.cluster_ip == "None";
  if (v.ports.empty() && !headless && !external_name) c.required("ports");
  if (headless && (v.type == service_type::kNodePort || v.type == service_type::kLoadBalancer)) {
    c.invalid("clusterIPs[0]", Json(v.cluster_ip),
              "may not be set to 'None' for " + v.type.str() + " services");
  }
  if (external_name) {
    if (!v.cluster_ip.empty()) {
      c.forbidden("clusterIPs[0]", "may not be set when `type` is 'ExternalName'");
    }
    if (v.external_name.empty()) {
      c.required("externalName");
    } else {
      std::string_view name = v.external_name;
      if (name.ends_with('.')) name.remove_suffix(1);
      c.check("externalName", v.external_name, check_dns_subdomain(name));
    }
  }
  std::set<std::string_view> names;
  std::set<std::string> ports;
  for (size_t i = 0; i < v.ports.size(); ++i) {
    const ServicePort& p = v.ports[i];
    if (p.name.empty() && v.ports.size() > 1) c.required(at("ports", i, "name"));
    if (!p.name.empty() && !names.insert(p.name).second) {
      c.duplicate(at("ports", i, "name"), Json(p.name));
    }
    if (!ports.insert(p.protocol.str() + '/' + std::to_string(p.port)).second) {
      c.duplicate(at("ports", i), Json::object({{"port", p.port}, {"protocol", p.protocol}}));
    }
    const bool exposed = v.type == service_type::kNodePort || v.type == service_type::kLoadBalancer;
    if (p.node_port != 0 && !exposed) {
      c.forbidden(at("ports", i, "nodePort"),
                  "may not be used when `type` is '" + v.type.str() + "'");
    }
  }
  if (v.session_affinity_config && v.session_affinity_config->client_ip) {
    constexpr int32_t kDay = 86400;
    const int32_t timeout = v.session_affinity_config->client_ip->timeout_seconds.value_or(0);
    if (timeout <= 0 || timeout > kDay) {
      c.invalid("sessionAffinityConfig.clientIP.timeoutSeconds", Json(timeout),
                "must be greater than 0 and less than 86400");
    }
  }
}

// --- workloads ---

void validate_fields(const DeploymentStrategy& v, ValidateContext& c) {
  if (v.type == deployment_strategy_type::kRecreate) {
    if (v.rolling_update) {
      c.forbidden("rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
    }
    return;
  }
  if (!v.rolling_update) return;
  const RollingUpdateDeployment& r = *v.rolling_update;
  const Scope scope(c, "rollingUpdate");
  check_int_or_percent(r.max_unavailable, "maxUnavailable", c);
  check_int_or_percent(r.max_surge, "maxSurge", c);
  if (is_percent_zero(r.max_unavailable) && is_percent_zero(r.max_surge)) {
    c.invalid("maxUnavailable", int_or_string_json(*r.max_unavailable),
              "may not be 0 when `maxSurge` is 0");
  }
  check_at_most_100_percent(r.max_unavailable, "maxUnavailable", c);
}

void validate_fields(const DeploymentSpec& v, ValidateContext& c) {
  check_workload(v.selector, v.template_, "empty selector is invalid for deployment", "ReplicaSet",
                 c);
  if (v.progress_deadline_seconds && *v.progress_deadline_seconds <= v.min_ready_seconds) {
    c.invalid("progressDeadlineSeconds", Json(*v.progress_deadline_seconds),
              "must be greater than minReadySeconds");
  }
}

void validate_fields(const ReplicaSetSpec& v, ValidateContext& c) {
  check_workload(v.selector, v.template_, "empty selector is invalid for deployment", "ReplicaSet",
                 c);
}

void validate_fields(const ReplicationControllerSpec& v, ValidateContext& c) {
  if (v.selector.empty()) c.required("selector");
  if (!v.template_) return c.required("template");
  for (const auto& [key, value] : v.selector) {
    if (v.template_->metadata.labels.get(key) != value) {
      return c.invalid("template.metadata.labels", labels_json(v.template_->metadata.labels),
                       "`selector` does not match template `labels`");
    }
  }
}

void validate_fields(const DaemonSetUpdateStrategy& v, ValidateContext& c) {
  if (v.type != daemon_set_update_strategy_type::kRollingUpdate) return;
  if (!v.rolling_update) return c.required("rollingUpdate");
  const RollingUpdateDaemonSet& r = *v.rolling_update;
  const Scope scope(c, "rollingUpdate");
  check_int_or_percent(r.max_unavailable, "maxUnavailable", c);
  check_int_or_percent(r.max_surge, "maxSurge", c);
  check_at_most_100_percent(r.max_unavailable, "maxUnavailable", c);
  check_at_most_100_percent(r.max_surge, "maxSurge", c);
  const bool no_unavailable = is_percent_zero(r.max_unavailable);
  const bool no_surge = is_percent_zero(r.max_surge);
  if (r.max_surge && !no_surge && !no_unavailable) {
    c.invalid("maxSurge", int_or_string_json(*r.max_surge),
              "may not be set when maxUnavailable is non-zero");
  } else if (no_unavailable && no_surge) {
    c.required("maxUnavailable", "cannot be 0 when maxSurge is 0");
  }
}

void validate_fields(const DaemonSetSpec& v, ValidateContext& c) {
  check_workload(v.selector, v.template_, "empty selector is invalid for daemonset", "DaemonSet",
                 c);
}

void validate_fields(const StatefulSetSpec& v, ValidateContext& c) {
  check_workload(v.selector, v.template_, "empty selector is invalid for statefulset",
                 "StatefulSet", c);
  // Claims become volumes of the pods.
  for (const PersistentVolumeClaimTemplate& claim : v.volume_claim_templates) {
    const std::string missing = "Not found: \"" + claim.metadata.name.str() + '"';
    const std::string place = c.path("template.spec");
    std::erase_if(c.errors, [&](const FieldError& e) {
      return e.type == FieldError::Type::kNotFound && e.detail == missing &&
             e.field.starts_with(place);
    });
  }
  const StatefulSetUpdateStrategy& s = v.update_strategy;
  if (s.type == stateful_set_update_strategy_type::kOnDelete && s.rolling_update) {
    c.invalid("updateStrategy.rollingUpdate", encode_as(*s.rolling_update),
              "only allowed for updateStrategy 'RollingUpdate'");
  }
}

void validate_fields(const JobSpec& v, ValidateContext& c) {
  const bool indexed = v.completion_mode == completion_mode::kIndexed;
  if (indexed) {
    constexpr int32_t kMaxParallelism = 100'000;
    if (!v.completions) c.required("completions", "when completion mode is Indexed");
    if (v.parallelism && *v.parallelism > kMaxParallelism) {
      c.invalid("parallelism", Json(*v.parallelism),
                "must be less than or equal to 100000 when completion mode is Indexed");
    }
    if (v.completions && v.max_failed_indexes && *v.max_failed_indexes > *v.completions) {
      c.invalid("maxFailedIndexes", Json(*v.max_failed_indexes),
                "must be less than or equal to completions");
    }
  } else {
    constexpr std::string_view kIndexedOnly = "requires indexed completion mode";
    if (v.backoff_limit_per_index) {
      c.invalid("backoffLimitPerIndex", Json(*v.backoff_limit_per_index), kIndexedOnly);
    }
    if (v.max_failed_indexes) {
      c.invalid("maxFailedIndexes", Json(*v.max_failed_indexes), kIndexedOnly);
    }
    if (v.success_policy) c.invalid("successPolicy", encode_as(*v.success_policy), kIndexedOnly);
  }
  if (v.max_failed_indexes && !v.backoff_limit_per_index) {
    c.required("backoffLimitPerIndex", "when maxFailedIndexes is specified");
  }
  const Str& policy = v.template_.spec.restart_policy;
  if (policy.empty() || policy == restart_policy::kAlways) {
    c.required("template.spec.restartPolicy", "valid values: \"OnFailure\", \"Never\"");
  } else if (v.pod_failure_policy && policy != restart_policy::kNever) {
    c.invalid("template.spec.restartPolicy", Json(policy),
              "only \"Never\" is supported when podFailurePolicy is specified");
  }
}

void validate_fields(const CronJobSpec& v, ValidateContext& c) {
  const std::string_view schedule = v.schedule;
  if (schedule.find("TZ") != std::string_view::npos) {
    c.invalid("schedule", Json(v.schedule),
              "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
  } else if (!schedule.empty() && !schedule.starts_with('@')) {
    size_t fields = 0;
    bool in_field = false;
    for (char ch : schedule) {
      if (ch != ' ' && !in_field) ++fields;
      in_field = ch != ' ';
    }
    if (fields != 5) {
      c.invalid("schedule", Json(v.schedule),
                "expected exactly 5 fields, found " + std::to_string(fields) + ": [" +
                    std::string(schedule) + "]");
    }
  }
}

// --- autoscaling and disruption ---

void validate_fields(const HPAScalingRules& v, ValidateContext& c) {
  if (v.policies.empty()) c.required("policies", "must specify at least one Policy");
  if (v.tolerance && v.tolerance->sign() < 0) {
    c.invalid("tolerance", Json(v.tolerance->to_string()), "must be greater than or equal to zero");
  }
}

void validate_fields(const MetricSpec& v, ValidateContext& c) {
  struct Source {
    std::string_view type, name;
    bool present;
  };
  const Source sources[] = {
      {metric_source_type::kObject, "object", v.object.has_value()},
      {metric_source_type::kPods, "pods", v.pods.has_value()},
      {metric_source_type::kResource, "resource", v.resource.has_value()},
      {metric_source_type::kExternal, "external", v.external.has_value()},
      {metric_source_type::kContainerResource, "containerResource",
       v.container_resource.has_value()},
  };
  for (const Source& s : sources) {
    if (v.type == s.type && !s.present) {
      c.required(s.name, "must populate information for the given metric source");
    } else if (v.type != s.type && s.present) {
      c.forbidden(s.name, "must populate the given metric source only");
    }
  }
  const auto check_target = [&](std::string_view source, const MetricTarget& t) {
    const Scope scope(c, std::string(source) + ".target");
    if (t.value && t.value->sign() <= 0) {
      c.invalid("value", Json(t.value->to_string()), "must be positive");
    }
    if (t.average_value && t.average_value->sign() <= 0) {
      c.invalid("averageValue", Json(t.average_value->to_string()), "must be positive");
    }
    const bool by_resource = source == "resource" || source == "containerResource";
    if (by_resource && !t.average_utilization && !t.average_value) {
      c.required("averageUtilization",
                 "must set either a target raw value or a target utilization");
    } else if (by_resource && t.average_utilization && t.average_value) {
      c.forbidden("averageValue", "may not set both a target raw value and a target utilization");
    } else if (source == "pods" && !t.average_value) {
      c.required("averageValue", "must specify a positive target averageValue");
    } else if (source == "external" && t.value && t.average_value) {
      c.forbidden("value", "may not set both a target value for metric and a per-pod target");
    } else if (source == "external" && !t.value && !t.average_value) {
      c.required("averageValue", "must set either a target value for metric or a per-pod target");
    } else if (source == "object" && !t.value && !t.average_value) {
      c.required("averageValue", "must set either a target value or averageValue");
    }
  };
  if (v.resource) check_target("resource", v.resource->target);
  if (v.container_resource) check_target("containerResource", v.container_resource->target);
  if (v.pods) check_target("pods", v.pods->target);
  if (v.object) check_target("object", v.object->target);
  if (v.external) check_target("external", v.external->target);
}

void validate_fields(const HorizontalPodAutoscalerSpec& v, ValidateContext& c) {
  // Scaling to zero (HPAScaleToZero) is off by default.
  if (v.min_replicas && *v.min_replicas < 1) {
    c.invalid("minReplicas", Json(*v.min_replicas), "must be greater than or equal to 1");
  }
  if (v.min_replicas && v.max_replicas < *v.min_replicas) {
    c.invalid("maxReplicas", Json(v.max_replicas),
              "must be greater than or equal to `minReplicas`");
  }
}

void validate_fields(const PodDisruptionBudgetSpec& v, ValidateContext& c) {
  if (v.min_available && v.max_unavailable) {
    c.invalid("", encode_as(v), "minAvailable and maxUnavailable cannot be both set");
  }
  check_int_or_percent(v.min_available, "minAvailable", c);
  check_int_or_percent(v.max_unavailable, "maxUnavailable", c);
  check_at_most_100_percent(v.min_available, "minAvailable", c);
  check_at_most_100_percent(v.max_unavailable, "maxUnavailable", c);
}

}  // namespace mainspring::api
