// The kubectl commands, one class each: what requests they send and what they print.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "models/api/codec.h"
#include "models/api/compare.h"
#include "models/api/diagnostics.h"
#include "models/api/labels.h"
#include "models/api/patch.h"
#include "models/api/pod_helpers.h"
#include "models/api/time_text.h"
#include "models/api/types/apps.h"
#include "models/api/types/autoscaling.h"
#include "models/api/types/core.h"
#include "models/api/yaml.h"
#include "scenarios/kubectl/kubectl_loop.h"

namespace mainspring::scenarios {

namespace {
using api::Json;
using client::Outcome;
using client::PatchType;
using client::Request;
using client::Verb;

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kRestartedAt = "kubectl.kubernetes.io/restartedAt";
constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";

// "deployment.apps/web".
std::string printed(const api::KindInfo& info, std::string_view name) {
  return info.group.empty() ? fmt::format("{}/{}", info.singular, name)
                            : fmt::format("{}.{}/{}", info.singular, info.group, name);
}
std::string printed(const api::Object& o) { return printed(api::kind_info(o), o.metadata.name); }

bool to_int(std::string_view text, int64_t& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

std::string namespace_for(const KubectlCommand& command, api::Kind kind) {
  return api::kind_info(kind).namespaced ? command.ns : std::string();
}

Request request_for(Verb verb, const KubectlCommand& command, const KubectlTarget& object) {
  Request r;
  r.verb = verb;
  r.kind = object.kind;
  r.ns = namespace_for(command, object.kind);
  r.name = object.name;
  return r;
}

Json strategic(std::initializer_list<Json::Member> members) { return Json::object(members); }

// A job over a fixed list of named objects, one request chain after the other.
class NamedJob : public KubectlLoop::Job {
 public:
  explicit NamedJob(std::vector<KubectlTarget> objects) : objects_(std::move(objects)) {}
  void start() override { next(); }

 protected:
  virtual void begin(const KubectlTarget& object) = 0;
  const KubectlTarget& current() const { return objects_[at_]; }
  void next() {
    if (started_) ++at_;
    started_ = true;
    if (at_ >= objects_.size()) {
      end();
    } else {
      begin(objects_[at_]);
    }
  }
  std::vector<KubectlTarget> objects_;

 private:
  size_t at_ = 0;
  bool started_ = false;
};

// ---- apply, create -f, replace ---------------------------------------------------------------

class ApplyJob final : public KubectlLoop::Job {
 public:
  std::unique_ptr<Job> clone() const override { return std::make_unique<ApplyJob>(*this); }

  void start() override {
    api::Diagnostics ignored;  // checked before the run
    for (const Json& document : command().documents) {
      api::decode_all(document, ignored, &objects_);
    }
    send();
  }

  void on_outcome(uint32_t tag, const Outcome& outcome) override {
    const api::Object& sent = *objects_[at_];
    if (tag == kRead && outcome.not_found() && command().verb == "apply") {
      create(with_last_applied(sent));
      return;
    }
    if (!outcome.ok()) {  // one object that is refused does not keep back the others
      complain(outcome);
      ++at_;
      return send();
    }
    if (tag == kRead) {
      change(sent, *outcome.object);
      return;
    }
    if (tag == kCreate) print(fmt::format("{} created", printed(*outcome.object)));
    if (tag == kPatch) print(fmt::format("{} configured", printed(*outcome.object)));
    if (tag == kReplace) print(fmt::format("{} replaced", printed(*outcome.object)));
    ++at_;
    send();
  }

 private:
  enum Tag : uint32_t { kRead, kCreate, kPatch, kReplace };

  std::string ns_of(const api::Object& o) const {
    if (!api::kind_info(o).namespaced) return {};
    return o.metadata.namespace_.empty() ? command().ns : o.metadata.namespace_.str();
  }

  void send() {
    if (at_ >= objects_.size()) {
      end();
      return;
    }
    const api::Object& o = *objects_[at_];
    if (command().verb == "create") {
      create(objects_[at_]);
      return;
    }
    Request r;
    r.verb = Verb::kGet;
    r.kind = o.kind;
    r.ns = ns_of(o);
    r.name = o.metadata.name;
    submit(std::move(r), kRead);
  }

  void create(api::ObjectRef o) {
    Request r;
    r.verb = Verb::kCreate;
    r.kind = o->kind;
    r.ns = ns_of(*o);
    r.body = std::move(o);
    submit(std::move(r), kCreate);
  }

  // The object as apply sends it: what was given, with namespace and empty annotations filled in,
  // remembered in an annotation.
  Json configuration(const api::Object& o) const {
    Json tree = api::encode(o);
    Json& meta = tree.edit("metadata");
    meta.erase("creationTimestamp");
    if (api::kind_info(o).namespaced) meta.set("namespace", Json(ns_of(o)));
    if (!meta.contains("annotations")) meta.set("annotations", Json::object());
    meta.edit("annotations").erase(kLastApplied);
    tree.erase("status");
    return tree;
  }

  api::ObjectRef with_last_applied(const api::Object& o) const {
    api::Ref<api::Object> next = api::clone(o);
    next->metadata.annotations.set(kLastApplied, api::to_sorted_json(configuration(o)) + "\n");
    return next;
  }

  void change(const api::Object& sent, const api::Object& live) {
    if (command().verb == "replace") {
      api::Ref<api::Object> next = api::clone(sent);
      next->metadata.namespace_ = ns_of(sent);
      Request r;
      r.verb = Verb::kUpdate;
      r.kind = sent.kind;
      r.ns = ns_of(sent);
      r.name = sent.metadata.name;
      r.body = next;
      submit(std::move(r), kReplace);
      return;
    }
    Json last;
    const api::Str* text = live.metadata.annotations.find(kLastApplied);
    if (text) {
      last = api::parse_json(text->view());
    }
    Json modified = configuration(sent);
    const std::string remembered = api::to_sorted_json(modified) + "\n";
    modified.edit("metadata").edit("annotations").set(kLastApplied, Json(remembered));
    const api::KindInfo& info = api::kind_info(sent);
    const Json patch =
        info.type ? api::three_way_patch(*info.type, last, modified, api::encode(live)) : modified;
    if (patch.empty()) {
      print(fmt::format("{} unchanged", printed(live)));
      ++at_;
      send();
      return;
    }
    Request r;
    r.verb = Verb::kPatch;
    r.kind = sent.kind;
    r.ns = ns_of(sent);
    r.name = sent.metadata.name;
    r.patch_type = info.type ? PatchType::kStrategicMerge : PatchType::kMerge;
    r.patch = patch;
    submit(std::move(r), kPatch);
  }

  std::vector<api::ObjectRef> objects_;
  size_t at_ = 0;
};

// ---- create TYPE -----------------------------------------------------------------------------

class CreateJob final : public KubectlLoop::Job {
 public:
  explicit CreateJob(api::ObjectRef object) : object_(std::move(object)) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<CreateJob>(*this); }
  void start() override {
    Request r;
    r.verb = Verb::kCreate;
    r.kind = object_->kind;
    r.ns = namespace_for(command(), object_->kind);
    r.body = object_;
    submit(std::move(r), 0);
  }
  void on_outcome(uint32_t, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    print(fmt::format("{} {}", printed(*outcome.object),
                      command().verb == "autoscale" ? "autoscaled" : "created"));
    end();
  }

 private:
  api::ObjectRef object_;
};

// ---- delete ----------------------------------------------------------------------------------

class DeleteJob final : public KubectlLoop::Job {
 public:
  DeleteJob(api::Kind type, std::vector<KubectlTarget> objects)
      : type_(type), objects_(std::move(objects)) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<DeleteJob>(*this); }

