#include "models/api/compare.h"

#include <bit>
#include <cstring>

#include "models/api/codec.h"
#include "models/api/descriptor_access.h"
#include "models/api/time_text.h"
#include "models/api/types/all.h"

namespace mainspring::api {

namespace {

// --- equality, field by field, with shared parts skipped ---

bool equal_struct(const TypeInfo& type, const void* a, const void* b);

bool equal_field(const FieldInfo& f, const void* a, const void* b) {
  switch (f.shape) {
    case Shape::kValue:
      if (f.type == FieldType::kStruct) return equal_struct(*f.type_info, a, b);
      return with_scalar(f.type, [a, b]<class T>(std::type_identity<T>) {
        return *static_cast<const T*>(a) == *static_cast<const T*>(b);
      });
    case Shape::kOptional:
      if (f.type == FieldType::kStruct) {
        if (same_pointer(a, b)) return true;
        const void* x = f.opt->get(a);
        const void* y = f.opt->get(b);
        return x && y ? equal_struct(*f.type_info, x, y) : x == y;
      }
      return with_scalar(f.type, [a, b]<class T>(std::type_identity<T>) {
        return *static_cast<const std::optional<T>*>(a) == *static_cast<const std::optional<T>*>(b);
      });
    case Shape::kList: {
      if (same_pointer(a, b)) return true;
      const size_t n = f.list->size(a);
      if (n != f.list->size(b)) return false;
      const void* x = f.list->data(a);
      const void* y = f.list->data(b);
      for (size_t i = 0; i < n; ++i) {
        const bool same = f.type == FieldType::kStruct
                              ? equal_struct(*f.type_info, x, y)
                              : with_scalar(f.type, [x, y]<class T>(std::type_identity<T>) {
                                  return *static_cast<const T*>(x) == *static_cast<const T*>(y);
                                });
        if (!same) return false;
        x = at_offset(x, f.list->stride);
        y = at_offset(y, f.list->stride);
      }
      return true;
    }
    case Shape::kMap:
      if (same_pointer(a, b)) return true;
      return with_scalar(f.type, [a, b]<class T>(std::type_identity<T>) {
        return *static_cast<const Map<T>*>(a) == *static_cast<const Map<T>*>(b);
      });
  }
  return false;
}

bool equal_struct(const TypeInfo& type, const void* a, const void* b) {
  // The same bits are the same value; most parts of two versions are.
  if (a == b) return true;
  for (const FieldInfo& f : type.fields) {
    if (!equal_field(f, field_of(a, f), field_of(b, f))) return false;
  }
  return extra_of(type, a) == extra_of(type, b);
}

// --- diff ---

class Differ {
 public:
  std::vector<FieldChange> changes;

  void object(const TypeInfo& type, const void* a, const void* b, const std::string& path) {
    if (a == b) return;
    for (const FieldInfo& f : type.fields) {
      const void* x = field_of(a, f);
      const void* y = field_of(b, f);
      if (equal_field(f, x, y)) continue;
      field(f, x, y, path.empty() ? std::string(f.name) : path + '.' + std::string(f.name));
    }
    json(extra_of(type, a), extra_of(type, b), path);
  }

  void json(const Json& a, const Json& b, const std::string& path) {
    if (a == b) return;
    if ((a.is_object() || a.is_null()) && (b.is_object() || b.is_null()) &&
        a.size() + b.size() > 0) {
      for (const Json::Member& m : a.members()) json(m.value, b[m.key], join(path, m.key));
      for (const Json::Member& m : b.members()) {
        if (!a.contains(m.key)) json(Json(), m.value, join(path, m.key));
      }
      return;
    }
    changes.push_back({path, a, b});
  }

 private:
  static std::string join(const std::string& path, std::string_view key) {
    if (key.find_first_of(".[]/") != std::string_view::npos) {
      return path + "['" + std::string(key) + "']";
    }
    return path.empty() ? std::string(key) : path + '.' + std::string(key);
  }

  void field(const FieldInfo& f, const void* a, const void* b, const std::string& path) {
    const bool is_struct = f.type == FieldType::kStruct;
    if (is_struct && f.shape == Shape::kValue) return object(*f.type_info, a, b, path);
    if (is_struct && f.shape == Shape::kOptional) {
      const void* x = f.opt->get(a);
      const void* y = f.opt->get(b);
      if (x && y) return object(*f.type_info, x, y, path);
    }
    if (f.shape == Shape::kMap) return json(encode_field(f, a), encode_field(f, b), path);
    if (f.shape == Shape::kList) {
      const size_t n = f.list->size(a);
      const size_t m = f.list->size(b);
      const Json before = encode_field(f, a);
      const Json after = encode_field(f, b);
      for (size_t i = 0; i < (n > m ? n : m); ++i) {
        const std::string element = path + '[' + std::to_string(i) + ']';
        if (is_struct && i < n && i < m) {
          object(*f.type_info, at_offset(f.list->data(a), i * f.list->stride),
                 at_offset(f.list->data(b), i * f.list->stride), element);
        } else if (before[i] != after[i]) {
          changes.push_back({element, before[i], after[i]});
        }
      }
      return;
    }
    changes.push_back({path, is_absent(f, a) ? Json() : encode_field(f, a),
                       is_absent(f, b) ? Json() : encode_field(f, b)});
  }
};

// --- hash ---

// XXH64, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
class Xxh64 {
 public:
  explicit Xxh64(uint64_t seed) : lanes_{seed + kP1 + kP2, seed + kP2, seed, seed - kP1} {
    seed_ = seed;
  }

