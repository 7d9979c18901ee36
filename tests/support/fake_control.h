// A ControlContext for tests: caches that the test fills, requests that it reads, timers that it
// fires. Nothing happens by itself.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "models/client/control_loop.h"

namespace mainspring::test {

class FakeControl final : public client::ControlContext {
 public:
  struct Sent {
    client::Request request;
    client::Cookie cookie;
  };
  struct Timer {
    client::TimerId id;
    api::Time at;
    client::Cookie cookie;
  };

  api::Time time = api::Time::from_unix_seconds(1'700'000'000);
  std::vector<Sent> sent;     // every request, in order; the test may clear it
  std::vector<Timer> timers;  // those armed, in order of setting
  std::vector<client::PodMetrics> metrics;
  uint64_t random_word = 0;

  // Makes the caches that the loop watches.
  void prepare(const client::ControlLoop& loop) {
    for (const client::WatchSpec& w : loop.watches()) {
      client::Cache& c = writable(w.kind);
      for (const client::IndexBy i : w.indexes) c.add_index(i);
    }
  }
  client::Cache& writable(api::Kind kind) { return caches_.try_emplace(kind, kind).first->second; }
  bool holds(api::Kind kind) const { return caches_.contains(kind); }
  // Changes a cache without telling anybody.
  client::WatchEvent apply(client::WatchType type, api::ObjectRef object) {
    const api::Kind kind = object->kind;
    return writable(kind).apply(type, std::move(object));
  }
  // Changes a cache and tells the loop.
  void deliver(client::ControlLoop& loop, client::WatchType type, api::ObjectRef object) {
    const client::WatchEvent e = apply(type, std::move(object));
    loop.on_watch(*this, e);
  }
  // Fires the first timer that is due until `until`; false if there is none.
  bool fire_next(client::ControlLoop& loop, api::Time until) {
    auto next = std::min_element(timers.begin(), timers.end(),
                                 [](const Timer& a, const Timer& b) { return a.at < b.at; });
    if (next == timers.end() || next->at > until) return false;
    const Timer t = *next;
    timers.erase(next);
    time = std::max(time, t.at);
    loop.on_timer(*this, t.cookie);
    return true;
  }
  // Fires the timers due until `until`, in order of time, and leaves the clock there.
  void run_until(client::ControlLoop& loop, api::Time until) {
    while (fire_next(loop, until)) continue;
    time = until;
  }

  api::Time now() const override { return time; }
  const client::Cache& cache(api::Kind kind) const override { return caches_.at(kind); }
  void submit(client::Request request, client::Cookie cookie) override {
    sent.push_back({std::move(request), cookie});
  }
  client::TimerId set_timer(api::Time at, client::Cookie cookie) override {
    timers.push_back({++last_timer_, at, cookie});
    return last_timer_;
  }
  void cancel_timer(client::TimerId id) override {
    std::erase_if(timers, [&](const Timer& t) { return t.id == id; });
  }
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { return metrics; }
  uint64_t random(std::string_view, uint64_t draw) const override { return random_word + draw; }

 private:
  std::map<api::Kind, client::Cache> caches_;
  client::TimerId last_timer_ = 0;
};

}  // namespace mainspring::test
