#include "models/apiserver/quota.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "models/api/pod_helpers.h"
#include "models/apiserver/registry.h"

namespace mainspring::apiserver {

namespace {
// What one object takes of the resources that quotas name.
api::Map<api::Quantity> usage_of(const api::Object& object) {
  api::Map<api::Quantity> use;
  const api::KindInfo& info = api::kind_info(object);
  const std::string resource = info.group.empty() ? std::string(info.resource)
                                                  : fmt::format("{}.{}", info.resource, info.group);
  use.set(fmt::format("count/{}", resource), api::Quantity::of("1"));
  if (info.group.empty()) use.set(info.resource, api::Quantity::of("1"));
  if (const api::Pod* pod = api::try_as<api::Pod>(object)) {
    for (const auto& [name, q] : api::pod_requests(*pod)) {
      use.set(fmt::format("requests.{}", name.view()), q);
      use.set(name, q);
    }
    for (const auto& [name, q] : api::pod_limits(pod->spec)) {
      use.set(fmt::format("limits.{}", name.view()), q);
    }
  }
  return use;
}
}  // namespace

void apply_limit_ranges(const Store& store, api::Pod& pod) {
  for (const api::ObjectRef& object : store.list(api::Kind::LimitRange, pod.metadata.namespace_)) {
    for (const api::LimitRangeItem& item : api::as<api::LimitRange>(*object).spec.limits) {
      if (item.type != "Container") continue;
      for (api::List<api::Container>* list : {&pod.spec.containers, &pod.spec.init_containers}) {
        if (list->empty()) continue;
        for (api::Container& c : list->edit()) {
          for (const auto& [name, q] : item.default_) {
            if (!c.resources.limits.contains(name)) c.resources.limits.set(name, q);
          }
          for (const auto& [name, q] : item.default_request) {
            if (!c.resources.requests.contains(name)) c.resources.requests.set(name, q);
          }
        }
      }
    }
  }
}

bool charge_quotas(Transaction& tx, const api::Object& object, std::string& why) {
  if (!api::kind_info(object).namespaced || object.kind == api::Kind::Event) return true;
  if (tx.store.size(api::Kind::ResourceQuota) == 0) return true;
  const api::Map<api::Quantity> use = usage_of(object);
  std::vector<std::pair<api::ObjectRef, api::Ref<api::Object>>> charged;
  for (const api::ObjectRef& held :
       tx.store.list(api::Kind::ResourceQuota, object.metadata.namespace_)) {
    const api::ResourceQuota& quota = api::as<api::ResourceQuota>(*held);
    if (quota.status.hard.empty()) {
      why = fmt::format("status unknown for quota: {}, resources: ", quota.metadata.name.view());
      bool first = true;
      for (const auto& [name, hard] : quota.spec.hard) {
        if (!use.contains(name)) continue;
        why += first ? "" : ",";
        why += name.view();
        first = false;
      }
      if (first) continue;
      return false;
    }
    api::Ref<api::ResourceQuota> next = api::clone(quota);
    std::string requested, used, limited;
    bool touched = false;
    for (const auto& [name, hard] : quota.status.hard) {
      const api::Quantity* add = use.find(name);
      if (!add) {
        const bool compute = name == "requests.cpu" || name == "requests.memory" ||
                             name == "limits.cpu" || name == "limits.memory" || name == "cpu" ||
                             name == "memory";
        if (compute && object.kind == api::Kind::Pod) {
          why = fmt::format("failed quota: {}: must specify {}", quota.metadata.name.view(),
                            name.view());
          return false;
        }
        continue;
      }
      const api::Quantity before = quota.status.used.get(name);
      const api::Quantity sum = before + *add;
      if (sum > hard) {
        const char* comma = requested.empty() ? "" : ",";
        requested += fmt::format("{}{}={}", comma, name.view(), add->to_string());
        used += fmt::format("{}{}={}", comma, name.view(), before.to_string());
        limited += fmt::format("{}{}={}", comma, name.view(), hard.to_string());
      }
      next->status.used.set(name, sum);
      touched = true;
    }
    if (!requested.empty()) {
      why = fmt::format("exceeded quota: {}, requested: {}, used: {}, limited: {}",
                        quota.metadata.name.view(), requested, used, limited);
      return false;
    }
    if (touched) charged.emplace_back(held, std::move(next));
  }
  for (auto& [old, next] : charged) {
    next->metadata.resource_version = std::to_string(tx.store.next_version());
    tx.store.put(next);
    tx.changes.push_back(client::WatchEvent{client::WatchType::kModified, next, old});
  }
  return true;
}

}  // namespace mainspring::apiserver