  void bytes(const void* data, size_t n) {
    const unsigned char* p = static_cast<const unsigned char*>(data);
    total_ += n;
    if (filled_ + n < 32) {
      if (n) std::memcpy(buffer_ + filled_, p, n);
      filled_ += n;
      return;
    }
    if (filled_) {
      const size_t head = 32 - filled_;
      std::memcpy(buffer_ + filled_, p, head);
      stripe(buffer_);
      p += head;
      n -= head;
      filled_ = 0;
    }
    for (; n >= 32; p += 32, n -= 32) stripe(p);
    if (n) std::memcpy(buffer_, p, n);
    filled_ = n;
  }
  void word(uint64_t v) {
    unsigned char b[8];
    for (int i = 0; i < 8; ++i) b[i] = static_cast<unsigned char>(v >> (8 * i));
    bytes(b, 8);
  }
  void text(std::string_view s) {
    word(s.size());
    bytes(s.data(), s.size());
  }

  uint64_t digest() const {
    uint64_t h = 0;
    if (total_ >= 32) {
      h = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
          std::rotl(lanes_[3], 18);
      for (uint64_t lane : lanes_) h = (h ^ round(0, lane)) * kP1 + kP4;
    } else {
      h = seed_ + kP5;
    }
    h += total_;
    size_t i = 0;
    for (; i + 8 <= filled_; i += 8) {
      h = std::rotl(h ^ round(0, read(buffer_ + i, 8)), 27) * kP1 + kP4;
    }
    if (i + 4 <= filled_) {
      h = std::rotl(h ^ (read(buffer_ + i, 4) * kP1), 23) * kP2 + kP3;
      i += 4;
    }
    for (; i < filled_; ++i) h = std::rotl(h ^ (buffer_[i] * kP5), 11) * kP1;
    h = (h ^ (h >> 33)) * kP2;
    h = (h ^ (h >> 29)) * kP3;
    return h ^ (h >> 32);
  }

 private:
  static constexpr uint64_t kP1 = 0x9e3779b185ebca87u;
  static constexpr uint64_t kP2 = 0xc2b2ae3d27d4eb4fu;
  static constexpr uint64_t kP3 = 0x165667b19e3779f9u;
  static constexpr uint64_t kP4 = 0x85ebca77c2b2ae63u;
  static constexpr uint64_t kP5 = 0x27d4eb2f165667c5u;

  static uint64_t read(const unsigned char* p, int n) {
    uint64_t v = 0;
    for (int i = n; i-- > 0;) v = v << 8 | p[i];
    return v;
  }
  static uint64_t round(uint64_t acc, uint64_t input) {
    return std::rotl(acc + input * kP2, 31) * kP1;
  }
  void stripe(const unsigned char* p) {
    for (int i = 0; i < 4; ++i) lanes_[i] = round(lanes_[i], read(p + 8 * i, 8));
  }

