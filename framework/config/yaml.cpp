#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <unordered_map>

#include "config/scalar.h"

namespace modeldiff {
namespace {

constexpr std::size_t kMostErrors = 100;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

/// Places in a text. yaml-cpp counts lines from 0 and columns in bytes; we count characters from 1.
class TextPlaces {
 public:
  TextPlaces(std::string_view text, std::string file) : text_(text), file_(std::move(file)) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\n') starts_.push_back(i + 1);
    }
  }

  std::string_view line(std::size_t index) const {
    if (index >= starts_.size()) return {};
    const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
    return text_.substr(starts_[index], end - starts_[index]);
  }

  /// Marks come in the order of the text, so that counting on from the last one keeps a long line linear.
  SourceLocation at(std::size_t line_index, std::size_t byte) {
    const std::string_view text = line(line_index);
    byte = std::min(byte, text.size());
    if (line_index != last_line_ || byte < last_byte_) last_line_ = line_index, last_byte_ = 0, last_column_ = 1;
    for (; last_byte_ < byte; ++last_byte_) last_column_ += !is_continuation(text[last_byte_]);
    return {file_, static_cast<std::int64_t>(line_index) + 1, last_column_};
  }

  SourceLocation at(const YAML::Mark& mark) {
    if (mark.line < 0) return {file_, 0, 0};
    return at(static_cast<std::size_t>(mark.line), static_cast<std::size_t>(std::max(mark.column, 0)));
  }

  const std::string& file() const { return file_; }
  std::size_t lines() const { return starts_.size(); }

 private:
  std::string_view text_;
  std::string file_;
  std::vector<std::size_t> starts_;
  std::size_t last_line_ = 0, last_byte_ = 0;
  std::int64_t last_column_ = 1;
};

[[noreturn]] void fail(SourceLocation where, std::string message) {
  throw ConfigError(std::vector<Diagnostic>{{std::move(where), "", std::move(message)}});
}

/// Bytes of the well-formed UTF-8 character at the front, or 0. Surrogates and overlong forms are not well formed.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead < 0xe0 ? 2 : (lead & 0xf0) == 0xe0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool beyond = (lead == 0xed && byte(1) >= 0xa0) || (lead == 0xf4 && byte(1) >= 0x90);
  return overlong || beyond ? 0 : length;
}

/// What no experiment file needs and what a parser may stumble over.
void refuse_bad_characters(TextPlaces& places) {
  for (std::size_t number = 0; number < places.lines(); ++number) {
    const std::string_view line = places.line(number);
    for (std::size_t i = 0; i < line.size();) {
      const std::size_t length = utf8_length(line.substr(i));
      const unsigned char byte = static_cast<unsigned char>(line[i]);
      if (length == 0) fail(places.at(number, i), fmt::format("the byte 0x{:02x} is not UTF-8", byte));
      const bool control = byte < 0x20 || byte == 0x7f;
      if (control && byte != '\t') fail(places.at(number, i), fmt::format("the control character 0x{:02x} is not text", byte));
      i += length;
    }
    const std::size_t text = line.find_first_not_of(" \t");
    const std::size_t tab = line.find('\t');
    if (text != std::string_view::npos && line[text] != '#' && tab < text) {
      fail(places.at(number, tab), "a tab in the indentation; YAML indents with spaces");
    }
  }
}

