#!/usr/bin/env python3
"""Makes the C++ types and their run-time descriptors from the *.schema files of this folder.

Usage: generate.py OUTPUT_DIR        writes OUTPUT_DIR/models/api/types/*.h and *.cpp
       generate.py OUTPUT_DIR --list prints the names of those files, for CMake
       generate.py OUTPUT_DIR --package FILE.schema PREFIX NAMESPACE
                                     writes OUTPUT_DIR/PREFIX/FILE.h and .cpp for another folder's
                                     schema, which may use the types of this one

README.md explains the language of the schema files.
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# In the order of their dependencies; Kind numbers follow it.
PACKAGES = [
    "meta",
    "core",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "scheduling",
    "storage",
    "coordination",
    "discovery",
    "resource",
]

SCALARS = {
    "string": ("Str", "kString"),
    "bool": ("bool", "kBool"),
    "int32": ("int32_t", "kInt32"),
    "int64": ("int64_t", "kInt64"),
    "double": ("double", "kDouble"),
    "Quantity": ("Quantity", "kQuantity"),
    "IntOrString": ("IntOrString", "kIntOrString"),
    "Time": ("Time", "kTime"),
    "MicroTime": ("Time", "kMicroTime"),
    "Json": ("Json", "kJson"),
}
ZERO = {"bool": " = false", "int32": " = 0", "int64": " = 0", "double": " = 0"}
KEYWORDS = {
    "template",
    "operator",
    "namespace",
    "default",
    "continue",
    "class",
    "export",
    "new",
    "delete",
    "private",
    "public",
    "static",
    "union",
    "register",
    "auto",
    "signed",
}
FLAGS = {
    "required": "kRequired",
    "always": "kAlways",
    "set": "kSet",
    "retainKeys": "kRetainKeys",
    "replace": "kReplace",
    "number": "kNumber",
}
FORMATS = [
    "dns_label",
    "dns_subdomain",
    "port",
    "port_name",
    "labels",
    "annotations",
    "qualified_name",
    "label_value",
]


class SchemaError(Exception):
    pass


def snake(name):
    words = re.findall(r"[A-Z]+s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    result = "_".join(w.lower() for w in words)
    return result + "_" if result in KEYWORDS else result


def constant(value):
    tail = value.split("/")[-1]
    return "k" + "".join(w[0].upper() + w[1:] for w in re.split(r"[^A-Za-z0-9]+", tail) if w)


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Field:
    def __init__(self, json, text, attributes, doc):
        self.json, self.doc = json, doc
        self.cpp = snake(json)
        self.shape, base = "kValue", text
        if text.startswith("["):
            self.shape, base = "kList", text[1:-1]
        elif text.startswith("{"):
            self.shape, base = "kMap", text[1:-1]
        elif text.endswith("?"):
            self.shape, base = "kOptional", text[:-1]
        self.base = base
        self.flags, self.merge, self.format = [], "", None
        self.default = self.min = self.max = None
        for a in attributes:
            key, _, value = a.partition("=")
            if key in FLAGS and not value:
                self.flags.append(FLAGS[key])
            elif key == "default":
                self.default = value[1:-1] if value.startswith('"') else value
            elif key == "min":
                self.min = int(value)
            elif key == "max":
                self.max = int(value)
            elif key == "merge":
                self.merge = value
            elif key == "format" and value in FORMATS:
                self.format = value
            elif key != "omitzero":
                raise SchemaError(f"field {json}: unknown attribute {a}")


class Struct:
    def __init__(self, package, name, is_kind):
        self.package, self.name, self.is_kind = package, name, is_kind
        self.fields, self.kept, self.doc = [], [], ""
        self.defaults = self.validate = False
        self.order = None


class Schema:
    def __init__(self):
        self.structs, self.enums, self.enum_package = {}, {}, {}
        self.defaulted = {}
        self.open_enums, self.by_package, self.kinds = set(), {p: [] for p in PACKAGES}, []
        for package in PACKAGES:
            self.read(package)
        self.check()

    def check(self):
        for s in self.structs.values():
            for f in s.fields:
                if not any(f.base in known for known in (SCALARS, self.enums, self.structs)):
                    raise SchemaError(f"{s.name}.{f.json}: no type {f.base}")

    def read(self, package, path=None):
        path = path or os.path.join(HERE, package + ".schema")
        current = None
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            line = line.rstrip()
            if not line or line.startswith("#"):
                continue
            try:
                text, _, doc = line.partition(" | ")
                words = re.findall(r'(?:[^\s"]|"[^"]*")+', text)
                if line.startswith("  kept:"):
                    current.kept += words[1:]
                elif line.startswith("  "):
                    current.fields.append(Field(words[0], words[1], words[2:], doc.strip()))
                elif words[0] == "enum":
                    name, values = words[1], words[2:]
                    if values[0] == "open":
                        self.open_enums.add(name)
                        values = values[1:]
                    self.enums[name] = ["" if v == '""' else v for v in values]
                    self.enum_package[name] = package
                elif words[0] in ("struct", "kind"):
                    current = Struct(package, words[1], words[0] == "kind")
                    current.doc = doc.strip()
                    rest = words[2:]
                    for flag in ("defaults", "validate"):
                        if flag in rest:
                            setattr(current, flag, True)
                            rest.remove(flag)
                    if current.is_kind:
                        self.read_kind(current, rest)
                    self.structs[current.name] = current
                    self.by_package[package].append(current)
                elif words[0] != "package":
                    raise SchemaError("expected enum, struct, kind or a field")
            except (SchemaError, IndexError, ValueError, AttributeError) as e:
                raise SystemExit(f"{path}:{number}: {e}\n  {line}") from e

    def read_kind(self, s, words):
        s.api_version, s.plural = words[0], words[1]
        s.short, s.singular, s.also, s.removed = [], s.name.lower(), [], []
        s.cluster = s.status = s.generation = False
        s.served = True
        for w in words[2:]:
            key, _, value = w.partition("=")
            if key in ("cluster", "status", "generation"):
                setattr(s, key, True)
            elif key == "short":
                s.short = value.split(",")
            elif key == "singular":
                s.singular = value
            elif key == "also":
                s.also = value.split(",")
            elif key == "removed":
                s.removed = value.split(",")
            elif key == "served":
                s.served = value != "kept"
            else:
                raise SchemaError(f"unknown attribute {w}")
        self.kinds.append(s)

    def sorted_structs(self, package):
        """Every struct after the structs that it holds."""
        done, result = set(), []

        def visit(s):
            if s.name in done or s.package != package:
                return
            done.add(s.name)
            for f in s.fields:
                if f.base in self.structs:
                    visit(self.structs[f.base])
            result.append(s)

        for s in self.by_package[package]:
            visit(s)
        return result

    def has_defaults(self, s):
        """Whether the struct or anything in it can need a default."""
        if s.name not in self.defaulted:
            self.defaulted[s.name] = s.defaults or any(
                f.default is not None
                or (f.shape == "kMap" and f.base == "Quantity")
                or (f.base in self.structs and self.has_defaults(self.structs[f.base]))
                for f in s.fields
            )
        return self.defaulted[s.name]

    def cpp_type(self, f):
        base = "Str" if f.base in self.enums else f.base
        if f.base in SCALARS:
            base = SCALARS[f.base][0]
        if f.shape == "kList":
            return f"List<{base}>"
        if f.shape == "kMap":
            return "StrMap" if base == "Str" else f"Map<{base}>"
        if f.shape == "kOptional":
            return f"Opt<{base}>" if f.base in self.structs else f"std::optional<{base}>"
        return base

    def field_type(self, f):
        if f.base in SCALARS:
            return SCALARS[f.base][1]
        return "kString" if f.base in self.enums else "kStruct"


BANNER = "// Made by models/api/schema/generate.py from {}. Do not edit.\n"


def make_header(schema, package, namespace="api"):
    out = [BANNER.format(package + ".schema"), "#pragma once\n\n"]
    structs = schema.sorted_structs(package)
    has_kinds = any(s.is_kind for s in structs)
    includes = set()
    for s in structs:
        for f in s.fields:
            other = schema.structs[f.base].package if f.base in schema.structs else package
            if other != package:
                includes.add(f"models/api/types/{other}.h")
    out.append("#include <cstdint>\n#include <optional>\n#include <string_view>\n\n")
    for h in [
        "models/api/int_or_string.h",
        "models/api/json.h",
        "models/api/quantity.h",
        "models/api/value.h",
    ]:
        includes.add(h)
    if has_kinds:
        includes.add("models/api/object.h")
    out += [f'#include "{h}"\n' for h in sorted(includes)]
    if namespace == "api":
        out.append("\nnamespace mainspring::api {\n\nstruct TypeInfo;\n")
    else:
        out.append(
            "\nnamespace mainspring::api {\nstruct TypeInfo;\n}\n\n"
            f"namespace mainspring::{namespace} {{\n\nusing namespace mainspring::api;\n"
        )
    for name, values in schema.enums.items():
        if schema.enum_package[name] != package:
            continue
        out.append(f"\nnamespace {snake(name)} {{\n")
        for v in values:
            if v:
                out.append(f"inline constexpr std::string_view {constant(v)} = {quote(v)};\n")
        out.append("}\n")
    for s in structs:
        out.append("\n")
        # Kubernetes' types are described by `explain`; their header stays short.
        if s.doc and namespace != "api":
            out.append(f"// {s.doc}.\n")
        base = " final : Object" if s.is_kind else ""
        out.append(f"struct {s.name}{base} {{\n  static const TypeInfo kType;\n")
        if s.is_kind:
            out.append(
                f"  static constexpr Kind kKind = Kind::{s.name};\n"
                f"  {s.name}() : Object(kKind) {{}}\n"
                f"  {s.name}(const {s.name}&);\n  ~{s.name}() override;\n\n"
            )
        for f in in_memory_order(schema, s.fields):
            if f.doc and namespace != "api":
                out.append(f"  // {f.doc}.\n")
            zero = ZERO.get(f.base, "") if f.shape == "kValue" else ""
            if not zero and not s.is_kind:
                zero = " = {}"
            out.append(f"  {schema.cpp_type(f)} {f.cpp}{zero};\n")
        if s.is_kind:
            same = " && ".join(
                ["a.metadata == b.metadata"]
                + [f"a.{f.cpp} == b.{f.cpp}" for f in s.fields]
                + ["a.extra == b.extra"]
            )
            out.append(
                f"\n  friend bool operator==(const {s.name}& a, const {s.name}& b) {{\n"
                f"    return {same};\n  }}\n"
            )
        else:
            out.append(
                "  Json extra = {};  // fields that this schema does not know\n\n"
                f"  bool operator==(const {s.name}&) const = default;\n"
            )
        out.append("};\n")
    out.append(f"\n}}  // namespace mainspring::{namespace}\n")
    out.append(make_instantiations(schema, package, namespace, "extern template"))
    return "".join(out)


def in_memory_order(schema, fields):
    """The narrow fields last, so that they lie together without gaps."""
    width = {"bool": 1, "std::optional<bool>": 1, "int32_t": 4, "std::optional<int32_t>": 4}
    return sorted(fields, key=lambda f: -width.get(schema.cpp_type(f), 8))


def make_instantiations(schema, package, namespace, declaration):
    """The boxes of this package's structs, so that only its .cpp compiles what is in them."""
    boxes = set()
    for s in schema.structs.values():
        for f in s.fields:
            if f.base not in schema.structs or schema.structs[f.base].package != package:
                continue
            name = f.base if namespace == "api" else f"{namespace}::{f.base}"
            if f.shape == "kList":
                boxes.add(f"{declaration} class ListItems<{name}>;\n")
            elif f.shape == "kOptional":
                boxes.add(f"{declaration} class Opt<{name}>;\n")
    if not boxes:
        return ""
    return (
        "\nnamespace mainspring::api {\n"
        + "".join(sorted(boxes))
        + "}  // namespace mainspring::api\n"
    )


