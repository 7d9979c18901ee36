"""Writes the C++ source that holds the given files as text: embed.py OUT.cpp FILE..."""

import pathlib
import sys

# Compilers need not accept longer literals (C++ [implimits] asks for 65,536 characters).
CHUNK_BYTES = 12_000


def chunks(text: str):
    piece, size = [], 0
    for char in text:
        piece.append(char)
        size += len(char.encode())
        if size >= CHUNK_BYTES:
            yield "".join(piece)
            piece, size = [], 0
    if piece:
        yield "".join(piece)


def main() -> None:
    out, *files = sys.argv[1:]
    lines = [
        "// Written by scenarios/report/embed.py from the files of scenarios/report/web/.",
        '#include "scenarios/report/assets.h"',
        "",
        "namespace mainspring::scenarios {",
        "",
        "std::string asset(std::string_view name) {",
        "  std::string out;",
    ]
    for file in map(pathlib.Path, files):
        text = file.read_text(encoding="utf-8")
        assert ")~~~" not in text and "\r" not in text, file
        lines.append(f'  if (name == "{file.name}") {{')
        lines += [f'    out += R"~~~({chunk})~~~";' for chunk in chunks(text)]
        lines.append("  }")
    lines += ["  return out;", "}", "", "}  // namespace mainspring::scenarios", ""]
    pathlib.Path(out).write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
