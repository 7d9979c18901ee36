// The private module mainspring._core: scenarios and runs as opaque objects, series as read-only
// NumPy views of the run's own memory. The package around it (mainspring/__init__.py) gives them
// their Python faces; nothing is computed here.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <stdexcept>

#include "bindings/common/run.h"
#include "bindings/common/run_folder.h"
#include "scenarios/loader.h"
#include "scenarios/report/writers.h"
#include "scenarios/units.h"
#include "sim/check.h"

namespace py = pybind11;

namespace mainspring {

namespace {

struct Scenario {
  scenarios::LoadedScenario loaded;
  bindings::Overrides overrides;
};

struct Run {
  bindings::FinishedRun finished;
};

py::dict as_dict(const api::Diagnostics& all, const api::Diagnostic& d) {
  api::Diagnostic bare = d;
  bare.at = {};
  bare.path.clear();
  bare.severity = api::Diagnostic::Severity::kError;
  py::dict out;
  out["severity"] = d.severity == api::Diagnostic::Severity::kError ? "error" : "warning";
  out["file"] = std::string(all.file_name(d.at.file()));
  out["line"] = d.at.line();
  out["column"] = d.at.column();
  out["path"] = d.path;
  out["message"] = all.render(bare);
  return out;
}

// (scenario or None, diagnostics)
py::tuple load(const std::string& path, const bindings::Overrides& overrides) {
  api::Diagnostics diagnostics;
  auto scenario = std::make_shared<Scenario>();
  {
    py::gil_scoped_release release;
    scenario->loaded = scenarios::load_scenario(path, overrides, diagnostics);
    scenario->overrides = overrides;
  }
  py::list problems;
  for (const api::Diagnostic& d : diagnostics.sorted()) problems.append(as_dict(diagnostics, d));
  if (!diagnostics.ok()) return py::make_tuple(py::none(), problems);
  return py::make_tuple(scenario, problems);
}

// Lets Python's signal handlers run, so that Ctrl-C works while the lock is released.
class SignalPoll : public bindings::Observer {
 public:
  bool go_on(const bindings::Progress&) override {
    py::gil_scoped_acquire acquire;
    raised_ = raised_ || PyErr_CheckSignals() != 0;
    return !raised_;
  }
  bool raised() const { return raised_; }

