#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "config/scalar.h"
#include "config/text_places.h"
#include "config/yaml_errors.h"

namespace modeldiff {
namespace {

constexpr std::size_t kMostErrors = 100;

[[noreturn]] void fail(SourceLocation where, std::string message) {
  throw ConfigError({{std::move(where), "", std::move(message)}});
}

/// Makes values of the parser's events.
class ValueBuilder final : public YAML::EventHandler {
 public:
  explicit ValueBuilder(TextPlaces& places) : places_(places) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    if (places_.line(static_cast<std::size_t>(std::max(mark.line, 0))).starts_with("---")) {
      fail(place_of(mark, places_), "a second document begins here; a file holds one");
    }
    fail(place_of(mark, places_),
         "this does not belong to what stands above; look for wrong indentation");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const SourceLocation where = place_of(mark, places_);
    if (key_expected()) {
      report(where, "a key must be a name; put it in quotes if it is meant as one");
      take_key("", where);
    } else {
      add({Value::null(place_of_nothing(where)), 1, 0}, anchor);
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const SourceLocation where = place_of(mark, places_);
    if (key_expected()) fail(where, "an alias cannot be a key");
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(where, "this alias stands inside of what it names");
    if (static_cast<int>(open_.size()) + found->second.depth > kYamlMaxDepth) fail_depth(where);
    count(found->second.size, where);
    add(found->second, 0, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const SourceLocation where = place_of(mark, places_);
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
  OpenCollection innermost() const {
    if (open_.empty()) return {{places_.file(), 0, 0}, false, false, {places_.file(), 0, 0}};
    const Frame& frame = open_.back();
    return {frame.where, frame.is_map, frame.in_brackets,
            frame.key_where.known() ? frame.key_where : frame.where};
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

  bool key_expected() const {
    return !open_.empty() && open_.back().is_map && !open_.back().has_key;
  }

  void report(const SourceLocation& where, std::string message) {
    errors_.push_back({where, "", std::move(message)});
    if (errors_.size() >= kMostErrors) throw ConfigError(errors_);
  }

  [[noreturn]] void fail_depth(const SourceLocation& where) const {
    fail(where, fmt::format("more than {} levels of nesting", kYamlMaxDepth));
  }

  void refuse_tag(const std::string& tag, const SourceLocation& where) {
    if (tag != "?" && tag != "!" && !tag.empty()) {
      report(where, fmt::format("the tag '{}' has no meaning here; leave it out", tag));
    }
  }

  void count(std::int64_t values, const SourceLocation& where) {
    total_ += values;
    if (total_ > kYamlMaxValues) {
      fail(where,
           fmt::format("the file holds more than {} values, aliases counted as often as used",
                       kYamlMaxValues));
    }
  }

  void take_key(const std::string& key, const SourceLocation& where) {
    Frame& frame = open_.back();
    frame.has_key = true;
    frame.key_where = where;
    const auto [first, is_new] = frame.keys.emplace(key, where);
    if (frame.keys.size() > kYamlMaxKeys) {
      fail(where, fmt::format("a map with more than {} keys", kYamlMaxKeys));
    }
    frame.drop_value = !is_new || key == "<<";
    if (key == "<<") {
      report(where,
             "'<<' does not merge; write 'extends: KEY.PATH' to inherit another map of the file");
    } else if (!is_new) {
      report(where, fmt::format("the key '{}' was already given at line {}, column {}", key,
                                first->second.line, first->second.column));
    }
    if (frame.drop_value) return;
    frame.entries.emplace_back(key, Value());
    frame.key_locations.push_back(where);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, bool is_map,
            bool in_brackets) {
    const SourceLocation where = place_of(mark, places_);
    refuse_tag(tag, where);
    if (key_expected()) {
      fail(where, fmt::format("a key must be a name, not a {}; is '{}' missing?",
                              is_map ? "map" : "list", is_map ? '}' : ']'));
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
    Value value = frame.is_map ? Value::map(std::move(frame.entries), frame.where,
                                            std::move(frame.key_locations))
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

Value relocated(const Value& value, const SourceLocation& where) {
  switch (value.kind()) {
    case Value::Kind::null:
      return Value::null(where);
    case Value::Kind::boolean:
      return Value::boolean(value.as_boolean(), where);
    case Value::Kind::integer:
      return Value::integer(value.as_integer(), where);
    case Value::Kind::number:
      return Value::number(value.as_number(), where);
    case Value::Kind::string:
      return Value::string(value.as_string(), where);
    case Value::Kind::list: {
      Value::List items;
      for (const Value& item : value.items()) items.push_back(relocated(item, where));
      return Value::list(std::move(items), where);
    }
    case Value::Kind::map: {
      Value::Map entries;
      for (const auto& [key, entry] : value.entries()) {
        entries.emplace_back(key, relocated(entry, where));
      }
      return Value::map(std::move(entries), where);
    }
  }
  return value;
}

}  // namespace

Value parse_yaml(std::string_view raw, const std::string& name) {
  if (raw.size() > kYamlMaxBytes) {
    fail({name, 0, 0},
         fmt::format("the file has {} bytes; at most {} are read", raw.size(), kYamlMaxBytes));
  }
  const std::string text = with_plain_line_ends(raw);
  TextPlaces places(text, name);
  refuse_bad_characters(places);
  ValueBuilder builder(places);
  std::vector<Diagnostic> errors;
  try {
    // The parser takes the end of the file for a closing quote, but only where the file ends with a
    // line end. A last line that is a comment changes nothing else.
    std::istringstream stream(text + "\n#");
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    errors = builder.errors();
  } catch (const YAML::Exception& e) {
    errors = builder.errors();
    errors.push_back(syntax_error(e, places, builder.innermost()));
  } catch (const ConfigError& e) {
    errors = builder.errors();
    if (errors.size() < kMostErrors) {
      errors.insert(errors.end(), e.diagnostics().begin(), e.diagnostics().end());
    }
  }
  if (!errors.empty()) throw ConfigError(std::move(errors));
  if (!builder.seen_document()) fail({name, 0, 0}, "the file is empty");
  return builder.root();
}

Value read_yaml(const std::filesystem::path& file) {
  const SourceLocation where{file.string(), 0, 0};
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem)) {
    fail(where, "is a folder; a YAML file is expected");
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(where, fmt::format("cannot be read: {}", std::strerror(errno)));
  std::string text(kYamlMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) fail(where, fmt::format("cannot be read: {}", std::strerror(errno)));
  if (static_cast<std::size_t>(in.gcount()) == text.size()) {
    fail(where, fmt::format("the file has more than {} bytes, which is no experiment file",
                            kYamlMaxBytes));
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
