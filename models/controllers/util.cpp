#include "models/controllers/util.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

#include "models/api/compare.h"

namespace mainspring::controllers {

using client::Outcome;
using client::Request;
using client::Verb;

Key make_key(std::string_view ns, std::string_view name) {
  if (ns.empty()) return Key(name);
  std::string s;
  s.reserve(ns.size() + 1 + name.size());
  s.append(ns).append("/").append(name);
  return Key(s);
}

Key key_of(const api::Object& object) {
  return make_key(object.metadata.namespace_.view(), object.metadata.name.view());
}

std::pair<std::string_view, std::string_view> split_key(const Key& key) {
  const std::string_view k = key.view();
  const size_t slash = k.find('/');
  if (slash == std::string_view::npos) return {std::string_view(), k};
  return {k.substr(0, slash), k.substr(slash + 1)};
}

bool selects_everything(const api::LabelSelector& selector) {
  return selector.match_labels.empty() && selector.match_expressions.empty();
}

const api::OwnerReference* controller_of_kind(const api::Object& object, std::string_view kind) {
  const api::OwnerReference* owner = api::controller_of(object);
  return owner && owner->kind == kind ? owner : nullptr;
}

bool older(const api::ObjectMeta& a, const api::ObjectMeta& b) {
  const api::Time ta = a.creation_timestamp.truncated_to_second();
  const api::Time tb = b.creation_timestamp.truncated_to_second();
  if (ta != tb) return ta < tb;
  return a.name < b.name;
}

api::Ref<api::Pod> pod_from_template(const api::PodTemplateSpec& pod_template,
                                     const api::Object& owner) {
  api::Ref<api::Pod> pod = api::make<api::Pod>();
  pod->metadata.namespace_ = owner.metadata.namespace_;
  pod->metadata.generate_name = owner.metadata.name.str() + "-";
  pod->metadata.labels = pod_template.metadata.labels;
  pod->metadata.annotations = pod_template.metadata.annotations;
  pod->metadata.finalizers = pod_template.metadata.finalizers;
  pod->metadata.owner_references = {api::make_controller_reference(owner)};
  pod->spec = pod_template.spec;
  return pod;
}

namespace {
Request about(Verb verb, const api::Object& object) {
  Request r;
  r.verb = verb;
  r.kind = object.kind;
  r.ns = object.metadata.namespace_;
  r.name = object.metadata.name;
  return r;
}

Request owners_patch(const api::Object& object, const api::List<api::OwnerReference>& owners) {
  Request r = about(Verb::kPatch, object);
  r.patch_type = client::PatchType::kMerge;
  r.uid = object.metadata.uid;
  api::Json list = api::Json::array();
  for (const api::OwnerReference& o : owners) {
    api::Json ref = api::Json::object();
    ref.set("apiVersion", o.api_version);
    ref.set("kind", o.kind);
    ref.set("name", o.name);
    ref.set("uid", o.uid);
    if (o.controller) ref.set("controller", *o.controller);
    if (o.block_owner_deletion) ref.set("blockOwnerDeletion", *o.block_owner_deletion);
    list.push_back(std::move(ref));
  }
  api::Json metadata = api::Json::object();
  metadata.set("ownerReferences", std::move(list));
  metadata.set("uid", object.metadata.uid);
  r.patch = api::Json::object();
  r.patch.set("metadata", std::move(metadata));
  return r;
}
}  // namespace

Request create_request(api::ObjectRef body) {
  Request r = about(Verb::kCreate, *body);
  r.body = std::move(body);
  return r;
}

Request delete_request(const api::Object& object) { return about(Verb::kDelete, object); }

Request update_request(api::ObjectRef body) {
  Request r = about(Verb::kUpdate, *body);
  r.body = std::move(body);
  return r;
}

Request update_status_request(api::ObjectRef body) {
  Request r = about(Verb::kUpdateStatus, *body);
  r.body = std::move(body);
  return r;
}

Request get_request(const api::Object& object) { return about(Verb::kGet, object); }

Request adopt_request(const api::Object& object, const api::Object& owner) {
  api::List<api::OwnerReference> owners = object.metadata.owner_references;
  owners.push_back(api::make_controller_reference(owner));
  return owners_patch(object, owners);
}

Request release_request(const api::Object& object, const api::Object& owner) {
  api::List<api::OwnerReference> owners;
  for (const api::OwnerReference& o : object.metadata.owner_references) {
    if (o.uid != owner.metadata.uid) owners.push_back(o);
  }
  return owners_patch(object, owners);
}

void hear_of_pod(client::ReconcileContext& ctx, const Key& key, const api::Object* owner,
                 bool create, const client::Write& write, const Outcome& outcome,
                 client::Expectations* creations, client::Expectations* deletions) {
  if (!outcome.ok()) {
    if (create) {
      creations->creation_observed(key);
    } else {
      deletions->deletion_observed(key, make_key(write.request.ns, write.request.name));
    }
  }
  if (!owner || outcome.code == 0) return;
  if (outcome.ok()) {
    ctx.event(
        *owner, kNormal, create ? "SuccessfulCreate" : "SuccessfulDelete",
        fmt::format("{} pod: {}", create ? "Created" : "Deleted",
                    create ? outcome.object->metadata.name.view() : write.request.name.view()));
  } else if (create ? !namespace_terminating(outcome) : !outcome.not_found()) {
    ctx.event(
        *owner, kWarning, create ? "FailedCreate" : "FailedDelete",
        fmt::format("Error {}: {}", create ? "creating" : "deleting", outcome.message.view()));
  }
}

bool namespace_terminating(const Outcome& outcome) {
  return outcome.code == 403 &&
         outcome.message.view().find("because it is being terminated") != std::string_view::npos;
}

std::string safe_encode(std::string_view text) {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string result;
  for (const char c : text) {
    result += kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  }
  return result;
}

std::string template_hash(const api::PodTemplateSpec& pod_template,
                          std::optional<int32_t> collision_count) {
  uint32_t h = 2166136261U;
  const auto add = [&h](uint64_t word) {
    for (int i = 0; i < 8; ++i) {
      h ^= static_cast<uint32_t>((word >> (8 * i)) & 0xff);
      h *= 16777619U;
    }
  };
  add(api::hash64_of(pod_template));
  if (collision_count) add(static_cast<uint64_t>(static_cast<uint32_t>(*collision_count)));
  return safe_encode(fmt::format("{}", h));
}

std::optional<int64_t> parse_int(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int64_t log2_bucket(api::Duration d) {
  if (d.ns() <= 0) return -1;
  return static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(d.ns()))) - 1;
}

}  // namespace mainspring::controllers