  void start() override {
    for (const Json& document : command().documents) {
      api::Diagnostics ignored;
      std::vector<api::ObjectRef> given;
      api::decode_all(document, ignored, &given);
      for (const api::ObjectRef& o : given) {
        objects_.push_back(KubectlTarget{o->kind, o->metadata.name.str()});
      }
    }
    const bool chosen =
        command().has("selector") || command().has("all") || command().has("field-selector");
    if (!chosen) return remove_all();
    Request r;
    r.verb = Verb::kList;
    r.kind = type_;
    r.ns = namespace_for(command(), type_);
    submit(std::move(r), kListTag);
  }

  void on_outcome(uint32_t tag, const Outcome& outcome) override {
    if (tag == kListTag) {
      if (!outcome.ok()) return fail(outcome);
      for (const api::ObjectRef& o : outcome.objects) {
        if (selected(*o)) objects_.push_back(KubectlTarget{type_, o->metadata.name.str()});
      }
      if (objects_.empty()) print("No resources found");
      return remove_all();
    }
    if (tag >= kPollTag) {
      if (outcome.not_found()) waiting_.erase(tag - kPollTag);
      if (waiting_.empty()) end();
      return;
    }
    const KubectlTarget& o = objects_[tag];
    if (outcome.ok()) {
      print(fmt::format("{} \"{}\" deleted", resource_text(o.kind), o.name));
      waiting_.insert(tag);
    } else if (!(outcome.not_found() && command().has("ignore-not-found"))) {
      complain(outcome);
    }
    if (++answered_ < objects_.size()) return;
    if (waiting_.empty() || command().flag("wait", "true") == "false") return end();
    timer(api::Duration::millis(200), 0);
  }

  void on_timer(uint32_t) override {
    for (const uint32_t n : waiting_) {
      submit(request_for(Verb::kGet, command(), objects_[n]), kPollTag + n);
    }
    timer(api::Duration::seconds(1), 0);
  }

