#include "models/node/app_behavior.h"

#include <utility>

namespace mainspring::node {

AppRules::AppRules() : default_(api::Ref<const AppBehavior>(new AppBehavior())) {
  auto* ends = new AppBehavior();
  ends->startup = {};
  ends->run_for = sim::Distribution::constant(sim::Duration::seconds(1));
  default_that_ends_ = api::Ref<const AppBehavior>(ends);
}

const AppBehaviorRef& AppRules::find(std::string_view ns, std::string_view workload,
                                     std::string_view container, bool ends) const {
  const auto fits = [](const api::Str& pattern, std::string_view value) {
    return pattern.empty() || pattern == value;
  };
  for (const AppRule& rule : rules_) {
    if (fits(rule.ns, ns) && fits(rule.workload, workload) && fits(rule.container, container)) {
      return rule.behavior;
    }
  }
  return ends ? default_that_ends_ : default_;
}

}  // namespace mainspring::node
