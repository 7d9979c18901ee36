// The program: takes the command line apart, calls a verb. The only file that knows CLI11.
#include <CLI/CLI.hpp>
#include <charconv>
#include <exception>

#include "bindings/cli/commands.h"
#include "models/api/diagnostics.h"
#include "models/api/object.h"
#include "sim/check.h"

namespace mainspring::cli {

namespace {

constexpr const char* kDescription =
    "Runs Kubernetes applications in virtual time: real manifests, traffic and faults in, what "
    "happened and why out. The same scenario and seed give the same result, to the bit.";
constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 an expectation failed, 2 usage, 3 invalid input, 4 an invariant of\n"
    "Mainspring itself is broken, 130 interrupted (partial results are written).\n"
    "NO_COLOR in the environment switches colours off. `mainspring VERB --help` says more.";

// What the options of all verbs are stored in.
struct CommandLine {
  RunArguments run;
  ValidateArguments validate;
  InitArguments init;
  GetArguments get;
  std::vector<std::string> set;  // path=value, not yet split
  std::string output = "table";
  std::string color = "auto";
  std::string folder;        // digest
  std::string shell;         // completion
  std::string explain_path;  // explain
  PlacementArguments placement;
};

void add_output(CLI::App& verb, CommandLine& line, const std::vector<std::string>& formats) {
  verb.add_option("-o,--output", line.output, "What to print on stdout")
      ->check(CLI::IsMember(formats))
      ->type_name("FORMAT")
      ->capture_default_str();
}

void add_color(CLI::App& verb, CommandLine& line) {
  verb.add_option("--color", line.color, "Colours: auto is on a terminal without NO_COLOR")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN")
      ->capture_default_str();
}

void add_set(CLI::App& verb, CommandLine& line) {
  verb.add_option("--set", line.set,
                  "Set a value of the scenario, such as cluster.nodePools[0].count=5; repeatable")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_run(CLI::App& app, CommandLine& line) {
  CLI::App* verb = app.add_subcommand("run", "Run a scenario and say what happened");
  verb->add_option("SCENARIO", line.run.scenario, "The scenario file")->required();
  // CLI11 reads "-1" and numbers that are too large as some other number.
  const CLI::Validator seed(
      [](const std::string& text) {
        uint64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool good = error == std::errc() && end == text.data() + text.size();
        return good ? std::string() : "expected an integer from 0 to 2^64 - 1, got \"" + text + '"';
      },
      "");
  verb->add_option("--seed", line.run.seed, "Instead of the scenario's seed")
      ->check(seed)
      ->type_name("N");
  add_set(*verb, line);
  verb->add_option("--out", line.run.out,
                   "Folder for report.html, results.json, junit.xml and the journal")
      ->type_name("DIR");
  verb->add_flag("--quiet", line.run.quiet,
                 "No progress, notes and summary; problems of the input are said");
  add_output(*verb, line, {"table", "json", "yaml"});
  add_color(*verb, line);
  verb->footer(
      "Without --out nothing is written. -o json prints the results as in results.json.\n"
      "An interrupt (Ctrl-C) ends the run early; what was reached so far is reported.");
}

void add_validate(CLI::App& app, CommandLine& line) {
  CLI::App* verb = app.add_subcommand(
      "validate", "Check scenarios, manifests and schedulers' configurations without running them");
  verb->add_option("FILES", line.validate.paths, "Files, folders or globs")->required();
  add_set(*verb, line);
  verb->add_flag("--quiet", line.validate.quiet, "Print problems only");
  add_output(*verb, line, {"table", "json", "yaml"});
  add_color(*verb, line);
}

void add_init(CLI::App& app, CommandLine& line) {
  CLI::App* verb = app.add_subcommand("init", "Write a commented scenario from manifests");
  verb->add_option("MANIFESTS", line.init.paths, "Files, folders or globs")->required();
  verb->add_option("-o,--output", line.init.out, "File to write; without it, stdout")
      ->type_name("FILE");
  verb->add_flag("--force", line.init.force, "Overwrite the file");
  add_color(*verb, line);
}

void add_get(CLI::App& app, CommandLine& line) {
  CLI::App* verb = app.add_subcommand("get", "Show objects of a recorded run as kubectl does");
  verb->add_option("RESOURCE", line.get.resource, "pods, deploy, pod/NAME, nodes,services, all")
      ->required();
  verb->add_option("NAME", line.get.names, "Only these");
  verb->add_option("--run", line.get.run, "Folder that `mainspring run --out` wrote")
      ->required()
      ->type_name("DIR");
  verb->add_option("--at", line.get.at, "Virtual time, such as 12m30s; without it, the end")
      ->type_name("TIME");
  verb->add_option("-n,--namespace", line.get.ns, "Namespace; without it, default")
      ->type_name("NS");
  verb->add_flag("-A,--all-namespaces", line.get.all_namespaces, "All namespaces");
  verb->add_option("-l,--selector", line.get.selector, "Label selector, such as app=web,tier!=db")
      ->type_name("SELECTOR");
  add_output(*verb, line, {"table", "wide", "json", "yaml", "name"});
  add_color(*verb, line);
}

void add_small(CLI::App& app, CommandLine& line) {
  CLI::App* digest = app.add_subcommand("digest", "Print the digest of a recorded run");
  digest->add_option("DIR", line.folder, "Folder that `mainspring run --out` wrote")->required();
  CLI::App* explain = app.add_subcommand(
      "explain", "Say what can be written at a place of a scenario, or why a pod is on its node");
  explain->add_option("PATH", line.explain_path, "scenario.cluster.nodePools, deployment.spec, pod")
      ->required();
  explain->add_option("POD", line.placement.pod,
                      "With PATH pod: NAME or NAMESPACE/NAME of a pod of a recorded run");
  explain->add_option("--run", line.placement.run, "Folder that `mainspring run --out` wrote")
      ->type_name("DIR");
  explain->add_option("--at", line.placement.at, "Attempts up to this virtual time")
      ->type_name("TIME");
  explain->add_option("-n,--namespace", line.placement.ns, "Namespace; without it, default")
      ->type_name("NS");
  add_output(*explain, line, {"table", "json"});
  add_color(*explain, line);
  explain->footer(
      "`explain pod NAME --run DIR` runs the scenario again and shows every attempt to schedule "
      "the pod:\nnodes rejected and why, weighted scores by plugin, ties, preemption with every "
      "candidate, what kept\nit from trying, what it waited for on its way to the node.");
  app.add_subcommand("schema", "Print the JSON Schema of the scenario file, for editors");
  CLI::App* completion = app.add_subcommand("completion", "Print a shell's completion script");
  completion->add_option("SHELL", line.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  CLI::App* version = app.add_subcommand("version", "Print the version");
  add_output(*version, line, {"table", "json", "yaml"});
}

// ---- for completion
// ------------------------------------------------------------------------------
OptionHelp describe(const CLI::Option& option) {
  OptionHelp help;
  for (const std::string& s : option.get_snames()) help.names.push_back("-" + s);
  for (const std::string& l : option.get_lnames()) help.names.push_back("--" + l);
  help.doc = option.get_description();
  if (option.get_items_expected_max() > 0 && option.get_type_size_max() > 0) {
    help.value = option.get_type_name().substr(0, option.get_type_name().find(':'));
  }
  const std::string type = option.get_type_name();
  if (const size_t open = type.find('{'); open != std::string::npos) {  // as IsMember shows it
    std::string word;
    for (const char c : type.substr(open + 1)) {
      if (c == ',' || c == '}') {
        help.choices.push_back(word);
        word.clear();
      } else {
        word += c;
      }
    }
  }
  help.takes_file = help.value == "DIR" || help.value == "FILE";
  return help;
}

std::vector<VerbHelp> describe_verbs(const CLI::App& app) {
  std::vector<VerbHelp> verbs;
  const auto any = [](const CLI::App*) { return true; };
  for (const CLI::App* sub : app.get_subcommands(any)) {
    VerbHelp verb;
    verb.name = sub->get_name();
    verb.doc = sub->get_description();
    for (const CLI::Option* option : sub->get_options()) {
      if (!option->get_positional()) {
        verb.options.push_back(describe(*option));
      } else if (verb.name != "get" && verb.name != "explain") {
        verb.words = describe(*option).choices;
        verb.takes_files = verb.words.empty();
      }
    }
    if (verb.name == "explain") verb.words = {"scenario"};
    for (const api::KindInfo& kind : api::all_kinds()) {
      if (kind.resource.empty()) continue;
      if (verb.name == "get") verb.words.emplace_back(kind.resource);
      if (verb.name == "explain") verb.words.emplace_back(kind.singular);
    }
    verbs.push_back(std::move(verb));
  }
  return verbs;
}

// ---- dispatch
// ------------------------------------------------------------------------------------
Output output_of(const std::string& name) {
  if (name == "wide") return Output::kWide;
  if (name == "json") return Output::kJson;
  if (name == "yaml") return Output::kYaml;
  if (name == "name") return Output::kName;
  return Output::kTable;
}

bool split_overrides(const CommandLine& line, const Terminal& terminal, Overrides& out) {
  for (const std::string& text : line.set) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      print_error(terminal, "--set: expected PATH=VALUE, got \"" + text + "\"");
      return false;
    }
    out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return true;
}

int dispatch(const CLI::App& app, CommandLine& line) {
  const ColorMode mode = line.color == "always"  ? ColorMode::kAlways
                         : line.color == "never" ? ColorMode::kNever
                                                 : ColorMode::kAuto;
  const Terminal terminal = inspect_terminal(mode);
  const std::string verb = app.get_subcommands().front()->get_name();
  const Output output = output_of(line.output);
  Overrides set;
  if (!split_overrides(line, terminal, set)) return kUsage;
  if (verb == "run") {
    line.run.set = set;
    line.run.output = output;
    return run_command(line.run, terminal);
  }
  if (verb == "validate") {
    line.validate.set = set;
    line.validate.output = output;
    return validate_command(line.validate, terminal);
  }
  if (verb == "init") return init_command(line.init, terminal);
  if (verb == "get") {
    line.get.output = output;
    return get_command(line.get, terminal);
  }
  if (verb == "digest") return digest_command(line.folder, terminal);
  if (verb == "explain") {
    if (line.placement.pod.empty()) {
      return explain_command(line.explain_path, output, terminal);
    }
    if (line.explain_path != "pod" && line.explain_path != "pods" && line.explain_path != "po") {
      print_error(terminal, "only pods are explained by name: `mainspring explain pod NAME`");
      return kUsage;
    }
    line.placement.output = output;
    return explain_placement_command(line.placement, terminal);
  }
  if (verb == "schema") return schema_command();
  if (verb == "completion") {
    print_out(completion_script(line.shell, describe_verbs(app)));
    return kOk;
  }
  return version_command(output);
}

// CLI11 only says that a verb is missing when there is one that it does not know.
bool unknown_verb(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return false;
  const std::string word = argv[1];
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == word) return false;
    names.push_back(sub->get_name());
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view near = api::nearest(word, candidates);
  print_error(inspect_terminal(ColorMode::kAuto),
              "there is no verb \"" + word + "\"" +
                  (near.empty() ? "" : ", did you mean \"" + std::string(near) + "\"?"));
  return true;
}

// The first option on the command line that its verb does not know; empty if there is none.
std::string unknown_option(const CLI::App& app, int argc, char** argv) {
  const auto subs = app.get_subcommands(
      [&](const CLI::App* sub) { return argc > 1 && sub->get_name() == argv[1]; });
  const CLI::App& verb = subs.empty() ? app : *subs.front();
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& l : option->get_lnames()) names.push_back("--" + l);
  }
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") break;
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || verb.get_option_no_throw(name)) continue;
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    const std::string_view near = api::nearest(name, candidates);
    return "there is no option \"" + name + "\"" +
           (near.empty() ? "" : ", did you mean \"" + std::string(near) + "\"?");
  }
  return {};
}

