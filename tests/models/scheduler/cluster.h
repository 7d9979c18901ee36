// A small cluster round a scheduler: objects in short notation, and an API server that answers at
// once and in order.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/diagnostics.h"
#include "models/api/patch.h"
#include "models/api/pod_helpers.h"
#include "models/api/types/apps.h"
#include "models/api/types/core.h"
#include "models/scheduler/scheduler.h"
#include "tests/support/fake_control.h"
#include "tests/support/resource_claims.h"

namespace mainspring::test {

inline api::ResourceList resources(std::string_view cpu, std::string_view memory) {
  api::ResourceList r;
  if (!cpu.empty()) r.set("cpu", api::Quantity::of(cpu));
  if (!memory.empty()) r.set("memory", api::Quantity::of(memory));
  return r;
}

inline api::Ref<api::Node> make_node(std::string_view name, std::string_view cpu = "4",
                                     std::string_view memory = "32Gi", std::string_view zone = "") {
  api::Ref<api::Node> n = api::make<api::Node>();
  n->metadata.name = name;
  n->metadata.uid = "uid-" + std::string(name);
  n->metadata.labels.set("kubernetes.io/hostname", name);
  if (!zone.empty()) n->metadata.labels.set("topology.kubernetes.io/zone", zone);
  n->status.allocatable = resources(cpu, memory);
  n->status.allocatable.set("pods", api::Quantity::from_value(110));
  return n;
}

inline api::Ref<api::Pod> make_pod(std::string_view name, std::string_view cpu = "100m",
                                   std::string_view memory = "500Mi", api::StrMap labels = {}) {
  api::Ref<api::Pod> p = api::make<api::Pod>();
  p->metadata.name = name;
  p->metadata.namespace_ = "default";
  p->metadata.uid = "uid-" + std::string(name);
  p->metadata.generation = 1;
  p->metadata.labels = std::move(labels);
  p->spec.scheduler_name = "default-scheduler";
  api::Container c;
  c.name = "c";
  c.image = "app:1";
  c.resources.requests = resources(cpu, memory);
  p->spec.containers = {c};
  p->status.phase = "Pending";
  return p;
}

inline api::Ref<api::Pod> on_node(api::Ref<api::Pod> pod, std::string_view node) {
  pod->spec.node_name = node;
  return pod;
}

class Cluster {
 public:
  explicit Cluster(scheduler::SchedulerOptions options = {.cycle_time = api::Duration()})
      : loop(std::make_unique<scheduler::Scheduler>(options)) {
    ctx.prepare(*loop);
    loop->start(ctx);
  }
  Cluster(const Cluster& o)
      : ctx(o.ctx),
        loop(static_cast<scheduler::Scheduler*>(o.loop->clone().release())),
        events(o.events),
        answered(o.answered),
        version(o.version),
        bindings_fail(o.bindings_fail),
        updates_fail(o.updates_fail),
        deletions_fail(o.deletions_fail) {}

  // Creates, or replaces when there is one, and lets the scheduler work.
  void put(const api::ObjectRef& object) {
    put_object(object);
    answer();
  }
  void put_object(const api::ObjectRef& object) {
    api::Ref<api::Object> o = api::clone(*object);
    o->metadata.resource_version = std::to_string(++version);
    const bool known = ctx.cache(o->kind).find(o->metadata.namespace_, o->metadata.name) != nullptr;
    ctx.deliver(*loop, known ? client::WatchType::kModified : client::WatchType::kAdded,
                api::ObjectRef(o));
  }
  void remove(api::Kind kind, std::string_view ns, std::string_view name) {
    const api::ObjectRef* found = ctx.cache(kind).find(ns, name);
    ctx.deliver(*loop, client::WatchType::kDeleted, api::ObjectRef(*found));
    answer();
  }
  void remove_pod(std::string_view name) { remove(api::Kind::Pod, "default", name); }
  void run_for(api::Duration d) {
    const api::Time until = ctx.now() + d;
    while (true) {
      api::Time next = until;
      for (const auto& t : ctx.timers) next = std::min(next, std::max(t.at, ctx.now()));
      ctx.run_until(*loop, next);
      answer();
      if (next == until) return;
    }
  }
  const api::Pod& pod(std::string_view name) const {
    return *ctx.cache(api::Kind::Pod).get<api::Pod>("default", name);
  }
  std::string node_of(std::string_view name) const { return pod(name).spec.node_name.str(); }
  // The message of the pod's PodScheduled condition.
  std::string why(std::string_view name) const {
    const auto* c = api::find_condition(pod(name).status.conditions, "PodScheduled");
    return c ? c->message.str() : "";
  }
  bool scheduled(std::string_view name) const { return !node_of(name).empty(); }

