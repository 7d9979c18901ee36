// Holds Mainspring's scheduler to the answers of the real one.
//
//   scheduler_cases check [--disagreements OUT] [FILE...]
//     FILE (default: standard input) has lines {"case": ..., "answer": ...} and may be compressed
//     by zstd. Prints the first difference of every case that disagrees, then the totals; writes
//     the lines that disagree to OUT. Exit code 0 only if all agree.
//   scheduler_cases answer
//     Reads cases, a line each, and prints Mainspring's answers.
//   scheduler_cases problems
//     Reads cases, a line each, and prints what an API server would refuse each one's objects for,
//     as a list of texts.
//   scheduler_cases bench
//     Reads cases, a line each, and prints pods per second.
#include <fmt/format.h>
#include <zstd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/codec.h"
#include "models/api/defaulting.h"
#include "models/api/validation.h"
#include "models/api/yaml.h"
#include "tests/conformance/scheduler/case_runner.h"

namespace mainspring::conformance {

namespace {
using api::Json;

// "" if equal, else where the first difference is and what stands there.
std::string difference(const Json& real, const Json& ours, const std::string& path = "") {
  if (real == ours) return {};
  if (real.is_array() && ours.is_array()) {
    for (size_t i = 0; i < std::min(real.size(), ours.size()); ++i) {
      const std::string d = difference(real[i], ours[i], fmt::format("{}[{}]", path, i));
      if (!d.empty()) return d;
    }
    return fmt::format("{}: {} elements, ours {}", path, real.size(), ours.size());
  }
  if (real.is_object() && ours.is_object()) {
    for (const Json::Member& m : real.members()) {
      const std::string d = difference(m.value, ours[m.key.view()], path + "." + m.key.str());
      if (!d.empty()) return d;
    }
    for (const Json::Member& m : ours.members()) {
      const std::string d = difference(real[m.key.view()], m.value, path + "." + m.key.str());
      if (!d.empty()) return d;
    }
  }
  return fmt::format("{}: {}\n    ours: {}", path, to_json(real), to_json(ours));
}

std::string disagreement(const Json& the_case, const Json& real) {
  const std::string plain = difference(real, answer_case(the_case, Path::kPlain));
  if (!plain.empty()) return plain;
  const std::string fast =
      difference(without_plugin_scores(real), answer_case(the_case, Path::kFast));
  return fast.empty() ? fast : "with remembered verdicts: " + fast;
}

std::string read_all(std::istream& in) {
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string decompressed(const std::string& packed) {
  std::string text(1 << 20, '\0');
  std::string out;
  ZSTD_DStream* stream = ZSTD_createDStream();
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  bool full = true;
  while (in.pos < in.size || full) {
    ZSTD_outBuffer piece{text.data(), text.size(), 0};
    if (ZSTD_isError(ZSTD_decompressStream(stream, &piece, &in))) break;
    out.append(text, 0, piece.pos);
    full = piece.pos == text.size();
  }
  ZSTD_freeDStream(stream);
  return out;
}

struct Tally {
  size_t agreed = 0;
  size_t disagreed = 0;
  std::ofstream disagreements;

  void check(std::string_view line) {
    const Json both = api::parse_json(line);
    const Json& real = both["answer"];
    const std::string d = real.is_object() && !real.contains("error")
                              ? disagreement(both["case"], real)
                              : "no answer: " + to_json(real);
    if (d.empty()) {
      ++agreed;
      return;
    }
    ++disagreed;
    fmt::print("{}: {}\n", both["case"]["id"].as_view(), d);
    std::fflush(stdout);
    if (disagreements) disagreements << line << '\n';
  }
  void check_text(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      if (end > 0) check(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
};

int check(const std::vector<std::string>& arguments) {
  Tally tally;
  std::vector<std::string> files;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--disagreements" && i + 1 < arguments.size()) {
      tally.disagreements.open(arguments[++i]);
    } else {
      files.push_back(arguments[i]);
    }
  }
  for (const std::string& name : files) {
    std::ifstream in(name, std::ios::binary);
    if (!in) {
      fmt::print(stderr, "cannot read {}\n", name);
      return 2;
    }
    const std::string text = read_all(in);
    tally.check_text(name.ends_with(".zst") ? decompressed(text) : text);
  }
  std::string line;
  while (files.empty() && std::getline(std::cin, line)) tally.check(line);
  fmt::print("{} agreed, {} disagreed\n", tally.agreed, tally.disagreed);
  return tally.disagreed == 0 && tally.agreed > 0 ? 0 : 1;
}

int answer() {
  std::string line;
  while (std::getline(std::cin, line)) {
    fmt::print("{}\n", to_json(answer_case(api::parse_json(line), Path::kPlain)));
  }
  return 0;
}

int problems() {
  std::string line;
  while (std::getline(std::cin, line)) {
    Json found = Json::array();
    const Json the_case = api::parse_json(line);
    for (const Json& step : the_case["steps"].items()) {
      const Json* put = step.find("put");
      if (!put) continue;
      api::Diagnostics diagnostics;
      const api::ObjectRef object = api::decode(*put, diagnostics);
      if (!diagnostics.ok()) found.push_back(diagnostics.to_text());
      if (!object) continue;
      const api::Ref<api::Object> complete = api::clone(*object);
      api::set_defaults(*complete);
      for (const api::FieldError& e : api::validate(*complete)) found.push_back(e.text());
    }
    fmt::print("{}\n", to_json(found));
  }
  return 0;
}

int bench() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json the_case = api::parse_json(line);
    fmt::print("{} {:.0f}\n", the_case["id"].as_view(), bench_case(the_case));
  }
  return 0;
}

int run(const std::vector<std::string>& arguments) {
  const std::string_view verb = arguments.empty() ? "" : std::string_view(arguments.front());
  if (verb == "check") return check({arguments.begin() + 1, arguments.end()});
  if (verb == "answer") return answer();
  if (verb == "problems") return problems();
  if (verb == "bench") return bench();
  fmt::print(
      stderr,
      "usage: scheduler_cases check [--disagreements OUT] [FILE...] | answer | problems | bench\n");
  return 2;
}
}  // namespace

}  // namespace mainspring::conformance

int main(int argc, char** argv) { return mainspring::conformance::run({argv + 1, argv + argc}); }