 private:
  static constexpr uint32_t kListTag = 1u << 20;
  static constexpr uint32_t kPollTag = 1u << 21;

  static std::string resource_text(api::Kind kind) {
    const api::KindInfo& info = api::kind_info(kind);
    return info.group.empty() ? std::string(info.singular)
                              : fmt::format("{}.{}", info.singular, info.group);
  }

  bool selected(const api::Object& o) const {
    if (command().has("selector") &&
        !api::matches_selector_text(command().flag("selector"), o.metadata.labels)) {
      return false;
    }
    const std::string field = command().flag("field-selector");
    if (field.empty()) return true;
    const size_t eq = field.find('=');
    const bool negated = eq > 0 && field[eq - 1] == '!';
    const std::string path = field.substr(0, negated ? eq - 1 : eq);
    const std::string want = field.substr(field.find_first_not_of('=', eq));
    return (api::get_field(o, path).as_view() == want) != negated;
  }

  void remove_all() {
    if (objects_.empty()) return end();
    const std::string cascade = command().flag("cascade", "background");
    for (uint32_t n = 0; n < objects_.size(); ++n) {
      Request r = request_for(Verb::kDelete, command(), objects_[n]);
      r.propagation = cascade == "orphan"       ? client::Propagation::kOrphan
                      : cascade == "foreground" ? client::Propagation::kForeground
                                                : client::Propagation::kBackground;
      int64_t grace = 0;
      if (command().has("grace-period") && to_int(command().flag("grace-period"), grace)) {
        r.grace_period_seconds = grace;
      }
      if (command().has("now")) r.grace_period_seconds = 1;
      submit(std::move(r), n);
    }
  }

  api::Kind type_;
  std::vector<KubectlTarget> objects_;
  std::set<uint32_t> waiting_;
  size_t answered_ = 0;
};

// ---- one GET, one PATCH ----------------------------------------------------------------------

// Commands that read an object, work out a strategic merge patch from it, and send that.
class PatchJob : public NamedJob {
 public:
  using NamedJob::NamedJob;
  void begin(const KubectlTarget& object) override {
    submit(request_for(Verb::kGet, command(), object), kRead);
  }
  void on_outcome(uint32_t tag, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    if (tag == kRead) {
      std::string done;
      const Json patch = make_patch(*outcome.object, done);
      if (ended()) return;
      if (patch.is_null()) {
        print(fmt::format("{} {}", printed(*outcome.object), done));
        return next();
      }
      done_ = done;
      Request r = request_for(Verb::kPatch, command(), current());
      r.patch_type = PatchType::kStrategicMerge;
      r.patch = patch;
      submit(std::move(r), kWrite);
      return;
    }
    print(fmt::format("{} {}", printed(*outcome.object), done_));
    next();
  }

 protected:
  // The patch, or null when there is nothing to change; `done` is the last word printed.
  virtual Json make_patch(const api::Object& live, std::string& done) = 0;

 private:
  enum Tag : uint32_t { kRead, kWrite };
  std::string done_;
};

class SetJob final : public PatchJob {
 public:
  using PatchJob::PatchJob;
  SetJob(std::vector<KubectlTarget> objects, std::vector<std::pair<std::string, std::string>> pairs)
      : PatchJob(std::move(objects)), pairs_(std::move(pairs)) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<SetJob>(*this); }

 protected:
  Json make_patch(const api::Object& live, std::string& done) override {
    const bool bare = live.kind == api::Kind::Pod;
    const Json tree = api::encode(live);
    const Json& spec = bare ? tree["spec"] : tree["spec"]["template"]["spec"];
    Json containers = Json::array();
    std::vector<Json> order;
    for (const Json& c : spec["containers"].items()) {
      order.push_back(strategic({{"name", c["name"]}}));
      Json change = change_of(c);
      if (change.is_null()) continue;
      change.set("name", c["name"]);
      containers.push_back(std::move(change));
    }
    const std::string what = command().verb.substr(4);
    done = what == "image" ? "image updated"
           : what == "env" ? "env updated"
                           : "resource requirements updated";
    if (containers.empty()) return Json();
    Json inner = strategic({{"$setElementOrder/containers", Json::array(std::move(order))},
                            {"containers", containers}});
    if (bare) return strategic({{"spec", inner}});
    return strategic({{"spec", strategic({{"template", strategic({{"spec", inner}})}})}});
  }