  // Answers what the scheduler asked for, and what it asks for thereupon.
  void answer() {
    while (answered < ctx.sent.size()) answer_next();
  }
  // The requests that wait for an answer: "verb name", those for events left out.
  std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (size_t i = answered; i < ctx.sent.size(); ++i) {
      const client::Request& r = ctx.sent[i].request;
      if (r.kind == api::Kind::Event) continue;
      out.push_back(std::string(verb(r.verb)) + " " + r.name.str());
    }
    return out;
  }
  // Answers until the next of them is this one.
  void answer_before(std::string_view request) {
    while (!asked().empty() && asked().front() != request) answer_next();
  }
  // Answers the first request.
  void answer_next() {
    const FakeControl::Sent s = ctx.sent[answered++];
    client::Outcome out;
    out.code = 200;
    const client::Request& r = s.request;
    if (r.kind == api::Kind::Event) {
      if (r.verb == client::Verb::kCreate) {
        const auto& e = api::as<api::Event>(r.body);
        events.push_back(e.reason.str() + " " + e.involved_object.name.str() + " " +
                         e.message.str());
      }
    } else if (r.kind == api::Kind::ResourceClaim) {
      answer_claim(r, &out);
    } else if (r.verb == client::Verb::kBind && bindings_fail) {
      out.code = 409;
      out.message = "Operation cannot be fulfilled";
    } else if (r.verb == client::Verb::kBind) {
      change(r, [&](api::Pod& p) {
        p.spec.node_name = r.target;
        set(p, "PodScheduled", "True", "", "");
      });
    } else if (r.verb == client::Verb::kPatchStatusJson) {
      change(r, [&](api::Pod& p) {
        api::Diagnostics problems;
        const auto patched = api::apply_strategic_merge_patch(p, r.patch, problems);
        p.status = api::as<api::Pod>(*patched).status;
      });
    } else if (r.verb == client::Verb::kUpdate) {
      if (updates_fail) {
        out.code = 409;
        out.message = "Operation cannot be fulfilled";
      } else {
        put_object(r.body);
        out.object = *ctx.cache(r.kind).find(r.ns, r.name);
      }
    } else if (r.verb == client::Verb::kDelete && deletions_fail) {
      out.code = 500;
    } else if (r.verb == client::Verb::kDelete) {
      change(r, [&](api::Pod& p) { p.metadata.deletion_timestamp = ctx.now(); });
    }
    loop->on_outcome(ctx, s.cookie, out);
  }

  FakeControl ctx;
  std::unique_ptr<scheduler::Scheduler> loop;
  std::vector<std::string> events;
  size_t answered = 0;
  uint64_t version = 0;
  bool bindings_fail = false;
  bool updates_fail = false;
  bool deletions_fail = false;
  int claim_conflicts = 0;  // so many writes of claims come too late

 private:
  static std::string_view verb(client::Verb v) {
    switch (v) {
      case client::Verb::kBind:
        return "bind";
      case client::Verb::kPatchStatusJson:
        return "patch";
      case client::Verb::kDelete:
        return "delete";
      default:
        return "other";
    }
  }
  void answer_claim(const client::Request& r, client::Outcome* out) {
    const api::ObjectRef* found = ctx.cache(r.kind).find(r.ns, r.name);
    if (r.verb != client::Verb::kGet && claim_conflicts > 0) {
      --claim_conflicts;
      out->code = 409;
      out->reason = "Conflict";
      out->message = "the object has been modified";
      return;
    }
    const auto next = claim_after(r, api::as<api::ResourceClaim>(**found));
    if (next) put_object(next);
    out->object = *ctx.cache(r.kind).find(r.ns, r.name);
  }
  template <class F>
  void change(const client::Request& r, F&& f) {
    const api::ObjectRef* found = ctx.cache(r.kind).find(r.ns, r.name);
    if (!found) return;
    api::Ref<api::Pod> p = api::clone(api::as<api::Pod>(*found));
    f(*p);
    p->metadata.resource_version = std::to_string(++version);
    ctx.deliver(*loop, client::WatchType::kModified, api::ObjectRef(p));
  }
  void set(api::Pod& p, api::Str type, api::Str status, api::Str reason, api::Str message) {
    api::PodCondition c;
    c.type = type;
    c.status = status;
    c.reason = reason;
    c.message = message;
    c.last_transition_time = ctx.now().truncated_to_second();
    api::set_pod_condition(p.status, c);
  }
};

}  // namespace mainspring::test
