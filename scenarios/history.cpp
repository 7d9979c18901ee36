#include "scenarios/history.h"

#include <fmt/format.h>

#include <charconv>
#include <functional>

#include "models/api/compare.h"

namespace mainspring::scenarios {

namespace {
const ObjectMap kNoObjects;

// "KIND/NAMESPACE/NAME"; names hold no slash.
bool split_key(std::string_view key, StoreChange& change) {
  const size_t first = key.find('/');
  if (first == std::string_view::npos) return false;
  const size_t second = key.find('/', first + 1);
  if (second == std::string_view::npos) return false;
  change.kind = key.substr(0, first);
  change.namespace_ = key.substr(first + 1, second - first - 1);
  change.name = key.substr(second + 1);
  return true;
}
}  // namespace

std::optional<StoreChange> ClusterState::apply(const sim::JournalRecord& record,
                                               std::string* error) {
  if (!record.type.starts_with("store.")) return std::nullopt;
  const auto fail = [&](std::string_view why) -> std::optional<StoreChange> {
    if (error) {
      *error = fmt::format("record {} of the journal ({} {}): {}", record.index, record.type,
                           record.key, why);
    }
    return std::nullopt;
  };
  StoreChange change;
  if (!split_key(record.key, change)) return fail("the key is not KIND/NAMESPACE/NAME");
  auto kind = kinds_.find(change.kind);
  if (kind == kinds_.end()) kind = kinds_.emplace(std::string(change.kind), ObjectMap()).first;
  ObjectMap& objects = kind->second;
  const ObjectKey name(change.namespace_, change.name);
  const auto at = objects.find(name);
  if (at != objects.end()) change.before = at->second;
  if (record.type == "store.delete") {
    if (at == objects.end()) return fail("deletes an object that is not there");
    objects.erase(at);
    return change;
  }
  if (record.type == "store.update" && !change.before) {
    return fail("changes an object that is not there");
  }
  if (record.type == "store.add") change.before = nullptr;
  change.after = api::apply_delta(change.before.get(), record.payload);
  if (!change.after) return fail("not written by this version of Mainspring");
  objects[name] = change.after;
  return change;
}

const ObjectMap& ClusterState::objects(std::string_view kind) const {
  const auto at = kinds_.find(kind);
  return at == kinds_.end() ? kNoObjects : at->second;
}

api::ObjectRef ClusterState::find(std::string_view kind, std::string_view ns,
                                  std::string_view name) const {
  const ObjectMap& all = objects(kind);
  const auto at = all.find(ObjectKey(ns, name));
  return at == all.end() ? api::ObjectRef() : at->second;
}

std::vector<api::ObjectRef> ClusterState::list(std::string_view kind, std::string_view ns) const {
  std::vector<api::ObjectRef> out;
  for (const auto& [name, object] : objects(kind)) {
    if (ns.empty() || name.first == ns) out.push_back(object);
  }
  return out;
}

std::optional<api::Time> epoch_of(const sim::JournalHeader& header) {
  for (const auto& [name, value] : header.attributes) {
    if (name != kEpochAttribute) continue;
    int64_t ns = 0;
    const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), ns);
    if (bad == std::errc() && end == value.data() + value.size()) {
      return api::Time::from_unix_ns(ns);
    }
  }
  return std::nullopt;
}

api::Time epoch_from_creation(const api::Object& object, sim::SimTime at) {
  const int64_t whole_seconds = at.ns() / 1'000'000'000;
  return object.metadata.creation_timestamp - api::Duration::seconds(whole_seconds);
}

History::History(const sim::Journal& journal) : journal_(journal), reader_(*journal_) {
  epoch_known_ = epoch_of(header()).has_value();
  if (epoch_known_) epoch_ = *epoch_of(header());
}

History::History(const std::string& path) : path_(path), reader_(sim::JournalReader::open(path)) {
  error_ = reader_.error();
  epoch_known_ = epoch_of(header()).has_value();
  if (epoch_known_) epoch_ = *epoch_of(header());
}

sim::JournalReader History::reopen() const {
  return journal_ ? sim::JournalReader(*journal_) : sim::JournalReader::open(path_);
}

const ClusterState& History::state_at(sim::SimTime t) {
  if (t < at_) {
    reader_ = reopen();
    state_ = ClusterState();
    at_ = sim::SimTime();
    pending_.reset();
    error_.clear();
  }
  advance(t);
  return state_;
}

void History::advance(sim::SimTime t) {
  const auto carry_out = [&](const sim::JournalRecord& record) {
    at_ = record.at;
    const std::optional<StoreChange> change = state_.apply(record, &error_);
    if (!epoch_known_ && change && change->after && change->after->metadata.creation_timestamp) {
      epoch_ = epoch_from_creation(*change->after, record.at);
      epoch_known_ = true;
    }
  };
  if (!error_.empty()) return;
  if (pending_) {
    if (pending_->at > t) return;
    sim::JournalRecord record;
    record.index = reader_.records();
    record.at = pending_->at;
    record.type = pending_->type;
    record.key = pending_->key;
    record.payload = pending_->payload;
    carry_out(record);
    pending_.reset();
  }
  sim::JournalRecord record;
  while (error_.empty() && reader_.next(record)) {
    if (record.at > t) {
      pending_ = Pending{record.at, std::string(record.type), std::string(record.key),
                         std::string(record.payload)};
      return;
    }
    carry_out(record);
  }
  if (error_.empty()) error_ = reader_.error();
}

}  // namespace mainspring::scenarios
