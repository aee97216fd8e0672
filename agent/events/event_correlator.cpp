#include "agent/events/event_correlator.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/strings.hpp"
#include "kube/names.hpp"

namespace keelson::agent {
namespace {

constexpr const char* kCombined = "(combined from similar events): ";

// Who speaks, and of what: the beginning of all keys. NUL cannot be in any of the parts.
std::string subject(const kube::Event& e) {
  const auto& o = e.involved_object;
  std::string key;
  for (const auto* part :
       {&e.source.component, &e.source.host, &o.kind, &o.ns, &o.name, &o.uid, &o.api_version, &e.type}) {
    key += *part;
    key += '\0';
  }
  return key;
}

}  // namespace

EventCorrelator::EventCorrelator(kube::EventSource source, CorrelatorLimits limits)
    : source_(std::move(source)),
      limits_(limits),
      similar_(limits.cache_size),
      observed_(limits.cache_size),
      buckets_(limits.cache_size) {}

std::optional<kube::Event> EventCorrelator::correlate(const kube::ObjectReference& object, const std::string& type,
                                                      const std::string& reason, const std::string& message,
                                                      SystemTime now) {
  kube::Event event;
  event.metadata.ns = object.ns.empty() ? "default" : object.ns;
  event.involved_object = object;
  event.type = type;
  event.reason = reason;
  event.message = message;
  event.source = source_;
  event.reporting_component = source_.component;
  event.reporting_instance = source_.host;

  std::string key = combined_key(event, now);
  if (key.empty()) {
    key = subject(event) + object.field_path + '\0' + reason + '\0' + message;
  } else {
    event.message = kCombined + message;
  }
  Observed& known = observed_[key];
  if (known.count == 0) {
    known.name = new_name(object.name, now);
    known.first = now;
  }
  ++known.count;
  event.metadata.name = known.name;
  event.first_timestamp = known.first;
  event.last_timestamp = now;
  event.count = known.count;
  if (!has_token(event, now)) return std::nullopt;  // it counts all the same
  return event;
}

std::string EventCorrelator::combined_key(const kube::Event& event, SystemTime now) {
  std::string key = subject(event) + event.reason;
  Similar& similar = similar_[key];
  if (now - similar.last > limits_.similar_interval) similar.messages.clear();
  similar.messages.insert(event.message);
  similar.last = now;
  if (similar.messages.size() < limits_.max_similar) return {};
  similar.messages.erase(similar.messages.begin());  // it never grows further
  return key;
}

bool EventCorrelator::has_token(const kube::Event& event, SystemTime now) {
  Bucket& bucket = buckets_[subject(event)];
  if (!bucket.filled) {
    bucket.tokens = limits_.burst;
  } else if (now > *bucket.filled) {
    const double passed = static_cast<double>((now - *bucket.filled).count());
    bucket.tokens = std::min(limits_.burst, bucket.tokens + passed / static_cast<double>(limits_.refill.count()));
  }
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

// "OBJECT.18d8f0a3b2c4d5e6": the time makes it unique, so no two of ours are of the same nanosecond.
std::string EventCorrelator::new_name(const std::string& object, SystemTime now) {
  last_stamp_ = std::max(now, last_stamp_ + Nanoseconds(1));
  std::array<char, 17> hex{};
  const auto stamp = static_cast<std::uint64_t>(last_stamp_.time_since_epoch().count());
  const auto [end, ec] = std::to_chars(hex.data(), hex.data() + hex.size(), stamp, 16);
  std::string name = object + '.' + std::string(hex.data(), end);
  return kube::check_dns_subdomain(name).empty() ? name : random_uuid();
}

}  // namespace keelson::agent
