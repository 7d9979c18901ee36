// The building blocks that Kubernetes objects are made of in memory: immutable strings, copy-on-
// write lists, maps and optional structs, and the reference to a whole object.
//
// Every one of them is a single pointer; copying is a reference count, so two versions of an object
// share what they have in common, and so do forks of a world. Absent and empty are the same for
// Str, List and StrMap (Kubernetes' omitempty); Opt<T> tells absent from present.
//
// Thread-compatible. Counts are atomic only once the process has a second thread
// (__libc_single_threaded), so that a single-threaded run pays nothing.
#pragma once

#include <sys/single_threaded.h>

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sim/time.h"

namespace mainspring::api {

using sim::Duration;

class RefCount {
 public:
  RefCount() = default;
  RefCount(const RefCount&) noexcept {}  // a copied object starts its own count
  RefCount& operator=(const RefCount&) noexcept { return *this; }

  void retain() const noexcept {
    if (__libc_single_threaded) {
      n_.store(n_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
      n_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  // True when the caller held the last reference.
  bool release() const noexcept {
    if (__libc_single_threaded) {
      const uint32_t n = n_.load(std::memory_order_relaxed) - 1;
      n_.store(n, std::memory_order_relaxed);
      return n == 0;
    }
    return n_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  bool unique() const noexcept { return n_.load(std::memory_order_acquire) == 1; }

 private:
  mutable std::atomic<uint32_t> n_{1};
};

// An immutable string in one pointer. Empty holds no memory.
class Str {
 public:
  Str() = default;
  Str(std::string_view s) : rep_(make(s)) {}  // NOLINT: implicit, as std::string is
  Str(const char* s) : Str(std::string_view(s)) {}
  Str(const std::string& s) : Str(std::string_view(s)) {}
  Str(const Str& o) noexcept : rep_(o.rep_) {
    if (rep_) rep_->refs.retain();
  }
  Str(Str&& o) noexcept : rep_(std::exchange(o.rep_, nullptr)) {}
  Str& operator=(Str o) noexcept {
    std::swap(rep_, o.rep_);
    return *this;
  }
  ~Str() {
    if (rep_ && rep_->refs.release()) destroy(rep_);
  }

  std::string_view view() const noexcept {
    return rep_ ? std::string_view(rep_->data(), rep_->size) : std::string_view();
  }
  operator std::string_view() const noexcept { return view(); }  // NOLINT
  std::string str() const { return std::string(view()); }
  bool empty() const noexcept { return !rep_; }
  size_t size() const noexcept { return rep_ ? rep_->size : 0; }
  // Whether the two share one representation; equal strings need not.
  bool same(const Str& o) const noexcept { return rep_ == o.rep_; }

  friend bool operator==(const Str& a, const Str& b) noexcept {
    return a.rep_ == b.rep_ || a.view() == b.view();
  }
  friend bool operator==(const Str& a, std::string_view b) noexcept { return a.view() == b; }
  friend bool operator==(const Str& a, const char* b) noexcept { return a.view() == b; }
  friend bool operator==(const Str& a, const std::string& b) noexcept { return a.view() == b; }
  friend std::strong_ordering operator<=>(const Str& a, const Str& b) noexcept {
    return a.view() <=> b.view();
  }
  friend std::strong_ordering operator<=>(const Str& a, std::string_view b) noexcept {
    return a.view() <=> b;
  }

 private:
  struct Rep {
    RefCount refs;
    uint32_t size;
    char* data() { return reinterpret_cast<char*>(this + 1); }
    const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  };
  static Rep* make(std::string_view s);
  static void destroy(Rep* r) noexcept;
  Rep* rep_ = nullptr;
};

// An optional T held by pointer, copied on write.
template <class T>
class Opt {
 public:
  Opt() = default;
  Opt(std::nullopt_t) {}                                         // NOLINT
  Opt(T value) : box_(new Box{RefCount(), std::move(value)}) {}  // NOLINT
  Opt(const Opt& o) noexcept : box_(o.box_) {
    if (box_) box_->refs.retain();
  }
  Opt(Opt&& o) noexcept : box_(std::exchange(o.box_, nullptr)) {}
  Opt& operator=(Opt o) noexcept {
    std::swap(box_, o.box_);
    return *this;
  }
  ~Opt() {
    if (box_ && box_->refs.release()) destroy(box_);
  }

  bool has_value() const noexcept { return box_ != nullptr; }
  explicit operator bool() const noexcept { return has_value(); }
  const T* get() const noexcept { return box_ ? &box_->value : nullptr; }
  const T& operator*() const noexcept { return box_->value; }
  const T* operator->() const noexcept { return &box_->value; }
  void reset() noexcept { *this = Opt(); }
  // For writing: makes the value present (default-constructed) and unshared first.
  T& edit() {
    if (!box_ || !box_->refs.unique()) own();
    return box_->value;
  }
  bool same(const Opt& o) const noexcept { return box_ == o.box_; }
  friend bool operator==(const Opt& a, const Opt& b) {
    if (a.box_ == b.box_) return true;
    return a.box_ && b.box_ && a.box_->value == b.box_->value;
  }

 private:
  struct Box {
    RefCount refs;
    T value;
  };
  // What walks or copies a whole value is not inline, and so compiled once for the types of the
  // schema, whose headers declare the instantiation as extern.
  static void destroy(Box* box) noexcept;
  void own();
  Box* box_ = nullptr;
};

template <class T>
void Opt<T>::destroy(Box* box) noexcept {
  delete box;
}

template <class T>
void Opt<T>::own() {
  *this = box_ ? Opt(T(box_->value)) : Opt(T());
}

template <class T>
class List;

// The elements of a List, written like a std::vector by the one list that holds them: one block of
// memory, the counts in front.
template <class T>
class ListItems {
 public:
  ListItems() = default;
  ListItems(const ListItems&) = delete;
  ListItems& operator=(const ListItems&) = delete;

  bool empty() const noexcept { return size() == 0; }
  size_t size() const noexcept { return block_ ? block_->size : 0; }
  T* data() noexcept { return block_ ? reinterpret_cast<T*>(block_ + 1) : nullptr; }
  const T* data() const noexcept { return block_ ? reinterpret_cast<T*>(block_ + 1) : nullptr; }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size(); }
  T& operator[](size_t i) noexcept { return data()[i]; }
  T& front() noexcept { return data()[0]; }
  T& back() noexcept { return data()[size() - 1]; }

  void reserve(size_t n) {
    if (n > capacity()) move_to(allocate(n));
  }
  T& emplace_back() {
    push_back(T());
    return back();
  }
  void push_back(T v) {
    if (size() == capacity()) reserve(empty() ? 1 : 2 * size());
    new (static_cast<void*>(end())) T(std::move(v));
    ++block_->size;
  }
  void pop_back() { erase(end() - 1); }
  void insert(const T* at, T v) {
    const ptrdiff_t i = at - begin();
    push_back(std::move(v));
    std::rotate(begin() + i, end() - 1, end());
  }
  void erase(const T* at) { erase(at, at + 1); }
  void erase(const T* first, const T* last);
  void resize(size_t n);
  void clear() { resize(0); }

 private:
  friend class List<T>;
  struct alignas(uint64_t) Block {
    RefCount refs;
    uint32_t size = 0;
    uint32_t capacity;
  };
  explicit ListItems(Block* block) noexcept : block_(block) {}
  size_t capacity() const noexcept { return block_ ? block_->capacity : 0; }
  static Block* allocate(size_t capacity) {
    static_assert(alignof(T) <= alignof(Block));
    void* memory = ::operator new(sizeof(Block) + capacity * sizeof(T));
    return new (memory) Block{RefCount(), 0, static_cast<uint32_t>(capacity)};
  }
  // Not inline, as in Opt.
  void move_to(Block* other);
  void assign(const T* from, size_t n);
  static void destroy(Block* block) noexcept;
  Block* block_ = nullptr;
};

template <class T>
void ListItems<T>::erase(const T* first, const T* last) {
  T* const keep = std::move(begin() + (last - begin()), end(), begin() + (first - begin()));
  std::destroy(keep, end());
  block_->size = static_cast<uint32_t>(keep - begin());
}

template <class T>
void ListItems<T>::resize(size_t n) {
  if (n < size()) erase(begin() + n, end());
  reserve(n);
  while (size() < n) emplace_back();
}

template <class T>
void ListItems<T>::move_to(Block* other) {
  other->size = static_cast<uint32_t>(size());
  std::uninitialized_move(begin(), end(), reinterpret_cast<T*>(other + 1));
  if (block_) destroy(block_);
  block_ = other;
}

// Of an empty one.
template <class T>
void ListItems<T>::assign(const T* from, size_t n) {
  if (n == 0) return;
  block_ = allocate(n);
  std::uninitialized_copy(from, from + n, data());
  block_->size = static_cast<uint32_t>(n);
}

template <class T>
void ListItems<T>::destroy(Block* block) noexcept {
  std::destroy_n(reinterpret_cast<T*>(block + 1), block->size);
  ::operator delete(block);
}

// A list, copied on write. Reading looks like a const std::vector; writing goes through edit().
template <class T>
class List {
 public:
  using value_type = T;
  List() = default;
  List(std::initializer_list<T> init) { items_.assign(init.begin(), init.size()); }
  explicit List(std::vector<T> v) {
    if (v.empty()) return;
    items_.block_ = ListItems<T>::allocate(v.size());
    std::uninitialized_move(v.begin(), v.end(), items_.data());
    items_.block_->size = static_cast<uint32_t>(v.size());
  }
  List(const List& o) noexcept : items_(o.items_.block_) {
    if (items_.block_) items_.block_->refs.retain();
  }
  List(List&& o) noexcept : items_(std::exchange(o.items_.block_, nullptr)) {}
  List& operator=(List o) noexcept {
    std::swap(items_.block_, o.items_.block_);
    return *this;
  }
  ~List() {
    if (items_.block_ && items_.block_->refs.release()) ListItems<T>::destroy(items_.block_);
  }

  bool empty() const noexcept { return items_.empty(); }
  size_t size() const noexcept { return items_.size(); }
  const T* data() const noexcept { return items_.data(); }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size(); }
  const T& operator[](size_t i) const noexcept { return data()[i]; }
  const T& front() const noexcept { return data()[0]; }
  const T& back() const noexcept { return data()[size() - 1]; }

  // For writing: the elements, unshared.
  ListItems<T>& edit() {
    if (items_.block_ && !items_.block_->refs.unique()) {
      List copy;
      copy.items_.assign(data(), size());
      std::swap(items_.block_, copy.items_.block_);
    }
    return items_;
  }
  void push_back(T v) { edit().push_back(std::move(v)); }
  void clear() { *this = List(); }
  bool same(const List& o) const noexcept { return items_.block_ == o.items_.block_; }
  friend bool operator==(const List& a, const List& b) {
    if (a.same(b)) return true;
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!(a[i] == b[i])) return false;
    }
    return true;
  }

