#include "models/api/patch.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "models/api/codec.h"
#include "models/api/descriptor.h"
#include "models/api/diagnostics.h"

namespace mainspring::api {

namespace {

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kElementOrder = "$setElementOrder/";
constexpr std::string_view kDeletePrimitives = "$deleteFromPrimitiveList/";

// The patched tree as an object of the same kind and identity.
Ref<Object> finish(const Object& object, const Json& tree, Diagnostics& diagnostics) {
  const size_t errors = diagnostics.errors();
  if (tree["kind"].as_view() != kind_name_of(object) ||
      tree["apiVersion"].as_view() != api_version_of(object)) {
    diagnostics.error(Position(), "", "a patch may not change apiVersion or kind");
    return nullptr;
  }
  const ObjectRef patched = decode(tree, diagnostics);
  if (!patched || diagnostics.errors() != errors) return nullptr;
  return clone(*patched);
}

// --- strategic merge ---

std::string_view directive_of(const Json& patch) { return patch[kDirective].as_view(); }

bool contains(const Json& list, const Json& value) {
  for (const Json& item : list.items()) {
    if (item == value) return true;
  }
  return false;
}

// Whether the key names a directive about another key, and which.
bool strip_prefix(std::string_view key, std::string_view prefix, std::string_view* name) {
  if (!key.starts_with(prefix)) return false;
  *name = key.substr(prefix.size());
  return true;
}

// Drops the directives from what is added as new.
Json without_directives(const TypeInfo* type, const Json& patch);

Json list_without_directives(const TypeInfo* type, const Json& patch) {
  std::vector<Json> items;
  for (const Json& item : patch.items()) {
    const std::string_view directive = directive_of(item);
    if (directive == "delete") continue;
    if (directive == "replace" && item.size() == 1) continue;
    items.push_back(without_directives(type, item));
  }
  return Json::array(std::move(items));
}

Json without_directives(const TypeInfo* type, const Json& patch) {
  if (!patch.is_object()) return patch;
  std::vector<Json::Member> members;
  for (const Json::Member& m : patch.members()) {
    std::string_view name;
    if (m.key == kDirective || m.key == kRetainKeys || m.value.is_null() ||
        strip_prefix(m.key, kElementOrder, &name) ||
        strip_prefix(m.key, kDeletePrimitives, &name)) {
      continue;
    }
    const FieldInfo* f = type ? type->find(m.key) : nullptr;
    const TypeInfo* inner = f ? f->type_info : nullptr;
    members.push_back({m.key, m.value.is_array() ? list_without_directives(inner, m.value)
                                                 : without_directives(inner, m.value)});
  }
  return Json::object(std::move(members));
}

Json merge_maps(const TypeInfo* type, const Json& target, const Json& patch);

// Puts the items that `order` names into that order. Others keep their place relative to the item
// that stood before them, as kubectl's order lists ask for.
void apply_order(std::vector<Json>& items, const Json& order, std::string_view key) {
  const auto rank = [&](const Json& item) -> std::optional<size_t> {
    const Json& id = key.empty() ? item : item[key];
    for (size_t i = 0; i < order.size(); ++i) {
      const Json& wanted = key.empty() ? order[i] : order[i][key];
      if (wanted == id) return i;
    }
    return std::nullopt;
  };
  std::vector<std::pair<size_t, size_t>> ranked;  // rank, position
  size_t last = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    // An item that the order does not name follows the one that it stood behind.
    const std::optional<size_t> r = rank(items[i]);
    if (r) last = *r + 1;
    ranked.emplace_back(last, i);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<Json> sorted;
  sorted.reserve(items.size());
  for (const auto& [r, position] : ranked) sorted.push_back(items[position]);
  items = std::move(sorted);
}

Json merge_keyed_list(const FieldInfo& f, const Json& target, const Json& patch,
                      const Json* order) {
  std::vector<Json> items;
  // {"$patch": "replace"} as an element: the rest of the list replaces what is there.
  for (const Json& item : patch.items()) {
    if (item.size() == 1 && directive_of(item) == "replace") {
      return list_without_directives(f.type_info, patch);
    }
  }
  for (const Json& item : target.items()) items.push_back(item);
  for (const Json& item : patch.items()) {
    const Json& id = item[f.merge_key];
    const auto found = std::find_if(items.begin(), items.end(),
                                    [&](const Json& have) { return have[f.merge_key] == id; });
    const std::string_view directive = directive_of(item);
    if (directive == "delete") {
      std::erase_if(items, [&](const Json& have) { return have[f.merge_key] == id; });
    } else if (found == items.end() || id.is_null()) {
      items.push_back(without_directives(f.type_info, item));
    } else {
      *found = merge_maps(f.type_info, *found, item);
    }
  }
  if (order) apply_order(items, *order, f.merge_key);
  return Json::array(std::move(items));
}

Json merge_set(const Json& target, const Json& patch, const Json* order, const Json* removed) {
  std::vector<Json> items;
  for (const Json& item : target.items()) {
    if (!removed || !contains(*removed, item)) items.push_back(item);
  }
  for (const Json& item : patch.items()) {
    if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
  }
  if (order) apply_order(items, *order, {});
  return Json::array(std::move(items));
}

Json merge_maps(const TypeInfo* type, const Json& target, const Json& patch) {
  const std::string_view directive = directive_of(patch);
  if (directive == "delete") return Json::object();
  if (directive == "replace" || !target.is_object()) return without_directives(type, patch);

  Json result = target;
  if (const Json* retain = patch.find(kRetainKeys)) {
    for (const Json::Member& m : target.members()) {
      if (!contains(*retain, Json(m.key))) result.erase(m.key);
    }
  }
  // Directives about lists that the patch itself may not name.
  const auto directive_for = [&](std::string_view prefix, std::string_view name) -> const Json* {
    return patch.find(std::string(prefix) + std::string(name));
  };
  const auto merge_list = [&](const FieldInfo* f, std::string_view name, const Json& value) {
    const Json& have = result[name];
    const Json* order = directive_for(kElementOrder, name);
    if (f && !f->merge_key.empty()) return merge_keyed_list(*f, have, value, order);
    if (f && f->has(FieldInfo::kSet)) {
      return merge_set(have, value, order, directive_for(kDeletePrimitives, name));
    }
    return value;
  };
  for (const Json::Member& m : patch.members()) {
    std::string_view name;
    if (m.key == kDirective || m.key == kRetainKeys) continue;
    if (strip_prefix(m.key, kElementOrder, &name) ||
        strip_prefix(m.key, kDeletePrimitives, &name)) {
      const FieldInfo* f = type ? type->find(name) : nullptr;
      if (f && !patch.contains(name) && result.contains(name)) {
        result.set(Str(name), merge_list(f, name, Json::array()));
      }
      continue;
    }
    const FieldInfo* f = type ? type->find(m.key) : nullptr;
    const TypeInfo* inner = f ? f->type_info : nullptr;
    if (m.value.is_null()) {
      result.erase(m.key);
    } else if (f && f->has(FieldInfo::kReplace)) {
      result.set(m.key, without_directives(inner, m.value));
    } else if (m.value.is_array()) {
      result.set(m.key, merge_list(f, m.key, m.value));
    } else if (m.value.is_object()) {
      if (directive_of(m.value) == "delete") {
        result.erase(m.key);
      } else {
        result.set(m.key, merge_maps(inner, result[m.key], m.value));
      }
    } else {
      result.set(m.key, m.value);
    }
  }
  return result;
}

// --- JSON patch ---

std::string unescape(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      out += token[++i] == '1' ? '/' : '~';
    } else {
      out += token[i];
    }
  }
  return out;
}

