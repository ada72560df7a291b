#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/expect.h"
#include "config/inherit.h"
#include "config/key_path.h"
#include "config/override.h"
#include "config/render.h"
#include "config/yaml.h"

/// Whatever stands in a file, reading it ends, and nothing but a ConfigError leaves it. The first
/// line is taken as an override of what the rest says.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace modeldiff;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t first_line = std::min(text.find('\n'), text.size());
  try {
    Value root = parse_yaml(text, "fuzz.yaml");
    if (!root.is(Value::Kind::map)) return 0;
    locate_key_path(root, text.substr(0, first_line));
    root = Inheritance(root, nullptr).resolved();
    parse_expectations(root);
  } catch (const ConfigError& e) {
    RenderStyle style;
    style.source_line = [&](const std::string&, std::int64_t) {
      return std::string(text.substr(0, first_line));
    };
    render_diagnostics(e.diagnostics(), style);
  }
  try {
    const Override override = parse_override(std::string(text.substr(0, first_line)));
    with_override(parse_yaml(text.substr(first_line), "fuzz.yaml"), override, {"seed"}, nullptr);
  } catch (const ConfigError&) {
    return 0;
  }
  return 0;
}
