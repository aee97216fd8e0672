// The journal of decisions: what the agent did for a pod, step by step with durations, what the pod waits for and why.
// `keelson explain` reads it, and so do the pod's events. In memory, bounded; one per daemon, on the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace keelson::agent {

enum class EntryKind { step, normal, warning };  // a step of ours, or an event of the given type

struct JournalEntry {
  EntryKind kind = EntryKind::step;
  SystemTime first{}, last{};       // a repeated entry is counted, not written again
  std::optional<Nanoseconds> took;  // steps: how long it took
  std::string object;               // "pod", "container web", "volume data", ...
  std::string reason;               // the event's reason, or the step's name
  std::string message;
  unsigned count = 1;
};

// Something the pod waits for now.
struct JournalWait {
  std::string object;
  std::string what;  // e.g. "back-off before the next restart"
  std::string why;   // what the other side said
  std::string hint;  // what a person can do
  SystemTime since{};
  std::optional<SystemTime> until{};  // when the agent tries again by itself
};

// A step that is under way.
struct JournalOpenStep {
  std::string object;
  std::string what;
  SystemTime since{};
};

// Told of each event as it happens, also of one that is only counted in the journal.
using EventSink = std::function<void(const std::string& pod, EntryKind kind, std::string_view object,
                                     std::string_view reason, std::string_view message)>;

class PodJournal {
 public:
  // `sink` must outlive this; it may hold nothing.
  PodJournal(const Clock& clock, std::string key, const EventSink& sink)
      : clock_(&clock), key_(std::move(key)), sink_(&sink) {}

  // A step done: `took` of it, and how it went ("" = well).
  void step(std::string_view object, std::string_view what, Nanoseconds took, std::string_view outcome = {});
  // An event, with upstream's reason and message.
  void event(EntryKind kind, std::string_view object, std::string_view reason, std::string_view message);
  // Sets what `object` waits for; the same wait set again keeps its `since`.
  void wait(std::string_view object, std::string_view what, std::string_view why, std::string_view hint,
            std::optional<SystemTime> until = std::nullopt);
  void clear_wait(std::string_view object);
  void clear_waits() { waits_.clear(); }
  // A step that begins; who does it takes it out of the list again, which may outlive the journal.
  using OpenSteps = std::list<JournalOpenStep>;
  [[nodiscard]] std::shared_ptr<OpenSteps> begin(std::string_view object, std::string_view what);

  [[nodiscard]] const std::deque<JournalEntry>& entries() const { return entries_; }
  [[nodiscard]] const std::map<std::string, JournalWait, std::less<>>& waits() const { return waits_; }
  // What is being done now, the oldest first.
  [[nodiscard]] const OpenSteps& under_way() const { return *under_way_; }

 private:
  void add(JournalEntry entry);
  static constexpr std::size_t kMaxEntries = 48;
  const Clock* clock_;
  std::string key_;
  const EventSink* sink_;
  std::deque<JournalEntry> entries_;
  std::map<std::string, JournalWait, std::less<>> waits_;
  std::shared_ptr<OpenSteps> under_way_ = std::make_shared<OpenSteps>();
};

// All pods' journals by "namespace/name"; those of pods that are gone are kept for a while (the newest 32).
class Journal {
 public:
  explicit Journal(const Clock& clock) : clock_(clock) {}

  [[nodiscard]] PodJournal& pod(const std::string& key);
  [[nodiscard]] const PodJournal* find(const std::string& key) const;
  // The pod is gone; its journal stays readable until newer ones push it out.
  void retire(const std::string& key);
  void on_event(EventSink sink) { sink_ = std::move(sink); }

 private:
  static constexpr std::size_t kMaxRetired = 32;
  const Clock& clock_;
  EventSink sink_;
  std::map<std::string, PodJournal> pods_;
  std::deque<std::string> retired_;
};

// A step while it lasts: as long as this lives, or until done(), the journal shows it under way.
class OpenStep {
 public:
  OpenStep(PodJournal& journal, std::string_view object, std::string_view what)
      : steps_(journal.begin(object, what)), at_(std::prev(steps_->end())) {}
  OpenStep(const OpenStep&) = delete;
  OpenStep& operator=(const OpenStep&) = delete;
  ~OpenStep() { done(); }
  void done() {
    if (steps_) steps_->erase(at_);
    steps_.reset();
  }

 private:
  std::shared_ptr<PodJournal::OpenSteps> steps_;
  PodJournal::OpenSteps::iterator at_;
};

// Times a step and writes it on finish(): `StepTimer t(journal, "pod", "create sandbox", clock); ... t.finish(error);`
// Until then it is shown as under way.
class StepTimer {
 public:
  StepTimer(PodJournal& journal, std::string object, std::string what, const Clock& clock)
      : journal_(journal),
        object_(std::move(object)),
        what_(std::move(what)),
        clock_(clock),
        start_(clock.steady_now()),
        open_(journal, object_, what_) {}
  void finish(std::string_view outcome = {}) {
    open_.done();
    journal_.step(object_, what_, clock_.steady_now() - start_, outcome);
  }

 private:
  PodJournal& journal_;
  std::string object_, what_;
  const Clock& clock_;
  SteadyTime start_;
  OpenStep open_;
};

}  // namespace keelson::agent