 private:
  bool raised_ = false;
};

std::shared_ptr<Run> run(const Scenario& scenario, std::optional<uint64_t> seed,
                         std::optional<double> until_seconds) {
  bindings::RunSettings settings;
  settings.seed = seed;
  settings.overrides = scenario.overrides;
  if (until_seconds) {
    if (!(*until_seconds > 0 && *until_seconds < 9e9)) {
      throw std::invalid_argument("until: expected seconds of virtual time, greater than 0");
    }
    settings.until = sim::Duration::nanos(static_cast<int64_t>(*until_seconds * 1e9 + 0.5));
  }
  SignalPoll poll;
  auto out = std::make_shared<Run>();
  {
    py::gil_scoped_release release;
    out->finished = bindings::run_scenario(scenario.loaded, settings, poll);
  }
  if (poll.raised()) throw py::error_already_set();
  return out;
}

// A view of the vector that keeps `owner` alive.
py::array_t<double> view(const std::vector<double>& values, const py::object& owner) {
  py::array_t<double> array({static_cast<py::ssize_t>(values.size())},
                            {static_cast<py::ssize_t>(sizeof(double))}, values.data(), owner);
  array.attr("flags").attr("writeable") = false;
  return array;
}

py::tuple series_at(const py::object& self, size_t index) {
  const auto& all = self.cast<const Run&>().finished.series;
  const scenarios::Series& s = all.at(index);
  return py::make_tuple(view(s.t_seconds, self), view(s.value, self));
}

py::list series_list(const Run& self) {
  py::list out;
  for (const scenarios::Series& s : self.finished.series) {
    py::dict one;
    one["metric"] = s.metric;
    one["unit"] = s.unit;
    one["labels"] = s.labels;
    one["kind"] = std::string(scenarios::name_of(s.kind));
    one["points"] = s.value.size();
    out.append(one);
  }
  return out;
}

py::list marks(const Run& self) {
  py::list out;
  for (const scenarios::Mark& m : self.finished.report.marks) {
    py::dict one;
    one["t"] = m.t_seconds;
    one["end"] = m.end_seconds;
    one["kind"] = std::string(scenarios::name_of(m.kind));
    one["title"] = m.title;
    one["detail"] = m.detail;
    one["object"] = m.object;
    out.append(one);
  }
  return out;
}

py::list expectations(const Run& self) {
  py::list out;
  for (const scenarios::ExpectationResult& e : self.finished.report.expectations) {
    py::dict one;
    one["name"] = e.name;
    one["outcome"] = std::string(scenarios::name_of(e.outcome));
    one["measured"] = e.measured;
    one["op"] = e.op;
    one["bound"] = e.bound;
    one["unit"] = e.unit;
    one["explanation"] = e.explanation;
    one["t"] = e.t_seconds;
    out.append(one);
  }
  return out;
}

py::list numbers(const Run& self) {
  py::list out;
  for (const scenarios::KeyNumber& n : self.finished.report.numbers) {
    out.append(py::make_tuple(n.label, n.value, n.unit, n.detail));
  }
  return out;
}

void save(const Run& self, const std::string& folder) {
  std::string problem;
  {
    py::gil_scoped_release release;
    problem = bindings::save_run(self.finished, folder);
  }
  if (problem.empty()) return;
  PyErr_SetString(PyExc_OSError, problem.c_str());
  throw py::error_already_set();
}

double parse_duration(const std::string& text) {
  const std::optional<sim::Duration> d = scenarios::parse_duration(text);
  if (!d) throw std::invalid_argument("expected a duration such as 12m30s, got \"" + text + "\"");
  return d->to_seconds();
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "Private: use the package mainspring.";
  m.attr("version") = MAINSPRING_VERSION;
  py::register_exception<sim::InvariantBroken>(m, "InvariantError", PyExc_RuntimeError).doc() =
      "A broken invariant of Mainspring itself: a bug. The text says how to reproduce it.";
  m.def("load", &load, py::arg("path"), py::arg("overrides"));
  m.def("parse_duration", &parse_duration, py::arg("text"));
  m.def("scenario_schema", [] { return api::to_json(scenarios::scenario_json_schema()); });

  py::class_<Scenario, std::shared_ptr<Scenario>>(m, "Scenario")
      .def("run", &run, py::arg("seed"), py::arg("until_seconds"))
      .def_property_readonly("file", [](const Scenario& s) { return s.loaded.file; })
      .def_property_readonly("name",
                             [](const Scenario& s) { return s.loaded.spec.metadata.name.str(); })
      .def_property_readonly(
          "description", [](const Scenario& s) { return s.loaded.spec.metadata.description.str(); })
      .def_property_readonly("seed",
                             [](const Scenario& s) { return s.loaded.spec.seed.value_or(1); })
      .def_property_readonly("hash", [](const Scenario& s) { return s.loaded.hash; })
      .def_property_readonly("horizon",
                             [](const Scenario& s) { return s.loaded.horizon.to_seconds(); })
      .def_property_readonly("objects", [](const Scenario& s) { return s.loaded.objects.size(); })
      .def_property_readonly("notes", [](const Scenario& s) { return s.loaded.notes; });

  py::class_<Run, std::shared_ptr<Run>>(m, "Run")
      .def_property_readonly("digest", [](const Run& r) { return r.finished.digest; })
      .def_property_readonly("seed", [](const Run& r) { return r.finished.seed; })
      .def_property_readonly("ended", [](const Run& r) { return r.finished.ended.to_seconds(); })
      .def_property_readonly("events", [](const Run& r) { return r.finished.report.meta.events; })
      .def_property_readonly("passed",
                             [](const Run& r) { return scenarios::passed(r.finished.report); })
      .def_property_readonly("scenario",
                             [](const Run& r) { return r.finished.report.meta.scenario; })
      .def_property_readonly("reproduce",
                             [](const Run& r) { return r.finished.report.meta.reproduce; })
      .def("series_list", &series_list)
      .def("series_at", &series_at, py::arg("index"))
      .def("marks", &marks)
      .def("expectations", &expectations)
      .def("numbers", &numbers)
      .def("report_html", [](const Run& r) { return scenarios::render_html(r.finished.report); })
      .def("results_json",
           [](const Run& r) { return scenarios::render_results_json(r.finished.report); })
      .def("summary",
           [](const Run& r) {
             return scenarios::render_terminal_summary(r.finished.report, {.width = 100});
           })
      .def("save", &save, py::arg("folder"));
}

}  // namespace mainspring
