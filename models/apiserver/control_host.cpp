#include "models/apiserver/control_host.h"

#include <fmt/format.h>

#include <utility>

#include "sim/check.h"
#include "sim/hash.h"

namespace mainspring::apiserver {

// What one loop sees during one call.
class ControlHost::Context final : public client::ControlContext {
 public:
  Context(sim::World& world, ControlHost& host, uint32_t loop)
      : world_(world), host_(host), loop_(loop) {}

  api::Time now() const override { return server().wall(world_.now()); }

  const client::Cache& cache(api::Kind kind) const override {
    const auto found = host_.caches_.find(kind);
    MAINSPRING_CHECK(found != host_.caches_.end(), "{} reads a cache that it does not watch",
                     host_.loops_[loop_].loop->name());
    return found->second;
  }

  void submit(client::Request request, client::Cookie cookie) override {
    const client::Cookie ticket = host_.next_cookie_++;
    host_.in_flight_.emplace(ticket, std::pair(loop_, cookie));
    const LoopState& l = host_.loops_[loop_];
    const ClientId client = request.kind == api::Kind::Event ? l.events : l.client;
    server().submit(world_, client, std::move(request), ticket);
  }

  client::TimerId set_timer(api::Time at, client::Cookie cookie) override {
    uint32_t slot;
    if (!host_.free_timers_.empty()) {
      slot = host_.free_timers_.back();
      host_.free_timers_.pop_back();
    } else {
      slot = static_cast<uint32_t>(host_.timers_.size());
      host_.timers_.emplace_back();
    }
    Timer& t = host_.timers_[slot];
    t.loop = loop_;
    t.cookie = cookie;
    t.armed = true;
    ++t.generation;
    const sim::SimTime when = std::max(server().sim_time(at), world_.now());
    t.event = world_.schedule(when, host_.id(), kTimer, slot, t.generation);
    return (static_cast<client::TimerId>(t.generation) << 32) | (slot + 1);
  }

  void cancel_timer(client::TimerId id) override {
    const uint32_t slot = static_cast<uint32_t>(id & 0xffffffff) - 1;
    Timer& t = host_.timers_[slot];
    if (!t.armed || t.generation != static_cast<uint32_t>(id >> 32)) return;
    world_.cancel(t.event);
    t.armed = false;
    host_.free_timers_.push_back(slot);
  }

  std::vector<client::PodMetrics> pod_metrics(std::string_view ns) override {
    if (!host_.metrics_.valid()) return {};
    const auto* source = dynamic_cast<const MetricsSource*>(&world_.component(host_.metrics_));
    MAINSPRING_CHECK(source != nullptr, "the metrics component of {} is no MetricsSource",
                     host_.process_);
    return source->pod_metrics(world_, ns);
  }

  void record(std::string_view type, std::string_view key, std::string_view payload) override {
    world_.record(type, key, payload);
  }

  uint64_t random(std::string_view entity, uint64_t draw) const override {
    return world_.stream(host_.loops_[loop_].loop->name()).at(sim::hash64(entity), draw);
  }

