// KubeSchedulerConfiguration files (kubescheduler.config.k8s.io/v1), as they are: decoded strictly,
// defaulted, merged with the default plugins and checked, with everything that is wrong said at
// once in Kubernetes' words and at its place.
//
// What the twin does not act on is a warning: leader election, the parallelism of the search (it
// decides as with 1), profiling. HTTP extenders are refused: a decision would depend on a server
// that is not there.
// Source: pkg/scheduler/apis/config/{v1,validation}, framework/runtime/framework.go (v1.35).
#pragma once

#include "models/api/diagnostics.h"
#include "models/scheduler/scheduler.h"

namespace mainspring::scheduler {

// `tree`: one document of the file. The result is Kubernetes' defaults where something is wrong.
// `registry`: the plugins that the file may name.
SchedulerOptions read_configuration(const api::Json& tree, const Registry& registry,
                                    api::Diagnostics& diagnostics);
// The same of a whole file, which holds one document, with no key given twice. `file`: what places
// carry (Diagnostics::add_file).
SchedulerOptions read_configuration(std::string_view text, uint16_t file, const Registry& registry,
                                    api::Diagnostics& diagnostics);

}  // namespace mainspring::scheduler
