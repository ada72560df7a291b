#include "config/scalar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace modeldiff {
namespace {

constexpr std::string_view kDigits = "0123456789";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string_view without_sign(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  return text;
}

/// Takes leading digits off. @return how many
std::size_t skip_digits(std::string_view& text) {
  const std::size_t count = std::min(text.find_first_not_of(kDigits), text.size());
  text.remove_prefix(count);
  return count;
}

/// [-+]? [0-9]+ , 0o [0-7]+ , 0x [0-9a-fA-F]+. @return its base, or nullopt
std::optional<int> integer_base(std::string_view text) {
  const auto all_of = [](std::string_view digits, std::string_view allowed) {
    return !digits.empty() && digits.find_first_not_of(allowed) == std::string_view::npos;
  };
  if (all_of(without_sign(text), kDigits)) return 10;
  if (text.starts_with("0o") && all_of(text.substr(2), kDigits.substr(0, 8))) return 8;
  if (text.starts_with("0x") && all_of(text.substr(2), "0123456789abcdefABCDEF")) return 16;
  return std::nullopt;
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_number(std::string_view text) {
  text = without_sign(text);
  std::size_t digits = skip_digits(text);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits += skip_digits(text);
  }
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text = without_sign(text.substr(1));
  return skip_digits(text) > 0 && text.empty();
}

PlainScalar integer_of(const std::string& text, int base, const SourceLocation& where) {
  std::string_view digits = text;
  if (base != 10) digits.remove_prefix(2);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, problem] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (problem != std::errc()) {
    return {Value::null(where), fmt::format("the integer {} does not fit 64 bits", text)};
  }
  return {Value::integer(value, where), ""};
}

PlainScalar number_of(const std::string& text, const SourceLocation& where) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc()) {
    return {Value::null(where), fmt::format("the number {} is outside the range of 64 bits", text)};
  }
  return {Value::number(value, where), ""};
}

}  // namespace

PlainScalar resolve_plain_scalar(const std::string& text, const SourceLocation& where) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return {Value::null(where), ""};
  if (is_one_of(text, {"true", "True", "TRUE"})) return {Value::boolean(true, where), ""};
  if (is_one_of(text, {"false", "False", "FALSE"})) return {Value::boolean(false, where), ""};
  if (const auto base = integer_base(text)) return integer_of(text, *base, where);
  if (is_number(text)) return number_of(text, where);
  if (is_one_of(without_sign(text), {".inf", ".Inf", ".INF"}) ||
      is_one_of(text, {".nan", ".NaN", ".NAN"})) {
    return {Value::null(where), fmt::format("{} is not a finite number", text)};
  }
  return {Value::string(text, where), ""};
}

bool reads_as_number(std::string_view text) { return integer_base(text) || is_number(text); }

}  // namespace modeldiff
