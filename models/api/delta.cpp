// The journal's delta of two versions of an object. A struct is a sequence of (field number + 1,
// payload) ended by 0; the number after the last field is `extra`. Numbers are LEB128 varints,
// signed ones zigzag. Elements of a list are deltas against the element of the same position.
#include <bit>
#include <cstdint>

#include "models/api/compare.h"
#include "models/api/descriptor_access.h"
#include "models/api/types/meta.h"

namespace mainspring::api {

namespace {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  // Whether anything differs; if not, nothing has been written. A null `old` is an empty struct.
  bool struct_delta(const TypeInfo& type, const void* old, const void* now) {
    if (old == now) return false;
    const size_t start = out_.size();
    uint64_t number = 0;
    for (const FieldInfo& f : type.fields) {
      ++number;
      const size_t before = out_.size();
      varint(number);
      if (!field(f, old ? field_of(old, f) : nullptr, field_of(now, f))) out_.resize(before);
    }
    const Json& extra = extra_of(type, now);
    if (old ? extra_of(type, old) != extra : !extra.is_null()) {
      varint(number + 1);
      scalar(extra);
    }
    if (out_.size() == start) return false;
    out_ += '\0';
    return true;
  }

  void varint(uint64_t v) {
    while (v >= 0x80) {
      out_ += static_cast<char>(v | 0x80);
      v >>= 7;
    }
    out_ += static_cast<char>(v);
  }
  void text(std::string_view s) {
    varint(s.size());
    out_ += s;
  }
  void byte(uint8_t b) { out_ += static_cast<char>(b); }

  void scalar(const Str& v) { text(v.view()); }
  void scalar(bool v) { byte(v ? 1 : 0); }
  void scalar(int32_t v) { scalar(int64_t{v}); }
  void scalar(int64_t v) {
    const uint64_t u = static_cast<uint64_t>(v);
    varint(u << 1 ^ (v < 0 ? ~uint64_t{0} : 0));
  }
  void scalar(double v) {
    const uint64_t u = std::bit_cast<uint64_t>(v);
    for (int i = 0; i < 8; ++i) byte(static_cast<uint8_t>(u >> (8 * i)));
  }
  void scalar(const Quantity& v) {
    byte(static_cast<uint8_t>(v.format()));
    text(v.to_string());
  }
  void scalar(const IntOrString& v) {
    byte(v.is_string() ? 1 : 0);
    v.is_string() ? scalar(v.string_value()) : scalar(v.int_value());
  }
  void scalar(Time v) {
    constexpr int64_t kSecond = 1'000'000'000;
    if (v.is_zero()) {
      byte(0);
    } else if (v.unix_ns() % kSecond == 0) {
      byte(1);
      scalar(v.unix_ns() / kSecond);
    } else {
      byte(2);
      scalar(v.unix_ns());
    }
  }
  void scalar(const Json& v) {
    byte(static_cast<uint8_t>(v.kind()));
    switch (v.kind()) {
      case Json::Kind::kNull:
        return;
      case Json::Kind::kBool:
        return byte(v.as_bool() ? 1 : 0);
      case Json::Kind::kInt:
        return scalar(v.as_int());
      case Json::Kind::kDouble:
        scalar(v.as_double());
        return text(v.number_text());
      case Json::Kind::kString:
        return text(v.as_view());
      case Json::Kind::kArray:
        varint(v.size());
        for (const Json& item : v.items()) scalar(item);
        return;
      case Json::Kind::kObject:
        varint(v.size());
        for (const Json::Member& m : v.members()) {
          text(m.key.view());
          scalar(m.value);
        }
        return;
    }
  }

