// Builds trees from yaml-cpp's events. This is the only file that includes yaml-cpp.
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cmath>
#include <istream>
#include <streambuf>

#include "models/api/text.h"
#include "models/api/yaml.h"

namespace mainspring::api {
namespace {

constexpr std::string_view kHelmAdvice =
    "this looks like an unrendered Helm template; render it with `helm template` first";

constexpr std::string_view kTab =
    "expected spaces, got a tab (YAML does not allow tabs for indentation)";

// A problem that ends the document.
struct Problem {
  Position at;
  std::string message;
};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// One document's text and where it lies in the file. yaml-cpp counts columns in bytes.
class Chunk {
 public:
  Chunk(std::string_view text, uint16_t file, uint32_t first_line)
      : text_(text), file_(file), first_line_(first_line) {
    if (!is_ascii(text)) index_lines();
  }

  std::string_view text() const { return text_; }

  Position position(int line, int column) {
    if (line < 0 || column < 0) return Position(file_, first_line_, 1);
    int shown = column;
    if (!line_starts_.empty() && static_cast<size_t>(line) < line_starts_.size()) {
      constexpr int kCounted = 2000;  // bytes; keeps very long lines from costing time squared
      const std::string_view rest = text_.substr(line_starts_[static_cast<size_t>(line)]);
      const size_t n = std::min(rest.size(), static_cast<size_t>(std::min(column, kCounted)));
      for (size_t i = 0; i < n; ++i) shown -= (rest[i] & 0xC0) == 0x80;
    }
    return Position(file_, first_line_ + static_cast<uint64_t>(line),
                    static_cast<uint64_t>(shown) + 1);
  }
  Position position(const YAML::Mark& mark) { return position(mark.line, mark.column); }

  // Byte offset of a mark; the end of the text if it is beyond.
  size_t offset(int line, int column) {
    if (line_starts_.empty()) index_lines();
    if (line < 0 || static_cast<size_t>(line) >= line_starts_.size()) return text_.size();
    return std::min(text_.size(), line_starts_[static_cast<size_t>(line)] +
                                      static_cast<size_t>(std::max(column, 0)));
  }
  Position position_of_offset(size_t at) {
    if (line_starts_.empty()) index_lines();
    const auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), at);
    const auto line = next - line_starts_.begin() - 1;
    return position(static_cast<int>(line),
                    static_cast<int>(at - line_starts_[static_cast<size_t>(line)]));
  }
  std::string_view line_text(int line) {
    const size_t from = offset(line, 0);
    return text_.substr(from, text_.find('\n', from) - from);
  }

 private:
  void index_lines() {
    line_starts_.push_back(0);
    for (size_t i = text_.find('\n'); i != std::string_view::npos; i = text_.find('\n', i + 1)) {
      line_starts_.push_back(i + 1);
    }
  }

  std::string_view text_;
  uint16_t file_;
  uint32_t first_line_;
  std::vector<size_t> line_starts_;
};

// Reads the text, then the end-of-document marker. Without the marker yaml-cpp accepts a quote
// that is never closed. A last line without line break gains one, as in kubectl.
class ChunkStream : public std::streambuf {
 public:
  explicit ChunkStream(std::string_view text)
      : terminator_(text.ends_with('\n') ? "...\n" : "\n...\n") {
    serve(text);
  }

 protected:
  int_type underflow() override {
    if (gptr() < egptr()) return traits_type::to_int_type(*gptr());
    if (terminator_.empty()) return traits_type::eof();
    serve(std::exchange(terminator_, {}));
    return traits_type::to_int_type(*gptr());
  }

 private:
  void serve(std::string_view text) {
    char* data = const_cast<char*>(text.data());  // a get area is never written to
    setg(data, data, data + text.size());
  }
  std::string_view terminator_;
};

// yaml-cpp turns the escapes \_ and \N into single bytes; makes them UTF-8.
std::string repair_escapes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
    if (length == 0) out += '\xC2';
    out.append(text, i, std::max<size_t>(length, 1));
    i += std::max<size_t>(length, 1);
  }
  return out;
}

class Builder : public YAML::EventHandler {
 public:
  Builder(Chunk* chunk, Diagnostics* diagnostics) : chunk_(*chunk), diagnostics_(diagnostics) {}

