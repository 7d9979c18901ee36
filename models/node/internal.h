// Small helpers of models/node: addresses, names, workloads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/api/types/core.h"
#include "models/node/runtime.h"

namespace mainspring::node {

// Machines have addresses in 172.16.0.0/12, their pods in 10.128.0.0/9, 256 addresses a machine.
std::string host_address(NodeIndex n);
std::string pod_cidr(NodeIndex n);
std::string pod_address(NodeIndex n, uint16_t host);
struct PodAddress {
  NodeIndex node = kNoNode;
  uint16_t host = 0;
};
std::optional<PodAddress> parse_pod_address(std::string_view ip);

std::string pod_key(std::string_view ns, std::string_view name);
std::string boot_id(const Machine& m);
// The Deployment, StatefulSet, DaemonSet, Job that made the pod, or the pod itself.
std::string_view workload_of(const api::Pod& pod);
int64_t spec_grace(const api::Pod& pod);  // seconds
// Requests and limits of a container in milli-CPU and bytes; 0: none.
struct ContainerResources {
  int64_t cpu_request = 0;
  int64_t cpu_limit = 0;
  int64_t memory_request = 0;
  int64_t memory_limit = 0;
};
ContainerResources resources_of(const api::Container& spec);
// What a pod counts for (api::pod_requests), CPU and memory.
ContainerResources requests_of(const api::Pod& pod);
QosClass qos_of(const api::Pod& pod);
std::string_view qos_name(QosClass qos);
bool terminal_phase(std::string_view phase);
// Static, mirror or of system priority: never evicted.
bool critical(const api::Pod& pod);
// "1.2s", "350ms", "1m5s": as Go prints a duration, cut to milliseconds.
std::string go_duration(sim::Duration d);

}  // namespace mainspring::node