 private:
  ListItems<T> items_;
};

// A map from string to V, sorted by key, copied on write.
template <class V>
class Map {
 public:
  using Entry = std::pair<Str, V>;
  Map() = default;
  Map(std::initializer_list<Entry> init) {
    for (const Entry& e : init) set(e.first, e.second);
  }

  bool empty() const noexcept { return entries_.empty(); }
  size_t size() const noexcept { return entries_.size(); }
  const Entry* begin() const noexcept { return entries_.begin(); }
  const Entry* end() const noexcept { return entries_.end(); }
  const V* find(std::string_view key) const noexcept {
    const Entry* e = lower_bound(key);
    return e != end() && e->first == key ? &e->second : nullptr;
  }
  bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }
  // The value of the key, or a default-constructed one.
  V get(std::string_view key) const {
    const V* v = find(key);
    return v ? *v : V();
  }
  void set(Str key, V value);
  bool erase(std::string_view key);
  void clear() { entries_.clear(); }
  bool same(const Map& o) const noexcept { return entries_.same(o.entries_); }
  friend bool operator==(const Map& a, const Map& b) { return a.entries_ == b.entries_; }

 private:
  const Entry* lower_bound(std::string_view key) const noexcept {
    const Entry* lo = begin();
    size_t n = size();
    while (n > 0) {
      const size_t half = n / 2;
      if (lo[half].first.view() < key) {
        lo += half + 1;
        n -= half + 1;
      } else {
        n = half;
      }
    }
    return lo;
  }
  List<Entry> entries_;
};

