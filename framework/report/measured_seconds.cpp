#include "report/measured_seconds.h"

#include <algorithm>
#include <vector>

namespace modeldiff {

Json MeasuredSeconds::filled(const Json& content) {
  if (content.is_object() && content.contains("seconds_of")) return seconds_of(content);
  if (content.is_object() && content.contains("ratio")) {
    const Json above = filled(content.at("ratio")[0]), below = filled(content.at("ratio")[1]);
    if (!above.is_number() || !below.is_number() || below.get<double>() <= 0) return nullptr;
    return above.get<double>() / below.get<double>();
  }
  if (!content.is_structured()) return content;
  Json out = content;
  for (Json& value : out) value = filled(value);
  return out;
}

Json MeasuredSeconds::seconds_of(const Json& content) {
  if (!parts_) {
    parts_.emplace();
    for (const Json& line : store_.attempts()) {
      if (line.contains("parts")) (*parts_)[line.at("key").get<std::string>()] = line.at("parts");
    }
  }
  std::vector<double> found;
  for (const Json& artifact : content.at("seconds_of")) {
    const auto at = parts_->find(artifact.get<std::string>());
    if (at == parts_->end()) continue;
    double sum = 0;
    for (const Json& part : content.at("parts"))
      sum += at->second.value(part.get<std::string>(), 0.0);
    found.push_back(sum);
  }
  if (found.empty()) return nullptr;
  const auto middle = found.begin() + static_cast<std::ptrdiff_t>(found.size() / 2);
  std::nth_element(found.begin(), middle, found.end());
  return *middle;
}

}  // namespace modeldiff
