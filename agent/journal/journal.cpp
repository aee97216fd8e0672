#include "agent/journal/journal.hpp"

#include <algorithm>

namespace keelson::agent {

void PodJournal::add(JournalEntry entry) {
  // A step that went well is told each time it was taken, one that fails in the same way again and again once.
  const bool once = entry.kind != EntryKind::step || !entry.message.empty();
  for (auto it = entries_.rbegin(); it != entries_.rend() && once; ++it) {
    if (it->kind == entry.kind && it->object == entry.object && it->reason == entry.reason &&
        it->message == entry.message) {
      it->last = entry.last;
      it->took = entry.took;
      ++it->count;
      return;
    }
  }
  if (entries_.size() == kMaxEntries) entries_.pop_front();
  entries_.push_back(std::move(entry));
}

void PodJournal::step(std::string_view object, std::string_view what, Nanoseconds took, std::string_view outcome) {
  const auto now = clock_->now();
  add({EntryKind::step, now, now, took, std::string(object), std::string(what), std::string(outcome)});
}

void PodJournal::event(EntryKind kind, std::string_view object, std::string_view reason, std::string_view message) {
  const auto now = clock_->now();
  add({kind, now, now, std::nullopt, std::string(object), std::string(reason), std::string(message)});
  if (*sink_) (*sink_)(key_, kind, object, reason, message);
}

void PodJournal::wait(std::string_view object, std::string_view what, std::string_view why, std::string_view hint,
                      std::optional<SystemTime> until) {
  const auto it = waits_.find(object);
  const bool same = it != waits_.end() && it->second.what == what && it->second.why == why;
  const SystemTime since = same ? it->second.since : clock_->now();
  waits_.insert_or_assign(std::string(object), JournalWait{std::string(object), std::string(what), std::string(why),
                                                           std::string(hint), since, until});
}

void PodJournal::clear_wait(std::string_view object) {
  if (const auto it = waits_.find(object); it != waits_.end()) waits_.erase(it);
}

std::shared_ptr<PodJournal::OpenSteps> PodJournal::begin(std::string_view object, std::string_view what) {
  under_way_->push_back({std::string(object), std::string(what), clock_->now()});
  return under_way_;
}

PodJournal& Journal::pod(const std::string& key) {
  std::erase(retired_, key);
  return pods_.try_emplace(key, clock_, key, sink_).first->second;
}

const PodJournal* Journal::find(const std::string& key) const {
  const auto it = pods_.find(key);
  return it == pods_.end() ? nullptr : &it->second;
}

void Journal::retire(const std::string& key) {
  const auto it = pods_.find(key);
  if (it == pods_.end()) return;
  it->second.clear_waits();
  retired_.push_back(key);
  if (retired_.size() <= kMaxRetired) return;
  pods_.erase(retired_.front());
  retired_.pop_front();
}

}  // namespace keelson::agent