 private:
  static Json quantities(const std::string& text) {
    Json out = Json::object();
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = std::min(text.find(',', at), text.size());
      const std::string pair = text.substr(at, end - at);
      const size_t eq = pair.find('=');
      if (eq != std::string::npos) out.set(pair.substr(0, eq), Json(pair.substr(eq + 1)));
      at = end + 1;
    }
    return out;
  }

  Json change_of(const Json& container) const {
    Json change = Json::object();
    const std::string_view name = container["name"].as_view();
    if (command().verb == "set image") {
      for (const auto& [key, value] : pairs_) {
        if ((key == "*" || key == name) && container["image"].as_view() != value) {
          change.set("image", Json(value));
        }
      }
    } else if (command().verb == "set env") {
      Json env = Json::array();
      for (const auto& [key, value] : pairs_) {
        env.push_back(strategic({{"name", Json(key)}, {"value", Json(value)}}));
      }
      change.set("env", env);
    } else {
      const std::string only = command().flag("containers", "*");
      if (only != "*" && only != name) return Json();
      Json resources = Json::object();
      if (command().has("requests"))
        resources.set("requests", quantities(command().flag("requests")));
      if (command().has("limits")) resources.set("limits", quantities(command().flag("limits")));
      change.set("resources", resources);
    }
    return change.empty() ? Json() : change;
  }
  std::vector<std::pair<std::string, std::string>> pairs_;
};

class RolloutJob final : public PatchJob {
 public:
  using PatchJob::PatchJob;
  std::unique_ptr<Job> clone() const override { return std::make_unique<RolloutJob>(*this); }

 protected:
  Json make_patch(const api::Object& live, std::string& done) override {
    const std::string what = command().verb.substr(8);
    const bool paused = api::get_field(live, "spec.paused").as_bool();
    if (what == "restart") {
      if (paused) {
        fail(fmt::format("{} can't restart paused deployment (run rollout resume first)",
                         printed(live)));
        return Json();
      }
      done = "restarted";
      Json annotations = strategic({{kRestartedAt, Json(api::format_time(now()))}});
      Json meta = strategic({{"metadata", strategic({{"annotations", annotations}})}});
      return strategic({{"spec", strategic({{"template", meta}})}});
    }
    done = what == "pause" ? "paused" : "resumed";
    if (what == "pause" && paused) return Json();
    if (what == "resume" && !paused) return Json();
    return strategic({{"spec", strategic({{"paused", what == "pause" ? Json(true) : Json()}})}});
  }
};

class CordonJob final : public PatchJob {
 public:
  using PatchJob::PatchJob;
  std::unique_ptr<Job> clone() const override { return std::make_unique<CordonJob>(*this); }

 protected:
  Json make_patch(const api::Object& live, std::string& done) override {
    const bool wanted = command().verb == "cordon";
    const bool is = api::as<api::Node>(live).spec.unschedulable;
    done = wanted ? "cordoned" : "uncordoned";
    if (wanted == is) {
      done = fmt::format("already {}", done);
      return Json();
    }
    return strategic({{"spec", strategic({{"unschedulable", wanted ? Json(true) : Json()}})}});
  }
};

struct TaintChange {
  std::string key, value, effect;
  bool remove = false;
};

class TaintJob final : public PatchJob {
 public:
  TaintJob(std::vector<KubectlTarget> objects, std::vector<TaintChange> changes)
      : PatchJob(std::move(objects)), changes_(std::move(changes)) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<TaintJob>(*this); }

 protected:
  Json make_patch(const api::Object& live, std::string& done) override {
    std::vector<api::Taint> taints;
    for (const api::Taint& t : api::as<api::Node>(live).spec.taints) {
      const bool gone = std::any_of(changes_.begin(), changes_.end(), [&](const TaintChange& c) {
        return c.key == t.key.view() && (c.effect.empty() || c.effect == t.effect.view());
      });
      if (!gone) taints.push_back(t);
    }
    bool removes = true;
    for (const TaintChange& c : changes_) {
      if (c.remove) continue;
      removes = false;
      api::Taint t;
      t.key = c.key;
      t.value = c.value;
      t.effect = c.effect;
      taints.push_back(t);
    }
    done = removes ? "untainted" : "tainted";
    Json list = Json::array();
    for (const api::Taint& t : taints) list.push_back(api::encode_as(t));
    return strategic({{"spec", strategic({{"taints", list}})}});
  }

 private:
  std::vector<TaintChange> changes_;
};

class MetadataJob final : public PatchJob {
 public:
  MetadataJob(std::vector<KubectlTarget> objects,
              std::vector<std::pair<std::string, std::optional<std::string>>> pairs)
      : PatchJob(std::move(objects)), pairs_(std::move(pairs)) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<MetadataJob>(*this); }

 protected:
  Json make_patch(const api::Object&, std::string& done) override {
    const bool label = command().verb == "label";
    Json values = Json::object();
    for (const auto& [key, value] : pairs_) values.set(key, value ? Json(*value) : Json());
    done = label ? "labeled" : "annotated";
    return strategic({{"metadata", strategic({{label ? "labels" : "annotations", values}})}});
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> pairs_;
};

