#!/usr/bin/env python3
"""Checks every #include of the sources against cmake/layers.txt.

Properties: an include of ours is written from the repository root and names an existing file; the including file's
folder has a rule; the included file's folder is allowed by that rule; libraries under `only` rules are included by the
files named there.  Not checked: what a file gets through another header.

    check_layers.py [ROOT]       check the tree (exit 1 and one line per violation)
    check_layers.py --self-test  plant one violation of each kind and see it reported
"""

import fnmatch
import pathlib
import re
import sys

import planted

TOP = ("engine", "interp", "fuzz", "triage", "tools", "tests", "bench")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Rules:
    def __init__(self, text):
        self.allowed = {}
        self.data = []
        self.only = {}
        for line in text.splitlines():
            line = line.split("#")[0].strip()
            if not line:
                continue
            if line.startswith("data "):
                self.data += line.split()[1:]
            elif line.startswith("only "):
                prefix, _, patterns = line[len("only "):].partition(":")
                self.only[prefix.strip()] = patterns.split()
            else:
                folder, _, others = line.partition(":")
                self.allowed[folder.strip()] = others.split()

    def folder_of(self, path):
        """The most specific folder with a rule that contains `path`, or None."""
        matches = [folder for folder in self.allowed if path.startswith(folder + "/")]
        return max(matches, key=len, default=None)

    def may_include(self, source, target):
        folder = self.folder_of(source)
        if target.startswith(folder + "/") or source.endswith("_test.cc"):
            return True
        if target.endswith(".def") and any(target.startswith(data + "/") for data in self.data):
            return True
        return any(target.startswith(other + "/") for other in self.allowed[folder])


def sources(root):
    for top in TOP:
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".cc", ".def", ".inc") and path.is_file():
                yield path


def check(root):
    rules = Rules((root / "cmake/layers.txt").read_text())
    problems = []
    for path in sources(root):
        source = path.relative_to(root).as_posix()
        if rules.folder_of(source) is None:
            problems.append(f"{source}: its folder has no rule in cmake/layers.txt")
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, target = match.groups()
            where = f"{source}:{number}"
            for prefix, patterns in rules.only.items():
                if target.startswith(prefix) and not any(fnmatch.fnmatch(source, pattern) for pattern in patterns):
                    problems.append(f"{where}: {target} is only for {' '.join(patterns)}")
            if quote != '"' or source.rsplit("/", 1)[-1].startswith("binaryen_"):
                continue
            if not (root / target).is_file():
                if target.split("/")[0] in TOP or (path.parent / target).is_file():
                    problems.append(f"{where}: {target} is not a file named from the repository root")
            elif not rules.may_include(source, target):
                problems.append(f"{where}: {rules.folder_of(source)} may not include {target}")
    return problems


GOOD_TREE = {
    "cmake/layers.txt": "engine/base:\nengine/gc: engine/base\ninterp: engine/base\ndata fuzz/faults\n"
                        "fuzz: engine interp\nonly asmjit/: engine/gc/asm.h\n",
    "engine/base/a.h": '#include "fuzz/faults/faults.def"\n#include "engine/base/b.h"\n',
    "engine/base/b.h": "",
    "engine/gc/heap.h": '#include "engine/base/a.h"\n',
    "engine/gc/asm.h": "#include <asmjit/x86.h>\n",
    "fuzz/faults/faults.def": "",
    "interp/run_test.cc": '#include "engine/gc/heap.h"\n',
}
PLANTED = {
    "interp/run.h": ('#include "engine/gc/heap.h"\n', "interp may not include engine/gc/heap.h"),
    "engine/base/up.cc": ('#include "engine/gc/heap.h"\n', "engine/base may not include"),
    "engine/gc/near.h": ('#include "heap.h"\n', "not a file named from the repository root"),
    "engine/gc/gone.h": ('#include "engine/gc/gone2.h"\n', "not a file named from the repository root"),
    "engine/gc/lib.cc": ("#include <asmjit/core.h>\n", "is only for engine/gc/asm.h"),
    "engine/new/thing.h": ("\n", "no rule"),
}


if __name__ == "__main__":
    sys.exit(planted.main(check, GOOD_TREE, PLANTED))