std::optional<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (!pointer.starts_with('/')) return std::nullopt;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t n = pointer.find('/');
    tokens.push_back(unescape(pointer.substr(0, n)));
    pointer.remove_prefix(n == std::string_view::npos ? pointer.size() : n);
  }
  return tokens;
}

std::optional<size_t> parse_index(std::string_view token, size_t size, bool may_append) {
  if (token == "-" && may_append) return size;
  size_t index = 0;
  const auto [p, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || p != token.data() + token.size()) return std::nullopt;
  if (token.size() > 1 && token[0] == '0') return std::nullopt;
  if (index > size || (index == size && !may_append)) return std::nullopt;
  return index;
}

using Tokens = std::span<const std::string>;

std::optional<Json> get_at(const Json& tree, Tokens tokens) {
  const Json* at = &tree;
  for (const std::string& token : tokens) {
    if (at->is_array()) {
      const std::optional<size_t> i = parse_index(token, at->size(), false);
      if (!i) return std::nullopt;
      at = &at->items()[*i];
    } else {
      at = at->find(token);
      if (!at) return std::nullopt;
    }
  }
  return *at;
}

enum class Edit { kAdd, kReplace, kRemove };

bool edit_at(Json& tree, Tokens tokens, Edit edit, const Json& value) {
  if (tokens.empty()) {
    if (edit == Edit::kRemove) return false;
    tree = value;
    return true;
  }
  const std::string& token = tokens.front();
  if (tree.is_array()) {
    const bool last = tokens.size() == 1;
    const std::optional<size_t> i = parse_index(token, tree.size(), last && edit == Edit::kAdd);
    if (!i) return false;
    std::vector<Json>& items = tree.edit_items();
    if (!last) return edit_at(items[*i], tokens.subspan(1), edit, value);
    const auto at = items.begin() + static_cast<ptrdiff_t>(*i);
    if (edit == Edit::kAdd) {
      items.insert(at, value);
    } else if (edit == Edit::kReplace) {
      *at = value;
    } else {
      items.erase(at);
    }
    return true;
  }
  if (!tree.is_object()) return false;
  if (tokens.size() > 1) {
    return tree.contains(token) && edit_at(tree.edit(token), tokens.subspan(1), edit, value);
  }
  if (edit != Edit::kAdd && !tree.contains(token)) return false;
  if (edit == Edit::kRemove) return tree.erase(token);
  tree.set(token, value);
  return true;
}

