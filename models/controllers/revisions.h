// ControllerRevisions: the history of templates that StatefulSets and DaemonSets keep.
// Source: pkg/controller/history/controller_history.go, v1.35.
#pragma once

#include <vector>

#include "models/api/types/apps.h"
#include "models/controllers/script.h"

namespace mainspring::controllers {

using RevisionRef = api::Ref<const api::ControllerRevision>;

// Oldest first.
void sort_revisions(std::vector<RevisionRef>& revisions);

// Finds the revision of the owner's template, renumbering an older one or creating it, as needed.
// Raises *collision_count when another template has the same name.
Error sync_revision(Script& script, const api::Object& owner,
                    const api::PodTemplateSpec& pod_template, const api::StrMap& labels,
                    std::vector<RevisionRef>* revisions, int32_t* collision_count,
                    RevisionRef* result);

// The template that the revision holds.
api::PodTemplateSpec template_of(const api::ControllerRevision& revision);

// Deletes the oldest revisions beyond the limit that nobody uses.
Error truncate_history(Script& script, const std::vector<RevisionRef>& revisions, int32_t limit,
                       const std::vector<api::Str>& live);

}  // namespace mainspring::controllers