def make_kinds(schema):
    out = [
        BANNER.format("the kinds of all *.schema"),
        "#pragma once\n\n#include <cstdint>\n\n",
        "namespace mainspring::api {\n\n",
        "// Dense, in the order of the schema.\n",
        "enum class Kind : uint16_t {\n"
        "  Unstructured,  // any kind that the schema does not have\n",
    ]
    out += [f"  {k.name},\n" for k in schema.kinds]
    out.append(f"}};\ninline constexpr uint16_t kKindCount = {len(schema.kinds) + 1};\n\n")
    out.append("}  // namespace mainspring::api\n")
    return "".join(out)


def make_forward(schema):
    out = [BANNER.format("all *.schema"), "#pragma once\n\nnamespace mainspring::api {\n\n"]
    out += [f"struct {n};\n" for n in sorted(schema.structs)]
    out.append("\n}  // namespace mainspring::api\n")
    return "".join(out)


def make_all():
    return (
        BANNER.format("all *.schema")
        + "#pragma once\n\n"
        + "".join(
            f'#include "models/api/types/{p}.h"  // IWYU pragma: export\n' for p in sorted(PACKAGES)
        )
    )


def make_hooks(schema):
    out = [
        BANNER.format("the structs with `defaults` or `validate`"),
        "// What a line of the schema cannot say is written by hand in defaults.cpp and\n"
        "// validate.cpp, one overload for every struct marked so.\n"
        '#pragma once\n\n#include "models/api/types/forward.h"\n\n'
        "namespace mainspring::api {\n\nclass ValidateContext;\n\n",
    ]
    for s in schema.structs.values():
        if s.defaults:
            out.append(
                f"bool needs_defaults(const {s.name}& value);\n"
                f"void default_fields({s.name}& value);\n"
            )
    out.append("\n")
    for s in schema.structs.values():
        if s.validate:
            out.append(f"void validate_fields(const {s.name}& value, ValidateContext& context);\n")
    out.append("\n}  // namespace mainspring::api\n")
    return "".join(out)