  uint64_t lanes_[4];
  uint64_t seed_ = 0;
  uint64_t total_ = 0;
  size_t filled_ = 0;
  unsigned char buffer_[32];
};

void hash_json(const Json& v, Xxh64& h) {
  switch (v.kind()) {
    case Json::Kind::kNull:
      h.word(0);
      return;
    case Json::Kind::kBool:
      h.word(v.as_bool() ? 2 : 1);
      return;
    case Json::Kind::kInt:
    case Json::Kind::kDouble: {
      // 1 and 1.0 are equal, so they hash alike; -0.0 is 0.
      const double d = v.as_double();
      h.word(3);
      h.word(std::bit_cast<uint64_t>(d == 0 ? 0.0 : d));
      return;
    }
    case Json::Kind::kString:
      h.word(4);
      h.text(v.as_view());
      return;
    case Json::Kind::kArray:
      h.word(5);
      h.word(v.size());
      for (const Json& item : v.items()) hash_json(item, h);
      return;
    case Json::Kind::kObject: {
      // The order of keys does not count: the members' hashes are summed.
      uint64_t sum = 0;
      for (const Json::Member& m : v.members()) {
        Xxh64 member(0);
        member.text(m.key);
        hash_json(m.value, member);
        sum += member.digest();
      }
      h.word(6);
      h.word(v.size());
      h.word(sum);
      return;
    }
  }
}

void hash_scalar(const Str& v, Xxh64& h) { h.text(v.view()); }
void hash_scalar(bool v, Xxh64& h) { h.word(v ? 1 : 0); }
void hash_scalar(int32_t v, Xxh64& h) { h.word(static_cast<uint64_t>(int64_t{v})); }
void hash_scalar(int64_t v, Xxh64& h) { h.word(static_cast<uint64_t>(v)); }
void hash_scalar(double v, Xxh64& h) { h.word(std::bit_cast<uint64_t>(v == 0 ? 0.0 : v)); }
void hash_scalar(const Quantity& v, Xxh64& h) {
  Quantity plain = v;
  plain.set_format(Quantity::Format::kDecimalSi);
  h.text(plain.to_string());
}
void hash_scalar(const IntOrString& v, Xxh64& h) {
  h.word(v.is_string() ? 1 : 0);
  h.text(v.to_string());
}
void hash_scalar(Time v, Xxh64& h) { h.word(static_cast<uint64_t>(v.unix_ns())); }
void hash_scalar(const Json& v, Xxh64& h) { hash_json(v, h); }

void hash_struct(const TypeInfo& type, const void* value, Xxh64& h) {
  // Absent fields leave no trace, so that a field added to the schema moves no hash.
  for (const FieldInfo& f : type.fields) {
    const void* field = field_of(value, f);
    if (is_absent(f, field)) continue;
    h.text(f.name);
    const auto scalar = [&](const void* p) {
      with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
        hash_scalar(*static_cast<const T*>(p), h);
      });
    };
    switch (f.shape) {
      case Shape::kValue:
        f.type == FieldType::kStruct ? hash_struct(*f.type_info, field, h) : scalar(field);
        break;
      case Shape::kOptional:
        if (f.type == FieldType::kStruct) {
          hash_struct(*f.type_info, f.opt->get(field), h);
        } else {
          with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
            hash_scalar(**static_cast<const std::optional<T>*>(field), h);
          });
        }
        break;
      case Shape::kList: {
        const size_t n = f.list->size(field);
        h.word(n);
        const void* element = f.list->data(field);
        for (size_t i = 0; i < n; ++i, element = at_offset(element, f.list->stride)) {
          f.type == FieldType::kStruct ? hash_struct(*f.type_info, element, h) : scalar(element);
        }
        break;
      }
      case Shape::kMap:
        with_scalar(f.type, [&]<class T>(std::type_identity<T>) {
          const Map<T>& map = *static_cast<const Map<T>*>(field);
          h.word(map.size());
          for (const auto& [key, v] : map) {
            h.text(key);
            hash_scalar(v, h);
          }
        });
        break;
    }
  }
  const Json& extra = extra_of(type, value);
  if (!extra.empty()) hash_json(extra, h);
  h.word(0x7d);  // end of struct
}

}  // namespace

std::vector<FieldChange> diff(const Object& before, const Object& after) {
  Differ differ;
  if (before.kind != after.kind) {
    differ.changes.push_back({"", encode(before), encode(after)});
  } else if (const TypeInfo* type = kind_info(before).type) {
    differ.object(*type, &before, &after, "");
  } else {
    differ.json(encode(before), encode(after), "");
  }
  return std::move(differ.changes);
}

bool equal_value(const TypeInfo& type, const void* a, const void* b) {
  return equal_struct(type, a, b);
}

uint64_t hash64_of(const TypeInfo& type, const void* value) {
  Xxh64 h(0);
  hash_struct(type, value, h);
  return h.digest();
}

uint64_t hash64(const Object& object) {
  Xxh64 h(0);
  h.text(kind_name_of(object));
  if (const TypeInfo* type = kind_info(object).type) {
    hash_struct(*type, &object, h);
  } else {
    h.text(api_version_of(object));
    hash_struct(ObjectMeta::kType, &object.metadata, h);
    hash_json(object.extra, h);
  }
  return h.digest();
}

uint64_t xxh64(std::string_view bytes, uint64_t seed) {
  Xxh64 h(seed);
  h.bytes(bytes.data(), bytes.size());
  return h.digest();
}

uint64_t schema_fingerprint() {
  Xxh64 h(0);
  const auto visit = [&h](const auto& self, const TypeInfo& type, int depth) -> void {
    h.text(type.name);
    for (const FieldInfo& f : type.fields) {
      h.text(f.name);
      h.word(static_cast<uint64_t>(f.type) << 8 | static_cast<uint64_t>(f.shape));
      if (f.type_info && depth < 16) self(self, *f.type_info, depth + 1);
    }
  };
  for (const KindInfo& info : all_kinds()) {
    h.text(info.name);
    if (info.type) visit(visit, *info.type, 0);
  }
  return h.digest();
}

}  // namespace mainspring::api
