#include "models/controllers/garbage_collector.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "models/client/chunked_vector.h"
#include "models/client/slot_table.h"
#include "models/controllers/script.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {

using api::Object;
using api::OwnerReference;
using api::Str;

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";
constexpr int kTries = 5;  // of removing a finalizer

// Keys: "d/UID" looks whether the object should go, "o/UID" sets its dependents free.
constexpr char kDelete = 'd';
constexpr char kSetFree = 'o';

bool has_finalizer(const Object& o, std::string_view finalizer) {
  const auto& f = o.metadata.finalizers;
  return std::find(f.begin(), f.end(), finalizer) != f.end();
}
bool is_deleting(const Object& o) { return !o.metadata.deletion_timestamp.is_zero(); }
bool waits(const Object& o, std::string_view finalizer) {
  return is_deleting(o) && has_finalizer(o, finalizer);
}

// Where an object is found.
struct Identity {
  api::Kind kind{};
  Str ns;
  Str name;
  Str uid;
};

Request to(Verb verb, const Identity& at) {
  Request r;
  r.verb = verb;
  r.kind = at.kind;
  r.ns = at.ns;
  r.name = at.name;
  return r;
}

// An object of the graph. A virtual one is known only from a reference to it.
struct Vertex {
  Identity identity;
  bool observed = false;
  bool deleting = false;
  bool deleting_dependents = false;
  api::List<OwnerReference> owners;
  api::List<uint32_t> dependents;  // their vertices, in order of their uids
};

struct Inputs final : client::SyncState {
  Identity identity;
  bool observed = true;
  bool deleting_dependents = false;
  std::vector<Identity> dependents;
  std::vector<Identity> blocking;    // dependents that hold back a foreground deletion
  std::vector<bool> blocking_waits;  // whether that dependent waits for its own dependents
  bool circle = false;               // some dependent waits for its own dependents
  std::set<Str> absent;              // owners known to be gone
};

class GarbageCollector final : public client::Reconciler {
 public:
  explicit GarbageCollector(GarbageCollectorOptions options) : options_(options) {}

  std::string_view name() const override { return "generic-garbage-collector"; }
  std::unique_ptr<client::Reconciler> clone() const override {
    return std::make_unique<GarbageCollector>(*this);
  }
  std::vector<client::WatchSpec> watches() const override {
    std::vector<client::WatchSpec> all;
    for (const api::KindInfo& info : api::all_kinds()) {
      if (info.kind != api::Kind::Unstructured && info.kind != api::Kind::Event) {
        all.push_back({info.kind, {}});
      }
    }
    return all;
  }
  int32_t workers() const override { return options_.workers; }
  client::ClientLimits client_limits() const override {
    return {options_.qps_milli, options_.burst};
  }

  void start(ReconcileContext& ctx) override;
  void observe(ReconcileContext& ctx, const WatchEvent& event) override;
  Plan sync(ReconcileContext& ctx, const Key& key) override;
  Plan resume(ReconcileContext& ctx, const Key& key, uint32_t, const client::SyncState* log,
              const client::PlanResult& result) override {
    return run(ctx, key, Script(ctx, log, result));
  }

 private:
  Plan run(ReconcileContext& ctx, const Key& key, Script script);
  Error collect(ReconcileContext& ctx, Script& script, bool* gone);
  Error classify(Script& script, const Object& latest, std::vector<OwnerReference>* solid,
                 std::vector<OwnerReference>* dangling, std::vector<OwnerReference>* waiting);
  static Error set_free(Script& script);
  static Error remove_finalizer(Script& script, const Identity& at, std::string_view finalizer);

  static constexpr uint32_t kNone = client::SlotTable::kNone;
  // The vertex of an object, or kNone.
  uint32_t find(const Str& uid) const;
  uint32_t add(Identity identity);
  void changed(ReconcileContext& ctx, const Object& now, const Object* old);
  void gone(ReconcileContext& ctx, const Str& uid);
  void link(ReconcileContext& ctx, uint32_t vertex);
  void unlink(uint32_t vertex, const OwnerReference& owner);
  // Where a vertex stands, or would, among an owner's dependents.
  size_t place_in(const api::List<uint32_t>& dependents, uint32_t vertex) const;
  void remember_absent(const Str& uid);
  void attempt(ReconcileContext& ctx, char what, const Str& uid) {
    ctx.queue().add(std::string(1, what) + "/" + uid.str());
  }