def make_descriptors(schema, package, prefix="models/api/types", namespace="api"):
    structs = schema.sorted_structs(package)
    out = [
        BANNER.format(package + ".schema"),
        '#include <cstddef>\n\n#include "models/api/descriptor_ops.h"\n'
        f'#include "models/api/types/hooks.h"\n#include "{prefix}/{package}.h"\n\n',
        "// Objects have a base class; every compiler that builds this lays them out plainly.\n"
        '#pragma GCC diagnostic ignored "-Winvalid-offsetof"\n\n'
        f"namespace mainspring::{namespace} {{\n\n",
    ]
    used = set()
    for s in structs:
        for f in s.fields:
            if f.base in schema.enums:
                used.add(f.base)
    for e in sorted(used):
        values = ", ".join(quote(v) for v in sorted(schema.enums[e]))
        out.append(f"static constexpr std::string_view k{e}Values[] = {{{values}}};\n")
        is_open = "true" if e in schema.open_enums else "false"
        out.append(f"static constexpr EnumInfo k{e}Enum{{{quote(e)}, k{e}Values, {is_open}}};\n")
    out.append("\n")
    for s in structs:
        fields = []
        if s.is_kind:
            fields.append(Field("metadata", "ObjectMeta", [], ""))
        fields += s.fields
        out.append(f"\nstatic constexpr FieldInfo k{s.name}Fields[] = {{\n")
        for f in fields:
            flags = " | ".join(f"FieldInfo::{x}" for x in f.flags) or "0"
            parts = [
                f".name = {quote(f.json)}",
                f".offset = offsetof({s.name}, {f.cpp})",
                f".type = FieldType::{schema.field_type(f)}",
                f".shape = Shape::{f.shape}",
            ]
            if f.format:
                parts.append(f".format = Format::{f.format}")
            if f.flags:
                parts.append(f".flags = {flags}")
            if f.base in schema.structs:
                parts.append(f".type_info = &{f.base}::kType")
            if f.base in schema.enums:
                parts.append(f".enum_info = &k{f.base}Enum")
            cpp = schema.cpp_type(f)
            if f.shape == "kList":
                parts.append(f".list = &kListOps<{cpp[5:-1]}>")
            elif f.shape == "kOptional" and f.base in schema.structs:
                parts.append(f".opt = &kOptOps<{f.base}>")
            if f.default is not None:
                parts.append(f".has_default = true, .default_value = {quote(f.default)}")
            if f.min is not None:
                parts.append(f".has_min = true, .min = {f.min}")
            if f.max is not None:
                parts.append(f".has_max = true, .max = {f.max}")
            if f.merge:
                parts.append(f".merge_key = {quote(f.merge)}")
            if f.doc:
                parts.append(f".doc = {quote(f.doc)}")
            out.append("    {" + ", ".join(parts) + "},\n")
        if not fields:
            out[-1] = ""
        out.append("};\n" if fields else "")
        kept = "{}"
        if s.kept:
            out.append(
                f"static constexpr std::string_view k{s.name}Kept[] = {{"
                + ", ".join(quote(k) for k in s.kept)
                + "};\n"
            )
            kept = f"k{s.name}Kept"
        needs, hook = "nullptr", "nullptr"
        if s.defaults:
            needs = (
                f"[](const void* p) {{ return needs_defaults(*static_cast<const {s.name}*>(p)); }}"
            )
            hook = f"[](void* p) {{ default_fields(*static_cast<{s.name}*>(p)); }}"
        check = "nullptr"
        if s.validate:
            check = (
                f"[](const void* p, ValidateContext& c) {{ "
                f"validate_fields(*static_cast<const {s.name}*>(p), c); }}"
            )
        out.append(
            f"constinit const TypeInfo {s.name}::kType{{\n"
            f"    .name = {quote(s.name)}, .doc = {quote(s.doc)}, .size = sizeof({s.name}),\n"
            f"    .extra_offset = offsetof({s.name}, extra), "
            f".fields = {'k' + s.name + 'Fields' if fields else '{}'}, .kept = {kept},\n"
            f"    .has_defaults = {'true' if schema.has_defaults(s) else 'false'},\n"
            f"    .needs_defaults = {needs},\n    .defaults = {hook},\n"
            f"    .validate = {check}}};\n"
        )
        if s.is_kind:
            out.append(
                f"{s.name}::{s.name}(const {s.name}&) = default;\n"
                f"{s.name}::~{s.name}() = default;\n"
            )
    out.append(f"\n}}  // namespace mainspring::{namespace}\n")
    out.append(make_instantiations(schema, package, namespace, "template"))
    return "".join(out)