/// CR LF -> LF, and no byte order mark.
std::string normalised(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

/// yaml-cpp's words in ours: what to mend.
std::string reworded(const std::string& message, std::string_view rest_of_line) {
  namespace msg = YAML::ErrorMsg;
  if (message == msg::MAP_KEY) return "'?' is not expected here";
  if (message == msg::BLOCK_ENTRY) {
    return "'- ' is not expected here; the items of a list stand on lines of their own below the key";
  }
  if (message == msg::END_OF_MAP) return "this does not fit into the map above; look for a missing ':' or wrong indentation";
  if (message == msg::END_OF_SEQ) return "this does not fit into the list above; look for a missing '- ' or wrong indentation";
  if (message == msg::EOF_IN_SCALAR) return "the file ends inside a string; its closing quote is missing";
  if (message == msg::DOC_IN_SCALAR) return "a string in quotes does not go on beyond '---' or '...'; its closing quote is missing";
  if (message == msg::UNKNOWN_TOKEN && !rest_of_line.empty()) {
    return fmt::format("a value cannot begin with '{}'; put the text in quotes", rest_of_line[0]);
  }
  if (message == msg::UNKNOWN_ANCHOR) return "no anchor of this name stands above";
  if (message.starts_with(msg::INVALID_ESCAPE)) {
    return fmt::format("unknown escape '\\{}' in a string in double quotes; single quotes keep it as it is",
                       message.substr(std::strlen(msg::INVALID_ESCAPE)));
  }
  return fmt::format("not valid YAML: {}", message);
}

std::size_t indentation(std::string_view line) { return std::min(line.find_first_not_of(' '), line.size()); }

bool is_blank(std::string_view line) { return indentation(line) == line.size() || line[indentation(line)] == '#'; }

/// The usual reasons for a ':' where no key can be.
std::string unexpected_colon(const TextPlaces& places, const YAML::Mark& mark) {
  const auto number = static_cast<std::size_t>(std::max(mark.line, 0));
  const std::string_view line = places.line(number);
  const std::string_view before = line.substr(0, std::min(line.size(), static_cast<std::size_t>(std::max(mark.column, 0))));
  if (before.find(": ") != std::string_view::npos) return "a second ':' on one line; a text with ': ' in it needs quotes";
  std::size_t above = number;
  while (above > 0 && is_blank(places.line(above - 1))) --above;
  if (above > 0) {
    const std::string_view previous = places.line(above - 1);
    if (previous.find(':') == std::string_view::npos) return fmt::format("line {} above has no ':'", above);
    if (indentation(previous) < indentation(line)) return fmt::format("this is indented below line {}, which has a value already", above);
  }
  return "':' is not expected here; look for wrong indentation";
}

/// A list or map of the file while it is read.
struct Opened {
  SourceLocation where;
  bool is_map;
  bool in_brackets;
};

std::string unexpected_end(const Opened& innermost) {
  if (!innermost.in_brackets) return "nothing is open that could be closed here";
  return fmt::format("the {} that opens at line {}, column {} is not closed; '{}' is expected", innermost.is_map ? "map" : "list",
                     innermost.where.line, innermost.where.column, innermost.is_map ? '}' : ']');
}

/// Makes values of the parser's events.
class ValueBuilder final : public YAML::EventHandler {
 public:
  explicit ValueBuilder(TextPlaces& places) : places_(places) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    if (places_.line(static_cast<std::size_t>(std::max(mark.line, 0))).starts_with("---")) {
      fail(places_.at(mark), "a second document begins here; a file holds one");
    }
    fail(places_.at(mark), "this does not belong to what stands above; look for wrong indentation");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const SourceLocation where = places_.at(mark);
    if (key_expected()) {
      report(where, "a key must be a name; put it in quotes if it is meant as one");
      take_key("", where);
    } else {
      add({Value::null(place_of_nothing(where)), 1, 0}, anchor);
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const SourceLocation where = places_.at(mark);
    if (key_expected()) fail(where, "an alias cannot be a key");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(where, "this alias stands inside of what it names");
    if (static_cast<int>(open_.size()) + found->second.depth > kYamlMaxDepth) fail_depth(where);
    count(found->second.size, where);
    add(found->second, 0, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    const SourceLocation where = places_.at(mark);
    refuse_tag(tag, where);
    if (key_expected()) {
      take_key(text, where);
    } else if (tag == "?") {
      PlainScalar scalar = resolve_plain_scalar(text, where);
      if (!scalar.error.empty()) report(where, std::move(scalar.error));
      add({std::move(scalar.value), 1, 0}, anchor);
    } else {
      add({Value::string(text, where), 1, 0}, anchor);
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, false, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, true, style == YAML::EmitterStyle::Flow);
  }
  void OnMapEnd() override { close(); }

  bool seen_document() const { return documents_ > 0; }
  const Value& root() const { return root_; }
  const std::vector<Diagnostic>& errors() const { return errors_; }
  /// The innermost list or map that has not ended.
  Opened innermost() const {
    if (open_.empty()) return {{places_.file(), 0, 0}, false, false};
    return {open_.back().where, open_.back().is_map, open_.back().in_brackets};
  }

 private:
  struct Built {
    Value value;
    std::int64_t size;  // values in it, itself included
    int depth;          // lists and maps within each other, itself included
  };
  struct Frame {
    bool is_map;
    bool in_brackets;
    SourceLocation where;
    YAML::anchor_t anchor;
    Value::List items;
    Value::Map entries;
    std::vector<SourceLocation> key_locations;
    std::unordered_map<std::string, SourceLocation> keys;
    SourceLocation key_where;
    bool has_key = false, drop_value = false;
    std::int64_t size = 1;
    int depth = 1;
  };

  /// An empty value has the mark of what comes next, perhaps lines below; its key is where to look.
  SourceLocation place_of_nothing(const SourceLocation& where) const {
    const bool is_entry = !open_.empty() && open_.back().is_map;
    return is_entry && open_.back().key_where.line != where.line ? open_.back().key_where : where;
  }

  bool key_expected() const { return !open_.empty() && open_.back().is_map && !open_.back().has_key; }

  void report(const SourceLocation& where, std::string message) {
    errors_.push_back({where, "", std::move(message)});
    if (errors_.size() >= kMostErrors) throw ConfigError(errors_);
  }

  [[noreturn]] void fail_depth(const SourceLocation& where) const {
    fail(where, fmt::format("more than {} levels of nesting", kYamlMaxDepth));
  }

  void refuse_tag(const std::string& tag, const SourceLocation& where) {
    if (tag != "?" && tag != "!" && !tag.empty()) report(where, fmt::format("the tag '{}' has no meaning here; leave it out", tag));
  }

  void count(std::int64_t values, const SourceLocation& where) {
    total_ += values;
    if (total_ > kYamlMaxValues) {
      fail(where, fmt::format("the file holds more than {} values, aliases counted as often as used", kYamlMaxValues));
    }
  }

  void take_key(const std::string& key, const SourceLocation& where) {
    Frame& frame = open_.back();
    frame.has_key = true;
    frame.key_where = where;
    const auto [first, is_new] = frame.keys.emplace(key, where);
    if (frame.keys.size() > kYamlMaxKeys) fail(where, fmt::format("a map with more than {} keys", kYamlMaxKeys));
    frame.drop_value = !is_new || key == "<<";
    if (key == "<<") {
      report(where, "'<<' does not merge; write 'extends: KEY.PATH' to inherit another map of the file");
    } else if (!is_new) {
      report(where, fmt::format("the key '{}' was already given at line {}, column {}", key, first->second.line,
                                first->second.column));
    }
    if (frame.drop_value) return;
    frame.entries.emplace_back(key, Value());
    frame.key_locations.push_back(where);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_map, bool in_brackets) {
    const SourceLocation where = places_.at(mark);
    refuse_tag(tag, where);
    if (key_expected()) {
      fail(where, fmt::format("a key must be a name, not a {}; is '{}' missing?", is_map ? "map" : "list", is_map ? '}' : ']'));
    }
    if (static_cast<int>(open_.size()) >= kYamlMaxDepth) fail_depth(where);
    Frame frame;
    frame.is_map = is_map;
    frame.in_brackets = in_brackets;
    frame.where = where;
    frame.anchor = anchor;
    open_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    Value value = frame.is_map ? Value::map(std::move(frame.entries), frame.where, std::move(frame.key_locations))
                               : Value::list(std::move(frame.items), frame.where);
    add({std::move(value), frame.size, frame.depth}, frame.anchor);
  }

  /// @param counted false for an alias, whose values were counted where it was used
  void add(Built built, YAML::anchor_t anchor, bool counted = true) {
    if (counted) count(1, built.value.where());
    if (anchor) anchors_.insert_or_assign(anchor, built);
    if (open_.empty()) {
      root_ = std::move(built.value);
      return;
    }
    Frame& frame = open_.back();
    frame.size += built.size;
    frame.depth = std::max(frame.depth, built.depth + 1);
    if (!frame.is_map) {
      frame.items.push_back(std::move(built.value));
    } else {
      if (!frame.drop_value) frame.entries.back().second = std::move(built.value);
      frame.has_key = frame.drop_value = false;
    }
  }

  TextPlaces& places_;
  std::vector<Frame> open_;
  std::map<YAML::anchor_t, Built> anchors_;
  Value root_;
  std::vector<Diagnostic> errors_;
  int documents_ = 0;
  std::int64_t total_ = 0;
};

Diagnostic diagnostic_of(const YAML::Exception& e, TextPlaces& places, const ValueBuilder& builder) {
  namespace msg = YAML::ErrorMsg;
  const bool unclosed_map = e.msg == msg::END_OF_MAP_FLOW;
  if (unclosed_map || e.msg == msg::END_OF_SEQ_FLOW) {
    return {builder.innermost().where, "",
            fmt::format("this {} is not closed; '{}', a comma or a closing quote is missing", unclosed_map ? "map" : "list",
                        unclosed_map ? '}' : ']')};
  }
  if (e.msg == msg::MAP_VALUE) return {places.at(e.mark), "", unexpected_colon(places, e.mark)};
  if (e.msg == msg::FLOW_END) return {places.at(e.mark), "", unexpected_end(builder.innermost())};
  std::string_view rest;
  if (e.mark.line >= 0 && e.mark.column >= 0) {
    const std::string_view line = places.line(static_cast<std::size_t>(e.mark.line));
    rest = line.substr(std::min(line.size(), static_cast<std::size_t>(e.mark.column)));
  }
  return {places.at(e.mark), "", reworded(e.msg, rest)};
}

Value relocated(const Value& value, const SourceLocation& where) {
  switch (value.kind()) {
    case Value::Kind::null: return Value::null(where);
    case Value::Kind::boolean: return Value::boolean(value.as_boolean(), where);
    case Value::Kind::integer: return Value::integer(value.as_integer(), where);
    case Value::Kind::number: return Value::number(value.as_number(), where);
    case Value::Kind::string: return Value::string(value.as_string(), where);
    case Value::Kind::list: {
      Value::List items;
      for (const Value& item : value.items()) items.push_back(relocated(item, where));
      return Value::list(std::move(items), where);
    }
    case Value::Kind::map: {
      Value::Map entries;
      for (const auto& [key, entry] : value.entries()) entries.emplace_back(key, relocated(entry, where));
      return Value::map(std::move(entries), where);
    }
  }
  return value;
}

}  // namespace

Value parse_yaml(std::string_view raw, const std::string& name) {
  if (raw.size() > kYamlMaxBytes) {
    fail({name, 0, 0}, fmt::format("the file has {} bytes; at most {} are read", raw.size(), kYamlMaxBytes));
  }
  const std::string text = normalised(raw);
  TextPlaces places(text, name);
  refuse_bad_characters(places);
  ValueBuilder builder(places);
  std::vector<Diagnostic> errors;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    errors = builder.errors();
  } catch (const YAML::Exception& e) {
    errors = builder.errors();
    errors.push_back(diagnostic_of(e, places, builder));
  } catch (const ConfigError& e) {
    errors = builder.errors();
    if (errors.size() < kMostErrors) errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  if (!builder.seen_document()) fail({name, 0, 0}, "the file is empty");
  return builder.root();
}

Value read_yaml(const std::filesystem::path& file) {
  const SourceLocation where{file.string(), 0, 0};
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem)) fail(where, "is a folder; a YAML file is expected");
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(where, fmt::format("cannot be read: {}", std::strerror(errno)));
  std::string text(kYamlMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) fail(where, fmt::format("cannot be read: {}", std::strerror(errno)));
  if (static_cast<std::size_t>(in.gcount()) == text.size()) {
    fail(where, fmt::format("the file has more than {} bytes, which is no experiment file", kYamlMaxBytes));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse_yaml(text, file.string());
}

Value parse_yaml_argument(std::string_view text, const SourceLocation& origin) {
  try {
    return relocated(parse_yaml(text, ""), origin);
  } catch (const ConfigError& e) {
    std::vector<Diagnostic> diagnostics = e.diagnostics();
    for (Diagnostic& d : diagnostics) d.where = origin;
    throw ConfigError(std::move(diagnostics));
  }
}

}  // namespace modeldiff