  GarbageCollectorOptions options_;
  client::ChunkedVector<Vertex> graph_;
  std::vector<uint32_t> free_;
  client::SlotTable by_uid_;
  std::set<Str> absent_;
  std::deque<Str> absent_order_;
};

// --- the graph ----------------------------------------------------------------------------------

void GarbageCollector::start(ReconcileContext& ctx) {
  for (const client::WatchSpec& w : watches()) {
    for (const api::ObjectRef& o : ctx.cache(w.kind).list()) changed(ctx, *o, nullptr);
  }
}

void GarbageCollector::observe(ReconcileContext& ctx, const WatchEvent& event) {
  const Object& now = *event.object;
  if (event.type == WatchType::kDeleted) {
    gone(ctx, now.metadata.uid);
    return;
  }
  const Object* old = event.old.get();
  if (old && old->metadata.uid == now.metadata.uid &&
      old->metadata.deletion_timestamp == now.metadata.deletion_timestamp &&
      old->metadata.owner_references == now.metadata.owner_references &&
      old->metadata.finalizers == now.metadata.finalizers) {
    return;
  }
  if (old && old->metadata.uid != now.metadata.uid) {
    gone(ctx, old->metadata.uid);
    old = nullptr;
  }
  changed(ctx, now, old);
}

uint32_t GarbageCollector::find(const Str& uid) const {
  return by_uid_.find(client::uid_hash(uid),
                      [&](uint32_t vertex) { return graph_[vertex].identity.uid == uid; });
}

uint32_t GarbageCollector::add(Identity identity) {
  uint32_t vertex = static_cast<uint32_t>(graph_.size());
  if (free_.empty()) {
    graph_.emplace_back();
  } else {
    vertex = free_.back();
    free_.pop_back();
  }
  by_uid_.insert(client::uid_hash(identity.uid), vertex);
  graph_[vertex].identity = std::move(identity);
  return vertex;
}

size_t GarbageCollector::place_in(const api::List<uint32_t>& dependents, uint32_t vertex) const {
  const Str& uid = graph_[vertex].identity.uid;
  return static_cast<size_t>(
      std::lower_bound(dependents.begin(), dependents.end(), uid,
                       [this](uint32_t d, const Str& u) { return graph_[d].identity.uid < u; }) -
      dependents.begin());
}

void GarbageCollector::changed(ReconcileContext& ctx, const Object& now, const Object* old) {
  const Str& uid = now.metadata.uid;
  Identity identity{now.kind, now.metadata.namespace_, now.metadata.name, uid};
  const uint32_t known = find(uid);
  const uint32_t vertex = known == kNone ? add(identity) : known;
  Vertex& v = graph_[vertex];
  v.identity = std::move(identity);
  v.observed = true;
  if (!(v.owners == now.metadata.owner_references)) {
    const api::List<OwnerReference> before = v.owners;
    const api::List<OwnerReference>& after = now.metadata.owner_references;
    for (const OwnerReference& r : before) {
      const auto kept = std::find_if(after.begin(), after.end(),
                                     [&r](const OwnerReference& o) { return o.uid == r.uid; });
      const bool blocked = r.block_owner_deletion.value_or(false);
      const bool blocks = kept != after.end() && kept->block_owner_deletion.value_or(false);
      if (kept == after.end()) unlink(vertex, r);
      // An owner that waited for this object may be able to go now.
      const uint32_t owner = find(r.uid);
      if (blocked && !blocks && owner != kNone && graph_[owner].deleting_dependents) {
        attempt(ctx, kDelete, r.uid);
      }
    }
    v.owners = after;
    link(ctx, vertex);
  }
  if (is_deleting(now)) v.deleting = true;
  if (waits(now, kOrphan) && !(old && waits(*old, kOrphan))) {
    attempt(ctx, kSetFree, uid);
  } else if (waits(now, kForeground) && !(old && waits(*old, kForeground))) {
    v.deleting_dependents = true;
    for (const uint32_t d : v.dependents) attempt(ctx, kDelete, graph_[d].identity.uid);
    attempt(ctx, kDelete, uid);
  }
}

