#!/usr/bin/env python3
"""Wraps the Markdown paragraphs that are wider than 100 columns; leaves all others as they are.

Usage: reflow.py FILE... Code blocks, tables, headings and HTML are not touched.
"""

import re
import sys
import textwrap

COLUMNS = 100
_ITEM = re.compile(r"(\s*(?:> ?)*)((?:[-*] |\d+\. )?)")
_APART = re.compile(r"\s*(?:\||#|<|!\[|\[[^\]]+\]:|$)")


def wrap(paragraph):
    if all(len(line) <= COLUMNS for line in paragraph):
        return paragraph
    prefix, mark = _ITEM.match(paragraph[0]).groups()
    words = [line[len(prefix) :] if line.startswith(prefix) else line for line in paragraph]
    text = " ".join(line.strip() for line in words)[len(mark) :]
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=prefix + mark,
        subsequent_indent=prefix + " " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def reflow(text):
    out, paragraph, fenced = [], [], False
    for line in text.split("\n"):
        fence = line.lstrip().startswith("```")
        apart = fence or fenced or _APART.match(line)
        if apart or re.match(r"\s*(?:[-*] |\d+\. )", line):
            out += wrap(paragraph)
            paragraph = []
        if apart:
            out.append(line)
        else:
            paragraph.append(line)
        fenced ^= fence
    return "\n".join(out + wrap(paragraph))


def main():
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        new = reflow(text)
        if new != text:
            with open(path, "w", encoding="utf-8") as f:
                f.write(new)


if __name__ == "__main__":
    main()
