// What becomes of an event: a new Event object, a higher count of one that was written, or nothing, because its source
// says too much about its object. Pure but for its memory; after client-go's tools/record/events_cache.go.
//   10 different messages about one object and reason within 10 min   one event "(combined from similar events): ..."
//   the same message again                                                 the count goes up
//   25 events about an object at once, then 1 every 5 min                  the rest is dropped
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "agent/events/lru_map.hpp"
#include "kube/event.hpp"

namespace keelson::agent {

struct CorrelatorLimits {
  std::size_t cache_size = 4096;
  std::size_t max_similar = 10;
  Nanoseconds similar_interval = std::chrono::minutes(10);
  double burst = 25;
  Nanoseconds refill = std::chrono::seconds(300);  // one more event
};

class EventCorrelator {
 public:
  explicit EventCorrelator(kube::EventSource source, CorrelatorLimits limits = {});

  // The Event to write: with count 1 a new one, else one that exists under its name. Nothing: say nothing.
  std::optional<kube::Event> correlate(const kube::ObjectReference& object, const std::string& type,
                                       const std::string& reason, const std::string& message, SystemTime now);

 private:
  struct Similar {
    std::set<std::string> messages;
    SystemTime last{};
  };
  struct Observed {
    std::string name;
    SystemTime first{};
    std::int32_t count = 0;
  };
  struct Bucket {
    std::optional<SystemTime> filled;
    double tokens = 0;
  };
  // "" or, where the event is one of too many similar ones, the key of the event that stands for them.
  std::string combined_key(const kube::Event& event, SystemTime now);
  bool has_token(const kube::Event& event, SystemTime now);
  std::string new_name(const std::string& object, SystemTime now);

  kube::EventSource source_;
  CorrelatorLimits limits_;
  LruMap<Similar> similar_;
  LruMap<Observed> observed_;
  LruMap<Bucket> buckets_;
  SystemTime last_stamp_{};
};

}  // namespace keelson::agent