 private:
  bool field(const FieldInfo& f, const void* old, const void* now) {
    const bool is_struct = f.type == FieldType::kStruct;
    switch (f.shape) {
      case Shape::kValue:
        if (is_struct) return struct_delta(*f.type_info, old, now);
        return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          const T& v = *static_cast<const T*>(now);
          if (old ? *static_cast<const T*>(old) == v : v == T{}) return false;
          scalar(v);
          return true;
        });
      case Shape::kOptional: {
        if (!is_struct) {
          return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
            const auto& v = *static_cast<const std::optional<T>*>(now);
            if (old ? *static_cast<const std::optional<T>*>(old) == v : !v) return false;
            byte(v ? 1 : 0);
            if (v) scalar(*v);
            return true;
          });
        }
        if (old && same_pointer(old, now)) return false;
        const void* before = old ? f.opt->get(old) : nullptr;
        const void* after = f.opt->get(now);
        if (!before && !after) return false;
        byte(after ? 1 : 0);
        if (!after) return true;
        if (struct_delta(*f.type_info, before, after)) return true;
        if (before) return false;
        byte(0);  // present and empty
        return true;
      }
      case Shape::kList:
        return list(f, old, now);
      case Shape::kMap:
        if (old && same_pointer(old, now)) return false;
        return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          const Map<T>& v = *static_cast<const Map<T>*>(now);
          if (old ? *static_cast<const Map<T>*>(old) == v : v.empty()) return false;
          varint(v.size());
          for (const auto& [key, value] : v) {
            text(key.view());
            scalar(value);
          }
          return true;
        });
    }
    return false;
  }

  bool list(const FieldInfo& f, const void* old, const void* now) {
    if (old && same_pointer(old, now)) return false;
    const size_t n = f.list->size(now);
    const size_t old_n = old ? f.list->size(old) : 0;
    if (n == 0 && old_n == 0) return false;
    varint(n);
    bool changed = n != old_n;
    const void* element = f.list->data(now);
    const void* old_element = old_n ? f.list->data(old) : nullptr;
    for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
      const void* before = i < old_n ? at_offset(old_element, i * f.list->stride) : nullptr;
      if (f.type == FieldType::kStruct) {
        if (struct_delta(*f.type_info, before, element)) {
          changed = true;
        } else {
          byte(0);  // as before, or empty
        }
      } else {
        changed = with_scalar(f.type,
                              [&]<class T>(std::type_identity<T>) {
                                const T& v = *static_cast<const T*>(element);
                                scalar(v);
                                return !before || !(*static_cast<const T*>(before) == v);
                              }) ||
                  changed;
      }
    }
    return changed;
  }

  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }

  void apply_struct(const TypeInfo& type, void* value, int depth = 0) {
    if (depth > 64) ok_ = false;
    while (ok_) {
      const uint64_t number = varint();
      if (number == 0) return;
      if (number <= type.fields.size()) {
        const FieldInfo& f = type.fields[number - 1];
        apply_field(f, field_of(value, f), depth);
      } else if (number == type.fields.size() + 1) {
        scalar(extra_of(type, value), depth);
      } else {
        ok_ = false;
      }
    }
  }

  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      const uint8_t b = byte();
      if (!ok_) return 0;
      if (shift < 64) v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    ok_ = false;
    return 0;
  }
  std::string_view text() {
    const uint64_t n = varint();
    if (n > in_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view s = in_.substr(0, n);
    in_.remove_prefix(n);
    return s;
  }
  uint8_t byte() {
    if (in_.empty()) {
      ok_ = false;
      return 0;
    }
    const uint8_t b = static_cast<uint8_t>(in_.front());
    in_.remove_prefix(1);
    return b;
  }
  // A number of elements; never more than there are bytes left.
  size_t count() {
    const uint64_t n = varint();
    if (n > in_.size()) {
      ok_ = false;
      return 0;
    }
    return n;
  }

  void scalar(Str& v, int) { v = Str(text()); }
  void scalar(bool& v, int) { v = byte() != 0; }
  void scalar(int64_t& v, int) {
    const uint64_t u = varint();
    v = static_cast<int64_t>(u >> 1 ^ (u & 1 ? ~uint64_t{0} : 0));
  }
  void scalar(int32_t& v, int depth) {
    int64_t wide = 0;
    scalar(wide, depth);
    v = static_cast<int32_t>(wide);
  }
  void scalar(double& v, int) {
    uint64_t u = 0;
    for (int i = 0; i < 8; ++i) u |= uint64_t{byte()} << (8 * i);
    v = std::bit_cast<double>(u);
  }
  void scalar(Quantity& v, int) {
    const uint8_t format = byte();
    const std::optional<Quantity> q = Quantity::parse(text());
    if (!q || format > static_cast<uint8_t>(Quantity::Format::kDecimalExponent)) {
      ok_ = false;
      return;
    }
    v = *q;
    v.set_format(static_cast<Quantity::Format>(format));
  }
  void scalar(IntOrString& v, int depth) {
    if (byte()) {
      v = IntOrString(Str(text()));
    } else {
      int32_t number = 0;
      scalar(number, depth);
      v = IntOrString(number);
    }
  }
  void scalar(Time& v, int depth) {
    constexpr int64_t kMaxSeconds = INT64_MAX / 1'000'000'000;
    int64_t number = 0;
    switch (byte()) {
      case 0:
        v = Time();
        return;
      case 1:
        scalar(number, depth);
        if (number > kMaxSeconds || number < -kMaxSeconds) {
          ok_ = false;
          return;
        }
        v = Time::from_unix_seconds(number);
        return;
      case 2:
        scalar(number, depth);
        v = Time::from_unix_ns(number);
        return;
      default:
        ok_ = false;
    }
  }
  void scalar(Json& v, int depth) {
    if (depth > 256) {
      ok_ = false;
      return;
    }
    switch (static_cast<Json::Kind>(byte())) {
      case Json::Kind::kNull:
        v = Json();
        return;
      case Json::Kind::kBool:
        v = Json(byte() != 0);
        return;
      case Json::Kind::kInt: {
        int64_t number = 0;
        scalar(number, depth);
        v = Json(number);
        return;
      }
      case Json::Kind::kDouble: {
        double number = 0;
        scalar(number, depth);
        v = Json::number(number, Str(text()));
        return;
      }
      case Json::Kind::kString:
        v = Json(text());
        return;
      case Json::Kind::kArray: {
        std::vector<Json> items(count());
        for (Json& item : items) {
          if (ok_) scalar(item, depth + 1);
        }
        v = Json::array(std::move(items));
        return;
      }
      case Json::Kind::kObject: {
        std::vector<Json::Member> members(count());
        for (Json::Member& m : members) {
          if (!ok_) break;
          m.key = Str(text());
          scalar(m.value, depth + 1);
        }
        v = Json::object(std::move(members));
        return;
      }
    }
    ok_ = false;
  }

 private:
  void apply_field(const FieldInfo& f, void* field, int depth) {
    const bool is_struct = f.type == FieldType::kStruct;
    switch (f.shape) {
      case Shape::kValue:
        if (is_struct) return apply_struct(*f.type_info, field, depth + 1);
        return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          scalar(*static_cast<T*>(field), depth);
        });
      case Shape::kOptional:
        if (is_struct) {
          if (byte()) return apply_struct(*f.type_info, f.opt->edit(field), depth + 1);
          return f.opt->reset(field);
        }
        return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          auto& v = *static_cast<std::optional<T>*>(field);
          if (byte()) {
            scalar(v.emplace(), depth);
          } else {
            v.reset();
          }
        });
      case Shape::kList: {
        const size_t n = count();
        void* element = f.list->resize(field, n);
        for (size_t i = 0; i < n && ok_; ++i, element = at_offset(element, f.list->stride)) {
          if (is_struct) {
            apply_struct(*f.type_info, element, depth + 1);
          } else {
            with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
              scalar(*static_cast<T*>(element), depth);
            });
          }
        }
        return;
      }
      case Shape::kMap:
        return with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          Map<T> map;
          for (size_t n = count(); n > 0 && ok_; --n) {
            Str key(text());
            T value{};
            scalar(value, depth);
            map.set(std::move(key), std::move(value));
          }
          *static_cast<Map<T>*>(field) = std::move(map);
        });
    }
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace

