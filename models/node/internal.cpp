#include "models/node/internal.h"

#include <fmt/format.h>

#include <charconv>

#include "models/api/pod_helpers.h"
#include "sim/hash.h"

namespace mainspring::node {

std::string host_address(NodeIndex n) {
  const uint32_t a = n + 1;
  return fmt::format("172.{}.{}.{}", 16 + (a >> 16), (a >> 8) & 255, a & 255);
}

std::string pod_cidr(NodeIndex n) { return fmt::format("10.{}.{}.0/24", 128 + (n >> 8), n & 255); }

std::string pod_address(NodeIndex n, uint16_t host) {
  return fmt::format("10.{}.{}.{}", 128 + (n >> 8), n & 255, host);
}

std::optional<PodAddress> parse_pod_address(std::string_view ip) {
  uint32_t part[4] = {};
  const char* at = ip.data();
  const char* const end = at + ip.size();
  for (int i = 0; i < 4; ++i) {
    const auto r = std::from_chars(at, end, part[i]);
    if (r.ec != std::errc() || part[i] > 255) return std::nullopt;
    at = r.ptr;
    if (i < 3 && (at == end || *at++ != '.')) return std::nullopt;
  }
  if (at != end || part[0] != 10 || part[1] < 128) return std::nullopt;
  return PodAddress{(part[1] - 128) << 8 | part[2], static_cast<uint16_t>(part[3])};
}

std::string pod_key(std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}", ns, name);
}

std::string boot_id(const Machine& m) {
  return fmt::format("{:016x}", sim::hash_combine(m.entity, m.boots));
}

std::string_view workload_of(const api::Pod& pod) {
  for (const api::OwnerReference& owner : pod.metadata.owner_references) {
    if (!owner.controller.value_or(false)) continue;
    std::string_view name = owner.name;
    const api::Str* hash = pod.metadata.labels.find("pod-template-hash");
    if (owner.kind == "ReplicaSet" && hash && name.size() > hash->size() + 1 &&
        name.ends_with(hash->view()) && name[name.size() - hash->size() - 1] == '-') {
      name.remove_suffix(hash->size() + 1);
    }
    return name;
  }
  return pod.metadata.name;
}

int64_t spec_grace(const api::Pod& pod) {
  return pod.spec.termination_grace_period_seconds.value_or(30);
}

namespace {
int64_t milli(const api::Map<api::Quantity>& map, std::string_view key) {
  const api::Quantity* q = map.find(key);
  return q ? q->milli_value() : 0;
}
int64_t bytes(const api::Map<api::Quantity>& map, std::string_view key) {
  const api::Quantity* q = map.find(key);
  return q ? q->value() : 0;
}
}  // namespace

ContainerResources resources_of(const api::Container& spec) {
  ContainerResources r;
  r.cpu_limit = milli(spec.resources.limits, "cpu");
  r.memory_limit = bytes(spec.resources.limits, "memory");
  r.cpu_request = milli(spec.resources.requests, "cpu");
  r.memory_request = bytes(spec.resources.requests, "memory");
  // The API server defaults requests to limits; objects made by hand may lack that.
  if (!spec.resources.requests.contains("cpu")) r.cpu_request = r.cpu_limit;
  if (!spec.resources.requests.contains("memory")) r.memory_request = r.memory_limit;
  return r;
}

ContainerResources requests_of(const api::Pod& pod) {
  const api::ResourceList list = api::pod_requests(pod.spec);
  ContainerResources r;
  r.cpu_request = milli(list, "cpu");
  r.memory_request = bytes(list, "memory");
  return r;
}

QosClass qos_of(const api::Pod& pod) {
  const std::string_view name = api::compute_qos_class(pod.spec);
  if (name == api::pod_qos_class::kGuaranteed) return QosClass::kGuaranteed;
  return name == api::pod_qos_class::kBurstable ? QosClass::kBurstable : QosClass::kBestEffort;
}

std::string_view qos_name(QosClass qos) {
  switch (qos) {
    case QosClass::kGuaranteed:
      return "Guaranteed";
    case QosClass::kBurstable:
      return "Burstable";
    case QosClass::kBestEffort:
      return "BestEffort";
  }
  return "BestEffort";
}

bool terminal_phase(std::string_view phase) { return phase == "Succeeded" || phase == "Failed"; }

bool critical(const api::Pod& pod) {
  return pod.spec.priority.value_or(0) >= 2'000'000'000 ||
         pod.metadata.annotations.contains("kubernetes.io/config.mirror");
}

std::string go_duration(sim::Duration d) {
  const int64_t ms = d.ns() / 1'000'000;
  if (ms < 1000) return fmt::format("{}ms", ms);
  const int64_t minutes = ms / 60'000;
  const int64_t rest = ms % 60'000;
  std::string fraction;
  if (rest % 1000 != 0) {
    fraction = fmt::format(".{:03}", rest % 1000);
    while (fraction.back() == '0') fraction.pop_back();
  }
  const std::string seconds = fmt::format("{}{}s", rest / 1000, fraction);
  return minutes > 0 ? fmt::format("{}m{}", minutes, seconds) : seconds;
}

}  // namespace mainspring::node
