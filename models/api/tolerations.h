// Which tolerations accept which taints: Toleration.ToleratesTaint and the helpers of
// k8s.io/component-helpers/scheduling/corev1 (v1.35).
//
// Not modelled: the operators Gt and Lt (alpha gate TaintTolerationComparisonOperators, off).
#pragma once

#include <string_view>

#include "models/api/types/core.h"

namespace mainspring::api {

// The empty effect or key of a toleration accepts any. tolerationSeconds does not count.
inline bool tolerates(const Toleration& t, const Taint& taint) {
  if (!t.effect.empty() && t.effect != taint.effect) return false;
  if (!t.key.empty() && t.key != taint.key) return false;
  const std::string_view op = t.operator_;
  if (op.empty() || op == "Equal") return t.value == taint.value;
  return op == "Exists";
}

inline bool tolerates(const List<Toleration>& tolerations, const Taint& taint) {
  for (const Toleration& t : tolerations) {
    if (tolerates(t, taint)) return true;
  }
  return false;
}

// The first taint with one of these effects that nothing tolerates; null if there is none.
inline const Taint* find_untolerated(const List<Taint>& taints, const List<Toleration>& tolerations,
                                     std::initializer_list<std::string_view> effects) {
  for (const Taint& taint : taints) {
    bool wanted = false;
    for (const std::string_view effect : effects) wanted |= taint.effect == effect;
    if (wanted && !tolerates(tolerations, taint)) return &taint;
  }
  return nullptr;
}

// What keeps a pod from being scheduled to a node.
inline const Taint* find_untolerated_for_scheduling(const List<Taint>& taints,
                                                    const List<Toleration>& tolerations) {
  return find_untolerated(taints, tolerations, {"NoSchedule", "NoExecute"});
}

}  // namespace mainspring::api