template <class V>
void Map<V>::set(Str key, V value) {
  const size_t i = static_cast<size_t>(lower_bound(key) - begin());
  ListItems<Entry>& v = entries_.edit();
  if (i < v.size() && v[i].first == key) {
    v[i].second = std::move(value);
  } else {
    v.insert(v.begin() + i, Entry(std::move(key), std::move(value)));
  }
}

template <class V>
bool Map<V>::erase(std::string_view key) {
  const Entry* e = lower_bound(key);
  if (e == end() || e->first != key) return false;
  const ptrdiff_t i = e - begin();
  ListItems<Entry>& v = entries_.edit();
  v.erase(v.begin() + i);
  return true;
}

using StrMap = Map<Str>;
extern template class ListItems<Str>;
extern template class ListItems<StrMap::Entry>;
extern template class Map<Str>;

// A wall-clock instant as Kubernetes stores it (metav1.Time, metav1.MicroTime): nanoseconds since
// the Unix epoch in UTC. Absent is the default. Encoding cuts it to the field's precision.
class Time {
 public:
  constexpr Time() = default;
  static constexpr Time from_unix_ns(int64_t ns) { return Time(ns); }
  static constexpr Time from_unix_seconds(int64_t s) { return Time(s * 1'000'000'000); }

  constexpr bool is_zero() const { return ns_ == kAbsent; }
  constexpr explicit operator bool() const { return !is_zero(); }
  constexpr int64_t unix_ns() const { return ns_; }
  constexpr int64_t unix_seconds() const {
    return ns_ / 1'000'000'000 - (ns_ % 1'000'000'000 < 0 ? 1 : 0);
  }
  // As metav1.Time stores it.
  constexpr Time truncated_to_second() const {
    return is_zero() ? *this : from_unix_seconds(unix_seconds());
  }

  friend constexpr auto operator<=>(Time, Time) = default;
  friend constexpr Time operator+(Time t, Duration d) { return Time(t.ns_ + d.ns()); }
  friend constexpr Time operator-(Time t, Duration d) { return Time(t.ns_ - d.ns()); }
  friend constexpr Duration operator-(Time a, Time b) { return Duration::nanos(a.ns_ - b.ns_); }

 private:
  static constexpr int64_t kAbsent = INT64_MIN;
  constexpr explicit Time(int64_t ns) : ns_(ns) {}
  int64_t ns_ = kAbsent;
};

// A counted reference to an object that carries its own RefCount named `refs`.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}  // NOLINT
  explicit Ref(T* adopted) noexcept : p_(adopted) {}
  Ref(const Ref& o) noexcept : p_(o.p_) {
    if (p_) p_->refs.retain();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> Ref(const Ref<U>& o)
  noexcept : p_(o.get()) {  // NOLINT
    if (p_) p_->refs.retain();
  }
  template <class U>
  requires std::is_convertible_v<U*, T*> Ref(Ref<U>&& o)
  noexcept : p_(o.detach()) {}  // NOLINT
  Ref& operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_ && p_->refs.release()) delete p_;
  }

  T* get() const noexcept { return p_; }
  T& operator*() const noexcept { return *p_; }
  T* operator->() const noexcept { return p_; }
  explicit operator bool() const noexcept { return p_ != nullptr; }
  T* detach() noexcept { return std::exchange(p_, nullptr); }
  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.p_ == b.p_; }
  friend bool operator==(const Ref& a, std::nullptr_t) noexcept { return !a.p_; }

 private:
  T* p_ = nullptr;
};

}  // namespace mainspring::api
