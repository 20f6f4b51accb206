#!/usr/bin/env python3
"""Checks tables (.def) and the conventions that a compiler does not see.

Tables: every .def file is included by somebody; no row occurs twice; every planted fault is hosted by product code
(fault_fires) and named in docs/faults.md.
Files: every .h, and every .cc without a .h of its own, opens with a comment that says what it is; headers
have #pragma once; no path of somebody's home folder occurs in a text file.
Pages: every path in backquotes in a .md file at the top or in docs/ that starts with a folder of ours exists.
Not checked: the meaning of a row (the compiler and the tests do that).

    check_tables.py [ROOT]       check the tree (exit 1 and one line per violation)
    check_tables.py --self-test  plant one violation of each kind and see it reported
"""

import collections
import pathlib
import re
import sys

import planted

TOP = ("engine", "interp", "fuzz", "triage", "tools", "tests", "bench")
TEXT = (".h", ".cc", ".def", ".md", ".txt", ".cmake", ".json", ".py", ".sh", ".yaml", ".yml", "")
ROW = re.compile(r"^(\w+)\(\s*([^,)]+)")
FAULT = re.compile(r"^PARALLAX_FAULT\(\s*(\w+)\s*,\s*\"(\w+)\"", re.MULTILINE)
PATH = re.compile(r"`((?:cmake|scripts|docs|" + "|".join(TOP) + r")/[\w./{},*-]+)`")
HOME = re.compile(r"/(?:home|root|Users)/[\w.]+")


def read(path):
    return path.read_text(errors="replace")


def files_below(root, suffixes):
    for top in TOP:
        for path in sorted((root / top).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root).as_posix(), path


def check_tables(root):
    code = {name: read(path) for name, path in files_below(root, (".h", ".cc", ".def"))}
    everything = "\n".join(code.values())
    for name, text in code.items():
        if not name.endswith(".def"):
            continue
        if f'"{name}"' not in everything:
            yield f"{name}: no file includes this table"
        rows = collections.Counter(line.strip() for line in text.splitlines() if ROW.match(line))
        for row, count in rows.items():
            if count > 1:
                yield f"{name}: row occurs {count} times: {row}"

    faults = root / "fuzz/faults/faults.def"
    if faults.is_file():
        product = "\n".join(text for name, text in code.items() if not name.endswith(("_test.cc", ".def")))
        guide = root / "docs/faults.md"
        described = read(guide) if guide.is_file() else ""
        for enumerator, name in FAULT.findall(read(faults)):
            if not re.search(rf"\bFault::{enumerator}\b", product):
                yield f"fuzz/faults/faults.def: {name} is hosted nowhere: no code asks for Fault::{enumerator}"
            if not re.search(rf"\b{name}\b", described):
                yield f"docs/faults.md: {name} is not described"


def check_files(root):
    for name, path in files_below(root, (".h", ".cc")):
        text = read(path)
        header = path.parent / (path.stem.removesuffix("_test") + ".h")
        if not text.startswith("//") and (name.endswith(".h") or not header.is_file()):
            yield f"{name}: does not open with a comment that says what it is"
        if name.endswith(".h") and "#pragma once" not in text:
            yield f"{name}: no #pragma once"
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if name.parts[0] in (".git", "build") or "corpus" in name.parts or path.suffix not in TEXT or not path.is_file():
            continue
        if name.name == "check_tables.py":
            continue
        match = HOME.search(read(path))
        if match:
            yield f"{name}: names a path of one machine: {match.group()}"


def expand(path):
    """{a,b} and * as in a shell; names with <placeholders> do not match PATH."""
    match = re.match(r"(.*?)\{([^}]*)\}(.*)", path)
    if not match:
        return [path]
    return [full for choice in match.group(2).split(",") for full in expand(match.group(1) + choice + match.group(3))]


def check_pages(root):
    for page in sorted(root.glob("*.md")) + sorted(root.glob("docs/*.md")):
        for path in sorted(set(PATH.findall(read(page)))):
            for full in expand(path):
                if not any(root.glob(full.rstrip("/"))):
                    yield f"{page.relative_to(root)}: {full} does not exist"


def check(root):
    return list(check_tables(root)) + list(check_files(root)) + list(check_pages(root))


GOOD_TREE = {
    "engine/base/ops.def": "// Rows.\nOP(kAdd, 1)\nOP(kSub, 2)\n",
    "engine/base/ops.h": '// Ops.\n#pragma once\n#include "engine/base/ops.def"\n',
    "fuzz/faults/faults.def": '// Faults.\nPARALLAX_FAULT(kX1, "X1", "I1", "what")\n',
    "engine/base/faults.cc": '// Faults.\n#include "fuzz/faults/faults.def"\nbool b = fault_fires(Fault::kX1);\n',
    "docs/faults.md": "X1 is planted in base: `engine/base/{ops,faults}.*`.\n",
}
PLANTED = {
    "engine/base/lonely.def": ("// Nobody.\n", "no file includes this table"),
    "engine/base/ops.def": ("// Rows.\nOP(kAdd, 1)\nOP(kAdd, 1)\n", "occurs 2 times"),
    "engine/base/faults.cc": ('// Faults.\n#include "fuzz/faults/faults.def"\n', "hosted nowhere"),
    "docs/faults.md": ("Nothing.\n", "not described"),
    "engine/base/bare.cc": ("int x;\n", "does not open with a comment"),
    "engine/base/twice.h": ("// A header.\n", "no #pragma once"),
    "README.md": ("see `engine/base/{ops.h,gone.h}`\n", "engine/base/gone.h does not exist"),
    "docs/path.md": ("see /home/somebody/x\n", "path of one machine"),
}


if __name__ == "__main__":
    sys.exit(planted.main(check, GOOD_TREE, PLANTED))
