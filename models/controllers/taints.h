// Taints of nodes, and writing them as Kubernetes' controllers do.
// Source: pkg/controller/controller_utils.go (AddOrUpdateTaintOnNode, RemoveTaintOffNode),
// pkg/util/taints; v1.35.
#pragma once

#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/controllers/script.h"

namespace mainspring::controllers {

inline constexpr std::string_view kTaintNotReady = "node.kubernetes.io/not-ready";
inline constexpr std::string_view kTaintUnreachable = "node.kubernetes.io/unreachable";
inline constexpr std::string_view kTaintUnschedulable = "node.kubernetes.io/unschedulable";
inline constexpr std::string_view kTaintOutOfService = "node.kubernetes.io/out-of-service";

api::Taint make_taint(std::string_view key, std::string_view effect);
// Same key and effect.
bool same_taint(const api::Taint& a, const api::Taint& b);
bool has_taint(const api::Node& node, std::string_view key, std::string_view effect);

// Adds some taints (stamped with the time) and removes others, a read and a patch for each kind of
// change, again on conflict. *done tells whether both went through.
Error swap_taints(Script& script, const api::Node& node, std::vector<api::Taint> add,
                  const std::vector<api::Taint>& remove, bool* done);

}  // namespace mainspring::controllers
