// What the cluster was at any instant of a run, from its journal.
//
// A journal is replayed forwards: each store record adds, changes or deletes one object. Going back
// in time replays from the start. Objects are immutable and shared, so a state that is kept costs
// references only.
//
// Errors: a journal that cannot be read, or that another version of Mainspring wrote (its deltas
// need the same schema), gives error() and the state up to there.
// Not kept: what is not an object of the store. Thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/api/object.h"
#include "sim/journal.h"

namespace mainspring::scenarios {

// An attribute of the journal's header: the wall clock at SimTime 0, as a decimal number.
inline constexpr std::string_view kEpochAttribute = "epoch_unix_ns";

// (namespace, name); the namespace of cluster-scoped objects is empty.
using ObjectKey = std::pair<std::string, std::string>;
using ObjectMap = std::map<ObjectKey, api::ObjectRef>;

struct StoreChange {
  std::string_view kind;  // as in the journal's key: "Pod"
  std::string_view namespace_;
  std::string_view name;
  api::ObjectRef before;  // null: added
  api::ObjectRef after;   // null: deleted
};

class ClusterState {
 public:
  // Carries out a record "store.*". Nothing for other records; for one that cannot be carried out,
  // *error says why. The views of the change hold as long as the record's.
  std::optional<StoreChange> apply(const sim::JournalRecord& record, std::string* error);

  // Empty for a kind that no object has.
  const ObjectMap& objects(std::string_view kind) const;
  const std::map<std::string, ObjectMap, std::less<>>& kinds() const { return kinds_; }
  // Null if there is none.
  api::ObjectRef find(std::string_view kind, std::string_view ns, std::string_view name) const;
  // In order of namespace and name; `ns` empty: of all namespaces.
  std::vector<api::ObjectRef> list(std::string_view kind, std::string_view ns = {}) const;

 private:
  std::map<std::string, ObjectMap, std::less<>> kinds_;
};

class History {
 public:
  // What the journal holds now.
  explicit History(const sim::Journal& journal);
  explicit History(const std::string& path);

  const std::string& error() const { return error_; }
  const sim::JournalHeader& header() const { return reader_.header(); }

  // After all records up to and including `t`.
  const ClusterState& state_at(sim::SimTime t);
  const ClusterState& final_state() { return state_at(sim::SimTime::max()); }
  // Time of the last record carried out.
  sim::SimTime position() const { return at_; }
  // From the header, or else from the first object's creation.
  api::Time wall(sim::SimTime t) const { return epoch_ + t.since_start(); }

 private:
  sim::JournalReader reopen() const;
  void advance(sim::SimTime t);

  std::optional<sim::Journal> journal_;  // or
  std::string path_;
  sim::JournalReader reader_;
  ClusterState state_;
  sim::SimTime at_;
  api::Time epoch_ = api::Time::from_unix_ns(0);
  bool epoch_known_ = false;
  // A record that was read and lies after the instant asked for.
  struct Pending {
    sim::SimTime at;
    std::string type, key, payload;
  };
  std::optional<Pending> pending_;
  std::string error_;
};

// The wall clock at SimTime 0: the header's attribute; nothing without it.
std::optional<api::Time> epoch_of(const sim::JournalHeader& header);
// The same, from an object that was created at `at`; exact for an epoch of whole seconds.
api::Time epoch_from_creation(const api::Object& object, sim::SimTime at);

}  // namespace mainspring::scenarios