 private:
  ApiServer& server() const { return world_.get(host_.server_); }
  sim::World& world_;
  ControlHost& host_;
  uint32_t loop_;
};

ControlHost::ControlHost(std::string process, sim::ComponentRef<ApiServer> server)
    : process_(std::move(process)), server_(server) {}

ControlHost::ControlHost(const ControlHost& other)
    : Component(other),
      process_(other.process_),
      server_(other.server_),
      caches_(other.caches_),
      listeners_(other.listeners_),
      timers_(other.timers_),
      free_timers_(other.free_timers_),
      in_flight_(other.in_flight_),
      next_cookie_(other.next_cookie_),
      metrics_(other.metrics_),
      start_delay_(other.start_delay_),
      started_(other.started_) {
  loops_.reserve(other.loops_.size());
  for (const LoopState& l : other.loops_) {
    loops_.push_back(LoopState{l.loop->clone(), l.client, l.events});
  }
}

std::unique_ptr<sim::Component> ControlHost::clone() const {
  return std::make_unique<ControlHost>(*this);
}

void ControlHost::add(std::unique_ptr<client::ControlLoop> loop) {
  loops_.push_back(LoopState{std::move(loop), 0});
}

client::ControlLoop* ControlHost::find(std::string_view name) {
  for (LoopState& l : loops_) {
    if (l.loop->name() == name) return l.loop.get();
  }
  return nullptr;
}

void ControlHost::start(sim::World& world) {
  ApiServer& server = world.get(server_);
  const ReplyTo answers{id(), kOutcome};
  const ReplyTo changes{id(), kWatch};
  for (uint32_t n = 0; n < loops_.size(); ++n) {
    LoopState& l = loops_[n];
    l.client =
        server.connect(fmt::format("{}/{}", process_, l.loop->name()), l.loop->limits(), answers);
    l.events = l.client;
    if (l.loop->limits().events_apart) {
      const std::string agent = fmt::format("{}/{}-events", process_, l.loop->name());
      l.events = server.connect(agent, l.loop->limits(), answers);
    }
    for (const client::WatchSpec& spec : l.loop->watches()) {
      const auto [found, fresh] = caches_.try_emplace(spec.kind, spec.kind);
      for (const client::IndexBy index : spec.indexes) found->second.add_index(index);
      listeners_[spec.kind].push_back(n);
    }
  }
  const ClientId watcher = server.connect(fmt::format("{}/informers", process_), {0, 0}, answers);
  for (auto& [kind, cache] : caches_) {
    for (const api::ObjectRef& object : server.store().list(kind)) {
      cache.apply(client::WatchType::kAdded, object);
    }
    server.watch(watcher, kind, changes);
  }
  world.schedule(start_delay_, id(), kStart);
}

void ControlHost::handle(sim::World& world, const sim::Event& event) {
  switch (event.kind) {
    case kStart: {
      started_ = true;
      for (uint32_t n = 0; n < loops_.size(); ++n) {
        Context ctx(world, *this, n);
        loops_[n].loop->start(ctx);
      }
      // What the caches held when the process came up reaches the handlers as additions.
      for (auto& [kind, listeners] : listeners_) {
        for (const api::ObjectRef& object : caches_.at(kind).list()) {
          for (const uint32_t n : listeners) {
            Context ctx(world, *this, n);
            loops_[n].loop->on_watch(ctx, {client::WatchType::kAdded, object, {}});
          }
        }
      }
      return;
    }
    case kWatch: {
      client::WatchEvent change = world.get(server_).take_change(event.b);
      const api::Kind kind = change.object->kind;
      const client::WatchEvent seen = caches_.at(kind).apply(change.type, std::move(change.object));
      if (!started_ || (seen.type == client::WatchType::kDeleted && !seen.old)) return;
      for (const uint32_t n : listeners_.at(kind)) {
        Context ctx(world, *this, n);
        loops_[n].loop->on_watch(ctx, seen);
      }
      return;
    }
    case kOutcome: {
      const client::Outcome outcome = world.get(server_).take_outcome(event.b);
      const auto found = in_flight_.find(event.a);
      MAINSPRING_CHECK(found != in_flight_.end(), "{} got an answer to nothing", process_);
      const auto [n, cookie] = found->second;
      in_flight_.erase(found);
      Context ctx(world, *this, n);
      loops_[n].loop->on_outcome(ctx, cookie, outcome);
      return;
    }
    case kTimer: {
      Timer& t = timers_[event.a];
      if (!t.armed || t.generation != event.b) return;
      t.armed = false;
      const uint32_t n = t.loop;
      const client::Cookie cookie = t.cookie;
      free_timers_.push_back(static_cast<uint32_t>(event.a));
      Context ctx(world, *this, n);
      loops_[n].loop->on_timer(ctx, cookie);
      return;
    }
    default:
      MAINSPRING_CHECK(false, "{} has no event {}", process_, event.kind);
  }
}

}  // namespace mainspring::apiserver