class RawPatchJob final : public NamedJob {
 public:
  RawPatchJob(std::vector<KubectlTarget> objects, Json patch, PatchType type)
      : NamedJob(std::move(objects)), patch_(std::move(patch)), type_(type) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<RawPatchJob>(*this); }
  void begin(const KubectlTarget& object) override {
    Request r = request_for(
        command().flag("subresource") == "status" ? Verb::kPatchStatusJson : Verb::kPatch,
        command(), object);
    r.patch = patch_;
    r.patch_type = type_;
    submit(std::move(r), 0);
  }
  void on_outcome(uint32_t, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    print(fmt::format("{} patched", printed(*outcome.object)));
    next();
  }

 private:
  Json patch_;
  PatchType type_;
};

class ScaleJob final : public NamedJob {
 public:
  ScaleJob(std::vector<KubectlTarget> objects, int32_t replicas)
      : NamedJob(std::move(objects)), replicas_(replicas) {}
  std::unique_ptr<Job> clone() const override { return std::make_unique<ScaleJob>(*this); }
  void begin(const KubectlTarget& object) override {
    Request r = request_for(Verb::kScale, command(), object);
    r.replicas = replicas_;
    submit(std::move(r), 0);
  }
  void on_outcome(uint32_t, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    print(fmt::format("{} scaled", printed(*outcome.object)));
    next();
  }

 private:
  int32_t replicas_;
};

// ---- rollout undo ----------------------------------------------------------------------------

class UndoJob final : public NamedJob {
 public:
  using NamedJob::NamedJob;
  std::unique_ptr<Job> clone() const override { return std::make_unique<UndoJob>(*this); }
  void begin(const KubectlTarget& object) override {
    submit(request_for(Verb::kGet, command(), object), kRead);
  }
  void on_outcome(uint32_t tag, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    if (tag == kRead) {
      deployment_ = api::cast<api::Deployment>(outcome.object);
      if (deployment_->spec.paused) {
        return fail(
            fmt::format("you cannot rollback a paused deployment; resume it first with "
                        "'kubectl rollout resume {}' and try again",
                        printed(*deployment_)));
      }
      Request r;
      r.verb = Verb::kList;
      r.kind = api::Kind::ReplicaSet;
      r.ns = command().ns;
      submit(std::move(r), kSets);
      return;
    }
    if (tag == kSets) return roll_back(outcome.objects);
    print(fmt::format("{} rolled back", printed(*outcome.object)));
    next();
  }

 private:
  enum Tag : uint32_t { kRead, kSets, kWrite };

  static int64_t revision_of(const api::Object& o) {
    int64_t n = 0;
    to_int(o.metadata.annotations.get(kRevision).view(), n);
    return n;
  }

  void roll_back(const api::List<api::ObjectRef>& sets) {
    int64_t wanted = 0;
    to_int(command().flag("to-revision", "0"), wanted);
    std::vector<const api::ReplicaSet*> own;
    for (const api::ObjectRef& o : sets) {
      const api::ReplicaSet& rs = api::as<api::ReplicaSet>(*o);
      if (api::is_controlled_by(rs, *deployment_)) own.push_back(&rs);
    }
    std::sort(own.begin(), own.end(), [](const api::ReplicaSet* a, const api::ReplicaSet* b) {
      return revision_of(*a) > revision_of(*b);
    });
    const api::ReplicaSet* to = nullptr;
    if (wanted == 0) {
      if (own.size() > 1) to = own[1];
    } else {
      for (const api::ReplicaSet* rs : own) {
        if (revision_of(*rs) == wanted) to = rs;
      }
    }
    if (!to)
      return fail(fmt::format("no rollout history found for deployment \"{}\"",
                              deployment_->metadata.name.view()));
    api::PodTemplateSpec restored = to->spec.template_;
    restored.metadata.labels.erase("pod-template-hash");
    Json op = strategic({{"op", Json("replace")},
                         {"path", Json("/spec/template")},
                         {"value", api::encode_as(restored)}});
    Request r = request_for(Verb::kPatch, command(), current());
    r.patch_type = PatchType::kJson;
    r.patch = Json::array({op});
    submit(std::move(r), kWrite);
  }

  api::Ref<const api::Deployment> deployment_;
};

// ---- rollout status, wait --------------------------------------------------------------------

class RolloutStatusJob final : public NamedJob {
 public:
  using NamedJob::NamedJob;
  std::unique_ptr<Job> clone() const override { return std::make_unique<RolloutStatusJob>(*this); }
  void begin(const KubectlTarget& object) override {
    submit(request_for(Verb::kGet, command(), object), 0);
  }
  void on_timer(uint32_t) override { begin(current()); }
  void on_outcome(uint32_t, const Outcome& outcome) override {
    if (!outcome.ok()) return fail(outcome);
    const Json tree = api::encode(*outcome.object);
    const Json& status = tree["status"];
    const int64_t wanted = tree["spec"]["replicas"].as_int(1);
    const std::string_view reason =
        api::get_field(*outcome.object, "status.conditions[type=Progressing].reason").as_view();
    if (reason == "ProgressDeadlineExceeded") {
      return fail(fmt::format("deployment \"{}\" exceeded its progress deadline", current().name));
    }
    const bool done =
        status["observedGeneration"].as_int() >= tree["metadata"]["generation"].as_int() &&
        status["updatedReplicas"].as_int() >= wanted &&
        status["replicas"].as_int() <= status["updatedReplicas"].as_int() &&
        status["availableReplicas"].as_int() >= status["updatedReplicas"].as_int();
    if (!done) return timer(api::Duration::millis(500), 0);
    print(fmt::format("deployment \"{}\" successfully rolled out", current().name));
    next();
  }
};

