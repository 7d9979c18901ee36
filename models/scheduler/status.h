// The verdict of a plugin on a pod: a code and the reasons that the user reads.
//
// Success holds no memory; a rejection with one constant reason is a counted reference, so that
// thousands of rejecting nodes cost no allocation. Source: k8s.io/kube-scheduler framework (v1.35).
#pragma once

#include <bit>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "models/api/value.h"

namespace mainspring::scheduler {

// A plugin's number: its place in the registry, below 63. kNoPlugin stands for the framework.
using PluginId = int8_t;
inline constexpr PluginId kNoPlugin = -1;

// A set of plugins, by their numbers.
class PluginSet {
 public:
  constexpr PluginSet() = default;
  constexpr void insert(PluginId id) {
    if (id >= 0) bits_ |= uint64_t{1} << id;
  }
  // The framework itself rejected: no plugin's events concern it ("" among Kubernetes' names).
  constexpr void insert_framework() { bits_ |= uint64_t{1} << 63; }
  constexpr void erase(PluginId id) {
    if (id >= 0) bits_ &= ~(uint64_t{1} << id);
  }
  constexpr bool contains(PluginId id) const { return id >= 0 && (bits_ >> id & 1) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr size_t size() const { return static_cast<size_t>(std::popcount(bits_)); }
  constexpr void clear() { bits_ = 0; }
  // Calls f(id) for every plugin of the set, by number.
  template <class F>
  constexpr void for_each(F&& f) const {
    for (uint64_t left = bits_; left != 0; left &= left - 1) {
      f(static_cast<PluginId>(std::countr_zero(left)));
    }
  }
  friend constexpr PluginSet operator|(PluginSet a, PluginSet b) {
    a.bits_ |= b.bits_;
    return a;
  }
  constexpr bool meets(PluginSet o) const { return (bits_ & o.bits_) != 0; }
  friend constexpr auto operator<=>(PluginSet, PluginSet) = default;

 private:
  uint64_t bits_ = 0;
};

enum class Code : uint8_t {
  kSuccess,
  kError,                         // an internal problem: retried with backoff, no event needed
  kUnschedulable,                 // preemption may help
  kUnschedulableAndUnresolvable,  // preemption cannot help
  kWait,                          // Permit: not yet
  kSkip,                          // the plugin has nothing to do in this cycle
  kPending,                       // waits for something outside the cluster
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(Code code) : code_(code) {}
  Status(Code code, api::Str reason) : reason_(std::move(reason)), code_(code) {}

  static Status skip() { return Status(Code::kSkip); }
  static Status unschedulable(api::Str reason) { return {Code::kUnschedulable, std::move(reason)}; }
  static Status unresolvable(api::Str reason) {
    return {Code::kUnschedulableAndUnresolvable, std::move(reason)};
  }
  static Status error(api::Str reason) { return {Code::kError, std::move(reason)}; }

  Code code() const { return code_; }
  bool ok() const { return code_ == Code::kSuccess; }
  bool is_skip() const { return code_ == Code::kSkip; }
  bool is_rejected() const {
    return code_ == Code::kUnschedulable || code_ == Code::kUnschedulableAndUnresolvable ||
           code_ == Code::kPending;
  }
  PluginId plugin() const { return plugin_; }
  Status& set_plugin(PluginId id) {
    plugin_ = id;
    return *this;
  }
  void set_code(Code code) { code_ = code; }
  // Takes the number of the plugin that a framework's pseudo-plugin stands for.
  void add_reason(api::Str reason) {
    if (reason_.empty() && more_.empty()) {
      reason_ = std::move(reason);
    } else {
      more_.push_back(std::move(reason));
    }
  }
  template <class F>
  void for_each_reason(F&& f) const {
    if (!reason_.empty()) f(reason_);
    for (const api::Str& r : more_) f(r);
  }
  size_t reasons() const { return (reason_.empty() ? 0 : 1) + more_.size(); }
  // The reasons joined with ", ".
  std::string message() const {
    std::string out = reason_.str();
    for (const api::Str& r : more_) {
      if (!out.empty()) out += ", ";
      out += r.view();
    }
    return out;
  }

 private:
  api::Str reason_;
  api::List<api::Str> more_;
  Code code_ = Code::kSuccess;
  PluginId plugin_ = kNoPlugin;
};

}  // namespace mainspring::scheduler
