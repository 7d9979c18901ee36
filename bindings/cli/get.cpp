#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "bindings/cli/commands.h"
#include "bindings/common/run_folder.h"
#include "models/api/codec.h"
#include "models/api/labels.h"
#include "models/api/yaml.h"
#include "scenarios/history.h"
#include "scenarios/tables.h"
#include "scenarios/units.h"

namespace mainspring::cli {

namespace {

struct Request {
  const api::KindInfo* kind = nullptr;
  std::string name;
};

// "pods", "pod/web-1", "deploy,svc", "all".
bool parse_resources(const GetArguments& arguments, const Terminal& terminal,
                     std::vector<Request>& out) {
  std::vector<std::string> words = {arguments.resource};
  if (arguments.resource == "all") {
    words = {"pods",
             "services",
             "daemonsets",
             "deployments",
             "replicasets",
             "statefulsets",
             "horizontalpodautoscalers",
             "cronjobs",
             "jobs"};
  }
  for (const std::string& word : words) {
    size_t at = 0;
    while (at <= word.size()) {
      const size_t end = std::min(word.find(',', at), word.size());
      const std::string one = word.substr(at, end - at);
      at = end + 1;
      const size_t slash = one.find('/');
      const api::KindInfo* kind = api::kind_by_resource(one.substr(0, slash));
      if (!kind) {
        std::vector<std::string_view> names;
        for (const api::KindInfo& k : api::all_kinds()) {
          if (!k.resource.empty()) names.push_back(k.resource);
        }
        const std::string_view near = api::nearest(one.substr(0, slash), names);
        print_error(
            terminal,
            fmt::format("the server doesn't have a resource type \"{}\"{}", one.substr(0, slash),
                        near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
        return false;
      }
      if (slash != std::string::npos) {
        out.push_back({kind, one.substr(slash + 1)});
      } else if (arguments.names.empty()) {
        out.push_back({kind, ""});
      }
      for (const std::string& name : arguments.names) out.push_back({kind, name});
    }
  }
  return true;
}

struct Found {
  const api::KindInfo* kind;
  std::vector<api::ObjectRef> objects;
};

std::string print_names(const std::vector<Found>& all) {
  std::string out;
  for (const Found& f : all) {
    for (const api::ObjectRef& o : f.objects) {
      out += fmt::format("{}{}{}/{}\n", f.kind->singular, f.kind->group.empty() ? "" : ".",
                         f.kind->group, o->metadata.name.view());
    }
  }
  return out;
}

api::Json as_list(const std::vector<Found>& all, bool single) {
  api::Json items = api::Json::array();
  for (const Found& f : all) {
    for (const api::ObjectRef& o : f.objects) items.push_back(api::encode(*o));
  }
  if (single && items.size() == 1) return items[0];
  return api::Json::object()
      .set("apiVersion", "v1")
      .set("items", items)
      .set("kind", "List")
      .set("metadata", api::Json::object().set("resourceVersion", ""));
}

std::string print_tables(const std::vector<Found>& all, const GetArguments& arguments,
                         api::Time now) {
  std::string out;
  const bool prefixed = all.size() > 1;
  for (const Found& f : all) {
    if (f.objects.empty()) continue;
    scenarios::TableOptions options;
    options.wide = arguments.output == Output::kWide;
    options.namespaces = arguments.all_namespaces && f.kind->namespaced;
    scenarios::ReportTable table = scenarios::object_table(f.kind->name, f.objects, now, options);
    // Events have a name only with -o wide, and not in front.
    const auto named = std::find(table.columns.begin(), table.columns.end(), "NAME");
    if (prefixed && named != table.columns.end()) {
      for (auto& row : table.rows) {
        std::string& name = row[static_cast<size_t>(named - table.columns.begin())];
        name = fmt::format("{}{}{}/{}", f.kind->singular, f.kind->group.empty() ? "" : ".",
                           f.kind->group, name);
      }
    }
    if (!out.empty()) out += "\n";
    out += scenarios::render_table(table);
  }
  return out;
}

// The objects asked for; false when one that was named is not there.
bool collect(const scenarios::ClusterState& state, const std::vector<Request>& requests,
             const GetArguments& arguments, const api::Selector& selector,
             std::vector<Found>& out) {
  bool good = true;
  const std::string ns = arguments.ns.empty() ? "default" : arguments.ns;
  for (const Request& r : requests) {
    const bool everywhere = !r.kind->namespaced || arguments.all_namespaces;
    Found f{r.kind, {}};
    for (const api::ObjectRef& o : state.list(r.kind->name, everywhere ? "" : ns)) {
      if (!r.name.empty() && o->metadata.name != r.name) continue;
      if (!selector.matches(o->metadata.labels)) continue;
      f.objects.push_back(o);
    }
    if (!r.name.empty() && f.objects.empty()) {
      print_err(fmt::format("Error from server (NotFound): {}{}{} \"{}\" not found\n",
                            r.kind->resource, r.kind->group.empty() ? "" : ".", r.kind->group,
                            r.name));
      good = false;
    }
    if (!out.empty() && out.back().kind == r.kind) {
      out.back().objects.insert(out.back().objects.end(), f.objects.begin(), f.objects.end());
    } else {
      out.push_back(std::move(f));
    }
  }
  return good;
}

void print_found(const std::vector<Found>& found, bool single, const GetArguments& arguments,
                 api::Time now) {
  if (arguments.output == Output::kJson) {
    print_out(api::to_pretty_json(as_list(found, single)) + "\n");
  } else if (arguments.output == Output::kYaml) {
    print_out(api::to_yaml(as_list(found, single)));
  } else if (arguments.output == Output::kName) {
    print_out(print_names(found));
  } else {
    const std::string text = print_tables(found, arguments, now);
    if (!text.empty()) {
      print_out(text);
    } else if (!single) {
      print_err(arguments.all_namespaces
                    ? "No resources found\n"
                    : fmt::format("No resources found in {} namespace.\n",
                                  arguments.ns.empty() ? "default" : arguments.ns));
    }
  }
}

}  // namespace

std::optional<sim::Duration> parse_at(const std::string& text, const Terminal& terminal) {
  std::optional<sim::Duration> at = scenarios::parse_duration(text);
  if (at && *at >= sim::Duration()) return at;
  print_error(terminal, fmt::format("--at: expected a duration such as 12m30s, got \"{}\"", text));
  return std::nullopt;
}

int get_command(const GetArguments& arguments, const Terminal& terminal) {
  std::vector<Request> requests;
  if (!parse_resources(arguments, terminal, requests)) return kUsage;
  std::optional<sim::Duration> at;
  if (!arguments.at.empty()) {
    at = parse_at(arguments.at, terminal);
    if (!at) return kUsage;
  }
  std::string problem;
  const std::optional<api::Selector> selector = api::Selector::parse(arguments.selector, &problem);
  if (!selector) {
    print_error(terminal, fmt::format("--selector: {}", problem));
    return kUsage;
  }
  bindings::RunFolder folder = bindings::open_run_folder(arguments.run);
  if (!folder.problem.empty()) {
    print_error(terminal, folder.problem);
    return kInvalidInput;
  }
  scenarios::History history(folder.journal_path);
  const sim::SimTime end = sim::SimTime() + folder.ended;
  const sim::SimTime when = at && sim::SimTime() + *at < end ? sim::SimTime() + *at : end;
  if (at && sim::SimTime() + *at > end) {
    print_err(fmt::format("the run ended at {}; this is its end\n",
                          scenarios::format_duration(folder.ended)));
  }
  const scenarios::ClusterState& state = history.state_at(when);
  if (!history.error().empty()) {
    print_error(terminal, history.error());
    return kInvalidInput;
  }
  std::vector<Found> found;
  const bool good = collect(state, requests, arguments, *selector, found);
  const bool single = requests.size() == 1 && !requests.front().name.empty();
  print_found(found, single, arguments, history.wall(when));
  return good ? kOk : kExpectationFailed;
}

int digest_command(const std::string& run, const Terminal& terminal) {
  const bindings::RunFolder folder = bindings::open_run_folder(run);
  if (!folder.problem.empty()) {
    print_error(terminal, folder.problem);
    return kInvalidInput;
  }
  sim::JournalReader reader = sim::JournalReader::open(folder.journal_path);
  sim::JournalRecord record;
  while (reader.next(record)) {
  }
  if (!reader.error().empty()) {
    print_error(terminal, reader.error());
    return kInvalidInput;
  }
  print_out(reader.digest().hex() + "\n");
  return kOk;
}

}  // namespace mainspring::cli
