// How a simulation goes, on stderr, and its end by Ctrl-C.
#pragma once

#include "bindings/cli/terminal.h"
#include "bindings/common/run.h"

namespace mainspring::cli {

// The first SIGINT or SIGTERM stops the run at the next call of the observer; the second ends the
// program.
void catch_interrupts();

// One line redrawn on a terminal, a line now and then elsewhere.
class ProgressLine : public bindings::Observer {
 public:
  ProgressLine(const Terminal& terminal, bool quiet) : terminal_(terminal), quiet_(quiet) {}
  bool go_on(const bindings::Progress& progress) override;
  void erase();

 private:
  const Terminal& terminal_;
  bool quiet_;
  bool drawn_ = false;
  double last_ = 0;
};

}  // namespace mainspring::cli