// ---- drain -----------------------------------------------------------------------------------

class DrainJob final : public NamedJob {
 public:
  using NamedJob::NamedJob;
  std::unique_ptr<Job> clone() const override { return std::make_unique<DrainJob>(*this); }

  void begin(const KubectlTarget& object) override {
    Request r = request_for(Verb::kPatch, command(), object);
    r.patch_type = PatchType::kStrategicMerge;
    r.patch = strategic({{"spec", strategic({{"unschedulable", Json(true)}})}});
    submit(std::move(r), kCordon);
  }

  void on_outcome(uint32_t tag, const Outcome& outcome) override {
    if (tag == kCordon) {
      if (!outcome.ok()) return fail(outcome);
      print(fmt::format("node/{} cordoned", current().name));
      Request r;
      r.verb = Verb::kList;
      r.kind = api::Kind::Pod;
      submit(std::move(r), kPods);
      return;
    }
    if (tag == kPods) {
      if (!outcome.ok()) return fail(outcome);
      choose(outcome.objects);
      if (ended()) return;
      if (pods_.empty()) return finish_node();
      for (uint32_t n = 0; n < pods_.size(); ++n) evict(n);
      return;
    }
    const uint32_t n = tag & kIndex;
    if (tag & kPoll) {
      if (outcome.not_found() || (outcome.object && outcome.object->metadata.uid != pods_[n].uid)) {
        print(fmt::format("pod/{} evicted", pods_[n].name.view()));
        if (++gone_ == pods_.size()) finish_node();
      } else {
        timer(api::Duration::seconds(1), kPoll | n);
      }
      return;
    }
    if (outcome.code == 429) {
      timer(api::Duration::seconds(5), n);  // kubectl drain retries after 5 s
    } else if (outcome.ok() || outcome.not_found()) {
      timer(api::Duration::seconds(1), kPoll | n);
    } else {
      fail(outcome);
    }
  }

  void on_timer(uint32_t tag) override {
    const uint32_t n = tag & kIndex;
    if (!(tag & kPoll)) return evict(n);
    Request r;
    r.verb = Verb::kGet;
    r.kind = api::Kind::Pod;
    r.ns = pods_[n].ns;
    r.name = pods_[n].name;
    submit(std::move(r), kPoll | n);
  }

 private:
  static constexpr uint32_t kPoll = 1u << 21;
  static constexpr uint32_t kCordon = 1u << 22;
  static constexpr uint32_t kPods = kCordon + 1;
  static constexpr uint32_t kIndex = (1u << 21) - 1;
  struct Pod {
    api::Str ns, name, uid;
  };

  void choose(const api::List<api::ObjectRef>& pods) {
    pods_.clear();
    gone_ = 0;
    for (const api::ObjectRef& o : pods) {
      const api::Pod& pod = api::as<api::Pod>(*o);
      if (pod.spec.node_name != current().name || api::is_mirror_pod(pod)) continue;
      if (!api::is_terminal(pod)) {
        if (api::is_daemon_set_pod(pod)) {
          if (command().has("ignore-daemonsets")) continue;
          return fail(fmt::format(
              "unable to drain node \"{}\" due to error: cannot delete "
              "DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {}/{}",
              current().name, pod.metadata.namespace_.view(), pod.metadata.name.view()));
        }
        if (!api::controller_of(pod) && !command().has("force")) {
          return fail(fmt::format(
              "unable to drain node \"{}\" due to error: cannot delete Pods that "
              "declare no controller (use --force to override): {}/{}",
              current().name, pod.metadata.namespace_.view(), pod.metadata.name.view()));
        }
      }
      pods_.push_back(Pod{pod.metadata.namespace_, pod.metadata.name, pod.metadata.uid});
    }
  }

  void evict(uint32_t n) {
    Request r;
    r.verb = command().has("disable-eviction") ? Verb::kDelete : Verb::kEvict;
    r.kind = api::Kind::Pod;
    r.ns = pods_[n].ns;
    r.name = pods_[n].name;
    int64_t grace = 0;
    if (command().has("grace-period") && to_int(command().flag("grace-period"), grace) &&
        grace >= 0) {
      r.grace_period_seconds = grace;
    }
    submit(std::move(r), n);
  }