bool apply_operation(Json& tree, const Json& operation, std::string* error) {
  const std::string_view op = operation["op"].as_view();
  const std::string_view path = operation["path"].as_view();
  const auto tokens = parse_pointer(path);
  const auto fail = [&](std::string_view why) {
    *error = std::string(op) + " operation: " + std::string(path) + ": " + std::string(why);
    return false;
  };
  if (!tokens || !operation["path"].is_string()) return fail("not a JSON pointer");
  const bool has_value = operation.contains("value");
  const Json& value = operation["value"];
  if (op == "test") {
    const std::optional<Json> have = get_at(tree, *tokens);
    if (!have ? !value.is_null() : *have != value) return fail("test failed");
    return true;
  }
  if (op == "remove") {
    return edit_at(tree, *tokens, Edit::kRemove, {}) || fail("no such value");
  }
  if (op == "add" || op == "replace") {
    if (!has_value) return fail("value is missing");
    const Edit edit = op == "add" ? Edit::kAdd : Edit::kReplace;
    return edit_at(tree, *tokens, edit, value) || fail("no such value");
  }
  if (op == "move" || op == "copy") {
    const auto from = parse_pointer(operation["from"].as_view());
    if (!from) return fail("from is not a JSON pointer");
    const std::optional<Json> moved = get_at(tree, *from);
    if (!moved) return fail("nothing at from");
    if (op == "move" && !edit_at(tree, *from, Edit::kRemove, {})) return fail("cannot move");
    return edit_at(tree, *tokens, Edit::kAdd, *moved) || fail("no such place");
  }
  return fail("unknown operation");
}

// --- three-way ---

