// Binds the pod by posting a Binding.
// Source: pkg/scheduler/framework/plugins/defaultbinder (v1.35).
#pragma once

#include "models/scheduler/plugin.h"

namespace mainspring::scheduler {

class DefaultBinder final : public PluginBase<DefaultBinder> {
 public:
  static constexpr std::string_view kName = "DefaultBinder";
  static constexpr Points kPoints = kBind;

  Status bind(const PodInfo& pod, const api::Str& node, client::Request* request) override {
    request->verb = client::Verb::kBind;
    request->kind = api::Kind::Pod;
    request->ns = pod.ns();
    request->name = pod.pod->metadata.name;
    request->uid = pod.uid();
    request->target = node;
    return {};
  }
};

}  // namespace mainspring::scheduler