void GarbageCollector::link(ReconcileContext& ctx, uint32_t vertex) {
  const Vertex& v = graph_[vertex];
  for (const OwnerReference& r : v.owners) {
    uint32_t owner = find(r.uid);
    if (owner == kNone) {
      // Not seen yet, or gone already: to be found out.
      const api::KindInfo* info = api::find_kind(r.api_version, r.kind);
      if (!info) continue;
      owner = add({info->kind, info->namespaced ? v.identity.ns : Str(), r.name, r.uid});
      attempt(ctx, kDelete, r.uid);
    }
    api::List<uint32_t>& dependents = graph_[owner].dependents;
    const size_t at = place_in(dependents, vertex);
    if (at < dependents.size() && dependents[at] == vertex) continue;
    api::ListItems<uint32_t>& list = dependents.edit();
    list.insert(list.begin() + at, vertex);
  }
}

void GarbageCollector::unlink(uint32_t vertex, const OwnerReference& owner) {
  const uint32_t found = find(owner.uid);
  if (found == kNone) return;
  api::List<uint32_t>& dependents = graph_[found].dependents;
  const size_t at = place_in(dependents, vertex);
  if (at == dependents.size() || dependents[at] != vertex) return;
  api::ListItems<uint32_t>& list = dependents.edit();
  list.erase(list.begin() + at);
}

void GarbageCollector::gone(ReconcileContext& ctx, const Str& uid) {
  const uint32_t vertex = find(uid);
  if (vertex == kNone) return;
  by_uid_.erase(client::uid_hash(uid), vertex);
  for (const OwnerReference& r : graph_[vertex].owners) unlink(vertex, r);
  const Vertex v = std::exchange(graph_[vertex], Vertex());
  free_.push_back(vertex);
  if (!v.dependents.empty()) remember_absent(v.identity.uid);
  for (const uint32_t d : v.dependents) {
    attempt(ctx, kDelete, d == vertex ? v.identity.uid : graph_[d].identity.uid);
  }
  for (const OwnerReference& r : v.owners) {
    const uint32_t owner = find(r.uid);
    if (owner != kNone && graph_[owner].deleting_dependents) attempt(ctx, kDelete, r.uid);
  }
}

void GarbageCollector::remember_absent(const Str& uid) {
  if (!absent_.insert(uid).second) return;
  absent_order_.push_back(uid);
  if (absent_order_.size() > options_.absent_owners) {
    absent_.erase(absent_order_.front());
    absent_order_.pop_front();
  }
}

// --- work ---------------------------------------------------------------------------------------

Plan GarbageCollector::sync(ReconcileContext& ctx, const Key& key) {
  const char what = key.view().front();
  const uint32_t found = find(Str(key.view().substr(2)));
  if (found == kNone) return Plan::done();
  const Vertex& v = graph_[found];
  if (what == kDelete && v.deleting && !v.deleting_dependents) return Plan::done();
  // Seen since it was queued, and owned by nobody: there is nothing to find out.
  if (what == kDelete && v.observed && !v.deleting_dependents && v.owners.empty()) {
    return Plan::done();
  }
  api::Ref<Inputs> in(new Inputs());
  in->identity = v.identity;
  in->observed = v.observed;
  in->deleting_dependents = v.deleting_dependents;
  if (what == kSetFree || v.deleting || v.deleting_dependents || !v.dependents.empty()) {
    for (const uint32_t dependent : v.dependents) {
      const Vertex& d = graph_[dependent];
      in->dependents.push_back(d.identity);
      in->circle = in->circle || d.deleting_dependents;
      for (const OwnerReference& r : d.owners) {
        if (r.uid != v.identity.uid || !r.block_owner_deletion.value_or(false)) continue;
        in->blocking.push_back(d.identity);
        in->blocking_waits.push_back(d.deleting_dependents);
      }
    }
  }
  for (const OwnerReference& r : v.owners) {
    if (absent_.contains(r.uid)) in->absent.insert(r.uid);
  }
  return run(ctx, key, Script(ctx, std::move(in)));
}

