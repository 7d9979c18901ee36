#include "tests/support/fake_cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/diagnostics.h"
#include "models/api/patch.h"
#include "models/api/types/all.h"

namespace mainspring::testing {

using client::Outcome;
using client::Request;
using client::Verb;
using client::WatchType;

namespace {
constexpr std::string_view kVerbs[] = {"get",        "list",  "create", "update",  "status",
                                       "status",     "patch", "status", "scale",   "delete",
                                       "delete-all", "bind",  "evict",  "finalize"};

Outcome failure(int16_t code, std::string_view reason, std::string_view message) {
  Outcome o;
  o.code = code;
  o.reason = reason;
  o.message = message;
  return o;
}

}  // namespace

class FakeCluster::Context final : public client::ControlContext {
 public:
  Context(FakeCluster& fake, size_t loop) : fake_(fake), loop_(loop) {}
  api::Time now() const override { return fake_.now_; }
  const client::Cache& cache(api::Kind kind) const override { return fake_.caches_.at(kind); }
  void submit(Request request, client::Cookie cookie) override {
    fake_.pending_.push_back({loop_, std::move(request), cookie});
  }
  client::TimerId set_timer(api::Time at, client::Cookie cookie) override {
    const client::TimerId id = ++fake_.next_;
    fake_.timers_[{at, id}] = {loop_, cookie};
    return id;
  }
  void cancel_timer(client::TimerId id) override {
    std::erase_if(fake_.timers_, [id](const auto& t) { return t.first.second == id; });
  }
  std::vector<client::PodMetrics> pod_metrics(std::string_view) override { return fake_.metrics; }
  uint64_t random(std::string_view, uint64_t draw) const override { return draw; }

