#include "scenarios/kubectl/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/api/diagnostics.h"

namespace mainspring::scenarios {

namespace {
struct VerbInfo {
  std::string_view verb;
  std::string_view flags;  // the long flags it takes, separated by blanks; name= takes a value
};
// Flags that all of them take.
constexpr std::string_view kCommon = "namespace= filename= output= selector= all field-selector= ";
constexpr std::array<VerbInfo, 21> kVerbs = {{
    {"apply", "server-side force-conflicts field-manager= prune wait= validate="},
    {"create", "image= replicas= hard= port= schedule= cpu= min= max= from-literal= dry-run="},
    {"replace", "force"},
    {"delete", "cascade= wait= grace-period= force now ignore-not-found timeout="},
    {"scale", "replicas= current-replicas= timeout="},
    {"autoscale", "min= max= cpu= cpu-percent= name="},
    {"set image", "containers="},
    {"set resources", "requests= limits= containers="},
    {"set env", "containers="},
    {"rollout restart", ""},
    {"rollout undo", "to-revision="},
    {"rollout pause", ""},
    {"rollout resume", ""},
    {"rollout status", "timeout= watch="},
    {"cordon", ""},
    {"uncordon", ""},
    {"drain",
     "ignore-daemonsets timeout= force delete-emptydir-data grace-period= disable-eviction"},
    {"taint", "overwrite"},
    {"label", "overwrite"},
    {"annotate", "overwrite"},
    {"patch", "patch= type= subresource="},
}};
const std::map<char, std::string_view> kShort = {
    {'n', "namespace"}, {'f', "filename"}, {'o', "output"}, {'l', "selector"}, {'p', "patch"}};

const VerbInfo* find_verb(std::string_view verb) {
  for (const VerbInfo& v : kVerbs) {
    if (v.verb == verb) return &v;
  }
  return nullptr;
}

// Whether the verb takes the flag: 0 no, 1 as a switch, 2 with a value.
int takes(const VerbInfo& verb, std::string_view flag) {
  const std::string all = fmt::format(" {}{} ", kCommon, verb.flags);
  if (all.find(fmt::format(" {}= ", flag)) != std::string::npos) return 2;
  if (all.find(fmt::format(" {} ", flag)) != std::string::npos) return 1;
  return 0;
}

std::vector<std::string_view> flag_names(const VerbInfo& verb) {
  std::vector<std::string_view> out;
  for (std::string_view list : {kCommon, verb.flags}) {
    while (!list.empty()) {
      const size_t end = std::min(list.find(' '), list.size());
      std::string_view name = list.substr(0, end);
      if (name.ends_with('=')) name.remove_suffix(1);
      if (!name.empty()) out.push_back(name);
      list.remove_prefix(std::min(end + 1, list.size()));
    }
  }
  return out;
}
}  // namespace

std::string KubectlCommand::flag(std::string_view name, std::string_view otherwise) const {
  const auto found = flags.find(std::string(name));
  return found == flags.end() ? std::string(otherwise) : found->second;
}

std::vector<std::string> split_command_line(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else if (c == '\\' && quote == '"' && i + 1 < line.size() &&
                 (line[i + 1] == '"' || line[i + 1] == '\\')) {
        word += line[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      // Quotes start at the beginning of a word or after '='; within JSON they are text.
      if (word.empty() || word.back() == '=') {
        quote = c;
        open = true;
      } else {
        word += c;
      }
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (open || !word.empty()) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) words.push_back(std::move(word));
  return words;
}

std::optional<KubectlCommand> parse_kubectl(std::string_view line, std::string& error) {
  std::vector<std::string> all = split_command_line(line);
  if (!all.empty() && all.front() == "kubectl") all.erase(all.begin());
  KubectlCommand command;
  command.line = std::string(line);
  if (all.empty()) {
    error = "expected a kubectl command";
    return std::nullopt;
  }
  size_t next = 1;
  command.verb = all[0];
  if ((command.verb == "rollout" || command.verb == "set") && all.size() > 1) {
    command.verb += " " + all[1];
    next = 2;
  }
  const VerbInfo* verb = find_verb(command.verb);
  if (!verb) {
    std::vector<std::string_view> names;
    names.reserve(std::size(kVerbs));
    for (const VerbInfo& v : kVerbs) names.push_back(v.verb);
    error = fmt::format("unknown kubectl command \"{}\"", command.verb);
    const std::string_view near = api::nearest(command.verb, names);
    if (!near.empty()) error += fmt::format(", did you mean \"{}\"?", near);
    return std::nullopt;
  }
  for (; next < all.size(); ++next) {
    const std::string& word = all[next];
    if (word.size() < 2 || word[0] != '-') {
      command.words.push_back(word);
      continue;
    }
    std::string name;
    std::optional<std::string> value;
    if (word[1] == '-') {
      const size_t eq = word.find('=');
      name = word.substr(2, eq == std::string::npos ? eq : eq - 2);
      if (eq != std::string::npos) value = word.substr(eq + 1);
    } else {
      const auto found = kShort.find(word[1]);
      name = found == kShort.end() ? word.substr(1, 1) : std::string(found->second);
      if (word.size() > 2) value = word.substr(word[2] == '=' ? 3 : 2);
    }
    const int how = takes(*verb, name);
    if (how == 0) {
      error = fmt::format("unknown flag \"--{}\" of kubectl {}", name, command.verb);
      const std::string_view near = api::nearest(name, flag_names(*verb));
      if (!near.empty()) error += fmt::format(", did you mean \"--{}\"?", near);
      return std::nullopt;
    }
    if (!value && how == 2) {
      if (next + 1 >= all.size()) {
        error = fmt::format("flag \"--{}\" needs a value", name);
        return std::nullopt;
      }
      value = all[++next];
    }
    command.flags[name] = value.value_or("true");
  }
  if (command.has("namespace")) command.ns = command.flag("namespace");
  return command;
}

bool resolve_names(const std::vector<std::string>& words, std::vector<KubectlTarget>& out,
                   api::Kind& type, std::string& error) {
  const auto kind_of = [&](std::string_view resource) -> const api::KindInfo* {
    const api::KindInfo* info = api::kind_by_resource(resource);
    if (!info) error = fmt::format("the server doesn't have a resource type \"{}\"", resource);
    return info;
  };
  const api::KindInfo* info = nullptr;
  for (const std::string& word : words) {
    const size_t slash = word.find('/');
    if (slash != std::string::npos) {
      const api::KindInfo* own = kind_of(std::string_view(word).substr(0, slash));
      if (!own) return false;
      type = own->kind;
      out.push_back(KubectlTarget{own->kind, word.substr(slash + 1)});
    } else if (!info) {
      info = kind_of(word);
      if (!info) return false;
      type = info->kind;
    } else {
      out.push_back(KubectlTarget{info->kind, word});
    }
  }
  return true;
}

}  // namespace mainspring::scenarios
