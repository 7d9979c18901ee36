// What `kubectl get events` shows: the recorder of client-go with its correlator.
//
// Identical events raise the count of the first one, more than 10 alike in 600 s are combined, and
// each (source, object) has a bucket of 25 with one more every 300 s; what exceeds it is dropped.
// Writes go one at a time through the owner's client, sharing its rate limit. Of each of the three
// the last 4096 that were used are remembered, as in client-go; of texts, their 64-bit hashes.
// Source: client-go tools/record/event.go, events_cache.go; tools/events/event_broadcaster.go.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "models/client/control_loop.h"
#include "models/client/slot_table.h"

namespace mainspring::client {

class EventRecorder {
 public:
  // `component` is the reporting controller's name, e.g. "deployment-controller". `cookie` marks
  // the recorder's requests: the owner passes outcomes carrying it to on_outcome(). `host` is the
  // node of a component that runs on one.
  EventRecorder(std::string_view component, Cookie cookie, std::string_view host = {});

  // Records an event about `about`. `type` is "Normal" or "Warning".
  void event(ControlContext& ctx, const api::Object& about, std::string_view type,
             std::string_view reason, std::string message);
  // As the scheduler records: eventTime, action and reportingController set, series for repeats.
  void event_v1(ControlContext& ctx, const api::Object& about, std::string_view type,
                std::string_view reason, std::string_view action, std::string_view note);
  void on_outcome(ControlContext& ctx, const Outcome& outcome);
  Cookie cookie() const { return cookie_; }

 private:
  // For one more. Every machine has a recorder, so they grow in small steps.
  template <class T>
  static void make_room(std::vector<T>& v) {
    if (v.size() == v.capacity()) v.reserve(v.size() + v.size() / 8 + 4);
  }
  // What is remembered by the hash of a text; the least recently used go when there are too many.
  // An entry has its key, and when it was last used.
  template <class Entry>
  class Recent {
   public:
    static constexpr size_t kMax = 4096;   // maxLruCacheEntries
    static constexpr size_t kSlack = 256;  // so many more, then they go all at once
    Entry& operator[](uint64_t key) {
      auto at = place(key);
      if (at == entries_.end() || at->key != key) {
        if (entries_.size() >= kMax + kSlack) {
          drop_oldest();
          at = place(key);
        }
        at = insert(at, key);
      }
      at->used = next_use();
      return *at;
    }
    void erase(uint64_t key) {
      const auto at = place(key);
      if (at != entries_.end() && at->key == key) entries_.erase(at);
    }

   private:
    using Place = typename std::vector<Entry>::iterator;
    Place insert(Place at, uint64_t key) {
      const auto index = at - entries_.begin();
      make_room(entries_);
      at = entries_.insert(entries_.begin() + index, Entry());
      at->key = key;
      return at;
    }
    // Numbers of uses are told anew, in their order, before they run out.
    uint32_t next_use() {
      if (uses_ == UINT32_MAX) {
        std::vector<uint32_t> used;
        used.reserve(entries_.size());
        for (const Entry& e : entries_) used.push_back(e.used);
        std::sort(used.begin(), used.end());
        for (Entry& e : entries_) {
          e.used = static_cast<uint32_t>(std::lower_bound(used.begin(), used.end(), e.used) -
                                         used.begin());
        }
        uses_ = static_cast<uint32_t>(used.size());
      }
      return ++uses_;
    }
    Place place(uint64_t key) {
      return std::lower_bound(entries_.begin(), entries_.end(), key,
                              [](const Entry& e, uint64_t k) { return e.key < k; });
    }
    void drop_oldest() {
      std::vector<uint32_t> used;
      used.reserve(entries_.size());
      for (const Entry& e : entries_) used.push_back(e.used);
      const auto kept = used.begin() + static_cast<ptrdiff_t>(used.size() - kMax);
      std::nth_element(used.begin(), kept, used.end());
      std::erase_if(entries_, [oldest = *kept](const Entry& e) { return e.used < oldest; });
    }

    std::vector<Entry> entries_;  // by key
    uint32_t uses_ = 0;
  };
  struct Seen {
    uint64_t key = 0;
    int64_t name_ns = 0;  // tells the stored event's name, with that of the object
    int32_t count = 0;
    uint32_t used = 0;
  };
  // The distinct messages in the window, by 32 bits of their hashes, oldest first. Mostly there is
  // one.
  struct Similar {
    uint64_t key = 0;
    api::Time last;  // absent: there is none
    api::List<uint32_t> others;
    uint32_t oldest = 0;
    uint32_t used = 0;
    size_t count() const { return last ? 1 + others.size() : 0; }
  };
  struct Bucket {
    uint64_t key = 0;
    int64_t full_at = INT64_MIN;
    uint32_t used = 0;
  };
  // An event of the series of event_v1.
  struct Series {
    uint64_t key = 0;
    int64_t name_ns = 0;
    api::Time last;
    int32_t count = 0;
  };
  struct Pending {
    Request request;
    uint64_t seen_key = 0;
    int32_t tries = 0;
  };
  int64_t new_name(api::Time now);
  bool within_spam_limit(uint64_t key, api::Time now);
  void sweep_series(api::Time now);
  uint32_t find_series(uint64_t key) const;
  Series& series_of(uint64_t key);
  void enqueue(ControlContext& ctx, Request request, uint64_t seen_key);

  api::Str component_;
  api::Str host_;
  Cookie cookie_;
  bool in_flight_ = false;
  std::deque<Pending> queue_;
  Recent<Seen> seen_;
  Recent<Similar> similar_;
  Recent<Bucket> buckets_;
  std::vector<Series> series_;  // of event_v1; those unused for 6 min go
  SlotTable series_index_;      // by key
  api::Time swept_;
  int64_t last_name_ns_ = INT64_MIN;
};

}  // namespace mainspring::client
