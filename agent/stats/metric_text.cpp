#include "agent/stats/metric_text.hpp"

#include <charconv>

namespace keelson::stats {

std::string label_text(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::string out;
  for (const auto& [name, value] : labels) {
    out.append(out.empty() ? "" : ",").append(name).append("=\"");
    for (const char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    out += '"';
  }
  return out;
}

void MetricText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void MetricText::sample(double value, std::string_view labels, std::optional<SystemTime> time,
                        std::string_view suffix) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) text_.append("{").append(labels).append("}");
  char number[64];
  text_.append(" ").append(number, std::to_chars(std::begin(number), std::end(number), value).ptr);
  if (time) {
    const auto ms = std::chrono::duration_cast<Milliseconds>(time->time_since_epoch()).count();
    text_.append(" ").append(number, std::to_chars(std::begin(number), std::end(number), ms).ptr);
  }
  text_ += '\n';
}

void MetricText::histogram(const Histogram& values, std::string_view labels) {
  const std::string start = labels.empty() ? std::string() : std::string(labels) + ",";
  std::uint64_t below = 0;
  const auto& counts = values.counts();
  for (std::size_t i = 0; i <= values.bounds().size(); ++i) {
    if (!counts.empty()) below += counts[i];
    char bound[32] = "+Inf";
    if (i < values.bounds().size()) *std::to_chars(std::begin(bound), std::end(bound) - 1, values.bounds()[i]).ptr = 0;
    sample(static_cast<double>(below), start + "le=\"" + bound + "\"", std::nullopt, "_bucket");
  }
  sample(values.sum(), labels, std::nullopt, "_sum");
  sample(static_cast<double>(values.count()), labels, std::nullopt, "_count");
}

void MetricText::single(std::string_view name, std::string_view type, std::string_view help, double value) {
  family(name, type, help);
  sample(value);
}

}  // namespace keelson::stats