def make_kind_table(schema):
    def strings(values):
        return "{" + ", ".join(quote(v) for v in values) + "}"

    out = [
        BANNER.format("the kinds of all *.schema"),
        '#include "models/api/descriptor_ops.h"\n#include "models/api/object.h"\n'
        '#include "models/api/types/all.h"\n\n'
        "namespace mainspring::api {\n\nnamespace {\n\n",
    ]
    for k in schema.kinds:
        for name, values in (("Short", k.short), ("Also", k.also)):
            if values:
                out.append(f"constexpr std::string_view k{k.name}{name}[] = {strings(values)};\n")
        if k.removed:
            pairs = ", ".join(
                "{%s, %s}" % tuple(quote(x) for x in r.rsplit(":", 1)) for r in k.removed
            )
            out.append(f"constexpr RemovedVersion k{k.name}Removed[] = {{{pairs}}};\n")
    out.append(
        "\ntemplate <class T>\nRef<Object> make_object() {\n  return make<T>();\n}\n"
        "template <class T>\nRef<Object> clone_object(const Object& o) {\n"
        "  return clone(static_cast<const T&>(o));\n}\n"
        "template <class T>\nbool equal_objects(const Object& a, const Object& b) {\n"
        "  return static_cast<const T&>(a) == static_cast<const T&>(b);\n}\n"
        "template <class T>\nbool equal_specs(const Object& a, const Object& b) {\n"
        "  return as<T>(a).spec == as<T>(b).spec;\n}\n"
        "template <class T>\nvoid set_status(Object& to, const Object* from) {\n"
        "  if (from) {\n    as<T>(to).status = as<T>(*from).status;\n  } else {\n"
        "    as<T>(to).status = {};\n  }\n}\n"
        "\n}  // namespace\n\n"
    )
    out.append(
        "\nextern const KindInfo kKindTable[kKindCount];\n"
        "constinit const KindInfo kKindTable[kKindCount] = {\n"
        '    {.kind = Kind::Unstructured, .name = "Unstructured", '
        ".make = &make_object<Unstructured>, .clone = &clone_object<Unstructured>, "
        ".equal = &equal_objects<Unstructured>},\n"
    )
    for k in schema.kinds:
        group, _, version = k.api_version.rpartition("/")
        b = lambda x: "true" if x else "false"
        parts = [
            f".kind = Kind::{k.name}",
            f".name = {quote(k.name)}",
            f".api_version = {quote(k.api_version)}",
            f".group = {quote(group)}",
            f".version = {quote(version)}",
            f".resource = {quote(k.plural)}",
            f".singular = {quote(k.singular)}",
            f".short_names = {'k' + k.name + 'Short' if k.short else '{}'}",
            f".also_versions = {'k' + k.name + 'Also' if k.also else '{}'}",
            f".removed_versions = {'k' + k.name + 'Removed' if k.removed else '{}'}",
            f".namespaced = {b(not k.cluster)}",
            f".has_status = {b(k.status)}",
            f".tracks_generation = {b(k.generation)}",
            f".simulated = {b(k.served)}",
            f".type = &{k.name}::kType",
            f".make = &make_object<{k.name}>",
            f".clone = &clone_object<{k.name}>",
            f".equal = &equal_objects<{k.name}>",
        ]
        if k.status:
            parts.append(f".equal_spec = &equal_specs<{k.name}>")
            parts.append(f".set_status = &set_status<{k.name}>")
        out.append("    {" + ", ".join(parts) + "},\n")
    out.append("};\n\n}  // namespace mainspring::api\n")
    return "".join(out)


