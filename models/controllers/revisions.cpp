#include "models/controllers/revisions.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/api/codec.h"
#include "models/api/diagnostics.h"
#include "models/controllers/util.h"

namespace mainspring::controllers {

namespace {
constexpr std::string_view kHash = "controller.kubernetes.io/hash";

api::Json data_of(const api::PodTemplateSpec& pod_template) {
  api::Json body = api::encode_as(pod_template);
  body.set("$patch", "replace");
  api::Json spec = api::Json::object();
  spec.set("template", std::move(body));
  api::Json data = api::Json::object();
  data.set("spec", std::move(spec));
  return data;
}
}  // namespace

void sort_revisions(std::vector<RevisionRef>& revisions) {
  std::sort(revisions.begin(), revisions.end(), [](const RevisionRef& a, const RevisionRef& b) {
    if (a->revision != b->revision) return a->revision < b->revision;
    return older(a->metadata, b->metadata);
  });
}

api::PodTemplateSpec template_of(const api::ControllerRevision& revision) {
  api::Json body = revision.data["spec"]["template"];
  body.erase("$patch");
  api::Diagnostics problems;
  return api::decode_as<api::PodTemplateSpec>(body, problems);
}

Error sync_revision(Script& script, const api::Object& owner,
                    const api::PodTemplateSpec& pod_template, const api::StrMap& labels,
                    std::vector<RevisionRef>* revisions, int32_t* collision_count,
                    RevisionRef* result) {
  const api::Json data = data_of(pod_template);
  RevisionRef equal;
  for (const RevisionRef& r : *revisions) {
    if (r->data == data) equal = r;
  }
  const int64_t next = revisions->empty() ? 1 : revisions->back()->revision + 1;
  if (equal && equal == revisions->back()) {
    *result = equal;
    return {};
  }
  const Outcome* o = nullptr;
  if (equal) {
    // An older template is the newest again.
    api::Ref<api::ControllerRevision> body = api::clone(*equal);
    body->revision = next;
    if (Error e = script.must(update_request(body), &o)) return e;
    *result = api::cast<api::ControllerRevision>(o->object);
    std::erase(*revisions, equal);
    revisions->push_back(*result);
    return {};
  }
  while (true) {
    const std::string hash =
        template_hash(pod_template, *collision_count > 0 ? std::optional<int32_t>(*collision_count)
                                                         : std::nullopt);
    api::Ref<api::ControllerRevision> body = api::make<api::ControllerRevision>();
    body->metadata.name = fmt::format("{}-{}", owner.metadata.name.view().substr(0, 223), hash);
    body->metadata.namespace_ = owner.metadata.namespace_;
    body->metadata.labels = labels;
    body->metadata.labels.set(kHash, hash);
    body->metadata.owner_references = {api::make_controller_reference(owner)};
    body->data = data;
    body->revision = next;
    if (Error e = script.call(create_request(body), &o)) return e;
    if (o->already_exists()) {
      if (Error e = script.must(get_request(*body), &o)) return e;
      const RevisionRef there = api::cast<api::ControllerRevision>(o->object);
      if (there->data == data) {
        *result = there;
        return {};
      }
      ++*collision_count;
      continue;
    }
    if (!o->ok()) return Error::of(*o);
    *result = api::cast<api::ControllerRevision>(o->object);
    revisions->push_back(*result);
    return {};
  }
}

Error truncate_history(Script& script, const std::vector<RevisionRef>& revisions, int32_t limit,
                       const std::vector<api::Str>& live) {
  std::vector<RevisionRef> unused;
  for (const RevisionRef& r : revisions) {
    if (std::find(live.begin(), live.end(), r->metadata.name) == live.end()) unused.push_back(r);
  }
  const int64_t surplus = static_cast<int64_t>(unused.size()) - limit;
  for (int64_t i = 0; i < surplus; ++i) {
    const Outcome* o = nullptr;
    if (Error e = script.call(delete_request(*unused[static_cast<size_t>(i)]), &o)) return e;
    if (!o->ok() && !o->not_found()) return Error::of(*o);
  }
  return {};
}

}  // namespace mainspring::controllers