Plan GarbageCollector::run(ReconcileContext& ctx, const Key& key, Script script) {
  bool is_gone = false;
  const Error e =
      key.view().front() == kSetFree ? set_free(script) : collect(ctx, script, &is_gone);
  if (e.is_pending()) return script.next_plan();
  const Inputs& in = script.inputs<Inputs>();
  if (is_gone) {
    remember_absent(in.identity.uid);
    gone(ctx, in.identity.uid);
    return Plan::done();
  }
  if (e) return Plan::retry(e.message());
  // An owner known from references only, and alive: its own watch event is still to come.
  return in.observed ? Plan::done() : Plan::retry("not observed yet");
}

// Finds out whether the object should go, and deletes it if so.
Error GarbageCollector::collect(ReconcileContext& ctx, Script& script, bool* is_gone) {
  const Inputs& in = script.inputs<Inputs>();
  const Outcome* o = nullptr;
  if (Error e = script.call(to(Verb::kGet, in.identity), &o)) return e;
  if (o->not_found() || (o->ok() && o->object->metadata.uid != in.identity.uid)) {
    *is_gone = true;
    return {};
  }
  if (!o->ok()) return Error::of(*o);
  const api::ObjectRef latest = o->object;

  if (in.deleting_dependents) {
    if (in.blocking.empty()) return remove_finalizer(script, in.identity, kForeground);
    for (size_t i = 0; i < in.blocking.size(); ++i) {
      if (!in.blocking_waits[i]) attempt(ctx, kDelete, in.blocking[i].uid);
    }
    return {};
  }
  if (latest->metadata.owner_references.empty()) return {};
  std::vector<OwnerReference> solid;
  std::vector<OwnerReference> dangling;
  std::vector<OwnerReference> waiting;
  if (Error e = classify(script, *latest, &solid, &dangling, &waiting)) return e;

  Request write = to(Verb::kDelete, in.identity);
  write.uid = in.identity.uid;
  if (!solid.empty()) {
    if (dangling.empty() && waiting.empty()) return {};
    api::Json list = api::Json::array();
    for (const std::vector<OwnerReference>* part : {&dangling, &waiting}) {
      for (const OwnerReference& r : *part) {
        api::Json ref = api::Json::object();
        ref.set("$patch", "delete");
        ref.set("uid", r.uid);
        list.push_back(std::move(ref));
      }
    }
    write.verb = Verb::kPatch;
    write.patch_type = client::PatchType::kStrategicMerge;
    api::Json metadata = api::Json::object();
    metadata.set("ownerReferences", std::move(list));
    metadata.set("uid", in.identity.uid);
    write.patch = api::Json::object();
    write.patch.set("metadata", std::move(metadata));
  } else if (!waiting.empty() && !in.dependents.empty()) {
    if (in.circle) {
      // Some dependent waits in its turn: nobody would ever be first. The references stop blocking.
      api::Json list = api::Json::array();
      for (const OwnerReference& r : latest->metadata.owner_references) {
        if (!r.block_owner_deletion.value_or(false)) continue;
        api::Json ref = api::Json::object();
        ref.set("uid", r.uid);
        ref.set("blockOwnerDeletion", false);
        list.push_back(std::move(ref));
      }
      Request patch = to(Verb::kPatch, in.identity);
      patch.patch_type = client::PatchType::kStrategicMerge;
      api::Json metadata = api::Json::object();
      metadata.set("ownerReferences", std::move(list));
      metadata.set("uid", in.identity.uid);
      patch.patch = api::Json::object();
      patch.patch.set("metadata", std::move(metadata));
      if (Error e = script.must(std::move(patch))) return e;
    }
    write.propagation = client::Propagation::kForeground;
  } else if (has_finalizer(*latest, kOrphan)) {
    write.propagation = client::Propagation::kOrphan;
  } else if (has_finalizer(*latest, kForeground)) {
    write.propagation = client::Propagation::kForeground;
  } else {
    write.propagation = client::Propagation::kBackground;
  }
  const Outcome* answer = nullptr;
  if (Error e = script.call(std::move(write), &answer)) return e;
  if (answer->not_found()) {
    *is_gone = true;
    return {};
  }
  return Error::of(*answer);
}