 private:
  FakeCluster& fake_;
  size_t loop_;
};

FakeCluster::FakeCluster() {
  for (const api::KindInfo& info : api::all_kinds()) {
    client::Cache& cache = caches_.emplace(info.kind, client::Cache(info.kind)).first->second;
    for (size_t i = 0; i < static_cast<size_t>(client::IndexBy::kCount); ++i) {
      cache.add_index(static_cast<client::IndexBy>(i));
    }
  }
}
FakeCluster::~FakeCluster() = default;

void FakeCluster::add(std::unique_ptr<client::ControlLoop> loop) {
  contexts_.push_back(std::make_unique<Context>(*this, loops_.size()));
  loops_.push_back(std::move(loop));
}

void FakeCluster::start() {
  started_ = true;
  for (size_t i = 0; i < loops_.size(); ++i) loops_[i]->start(*contexts_[i]);
  for (const auto& [key, object] : std::map<Name, api::ObjectRef>(store_)) {
    for (size_t i = 0; i < loops_.size(); ++i) {
      const auto watched = loops_[i]->watches();
      const bool hears = std::any_of(watched.begin(), watched.end(),
                                     [&](const auto& w) { return w.kind == object->kind; });
      if (hears) loops_[i]->on_watch(*contexts_[i], {WatchType::kAdded, object, {}});
    }
  }
}

void FakeCluster::stamp(api::Object& object) {
  api::ObjectMeta& m = object.metadata;
  if (m.uid.empty()) m.uid = fmt::format("uid-{:05}", ++next_);
  if (m.creation_timestamp.is_zero()) m.creation_timestamp = now_;
  if (m.generation == 0) m.generation = 1;
  m.resource_version = std::to_string(++next_);
}

void FakeCluster::change(WatchType type, api::ObjectRef object) {
  const Name name{object->kind, object->metadata.namespace_.str(), object->metadata.name.str()};
  if (type == WatchType::kDeleted) {
    store_.erase(name);
  } else {
    store_[name] = object;
  }
  const api::Kind kind = object->kind;
  const client::WatchEvent event = caches_.at(kind).apply(type, std::move(object));
  if (!started_) return;
  for (size_t i = 0; i < loops_.size(); ++i) {
    for (const client::WatchSpec& w : loops_[i]->watches()) {
      if (w.kind == kind) loops_[i]->on_watch(*contexts_[i], event);
    }
  }
}

api::ObjectRef FakeCluster::put(api::Ref<api::Object> object) {
  const Name name{object->kind, object->metadata.namespace_.str(), object->metadata.name.str()};
  const auto old = store_.find(name);
  if (old != store_.end() && object->metadata.uid.empty()) {
    object->metadata.uid = old->second->metadata.uid;
  }
  stamp(*object);
  const api::ObjectRef done = object;
  change(old == store_.end() ? WatchType::kAdded : WatchType::kModified, done);
  return done;
}

void FakeCluster::remove(const api::Object& object) {
  change(WatchType::kDeleted,
         store_.at({object.kind, object.metadata.namespace_.str(), object.metadata.name.str()}));
}

Outcome FakeCluster::write(const Request& r, const api::ObjectRef& old) {
  if (r.body && !r.body->metadata.resource_version.empty() &&
      r.body->metadata.resource_version != old->metadata.resource_version) {
    return failure(409, "Conflict", "the object has been modified");
  }
  api::Ref<api::Object> next = api::clone(*old);
  api::Diagnostics problems;
  switch (r.verb) {
    case Verb::kUpdate:
      next = api::clone(*r.body);
      next->metadata.uid = old->metadata.uid;
      next->metadata.creation_timestamp = old->metadata.creation_timestamp;
      api::copy_status(*old, *next);
      next->metadata.generation = old->metadata.generation + 1;
      break;
    case Verb::kUpdateStatus:
    case Verb::kPatchStatus:
      api::copy_status(*r.body, *next);
      if (r.body->kind == api::Kind::Deployment) {
        next->metadata.annotations = r.body->metadata.annotations;
      }
      break;
    case Verb::kPatchStatusJson: {
      const auto patched = api::apply_strategic_merge_patch(*old, r.patch, problems);
      if (!patched) return failure(422, "Invalid", "bad patch");
      api::copy_status(*patched, *next);
      break;
    }
    case Verb::kScale:
      if (next->kind == api::Kind::Deployment) {
        api::as<api::Deployment>(*next).spec.replicas = r.replicas;
      }
      ++next->metadata.generation;
      break;
    case Verb::kPatch: {
      const api::Json* meta = r.patch.find("metadata");
      const api::Json* version = meta ? meta->find("resourceVersion") : nullptr;
      if (version && version->as_view() != old->metadata.resource_version.view()) {
        return failure(409, "Conflict", "the object has been modified");
      }
      next = r.patch_type == client::PatchType::kStrategicMerge
                 ? api::apply_strategic_merge_patch(*old, r.patch, problems)
                 : api::apply_merge_patch(*old, r.patch, problems);
      if (!next) return failure(422, "Invalid", "bad patch");
      next->metadata.resource_version = old->metadata.resource_version;
      break;
    }
    default:
      return failure(405, "MethodNotAllowed", "not in this fake");
  }
  if (api::equal(*old, *next)) {
    Outcome o;
    o.code = 200;
    o.object = old;
    return o;
  }
  next->metadata.resource_version = std::to_string(++next_);
  Outcome o;
  o.code = 200;
  o.object = next;
  const bool last_finalizer = !next->metadata.deletion_timestamp.is_zero() &&
                              next->metadata.finalizers.empty() &&
                              !old->metadata.finalizers.empty();
  change(last_finalizer ? WatchType::kDeleted : WatchType::kModified, o.object);
  return o;
}

Outcome FakeCluster::carry_out(const Request& r) {
  for (auto it = failures_.begin(); it != failures_.end(); ++it) {
    if (it->verb != r.verb || it->kind != r.kind) continue;
    const Outcome o = it->outcome;
    failures_.erase(it);
    return o;
  }
  if (r.verb == Verb::kCreate) {
    api::Ref<api::Object> object = api::clone(*r.body);
    if (object->metadata.name.empty()) {
      object->metadata.name =
          fmt::format("{}{:04}", object->metadata.generate_name.view(), ++next_);
    }
    const Name name{r.kind, object->metadata.namespace_.str(), object->metadata.name.str()};
    if (store_.contains(name)) return failure(409, "AlreadyExists", "already exists");
    if (r.kind == api::Kind::Pod) {
      api::as<api::Pod>(*object).status.phase = api::pod_phase::kPending;
    }
    stamp(*object);
    Outcome o;
    o.code = 201;
    o.object = object;
    change(WatchType::kAdded, o.object);
    return o;
  }
  const auto found = store_.find({r.kind, r.ns.str(), r.name.str()});
  if (found == store_.end()) {
    return failure(404, "NotFound", fmt::format("\"{}\" not found", r.name.view()));
  }
  const api::ObjectRef old = found->second;
  if (!r.uid.empty() && r.uid != old->metadata.uid) return failure(409, "Conflict", "uid");
  Outcome o;
  o.code = 200;
  o.object = old;
  if (r.verb == Verb::kGet) return o;
  if (r.verb != Verb::kDelete) return write(r, old);
  const bool foreground = r.propagation == client::Propagation::kForeground;
  const bool orphan = r.propagation == client::Propagation::kOrphan;
  const bool graceful =
      graceful_pods && r.kind == api::Kind::Pod && r.grace_period_seconds.value_or(30) != 0;
  if (!foreground && !orphan && !graceful && old->metadata.finalizers.empty()) {
    change(WatchType::kDeleted, old);
    return o;
  }
  if (!old->metadata.deletion_timestamp.is_zero() && !foreground && !orphan) return o;
  api::Ref<api::Object> next = api::clone(*old);
  next->metadata.deletion_timestamp = now_.truncated_to_second();
  if (foreground) next->metadata.finalizers.push_back("foregroundDeletion");
  if (orphan) next->metadata.finalizers.push_back("orphan");
  next->metadata.resource_version = std::to_string(++next_);
  o.object = next;
  change(WatchType::kModified, o.object);
  return o;
}

void FakeCluster::log(const Request& r, const Outcome& o) {
  if (r.kind == api::Kind::Event) {
    if (r.verb != Verb::kCreate) return;
    const api::Event& e = api::as<api::Event>(*r.body);
    events_.push_back(fmt::format("{} {} {}: {}", e.type.view(), e.reason.view(),
                                  e.involved_object.name.view(), e.message.view()));
    return;
  }
  const api::Str name = !o.object ? r.name : o.object->metadata.name;
  std::string line =
      fmt::format("{} {} {}{}{}", kVerbs[static_cast<size_t>(r.verb)], api::kind_info(r.kind).name,
                  r.ns.view(), r.ns.empty() ? "" : "/", name.view());
  if (r.body && r.kind == api::Kind::ReplicaSet && r.verb != Verb::kUpdateStatus) {
    const auto& replicas = api::as<api::ReplicaSet>(*r.body).spec.replicas;
    line += fmt::format(" replicas={}", replicas.value_or(1));
  }
  if (!o.ok()) line += fmt::format(": {}", o.reason.view());
  log_.push_back(std::move(line));
}

bool FakeCluster::step() {
  if (pending_.empty()) return false;
  const Pending p = std::move(pending_.front());
  pending_.pop_front();
  const Outcome o = carry_out(p.request);
  log(p.request, o);
  loops_[p.loop]->on_outcome(*contexts_[p.loop], p.cookie, o);
  return true;
}

void FakeCluster::settle() {
  while (step()) {
  }
}

void FakeCluster::advance(api::Duration d) {
  const api::Time end = now_ + d;
  settle();
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    const auto at = timers_.begin();
    const Timer timer = at->second;
    now_ = std::max(now_, at->first.first);
    timers_.erase(at);
    loops_[timer.loop]->on_timer(*contexts_[timer.loop], timer.cookie);
    settle();
  }
  now_ = end;
}

std::vector<std::string> FakeCluster::take_log() { return std::exchange(log_, {}); }
std::vector<std::string> FakeCluster::take_events() { return std::exchange(events_, {}); }

void FakeCluster::fail_next(Verb verb, api::Kind kind, int16_t code, std::string_view reason,
                            std::string_view message) {
  failures_.push_back({verb, kind, failure(code, reason, message)});
}

}  // namespace mainspring::testing
