// What `kubectl get events` shows: the recorder of client-go with its correlator.
//
// Identical events raise the count of the first one, more than 10 alike in 600 s are combined, and
// each (source, object) has a bucket of 25 with one more every 300 s; what exceeds it is dropped.
// Writes go one at a time through the owner's client, sharing its rate limit.
// Source: client-go tools/record/event.go, events_cache.go.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/client/control_loop.h"

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
                std::string_view reason, std::string_view action, std::string note);
  void on_outcome(ControlContext& ctx, const Outcome& outcome);
  Cookie cookie() const { return cookie_; }

 private:
  struct Seen {
    api::Str name;  // of the stored event
    int32_t count = 0;
    api::Time first;
    api::Time last;
  };
  struct Similar {
    std::vector<uint64_t> messages;  // hashes of the distinct messages in the window
    api::Time last;
  };
  struct Bucket {
    int64_t full_at = INT64_MIN;
  };
  struct Pending {
    Request request;
    std::string seen_key;
    int32_t tries = 0;
  };
  std::string new_name(const api::Object& about, api::Time now);
  bool within_spam_limit(const std::string& key, api::Time now);
  void enqueue(ControlContext& ctx, Request request, std::string seen_key);

  api::Str component_;
  api::Str host_;
  Cookie cookie_;
  bool in_flight_ = false;
  std::deque<Pending> queue_;
  std::map<std::string, Seen> seen_;
  std::map<std::string, Similar> similar_;
  std::map<std::string, Bucket> buckets_;
  api::Time swept_;
  int64_t last_name_ns_ = INT64_MIN;
};

}  // namespace mainspring::client
