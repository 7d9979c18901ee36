// The resource metrics API: what the metrics server has of each pod, computed when asked.
//
// It scrapes every node each 15 s and keeps two points a container: CPU is the difference of the
// cumulative counters over the time between them, memory the last working set. A container younger
// than one period counts from its start once it is 10 s old. Source: metrics-server
// pkg/storage/pod.go.
#include <algorithm>

#include "models/node/internal.h"
#include "models/node/node_fleet.h"

namespace mainspring::node {

using sim::Duration;
using sim::SimTime;

std::vector<client::PodMetrics> NodeFleet::pod_metrics(const sim::World& world,
                                                       std::string_view ns) const {
  std::vector<client::PodMetrics> out;
  const int64_t scrape = world.now().ns() / kScrapePeriod.ns();
  if (scrape < 1) return out;
  const SimTime last = SimTime::from_ns(scrape * kScrapePeriod.ns());
  const SimTime before = last - kScrapePeriod;
  for (size_t p = 0; p < pods_.size(); ++p) {
    const PodRuntime& pod = pods_[p];
    if (!pod.in_use || pod.object->metadata.namespace_ != ns) continue;
    if (machines_[pod.node].state != MachineState::kUp) continue;
    client::PodMetrics metrics;
    metrics.window = kScrapePeriod;
    bool complete = true;
    for (const uint32_t slot : pod.containers) {
      const ContainerRuntime& c = containers_[slot];
      if (c.state != RunState::kRunning || c.started_at > last) continue;
      const CpuMeter& meter = c.cpu;
      SimTime first = before;
      int64_t from = 0;
      if (c.started_at > before) {
        first = c.started_at;
        from = meter.at_start;
        if (last - first < Duration::seconds(10)) {
          complete = false;
          break;
        }
      } else if (meter.since <= before) {
        from = usage_at(meter, before);
      } else {
        from = meter.scrape == scrape ? meter.sample[0] : meter.sample[1];
      }
      const bool fresh = meter.since <= last;
      const int64_t to = fresh ? usage_at(meter, last) : meter.sample[1];
      client::ContainerMetrics usage;
      usage.name = spec_of(c).name;
      // Core-nanoseconds over nanoseconds, in thousandths, rounded up as Quantity does.
      const int64_t span = (last - first).ns();
      usage.cpu_milli = ((to - from) * 1000 + span - 1) / span;
      usage.memory_bytes = fresh ? working_set(c, last) : meter.memory_sample[1];
      metrics.containers.push_back(std::move(usage));
      metrics.window = std::min(metrics.window, last - first);
    }
    if (!complete || metrics.containers.empty()) continue;
    metrics.name = pod.object->metadata.name;
    metrics.timestamp = server(world).wall(last);
    out.push_back(std::move(metrics));
  }
  std::sort(out.begin(), out.end(), [](const client::PodMetrics& a, const client::PodMetrics& b) {
    return a.name < b.name;
  });
  return out;
}

}  // namespace mainspring::node