  void finish_node() {
    print(fmt::format("node/{} drained", current().name));
    next();
  }

  std::vector<Pod> pods_;
  size_t gone_ = 0;
};

// ---- from words to jobs ----------------------------------------------------------------------

std::vector<std::pair<std::string, std::string>> take_pairs(std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::erase_if(words, [&](const std::string& w) {
    const size_t eq = w.find('=');
    if (eq == std::string::npos) return false;
    pairs.emplace_back(w.substr(0, eq), w.substr(eq + 1));
    return true;
  });
  return pairs;
}

std::unique_ptr<KubectlLoop::Job> make_create(const KubectlCommand& c, std::string& error) {
  if (c.has("filename")) return std::make_unique<ApplyJob>();
  if (c.words.size() < 2) {
    error = "expected kubectl create TYPE NAME, or -f FILE";
    return nullptr;
  }
  const std::string& name = c.words[1];
  int64_t n = 1;
  if (c.words[0] == "namespace" || c.words[0] == "ns") {
    api::Ref<api::Namespace> o = api::make<api::Namespace>();
    o->metadata.name = name;
    return std::make_unique<CreateJob>(o);
  }
  if (c.words[0] == "deployment" || c.words[0] == "deploy") {
    api::Ref<api::Deployment> o = api::make<api::Deployment>();
    o->metadata.name = name;
    o->metadata.labels.set("app", name);
    if (c.has("replicas")) to_int(c.flag("replicas"), n);
    o->spec.replicas = static_cast<int32_t>(n);
    api::LabelSelector selector;
    selector.match_labels.set("app", name);
    o->spec.selector = selector;
    o->spec.template_.metadata.labels.set("app", name);
    api::Container container;
    container.image = c.flag("image");
    const std::string image = c.flag("image");
    const size_t from = image.rfind('/') == std::string::npos ? 0 : image.rfind('/') + 1;
    container.name = image.substr(from, image.find_first_of(":@", from) - from);
    o->spec.template_.spec.containers.push_back(container);
    return std::make_unique<CreateJob>(o);
  }
  if (c.words[0] == "quota" || c.words[0] == "resourcequota") {
    api::Ref<api::ResourceQuota> o = api::make<api::ResourceQuota>();
    o->metadata.name = name;
    const std::string hard = c.flag("hard");
    for (size_t at = 0; at < hard.size();) {
      const size_t end = std::min(hard.find(',', at), hard.size());
      const size_t eq = hard.find('=', at);
      if (eq == std::string::npos || eq > end) break;
      const auto q = api::Quantity::parse(std::string_view(hard).substr(eq + 1, end - eq - 1));
      if (!q) {
        error = fmt::format("--hard: {} is no quantity", hard.substr(eq + 1, end - eq - 1));
        return nullptr;
      }
      o->spec.hard.set(hard.substr(at, eq - at), *q);
      at = end + 1;
    }
    return std::make_unique<CreateJob>(o);
  }
  error = fmt::format("kubectl create {} is not simulated; use apply with a manifest", c.words[0]);
  return nullptr;
}

std::unique_ptr<KubectlLoop::Job> make_autoscale(const KubectlCommand& c,
                                                 const std::vector<KubectlTarget>& objects,
                                                 std::string& error) {
  int64_t min = 1, max = 0, cpu = 80;
  if (c.has("min")) to_int(c.flag("min"), min);
  if (!c.has("max") || !to_int(c.flag("max"), max)) {
    error = "--max=MAXPODS is required";
    return nullptr;
  }
  std::string percent = c.has("cpu") ? c.flag("cpu") : c.flag("cpu-percent", "80");
  if (percent.ends_with('%')) percent.pop_back();
  to_int(percent, cpu);
  api::Ref<api::HorizontalPodAutoscaler> o = api::make<api::HorizontalPodAutoscaler>();
  const api::KindInfo& info = api::kind_info(objects.front().kind);
  o->metadata.name = c.flag("name", objects.front().name);
  o->spec.scale_target_ref.kind = info.name;
  o->spec.scale_target_ref.api_version = info.api_version;
  o->spec.scale_target_ref.name = objects.front().name;
  o->spec.min_replicas = static_cast<int32_t>(min);
  o->spec.max_replicas = static_cast<int32_t>(max);
  api::MetricSpec metric;
  metric.type = "Resource";
  api::ResourceMetricSource source;
  source.name = "cpu";
  source.target.type = "Utilization";
  source.target.average_utilization = static_cast<int32_t>(cpu);
  metric.resource = source;
  o->spec.metrics.push_back(metric);
  return std::make_unique<CreateJob>(o);
}