def write(path, text):
    """Files that did not change keep their time, so that nothing is compiled again."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)


def make_package(file, prefix, namespace):
    package = os.path.basename(file)[: -len(".schema")]
    schema = Schema()
    PACKAGES.append(package)
    schema.by_package[package] = []
    schema.read(package, file)
    schema.check()
    directory = os.path.join(sys.argv[1], prefix)
    write(os.path.join(directory, package + ".h"), make_header(schema, package, namespace))
    write(
        os.path.join(directory, package + ".cpp"),
        make_descriptors(schema, package, prefix, namespace),
    )


def main():
    if "--package" in sys.argv:
        make_package(*sys.argv[sys.argv.index("--package") + 1 :])
        return
    directory = os.path.join(sys.argv[1], "models", "api", "types")
    names = (
        [f"{p}.h" for p in PACKAGES]
        + ["kinds.h", "forward.h", "all.h", "hooks.h"]
        + [f"{p}.cpp" for p in PACKAGES]
        + ["kind_table.cpp"]
    )
    if "--list" in sys.argv:
        print(";".join(os.path.join(directory, n) for n in names), end="")
        return
    schema = Schema()
    files = {f"{p}.h": make_header(schema, p) for p in PACKAGES}
    files.update({f"{p}.cpp": make_descriptors(schema, p) for p in PACKAGES})
    files.update(
        {
            "kinds.h": make_kinds(schema),
            "forward.h": make_forward(schema),
            "all.h": make_all(),
            "hooks.h": make_hooks(schema),
            "kind_table.cpp": make_kind_table(schema),
        }
    )
    assert sorted(files) == sorted(names)
    for name, text in files.items():
        write(os.path.join(directory, name), text)


if __name__ == "__main__":
    main()