// What takes `live` to `modified`, and deletes what `last` had and `modified` has not.
Json three_way(const TypeInfo* type, const Json& last, const Json& modified, const Json& live) {
  std::vector<Json::Member> patch;
  for (const Json::Member& m : last.members()) {
    if (!modified.contains(m.key) && live.contains(m.key)) patch.push_back({m.key, Json()});
  }
  for (const Json::Member& m : modified.members()) {
    if (m.value.is_null()) continue;
    const Json& have = live[m.key];
    const FieldInfo* f = type ? type->find(m.key) : nullptr;
    const TypeInfo* inner = f ? f->type_info : nullptr;
    const bool replace = f && f->has(FieldInfo::kReplace);
    if (m.value.is_object() && have.is_object() && !replace) {
      Json nested = three_way(inner, last[m.key], m.value, have);
      if (f && f->has(FieldInfo::kRetainKeys) && !nested.empty()) {
        std::vector<Json> keys;
        for (const Json::Member& k : m.value.members()) keys.push_back(Json(k.key));
        nested.set(Str(kRetainKeys), Json::array(std::move(keys)));
      }
      if (!nested.empty()) patch.push_back({m.key, std::move(nested)});
    } else if (m.value.is_array() && have.is_array() && f && !f->merge_key.empty()) {
      const auto by_key = [&](const Json& list, const Json& id) -> const Json* {
        for (const Json& item : list.items()) {
          if (item[f->merge_key] == id) return &item;
        }
        return nullptr;
      };
      std::vector<Json> items;
      std::vector<Json> order;
      for (const Json& item : m.value.items()) {
        const Json& id = item[f->merge_key];
        order.push_back(Json::object({{Str(f->merge_key), id}}));
        const Json* there = by_key(have, id);
        if (!there) {
          items.push_back(item);
          continue;
        }
        const Json* before = by_key(last[m.key], id);
        Json nested = three_way(inner, before ? *before : Json(), item, *there);
        if (nested.empty()) continue;
        nested.set(Str(f->merge_key), id);
        items.push_back(std::move(nested));
      }
      for (const Json& item : last[m.key].items()) {
        const Json& id = item[f->merge_key];
        if (!by_key(m.value, id) && by_key(have, id)) {
          items.push_back(Json::object({{Str(kDirective), "delete"}, {Str(f->merge_key), id}}));
        }
      }
      if (items.empty()) continue;
      patch.push_back({Str(std::string(kElementOrder) + m.key.str()), Json::array(order)});
      patch.push_back({m.key, Json::array(std::move(items))});
    } else if (m.value.is_array() && have.is_array() && f && f->has(FieldInfo::kSet)) {
      std::vector<Json> added;
      std::vector<Json> removed;
      for (const Json& item : m.value.items()) {
        if (!contains(have, item)) added.push_back(item);
      }
      for (const Json& item : last[m.key].items()) {
        if (!contains(m.value, item) && contains(have, item)) removed.push_back(item);
      }
      if (!added.empty()) patch.push_back({m.key, Json::array(std::move(added))});
      if (!removed.empty()) {
        patch.push_back(
            {Str(std::string(kDeletePrimitives) + m.key.str()), Json::array(std::move(removed))});
      }
    } else if (m.value != have) {
      patch.push_back({m.key, m.value});
    }
  }
  return Json::object(std::move(patch));
}

}  // namespace

Json merge_patch(const Json& target, const Json& patch) {
  if (!patch.is_object()) return patch;
  Json result = target.is_object() ? target : Json::object();
  for (const Json::Member& m : patch.members()) {
    if (m.value.is_null()) {
      result.erase(m.key);
    } else {
      result.set(m.key, merge_patch(result[m.key], m.value));
    }
  }
  return result;
}

Json strategic_merge(const TypeInfo& type, const Json& target, const Json& patch) {
  return merge_maps(&type, target, patch);
}

Json three_way_patch(const TypeInfo& type, const Json& last_applied, const Json& modified,
                     const Json& live) {
  return three_way(&type, last_applied, modified, live);
}

Ref<Object> apply_merge_patch(const Object& object, const Json& patch, Diagnostics& diagnostics) {
  if (!patch.is_object()) {
    diagnostics.mismatch(patch.position(), "", "mapping", describe(patch));
    return nullptr;
  }
  return finish(object, merge_patch(encode(object), patch), diagnostics);
}

Ref<Object> apply_strategic_merge_patch(const Object& object, const Json& patch,
                                        Diagnostics& diagnostics) {
  const TypeInfo* type = kind_info(object).type;
  if (!type) {
    diagnostics.error(patch.position(), "",
                      "strategic merge patch is not supported for kinds without a schema");
    return nullptr;
  }
  if (!patch.is_object()) {
    diagnostics.mismatch(patch.position(), "", "mapping", describe(patch));
    return nullptr;
  }
  return finish(object, merge_maps(type, encode(object), patch), diagnostics);
}

Ref<Object> apply_json_patch(const Object& object, const Json& patch, Diagnostics& diagnostics) {
  constexpr size_t kMaxOperations = 10000;  // as the API server allows
  if (!patch.is_array() || patch.size() > kMaxOperations) {
    diagnostics.mismatch(patch.position(), "", "list of at most 10000 operations", describe(patch));
    return nullptr;
  }
  Json tree = encode(object);
  for (const Json& operation : patch.items()) {
    std::string error;
    if (!apply_operation(tree, operation, &error)) {
      diagnostics.error(operation.position(), "", error);
      return nullptr;
    }
  }
  return finish(object, tree, diagnostics);
}

}  // namespace mainspring::api
