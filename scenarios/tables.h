// Objects as `kubectl get` prints them: the columns and cells of kubectl v1.35
// (pkg/printers/internalversion/printers.go).
//
// Ages are relative to a given wall-clock instant. Kinds without columns of their own get NAME and
// AGE. Not modelled: custom columns of CRDs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/api/object.h"
#include "models/api/types/core.h"
#include "scenarios/report/run_report.h"

namespace mainspring::scenarios {

struct TableOptions {
  bool wide = false;        // -o wide
  bool namespaces = false;  // -A: a column NAMESPACE in front
};

// Objects of one kind, in the given order; `kind` as in "Pod". The title stays empty.
ReportTable object_table(std::string_view kind, const std::vector<api::ObjectRef>& objects,
                         api::Time now, TableOptions options = {});

// The cells STATUS, READY and RESTARTS of a pod.
struct PodCells {
  std::string status;
  int ready = 0;
  int containers = 0;
  int restarts = 0;
  api::Time last_restart;
};
PodCells pod_cells(const api::Pod& pod);

// Columns aligned as kubectl does: three spaces between them; ends with a newline.
std::string render_table(const ReportTable& table, bool headers = true);

}  // namespace mainspring::scenarios
