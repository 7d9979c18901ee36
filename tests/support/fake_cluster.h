// A cluster small enough to read in a test: a ControlContext over an API server that answers in
// order and at once, with everything that was written kept as text.
//
// Writes take effect when step() or settle() carries them out; the change reaches the caches and
// the loops before the answer does. Time stands still until advance() moves it from timer to timer.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "models/api/object.h"
#include "models/client/control_loop.h"

namespace mainspring::testing {

class FakeCluster {
 public:
  FakeCluster();
  ~FakeCluster();

  // Adds a loop; start() starts them all.
  void add(std::unique_ptr<client::ControlLoop> loop);
  void start();

  // A change by somebody else: the store and the caches have it at once. Fills in uid, resource
  // version, creation time and generation where they are missing.
  api::ObjectRef put(api::Ref<api::Object> object);
  void remove(const api::Object& object);
  template <class T>
  api::Ref<const T> get(std::string_view ns, std::string_view name) const {
    const auto found = store_.find({T::kKind, std::string(ns), std::string(name)});
    return found == store_.end() ? api::Ref<const T>() : api::cast<T>(found->second);
  }
  template <class T>
  std::vector<api::Ref<const T>> all() const {
    std::vector<api::Ref<const T>> result;
    for (const auto& [key, object] : store_) {
      if (std::get<0>(key) == T::kKind) result.push_back(api::cast<T>(object));
    }
    return result;
  }

  // Carries out the oldest request; false if there is none.
  bool step();
  // Carries out requests until there are none.
  void settle();
  // Lets time pass, firing timers and settling after each.
  void advance(api::Duration d);
  api::Time now() const { return now_; }

  // What was asked of the server and how it answered, one line each, without events:
  // "create ReplicaSet default/web-x", "status Deployment default/web: conflict".
  std::vector<std::string> take_log();
  // "Normal ScalingReplicaSet web: Scaled up ...", in order.
  std::vector<std::string> take_events();
  // Answers the next request of this verb and kind with an error instead.
  void fail_next(client::Verb verb, api::Kind kind, int16_t code, std::string_view reason,
                 std::string_view message);

  std::vector<client::PodMetrics> metrics;
  // Pods deleted by a request stay with a deletion timestamp until removed by the test.
  bool graceful_pods = false;

 private:
  class Context;
  using Name = std::tuple<api::Kind, std::string, std::string>;
  struct Pending {
    size_t loop;
    client::Request request;
    client::Cookie cookie;
  };
  struct Timer {
    size_t loop;
    client::Cookie cookie;
  };
  struct Failure {
    client::Verb verb;
    api::Kind kind;
    client::Outcome outcome;
  };

  client::Outcome carry_out(const client::Request& r);
  client::Outcome write(const client::Request& r, const api::ObjectRef& old);
  void change(client::WatchType type, api::ObjectRef object);
  void stamp(api::Object& object);
  void log(const client::Request& r, const client::Outcome& o);

  api::Time now_ = api::Time::from_unix_seconds(1'767'225'600);  // 2026-01-01T00:00:00Z
  std::map<api::Kind, client::Cache> caches_;
  std::map<Name, api::ObjectRef> store_;
  std::vector<std::unique_ptr<client::ControlLoop>> loops_;
  std::vector<std::unique_ptr<Context>> contexts_;
  std::deque<Pending> pending_;
  std::map<std::pair<api::Time, client::TimerId>, Timer> timers_;
  std::vector<Failure> failures_;
  std::vector<std::string> log_;
  std::vector<std::string> events_;
  uint64_t next_ = 0;
  bool started_ = false;
};

}  // namespace mainspring::testing
