#include "models/client/work_queue.h"

namespace mainspring::client {

void WorkQueue::add(const Key& key) {
  if (!dirty_.insert(key).second) return;
  if (!processing_.contains(key)) queue_.push_back(key);
}

void WorkQueue::add_at(const Key& key, api::Time at, api::Time now) {
  if (at <= now) {
    add(key);
    return;
  }
  const auto found = deadline_of_.find(key);
  if (found != deadline_of_.end()) {
    if (found->second.first <= at) return;
    delayed_.erase(found->second);
    deadline_of_.erase(found);
  }
  const std::pair<api::Time, uint64_t> when(at, additions_++);
  delayed_.emplace(when, key);
  deadline_of_.emplace(key, when);
}

void WorkQueue::add_rate_limited(const Key& key, api::Time now) {
  const int32_t n = failures_[key]++;
  api::Duration wait = limits_.base;
  for (int32_t i = 0; i < n && wait < limits_.max; ++i) wait = wait * 2;
  wait = std::min(wait, limits_.max);
  api::Time at = now + wait;
  if (limits_.bucket) at = std::max(at, bucket_.take(now));
  add_at(key, at, now);
}

int32_t WorkQueue::requeues(const Key& key) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

std::optional<Key> WorkQueue::get() {
  if (queue_.empty()) return std::nullopt;
  Key key = queue_.front();
  queue_.pop_front();
  dirty_.erase(key);
  processing_.insert(key);
  return key;
}

void WorkQueue::done(const Key& key) {
  processing_.erase(key);
  if (dirty_.contains(key)) queue_.push_back(key);
}

void WorkQueue::promote(api::Time now) {
  while (!delayed_.empty() && delayed_.begin()->first.first <= now) {
    const Key key = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    deadline_of_.erase(key);
    add(key);
  }
}

std::optional<api::Time> WorkQueue::next_deadline() const {
  if (delayed_.empty()) return std::nullopt;
  return delayed_.begin()->first.first;
}

}  // namespace mainspring::client