void encode_delta(const Object* old, const Object& now, std::string& out) {
  Writer w(out);
  w.byte(old ? 1 : 0);
  if (!old) w.text(kind_info(now).name);
  if (const TypeInfo* type = kind_info(now).type) {
    if (!w.struct_delta(*type, old, &now)) w.byte(0);
    return;
  }
  const Unstructured& u = as<Unstructured>(now);
  if (!old) {
    w.scalar(u.api_version);
    w.scalar(u.kind_name);
  }
  if (!w.struct_delta(ObjectMeta::kType, old ? &old->metadata : nullptr, &u.metadata)) w.byte(0);
  const bool changed = !old || old->extra != u.extra;
  w.byte(changed ? 1 : 0);
  if (changed) w.scalar(u.extra);
}

Ref<Object> apply_delta(const Object* old, std::string_view bytes) {
  Reader r(bytes);
  const bool against_old = r.byte() != 0;
  if (!r.ok() || against_old != (old != nullptr)) return nullptr;
  Ref<Object> now;
  if (old) {
    now = clone(*old);
  } else {
    const std::string_view name = r.text();
    for (const KindInfo& info : all_kinds()) {
      if (info.name == name) now = info.make();
    }
    if (!r.ok() || !now) return nullptr;
  }
  if (const TypeInfo* type = kind_info(*now).type) {
    r.apply_struct(*type, now.get());
  } else {
    Unstructured& u = as<Unstructured>(*now);
    if (!old) {
      r.scalar(u.api_version, 0);
      r.scalar(u.kind_name, 0);
    }
    r.apply_struct(ObjectMeta::kType, &u.metadata);
    if (r.byte()) r.scalar(u.extra, 0);
  }
  return r.ok() && r.at_end() ? now : nullptr;
}

}  // namespace mainspring::api
