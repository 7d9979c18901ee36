#include "models/client/event_recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/api/time_text.h"
#include "models/api/types/core.h"
#include "models/client/slot_table.h"
#include "sim/random.h"

namespace mainspring::client {

namespace {
constexpr api::Duration kSimilarWindow = api::Duration::seconds(600);
constexpr size_t kMaxSimilar = 10;
constexpr int64_t kSpamBurst = 25;
constexpr int64_t kSpamRefillNs = 300'000'000'000;
constexpr int32_t kMaxTries = 12;
constexpr size_t kMaxQueue = 1000;
constexpr api::Duration kSeriesForget = api::Duration::minutes(6);

// What is remembered goes by hashes, made of hashes of the parts.
uint64_t hash_of(const api::Object& o) {
  const uint64_t kind = sim::hash64(api::kind_info(o).name);
  return sim::hash_combine(sim::hash_combine(kind, name_hash(o)), sim::hash64(o.metadata.uid));
}
uint64_t combine(uint64_t hash, std::string_view text) {
  return sim::hash_combine(hash, sim::hash64(text));
}

api::ObjectReference reference_to(const api::Object& o) {
  const api::KindInfo& info = api::kind_info(o);
  api::ObjectReference r;
  r.kind = info.name;
  r.api_version = info.api_version;
  r.name = o.metadata.name;
  r.namespace_ = o.metadata.namespace_;
  r.uid = o.metadata.uid;
  r.resource_version = o.metadata.resource_version;
  return r;
}

api::Str event_name(const api::Object& about, int64_t ns) {
  return fmt::format("{}.{:x}", about.metadata.name.view(), ns);
}

api::Str event_namespace(const api::Object& o) {
  return o.metadata.namespace_.empty() ? api::Str("default") : o.metadata.namespace_;
}
}  // namespace

EventRecorder::EventRecorder(std::string_view component, Cookie cookie, std::string_view host)
    : component_(component), host_(host), cookie_(cookie) {}

// An event's name is that of the object and the time in nanoseconds; two events of one instant get
// different ones, as they would on a real clock.
int64_t EventRecorder::new_name(api::Time now) {
  last_name_ns_ = std::max(last_name_ns_ + 1, now.unix_ns());
  return last_name_ns_;
}

bool EventRecorder::within_spam_limit(uint64_t key, api::Time now) {
  Bucket& b = buckets_[key];
  const int64_t t = now.unix_ns();
  const int64_t full = std::max(b.full_at, t) + kSpamRefillNs;
  if (full - kSpamBurst * kSpamRefillNs > t) return false;
  b.full_at = full;
  return true;
}

// A series that has been quiet for longer starts anew anyway.
void EventRecorder::sweep_series(api::Time now) {
  if (swept_ && now - swept_ < kSeriesForget) return;
  swept_ = now;
  std::erase_if(series_, [now](const Series& s) { return now - s.last > kSeriesForget; });
  series_index_ = SlotTable();
  for (uint32_t i = 0; i < series_.size(); ++i) series_index_.insert(series_[i].key, i);
}

uint32_t EventRecorder::find_series(uint64_t key) const {
  return series_index_.find(key, [&](uint32_t i) { return series_[i].key == key; });
}

EventRecorder::Series& EventRecorder::series_of(uint64_t key) {
  uint32_t slot = find_series(key);
  if (slot == SlotTable::kNone) {
    slot = static_cast<uint32_t>(series_.size());
    make_room(series_);
    series_.push_back({.key = key, .name_ns = 0, .last = {}, .count = 0});
    series_index_.insert(key, slot);
  }
  return series_[slot];
}

void EventRecorder::event(ControlContext& ctx, const api::Object& about, std::string_view type,
                          std::string_view reason, std::string message) {
  const api::Time now = ctx.now();
  const uint64_t typed = combine(hash_of(about), type);
  const uint64_t group = combine(typed, reason);

  // Aggregation: too many messages alike within the window become one event.
  Similar& similar = similar_[group];
  if (similar.last && now - similar.last > kSimilarWindow) {
    similar.last = api::Time();
    similar.others.clear();
  }
  const uint64_t hash = sim::hash64(message);
  const uint32_t mark = static_cast<uint32_t>(hash);
  if (similar.count() == 0) {
    similar.oldest = mark;
  } else if (similar.oldest != mark && std::find(similar.others.begin(), similar.others.end(),
                                                 mark) == similar.others.end()) {
    similar.others.push_back(mark);
  }
  similar.last = now;
  uint64_t seen_key;
  if (similar.count() >= kMaxSimilar) {
    api::ListItems<uint32_t>& others = similar.others.edit();
    similar.oldest = others.front();
    others.erase(others.begin());
    message = "(combined from similar events): " + message;
    seen_key = group;
  } else {
    seen_key = sim::hash_combine(group, hash);
  }

  if (!within_spam_limit(typed, now)) return;

  Seen& seen = seen_[seen_key];
  Request request;
  request.kind = api::Kind::Event;
  request.ns = event_namespace(about);
  if (seen.count > 0) {
    ++seen.count;
    request.verb = Verb::kPatch;
    request.name = event_name(about, seen.name_ns);
    request.patch_type = PatchType::kStrategicMerge;
    api::Json patch = api::Json::object();
    patch.set("count", api::Json(static_cast<int64_t>(seen.count)));
    patch.set("lastTimestamp", api::Json(api::format_time(now.truncated_to_second())));
    patch.set("message", api::Json(message));
    request.patch = patch;
  } else {
    seen.name_ns = new_name(now);
    request.name = event_name(about, seen.name_ns);
    seen.count = 1;
    api::Ref<api::Event> body = api::make<api::Event>();
    body->metadata.name = request.name;
    body->metadata.namespace_ = request.ns;
    body->involved_object = reference_to(about);
    body->reason = reason;
    body->message = message;
    body->type = type;
    body->source.component = component_;
    body->source.host = host_;
    body->reporting_component = component_;
    body->reporting_instance = host_;
    body->count = 1;
    body->first_timestamp = now.truncated_to_second();
    body->last_timestamp = body->first_timestamp;
    request.verb = Verb::kCreate;
    request.body = body;
  }
  enqueue(ctx, std::move(request), seen_key);
}

void EventRecorder::event_v1(ControlContext& ctx, const api::Object& about, std::string_view type,
                             std::string_view reason, std::string_view action,
                             std::string_view note) {
  const api::Time now = ctx.now();
  // The reference is part of the key with its resourceVersion, the note is not: a pod whose status
  // changed in between starts a new series (event_broadcaster.go, getKey).
  const uint64_t versioned = combine(hash_of(about), about.metadata.resource_version);
  const uint64_t seen_key = combine(combine(combine(versioned, type), reason), action);
  sweep_series(now);
  Series& series = series_of(seen_key);
  Request request;
  request.kind = api::Kind::Event;
  request.ns = event_namespace(about);
  if (series.count > 0 && now - series.last <= kSeriesForget) {
    // The second occurrence starts a series, written at once; the following ones are counted and
    // written by the broadcaster's refresh, which comes every 30 minutes.
    ++series.count;
    series.last = now;
    if (series.count > 2) return;
    request.verb = Verb::kPatch;
    request.name = event_name(about, series.name_ns);
    request.patch_type = PatchType::kStrategicMerge;
    api::Json body = api::Json::object();
    body.set("count", api::Json(static_cast<int64_t>(series.count)));
    body.set("lastObservedTime", api::Json(api::format_micro_time(now)));
    api::Json patch = api::Json::object();
    patch.set("series", body);
    request.patch = patch;
  } else {
    series.name_ns = new_name(now);
    request.name = event_name(about, series.name_ns);
    series.count = 1;
    series.last = now;
    api::Ref<api::Event> body = api::make<api::Event>();
    body->metadata.name = request.name;
    body->metadata.namespace_ = request.ns;
    body->involved_object = reference_to(about);
    body->reason = reason;
    body->message = note;
    body->type = type;
    body->action = action;
    body->event_time = now;
    body->reporting_component = component_;
    body->reporting_instance = component_;
    request.verb = Verb::kCreate;
    request.body = body;
  }
  enqueue(ctx, std::move(request), seen_key);
}

void EventRecorder::enqueue(ControlContext& ctx, Request request, uint64_t seen_key) {
  if (queue_.size() >= kMaxQueue) return;
  queue_.push_back(Pending{std::move(request), seen_key, 0});
  if (in_flight_) return;
  in_flight_ = true;
  ctx.submit(queue_.front().request, cookie_);
}

void EventRecorder::on_outcome(ControlContext& ctx, const Outcome& outcome) {
  in_flight_ = false;
  if (queue_.empty()) return;
  Pending& front = queue_.front();
  // A patch of an event that has expired is written anew; anything else the server refuses is lost.
  if (outcome.not_found() && front.request.verb == Verb::kPatch) {
    seen_.erase(front.seen_key);
    const uint32_t series = find_series(front.seen_key);
    if (series != SlotTable::kNone) series_[series].count = 0;
  }
  const bool retry = outcome.code >= 500 && ++front.tries < kMaxTries;
  if (!retry) queue_.pop_front();
  if (queue_.empty()) return;
  in_flight_ = true;
  ctx.submit(queue_.front().request, cookie_);
}

}  // namespace mainspring::client