// Sorts the owners: alive, gone, or waiting for this object to go first.
Error GarbageCollector::classify(Script& script, const Object& latest,
                                 std::vector<OwnerReference>* solid,
                                 std::vector<OwnerReference>* dangling,
                                 std::vector<OwnerReference>* waiting) {
  const Inputs& in = script.inputs<Inputs>();
  for (const OwnerReference& r : latest.metadata.owner_references) {
    const api::KindInfo* info = api::find_kind(r.api_version, r.kind);
    if (!info) {
      solid->push_back(r);  // a kind nobody can look up is left alone
      continue;
    }
    if (in.absent.contains(r.uid)) {
      dangling->push_back(r);
      continue;
    }
    const Identity at{info->kind, info->namespaced ? latest.metadata.namespace_ : Str(), r.name,
                      r.uid};
    const Outcome* o = nullptr;
    if (Error e = script.call(to(Verb::kGet, at), &o)) return e;
    if (o->not_found() || (o->ok() && o->object->metadata.uid != r.uid)) {
      remember_absent(r.uid);
      dangling->push_back(r);
    } else if (!o->ok()) {
      return Error::of(*o);
    } else {
      (waits(*o->object, kForeground) ? waiting : solid)->push_back(r);
    }
  }
  return {};
}

// Orphaning: the dependents lose their references, then the owner its finalizer.
Error GarbageCollector::set_free(Script& script) {
  const Inputs& in = script.inputs<Inputs>();
  if (!in.dependents.empty()) {
    Step step;
    step.mode = Step::Mode::kParallel;
    for (const Identity& d : in.dependents) {
      Request patch = to(Verb::kPatch, d);
      patch.patch_type = client::PatchType::kStrategicMerge;
      api::Json ref = api::Json::object();
      ref.set("$patch", "delete");
      ref.set("uid", in.identity.uid);
      api::Json list = api::Json::array();
      list.push_back(std::move(ref));
      api::Json metadata = api::Json::object();
      metadata.set("ownerReferences", std::move(list));
      metadata.set("uid", d.uid);
      patch.patch = api::Json::object();
      patch.patch.set("metadata", std::move(metadata));
      step.writes.push_back({std::move(patch), 0});
    }
    const std::vector<Outcome>* outcomes = nullptr;
    if (Error e = script.batch(std::move(step), &outcomes)) return e;
    for (const Outcome& o : *outcomes) {
      if (!o.ok() && !o.not_found()) return Error::of(o);
    }
  }
  return remove_finalizer(script, in.identity, kOrphan);
}

Error GarbageCollector::remove_finalizer(Script& script, const Identity& at,
                                         std::string_view finalizer) {
  for (int i = 0; i < kTries; ++i) {
    const Outcome* o = nullptr;
    if (Error e = script.call(to(Verb::kGet, at), &o)) return e;
    if (o->not_found()) return {};
    if (!o->ok()) return Error::of(*o);
    if (!has_finalizer(*o->object, finalizer)) return {};
    api::Json list = api::Json::array();
    for (const Str& f : o->object->metadata.finalizers) {
      if (f != finalizer) list.push_back(f);
    }
    api::Json metadata = api::Json::object();
    metadata.set("resourceVersion", o->object->metadata.resource_version);
    metadata.set("finalizers", std::move(list));
    Request patch = to(Verb::kPatch, at);
    patch.patch_type = client::PatchType::kMerge;
    patch.patch = api::Json::object();
    patch.patch.set("metadata", std::move(metadata));
    const Outcome* answer = nullptr;
    if (Error e = script.call(std::move(patch), &answer)) return e;
    if (answer->ok() || answer->not_found()) return {};
    if (!answer->conflict()) return Error::of(*answer);
  }
  return Error::failed("the object has been modified too often");
}

}  // namespace

std::unique_ptr<client::Reconciler> make_garbage_collector(GarbageCollectorOptions options) {
  return std::make_unique<GarbageCollector>(options);
}

}  // namespace mainspring::controllers