bool parse_taints(std::vector<std::string>& words, std::vector<TaintChange>& out,
                  std::string& error) {
  std::vector<std::string> names;
  for (const std::string& w : words) {
    const size_t colon = w.find(':');
    const bool removes = w.ends_with('-');
    if (colon == std::string::npos && w.find('=') == std::string::npos && !removes) {
      names.push_back(w);
      continue;
    }
    TaintChange t;
    t.remove = removes;
    const std::string body = removes ? w.substr(0, w.size() - 1) : w;
    const std::string left = body.substr(0, body.find(':'));
    t.key = left.substr(0, left.find('='));
    if (left.find('=') != std::string::npos) t.value = left.substr(left.find('=') + 1);
    if (body.find(':') != std::string::npos) t.effect = body.substr(body.find(':') + 1);
    const bool known = t.effect == "NoSchedule" || t.effect == "NoExecute" ||
                       t.effect == "PreferNoSchedule" || (t.effect.empty() && removes);
    if (!known) {
      error = fmt::format("invalid taint effect: {}, unsupported taint effect", t.effect);
      return false;
    }
    out.push_back(t);
  }
  words = names;
  return true;
}
}  // namespace

std::unique_ptr<KubectlLoop::Job> make_kubectl_job(const KubectlCommand& c, std::string& error) {
  if (c.verb == "apply" || c.verb == "replace") return std::make_unique<ApplyJob>();
  if (c.verb == "create") return make_create(c, error);
  std::vector<std::string> words = c.words;
  std::vector<std::pair<std::string, std::string>> pairs;
  std::vector<std::pair<std::string, std::optional<std::string>>> metadata;
  std::vector<TaintChange> taints;
  if (c.verb == "set image" || c.verb == "set env") pairs = take_pairs(words);
  if (c.verb == "label" || c.verb == "annotate") {
    for (auto& [key, value] : take_pairs(words)) metadata.emplace_back(key, value);
    std::erase_if(words, [&](const std::string& w) {
      if (!w.ends_with('-')) return false;
      metadata.emplace_back(w.substr(0, w.size() - 1), std::nullopt);
      return true;
    });
  }
  if (c.verb == "taint" && !parse_taints(words, taints, error)) return nullptr;
  if (c.verb == "cordon" || c.verb == "uncordon" || c.verb == "drain") {
    words.insert(words.begin(), "nodes");
  }
  std::vector<KubectlTarget> objects;
  api::Kind type{};
  if (!resolve_names(words, objects, type, error)) return nullptr;
  const bool chooses = c.has("selector") || c.has("all") || c.has("field-selector");
  if (c.verb == "delete") {
    if (objects.empty() && !chooses && !c.has("filename")) {
      error = "resource(s) were provided, but no name was specified";
      return nullptr;
    }
    return std::make_unique<DeleteJob>(type, std::move(objects));
  }
  if (objects.empty()) {
    error = "expected TYPE/NAME";
    return nullptr;
  }
  if (c.verb == "scale") {
    int64_t n = -1;
    if (!to_int(c.flag("replicas"), n) || n < 0) {
      error = "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0";
      return nullptr;
    }
    return std::make_unique<ScaleJob>(std::move(objects), static_cast<int32_t>(n));
  }
  if (c.verb == "set image" || c.verb == "set env" || c.verb == "set resources") {
    return std::make_unique<SetJob>(std::move(objects), std::move(pairs));
  }
  if (c.verb == "rollout undo") return std::make_unique<UndoJob>(std::move(objects));
  if (c.verb == "rollout status") return std::make_unique<RolloutStatusJob>(std::move(objects));
  if (c.verb.starts_with("rollout ")) return std::make_unique<RolloutJob>(std::move(objects));
  if (c.verb == "cordon" || c.verb == "uncordon") {
    return std::make_unique<CordonJob>(std::move(objects));
  }
  if (c.verb == "drain") return std::make_unique<DrainJob>(std::move(objects));
  if (c.verb == "taint") return std::make_unique<TaintJob>(std::move(objects), std::move(taints));
  if (c.verb == "label" || c.verb == "annotate") {
    return std::make_unique<MetadataJob>(std::move(objects), std::move(metadata));
  }
  if (c.verb == "autoscale") return make_autoscale(c, objects, error);
  if (c.verb == "patch") {
    api::Diagnostics problems;
    const std::vector<Json> patch =
        api::read_documents(c.flag("patch"), problems.add_file("--patch"), &problems);
    if (patch.size() != 1 || !problems.ok()) {
      error = "unable to parse --patch";
      return nullptr;
    }
    const std::string how = c.flag("type", "strategic");
    return std::make_unique<RawPatchJob>(std::move(objects), patch.front(),
                                         how == "merge"  ? PatchType::kMerge
                                         : how == "json" ? PatchType::kJson
                                                         : PatchType::kStrategicMerge);
  }
  error = fmt::format("kubectl {} is not simulated", c.verb);
  return nullptr;
}

}  // namespace mainspring::scenarios