  std::vector<Json> take_documents() { return std::move(documents_); }
  // Where the reader was last.
  int last_line() const { return last_line_; }
  int last_column() const { return last_column_; }
  // The place of the innermost open flow collection, and its bracket; unknown if there is none.
  Position open_flow(char* bracket) const {
    for (auto frame = stack_.rbegin(); frame != stack_.rend(); ++frame) {
      if (!frame->flow) continue;
      *bracket = frame->map ? '{' : '[';
      return frame->at;
    }
    return {};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp takes whatever it cannot make part of a document for the start of another one,
    // without end if it cannot consume it.
    if (started_ && (mark.pos <= start_ || !may_start_document(mark))) {
      fail(mark, "expected the end of the document (check the indentation)");
    }
    started_ = true;
    start_ = mark.pos;
    stack_.clear();
    anchors_.clear();
    nodes_ = 0;
    aliased_ = 0;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Json value;
    value.set_position(see(mark));
    scalar(std::move(value), mark, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& raw) override {
    const std::string& text = tag == "!" && !is_ascii(raw) ? repaired_ = repair_escapes(raw) : raw;
    if (expecting_key() && anchor == 0) {
      see(mark);
      if (tag == "?" && is_plain_word(text)) return key(keys_.get(text), false, mark);
      if (tag == "!") return key(keys_.get(text), false, mark);
      if (tag == "?" && text == "<<") return key(Str(), true, mark);
    }
    Json value = tagged_scalar(mark, tag, text);
    value.set_position(see(mark));
    if (tag == "!") value.set_quoted(true);
    scalar(std::move(value), mark, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    see(mark);
    if (anchor >= anchors_.size() || !anchors_[anchor].done) {
      fail(mark, "an alias stands inside the value that it repeats");
    }
    const Anchor& target = anchors_[anchor];
    aliased_ += target.nodes;
    nodes_ += target.nodes;
    check_aliases(mark);
    value(target.value, target.nodes, mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, anchor, false, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override {
    Frame& top = stack_.back();
    close(Json::array(std::move(top.items)));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, anchor, true, style == YAML::EmitterStyle::Flow);
  }
  void OnMapEnd() override {
    Frame& top = stack_.back();
    std::vector<Json::Member> members = top.members.finish(diagnostics_);
    if (top.merged.known()) {
      for (Json::Member& m : members) {
        if (!m.at.known()) m.at = top.merged;
      }
    }
    close(Json::object(std::move(members)));
  }

 private:
  struct Frame {
    bool map = false;
    bool flow = false;
    bool have_key = false;
    bool key_is_merge = false;
    Position at;
    int line = 0;  // of `at`, within the chunk
    int column = 0;
    YAML::anchor_t anchor = 0;
    uint64_t nodes = 1;
    std::vector<Json> items;
    detail::MemberList members;
    Str key;
    Position key_at;
    Position merged;  // of the first merge key
  };
  struct Anchor {
    Json value;
    uint64_t nodes = 0;  // with aliases written out
    bool done = false;
  };

  [[noreturn]] void fail(const YAML::Mark& mark, std::string message) {
    throw Problem{chunk_.position(mark), std::move(message)};
  }

  Position see(const YAML::Mark& mark) {
    last_line_ = mark.line;
    last_column_ = mark.column;
    return chunk_.position(mark);
  }

  // Whether the document before was ended by "..." or this one begins with "---".
  bool may_start_document(const YAML::Mark& mark) {
    const std::string_view before = chunk_.text().substr(0, chunk_.offset(mark.line, mark.column));
    if (chunk_.text().substr(before.size()).starts_with("---")) return true;
    if (before.size() == chunk_.text().size()) return true;  // the terminator
    for (size_t end = before.size(); end > 0;) {
      const size_t newline = before.rfind('\n', end - 1);
      const size_t from = newline == std::string_view::npos ? 0 : newline + 1;
      const std::string_view line = before.substr(from, end - from);
      if (line.starts_with("...")) return true;
      const size_t first = line.find_first_not_of(" \t\r");
      if (first != std::string_view::npos && line[first] != '#' && line[first] != '%') return false;
      if (from == 0) return false;
      end = from - 1;
    }
    return false;
  }

  bool expecting_key() const {
    return !stack_.empty() && stack_.back().map && !stack_.back().have_key;
  }

  // Text that can only be a string, whatever follows its first letter.
  static bool is_plain_word(const std::string& text) {
    constexpr std::string_view kHints = "yYnNtTfFoO~.+-<0123456789";
    return !text.empty() && kHints.find(text[0]) == std::string_view::npos;
  }

  Json tagged_scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    if (tag == "?") {
      Json value = resolve_scalar(text);
      if (!expecting_key() && value.is_double() && !std::isfinite(value.as_double())) {
        fail(mark, "expected a finite number, got " + text + " (quote it if it is text)");
      }
      return value;
    }
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    if (!tag.starts_with(kStandard)) return Json(text);
    const std::string_view type = std::string_view(tag).substr(kStandard.size());
    if (type == "binary") {
      // As JSON carries it: bytes that are not UTF-8 become U+FFFD.
      std::string json;
      const std::optional<std::string> bytes = decode_base64(text);
      if (!bytes) fail(mark, "!!binary value contains invalid base64 data");
      write_json_string(*bytes, &json);
      return parse_json(json);
    }
    if (type != "int" && type != "float" && type != "bool" && type != "null") return Json(text);
    Json value = resolve_scalar(text);
    const bool integral =
        value.is_int() || (value.is_double() && std::isfinite(value.as_double()) &&
                           text.find_first_of(".eE") == std::string::npos);
    if (type == "float" && value.is_int()) value = Json(value.as_double());
    const bool good = (type == "int" && integral) || (type == "float" && value.is_double()) ||
                      (type == "bool" && value.is_bool()) || (type == "null" && value.is_null());
    if (!good || (value.is_double() && !std::isfinite(value.as_double()))) {
      fail(mark, "cannot read \"" + text + "\" as !!" + std::string(type));
    }
    return value;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, bool map, bool flow) {
    const Position at = see(mark);
    if (expecting_key()) {
      std::string message = map ? "a map cannot be a key" : "a list cannot be a key";
      if (chunk_.line_text(mark.line).find("{{") != std::string_view::npos) {
        message += "; " + std::string(kHelmAdvice);
      }
      fail(mark, std::move(message));
    }
    if (stack_.size() >= static_cast<size_t>(kMaxDepth)) {
      fail(mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    Frame& frame = stack_.emplace_back();
    frame.map = map;
    frame.flow = flow;
    frame.at = at;
    frame.line = mark.line;
    frame.column = mark.column;
    frame.anchor = anchor;
    reserve_anchor(anchor);
    ++nodes_;
  }

  void close(Json node) {
    Frame top = std::move(stack_.back());
    stack_.pop_back();
    node.set_position(top.at);
    set_anchor(top.anchor, node, top.nodes);
    YAML::Mark mark;
    mark.line = top.line;
    mark.column = top.column;
    value(std::move(node), top.nodes, mark);
  }

  void scalar(Json node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    ++nodes_;
    reserve_anchor(anchor);
    set_anchor(anchor, node, 1);
    value(std::move(node), 1, mark);
  }

  void reserve_anchor(YAML::anchor_t anchor) {
    if (anchor != 0 && anchor >= anchors_.size()) anchors_.resize(anchor + 1);
  }
  void set_anchor(YAML::anchor_t anchor, const Json& node, uint64_t nodes) {
    if (anchor != 0) anchors_[anchor] = {node, nodes, true};
  }

  // goyaml's guard: small documents may consist of 99 % repetition, large ones of 10 %.
  void check_aliases(const YAML::Mark& mark) {
    constexpr uint64_t kLow = 400'000;
    constexpr uint64_t kHigh = 4'000'000;
    if (aliased_ <= 100 || nodes_ <= 1000) return;
    const double done = static_cast<double>(std::clamp(nodes_, kLow, kHigh) - kLow);
    const double allowed = 0.99 - 0.89 * (done / static_cast<double>(kHigh - kLow));
    if (static_cast<double>(aliased_) > allowed * static_cast<double>(nodes_)) {
      fail(mark, "document contains excessive aliasing");
    }
  }

  void key(Str text, bool merge, const YAML::Mark& mark) {
    Frame& top = stack_.back();
    top.have_key = true;
    top.key_is_merge = merge;
    top.key = std::move(text);
    top.key_at = chunk_.position(mark);
  }

  void key_from(const Json& node, const YAML::Mark& mark) {
    switch (node.kind()) {
      case Json::Kind::kString:
        return key(keys_.get(node.as_view()), false, mark);
      case Json::Kind::kBool:
        return key(node.as_bool() ? "true" : "false", false, mark);
      case Json::Kind::kInt:
        return key(Str(std::to_string(node.as_int())), false, mark);
      case Json::Kind::kDouble:
        return key(Str(detail::float_key(node.as_double())), false, mark);
      case Json::Kind::kNull:
        fail(mark, "expected a key, got null");
      case Json::Kind::kArray:
        fail(mark, "a list cannot be a key");
      case Json::Kind::kObject:
        fail(mark, "a map cannot be a key");
    }
  }

  // A node is complete: as a document, an element, a key or a value.
  void value(Json node, uint64_t nodes, const YAML::Mark& mark) {
    if (stack_.empty()) {
      documents_.push_back(std::move(node));
      return;
    }
    Frame& top = stack_.back();
    top.nodes += nodes;
    if (!top.map) {
      top.items.push_back(std::move(node));
      return;
    }
    if (!top.have_key) return key_from(node, mark);
    top.have_key = false;
    if (!top.key_is_merge) {
      top.members.add(std::move(top.key), std::move(node), top.key_at, diagnostics_);
      return;
    }
    if (!top.merged.known()) top.merged = top.key_at;
    if (node.is_array()) {
      // Earlier maps have precedence.
      const std::span<const Json> maps = node.items();
      for (size_t i = maps.size(); i-- > 0;) merge(&top, maps[i], mark);
    } else {
      merge(&top, node, mark);
    }
  }

  void merge(Frame* into, const Json& map, const YAML::Mark& mark) {
    if (!map.is_object()) fail(mark, "expected a map or a list of maps to merge");
    std::vector<Json::Member>& members = into->members.raw();
    merge_work_ += members.size() * map.size();
    constexpr uint64_t kMostWork = 100'000'000;
    if (merge_work_ > kMostWork) fail(mark, "document contains excessive merging");
    for (const Json::Member& m : map.members()) {
      // Backwards, since a key may still be in there twice; the last one counts.
      const auto found = std::find_if(members.rbegin(), members.rend(),
                                      [&](const Json::Member& have) { return have.key == m.key; });
      if (found != members.rend()) {
        found->value = m.value;
        found->at = {};
      } else {
        members.push_back({m.key, m.value, {}});  // no place: merged, may be overridden
      }
    }
  }

  Chunk& chunk_;
  Diagnostics* diagnostics_;
  std::vector<Json> documents_;
  std::vector<Frame> stack_;
  std::vector<Anchor> anchors_;
  detail::KeyCache keys_;
  std::string repaired_;
  uint64_t nodes_ = 0;    // of this document, with aliases written out
  uint64_t aliased_ = 0;  // the part of them that came from aliases
  uint64_t merge_work_ = 0;
  int last_line_ = 0;
  int last_column_ = 0;
  bool started_ = false;
  int start_ = 0;  // of the last document, in bytes
};

// yaml-cpp's message in words that say what was expected.
std::string explain(const std::string& message) {
  static constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"end of map not found", "expected a key or the end of the map (check the indentation)"},
      {"end of sequence not found", "expected '-' or the end of the list (check the indentation)"},
      {"end of map flow not found", "expected ',' or '}'"},
      {"end of sequence flow not found", "expected ',' or ']'"},
      {"illegal map value",
       "a second ': ' in this place; quote the text if the colon belongs to it"},
      {"illegal map key", "a key is not allowed here (check the indentation)"},
      {"illegal block entry", "a list entry '-' is not allowed here (check the indentation)"},
      {"illegal flow end", "a closing bracket without an opening one"},
      {"illegal tab when looking for indentation", kTab},
      {"the referenced anchor is not defined", "the anchor of this alias is not defined"},
      {"unknown token", "a character that cannot begin a value; quote the text"},
      {"bad file", "nested too deeply"},
  };
  for (const auto& [from, to] : kWords) {
    if (message.starts_with(from)) return std::string(to);
  }
  return message;
}

Problem describe_failure(const YAML::ParserException& e, Builder* builder, Chunk* chunk) {
  // The terminator lies beyond the text: point to the text's end instead.
  const size_t at = chunk->offset(e.mark.line, e.mark.column);
  Problem problem{at >= chunk->text().size() && !chunk->text().empty()
                      ? chunk->position_of_offset(chunk->text().size() - 1)
                      : chunk->position(e.mark),
                  explain(e.msg)};
  const size_t last = chunk->offset(builder->last_line(), builder->last_column());
  const std::string_view text = chunk->text();
  if (e.msg == "illegal document indicator in scalar" || e.msg == "illegal EOF in scalar") {
    // The quote opened after the last thing that was complete.
    for (size_t i = last; i < text.size(); ++i) {
      if ((text[i] == '"' || text[i] == '\'') &&
          (i == 0 || std::string_view(" \t\n[{,:").find(text[i - 1]) != std::string_view::npos)) {
        return {chunk->position_of_offset(i),
                std::string("the quote ") + text[i] + " that opens here is never closed"};
      }
    }
    return problem;
  }
  char bracket = 0;
  const Position open = builder->open_flow(&bracket);
  if (open.known() && (at >= text.size() || problem.at.line() > open.line())) {
    problem = {open, std::string("the bracket '") + bracket + "' that opens here is never closed"};
  }
  const std::string_view line = chunk->line_text(e.mark.line);
  const size_t indent = line.find_first_not_of(" \t");
  const size_t tab = line.substr(0, indent).find('\t');
  if (indent != std::string_view::npos && tab != std::string_view::npos) {
    problem.at = chunk->position(e.mark.line, static_cast<int>(tab));
    problem.message = kTab;
  }
  if (text.find("{{") != std::string_view::npos) problem.message += "; " + std::string(kHelmAdvice);
  return problem;
}

void read_chunk(std::string_view text, uint16_t file, uint32_t first_line, Diagnostics* diagnostics,
                std::vector<Json>* out) {
  Chunk chunk(text, file, first_line);
  Builder builder(&chunk, diagnostics);
  const auto report = [&](const Problem& p) { diagnostics->error(p.at, "", p.message); };
  try {
    // To tell the encoding, yaml-cpp puts up to four bytes back, which the buffer cannot take
    // across the end of the text.
    std::string padded;
    if (text.size() < 4) padded = std::string(text) + "\n\n\n\n";
    ChunkStream buffer(padded.empty() ? text : padded);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    for (Json& document : builder.take_documents()) {
      if (!document.is_null()) out->push_back(std::move(document));
    }
  } catch (const Problem& problem) {
    report(problem);
  } catch (const YAML::ParserException& e) {
    report(describe_failure(e, &builder, &chunk));
  } catch (const std::exception& e) {
    report({chunk.position(builder.last_line(), builder.last_column()),
            std::string("cannot be read as YAML: ") + e.what()});
  }
}

// "---", then nothing but space or a comment.
bool is_separator(std::string_view line) {
  if (!line.starts_with("---")) return false;
  const size_t next = line.find_first_not_of(" \t\r", 3);
  return next == std::string_view::npos || line[next] == '#';
}

bool is_comment_or_blank(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  return first == std::string_view::npos || line[first] == '#';
}

void read_yaml(std::string_view text, uint16_t file, Diagnostics* diagnostics,
               std::vector<Json>* out) {
  size_t chunk_at = 0;
  uint32_t chunk_line = 1;
  uint32_t line_number = 1;
  bool content = false;    // anything but comments in this chunk
  bool directive = false;  // a % line before any content: its --- belongs to it
  const auto cut = [&](size_t end) {
    if (content)
      read_chunk(text.substr(chunk_at, end - chunk_at), file, chunk_line, diagnostics, out);
    content = false;
    directive = false;
  };
  for (size_t at = 0; at < text.size(); ++line_number) {
    const size_t newline = text.find('\n', at);
    const size_t next = newline == std::string_view::npos ? text.size() : newline + 1;
    const std::string_view line = text.substr(at, next - at - (next > newline ? 1 : 0));
    if (is_separator(line) && !(directive && !content)) {
      cut(at);
      chunk_at = next;
      chunk_line = line_number + 1;
    } else if (!content && line.starts_with('%')) {
      directive = true;
    } else if (!is_comment_or_blank(line)) {
      content = true;
    }
    at = next;
  }
  cut(text.size());
}

}  // namespace

std::vector<Json> read_documents(std::string_view text, uint16_t file, Diagnostics* diagnostics) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Json> out;
  const size_t bad = detail::find_bad_byte(text);
  if (bad != std::string_view::npos) {
    const size_t line_start = text.substr(0, bad).rfind('\n') + 1;  // npos + 1 is 0
    const auto lines = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(bad), '\n');
    const unsigned byte = static_cast<unsigned char>(text[bad]);
    diagnostics->error(
        Position(file, static_cast<uint64_t>(lines) + 1, bad - line_start + 1), "",
        byte < 0x80 ? "expected text, got the control character with code " + std::to_string(byte)
                    : std::string("expected UTF-8 text, got other bytes"));
    return out;
  }
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return out;
  if (text[first] != '{' && text[first] != '[') {
    read_yaml(text, file, diagnostics, &out);
    return out;
  }
  Diagnostics of_json;
  JsonText json = read_json(text, file, &of_json);
  const auto adopt = [&](const Diagnostics& from) {
    for (Diagnostic& d : from.sorted()) diagnostics->add(std::move(d));
  };
  if (json.ok) {
    adopt(of_json);
    std::erase_if(json.values, [](const Json& value) { return value.is_null(); });
    return std::move(json.values);
  }
  // Braces may also begin YAML. If it is neither, the reader that came further knows better.
  Diagnostics of_yaml;
  read_yaml(text, file, &of_yaml, &out);
  if (of_yaml.ok() || of_yaml.sorted()[0].at >= json.error_at ||
      text.substr(first).starts_with("{{")) {
    adopt(of_yaml);
    return out;
  }
  diagnostics->error(json.error_at, "", json.error);
  return {};
}

}  // namespace mainspring::api