int run_program(int argc, char** argv) {
  CLI::App app(kDescription, "mainspring");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", "mainspring " MAINSPRING_VERSION, "Print the version and end");
  app.set_help_flag("-h,--help", "Print this and end");
  CommandLine line;
  add_run(app, line);
  add_validate(app, line);
  add_init(app, line);
  add_get(app, line);
  add_small(app, line);
  constexpr const char* kHelp =
      "`mainspring --help` lists the verbs, `mainspring VERB --help` their options.\n";
  if (unknown_verb(app, argc, argv)) {
    print_err(kHelp);
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version: on stdout
    const std::string unknown = unknown_option(app, argc, argv);
    print_error(inspect_terminal(ColorMode::kAuto), unknown.empty() ? e.what() : unknown);
    print_err(kHelp);
    return kUsage;
  }
  return dispatch(app, line);
}

}  // namespace

int version_command(Output output) {
  if (output == Output::kJson) {
    print_out("{\n    \"version\": \"" MAINSPRING_VERSION
              "\",\n    \"kubernetes\": \"v1.35\"\n}\n");
  } else if (output == Output::kYaml) {
    print_out("kubernetes: v1.35\nversion: " MAINSPRING_VERSION "\n");
  } else {
    print_out("mainspring " MAINSPRING_VERSION " (behaves as Kubernetes v1.35)\n");
  }
  return kOk;
}

}  // namespace mainspring::cli

int main(int argc, char** argv) {
  using namespace mainspring;
  try {
    return cli::run_program(argc, argv);
  } catch (const std::exception& e) {
    cli::print_error(cli::inspect_terminal(cli::ColorMode::kAuto),
                     std::string("internal error: ") + e.what());
    return cli::kInvariantBroken;
  }
}
