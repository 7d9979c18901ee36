// A journal made by hand: objects are added, changed and deleted at given seconds, as the API
// server would record it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/compare.h"
#include "models/api/types/apps.h"
#include "models/api/types/core.h"
#include "models/traffic/bucket.h"
#include "scenarios/history.h"
#include "scenarios/samples.h"
#include "sim/journal.h"

namespace mainspring::scenarios {

class JournalBuilder {
 public:
  // 2026-01-05T09:00:00Z
  static constexpr int64_t kEpochSeconds = 1'767'603'600;

  JournalBuilder() {
    header_.scenario = "by-hand";
    header_.seed = 7;
    header_.attributes = {
        {std::string(kEpochAttribute), fmt::format("{}000000000", kEpochSeconds)}};
  }

  static sim::SimTime at(double seconds) {
    return sim::SimTime::from_ns(static_cast<int64_t>(seconds * 1e9 + 0.5));
  }
  static api::Time wall(double seconds) {
    return api::Time::from_unix_ns(kEpochSeconds * 1'000'000'000 + at(seconds).ns());
  }

  // Adds the object, or changes it if there is one of its name.
  template <class T>
  void put(double t, T object) {
    api::Ref<T> body = api::clone(object);
    const std::string key = key_of(*body);
    api::ObjectRef& old = objects_[key];
    if (!old && !body->metadata.creation_timestamp) {
      body->metadata.creation_timestamp = wall(t).truncated_to_second();
    } else if (old) {
      body->metadata.creation_timestamp = old->metadata.creation_timestamp;
    }
    std::string payload;
    api::encode_delta(old.get(), *body, payload);
    record(t, old ? "store.update" : "store.add", key, payload);
    old = api::ObjectRef(body);
  }
  template <class T>
  void remove(double t, const T& object) {
    objects_.erase(key_of(object));
    record(t, "store.delete", key_of(object), "1");
  }
  void record(double t, std::string_view type, std::string_view key, std::string_view payload) {
    records_.push_back({at(t), std::string(type), std::string(key), std::string(payload)});
  }

  // `ok` answers of `ms` milliseconds each and `failed` refusals within [t, t + width).
  void traffic(double t, double width, std::string_view key, uint64_t ok, int64_t ms,
               uint64_t failed = 0) {
    traffic::Bucket b;
    b.begin = at(t);
    b.width = at(width).since_start();
    b.sent = ok + failed;
    b.ok = ok;
    b.failed[0] = failed;
    b.latency.add(sim::Duration::millis(ms), ok);
    record(t + width, traffic::kBucketRecord, key, traffic::encode(b));
  }
  void sample(double t, const ClusterSample& s) {
    record(t, "sample.cluster", "", encode_sample(s));
  }

  // The records in order of time; of one instant, in the order in which they were made.
  sim::Journal journal() const {
    sim::Journal journal;
    journal.set_header(header_);
    std::vector<Record> sorted = records_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Record& a, const Record& b) { return a.at < b.at; });
    uint64_t sequence = 0;
    for (const Record& r : sorted) journal.append(r.at, ++sequence, 0, r.type, r.key, r.payload);
    return journal;
  }

 private:
  static std::string key_of(const api::Object& o) {
    return fmt::format("{}/{}/{}", api::kind_name_of(o), o.metadata.namespace_.view(),
                       o.metadata.name.view());
  }
  struct Record {
    sim::SimTime at;
    std::string type, key, payload;
  };
  sim::JournalHeader header_;
  std::vector<Record> records_;
  std::map<std::string, api::ObjectRef> objects_;
};

// A pod of Deployment `app`, not bound yet.
inline api::Pod make_pod(std::string_view name, std::string_view app = "web") {
  api::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  api::OwnerReference owner;
  owner.kind = "ReplicaSet";
  owner.name = fmt::format("{}-5d", app);
  owner.controller = true;
  pod.metadata.owner_references.push_back(owner);
  api::Container c;
  c.name = "app";
  c.image = "app:1";
  c.resources.requests.set("cpu", api::Quantity::of("500m"));
  pod.spec.containers.push_back(c);
  pod.status.phase = "Pending";
  return pod;
}

inline void set_ready(api::Pod& pod, bool ready, api::Time since) {
  api::PodCondition c;
  c.type = "Ready";
  c.status = ready ? "True" : "False";
  c.last_transition_time = since;
  pod.status.conditions = api::List<api::PodCondition>{c};
  pod.status.phase = "Running";
  api::ContainerStatus s;
  s.name = "app";
  s.ready = ready;
  s.state.running = api::ContainerStateRunning();
  pod.status.container_statuses = api::List<api::ContainerStatus>{s};
}

inline api::Node make_node(std::string_view name, std::string_view zone, bool ready = true) {
  api::Node node;
  node.metadata.name = name;
  node.metadata.labels.set("topology.kubernetes.io/zone", zone);
  node.status.allocatable.set("cpu", api::Quantity::of("4"));
  node.status.node_info.kubelet_version = "v1.35.0";
  api::NodeCondition c;
  c.type = "Ready";
  c.status = ready ? "True" : "Unknown";
  node.status.conditions.push_back(c);
  return node;
}

inline api::Deployment make_deployment(std::string_view name, int32_t desired, int32_t ready) {
  api::Deployment d;
  d.metadata.name = name;
  d.metadata.namespace_ = "default";
  d.spec.replicas = desired;
  d.status.replicas = desired;
  d.status.ready_replicas = ready;
  d.status.updated_replicas = desired;
  d.status.available_replicas = ready;
  return d;
}

}  // namespace mainspring::scenarios
