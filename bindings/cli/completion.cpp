#include <fmt/format.h>

#include "bindings/cli/commands.h"

namespace mainspring::cli {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

// In single quotes for a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string verb_names(const std::vector<VerbHelp>& verbs) {
  std::vector<std::string> names;
  names.reserve(verbs.size());
  for (const VerbHelp& v : verbs) names.push_back(v.name);
  return joined(names);
}

// The arms of `case verb:option` that complete an option's value.
std::string bash_values(const VerbHelp& verb) {
  std::string out;
  for (const OptionHelp& o : verb.options) {
    if (o.value.empty()) continue;
    std::string patterns;
    for (const std::string& name : o.names) {
      patterns += fmt::format("{}{}:{}", patterns.empty() ? "" : "|", verb.name, name);
    }
    const std::string reply =
        !o.choices.empty()
            ? fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\"))", quoted(joined(o.choices)))
        : o.takes_file ? std::string("compopt -o default; COMPREPLY=()")
                       : std::string("COMPREPLY=()");
    out += fmt::format("    {}) {}; return ;;\n", patterns, reply);
  }
  return out;
}

std::string bash(const std::vector<VerbHelp>& verbs) {
  std::string values, options;
  for (const VerbHelp& v : verbs) {
    values += bash_values(v);
    std::vector<std::string> names;
    for (const OptionHelp& o : v.options) names.insert(names.end(), o.names.begin(), o.names.end());
    options += fmt::format("    {}) options={}; words={}; files={} ;;\n", v.name,
                           quoted(joined(names)), quoted(joined(v.words)), v.takes_files ? 1 : 0);
  }
  return fmt::format(R"(# bash completion of mainspring: source <(mainspring completion bash)
_mainspring() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} verb=${{COMP_WORDS[1]}}
  local options='' words='' files=0
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W {0} -- "$word"))
    return
  fi
  case $verb:$before in
{1}  esac
  case $verb in
{2}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  elif [[ $files -eq 1 ]]; then
    compopt -o default
    COMPREPLY=()
  fi
}}
complete -F _mainspring mainspring
)",
                     quoted(verb_names(verbs) + " --help --version"), values, options);
}

// Text inside the [...] or after the : of an _arguments specification.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_option(const OptionHelp& option) {
  std::string value;
  if (!option.value.empty()) {
    value = fmt::format(":{}:{}", zsh_text(option.value),
                        !option.choices.empty() ? "(" + joined(option.choices) + ")"
                        : option.takes_file     ? "_files"
                                                : " ");
  }
  std::string out;
  for (const std::string& name : option.names) {
    out += fmt::format("        {} \\\n",
                       quoted(fmt::format("*{}[{}]{}", name, zsh_text(option.doc), value)));
  }
  return out;
}

std::string zsh(const std::vector<VerbHelp>& verbs) {
  std::string names, arms;
  for (const VerbHelp& v : verbs) {
    names += fmt::format("    {}\n", quoted(v.name + ":" + zsh_text(v.doc)));
    std::string options;
    for (const OptionHelp& o : v.options) options += zsh_option(o);
    const std::string rest = !v.words.empty() ? "*:word:(" + joined(v.words) + ")"
                             : v.takes_files  ? std::string("*:file:_files")
                                              : std::string("*: :");
    arms += fmt::format("    {})\n      _arguments \\\n{}        {}\n      ;;\n", v.name, options,
                        quoted(rest));
  }
  return fmt::format(R"(#compdef mainspring
# zsh completion of mainspring: source <(mainspring completion zsh)
_mainspring() {{
  local -a verbs
  verbs=(
{0}  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{1}  esac
}}
compdef _mainspring mainspring
)",
                     names, arms);
}

std::string fish(const std::vector<VerbHelp>& verbs) {
  std::string out =
      "# fish completion of mainspring: mainspring completion fish | source\n"
      "complete -c mainspring -f\n";
  for (const VerbHelp& v : verbs) {
    out += fmt::format("complete -c mainspring -n __fish_use_subcommand -a {} -d {}\n", v.name,
                       quoted(v.doc));
    const std::string when = fmt::format("-n '__fish_seen_subcommand_from {}'", v.name);
    if (v.takes_files) out += fmt::format("complete -c mainspring {} -F\n", when);
    if (!v.words.empty()) {
      out += fmt::format("complete -c mainspring {} -a {}\n", when, quoted(joined(v.words)));
    }
    for (const OptionHelp& o : v.options) {
      out += fmt::format("complete -c mainspring {}", when);
      for (const std::string& name : o.names) {
        const bool is_long = name.starts_with("--");
        out += fmt::format(" {} {}", is_long ? "-l" : "-s", name.substr(is_long ? 2 : 1));
      }
      if (!o.choices.empty()) {
        out += fmt::format(" -x -a {}", quoted(joined(o.choices)));
      } else if (o.takes_file) {
        out += " -r -F";
      } else if (!o.value.empty()) {
        out += " -x";
      }
      out += fmt::format(" -d {}\n", quoted(o.doc));
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const std::string& shell, const std::vector<VerbHelp>& verbs) {
  if (shell == "zsh") return zsh(verbs);
  if (shell == "fish") return fish(verbs);
  return bash(verbs);
}

}  // namespace mainspring::cli
