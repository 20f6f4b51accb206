#!/usr/bin/env python3
"""Options that make no sense are refused with exit code 2 and a sentence that names them.

usage: usage_test.py PARALLAX
"""
import subprocess
import sys
import tempfile

PARALLAX = sys.argv[1]
REFUSED = [
    (["fuzz", "--time", "nan"], "--time"),
    (["fuzz", "--time", "-1"], "--time"),
    (["fuzz", "--time", "inf"], "--time"),
    (["fuzz", "--time", "0"], "--time"),
    (["fuzz", "--case-timeout", "nan", "--runs", "1"], "--case-timeout"),
    (["fuzz", "--runs", "0"], "--runs"),
    (["fuzz", "--runs", "-3"], "--runs"),
    (["fuzz", "--jobs", "0", "--runs", "1"], "--jobs"),
    (["fuzz", "--mutate", "101", "--runs", "1"], "--mutate"),
    (["fuzz", "--feedback", "colours", "--runs", "1"], "colours"),
    (["fuzz", "--keep", "all", "--runs", "1"], "--keep"),
    (["fuzz", "--pick", "first", "--runs", "1"], "--pick"),
    (["fuzz", "--share", "mine", "--runs", "1"], "--share"),
    (["fuzz", "--seeds", "/nowhere/at/all", "--runs", "1"], "/nowhere/at/all"),
    (["generate", "--around", "2000"], "--around"),
    (["fuzz", "--generator", "nobody", "--runs", "1"], "nobody"),
    (["fuzz", "--executors", "interp", "--runs", "1"], "two"),
    (["fuzz", "--executors", "interp,,jit", "--runs", "1"], "empty word"),
    (["fuzz", "--executors", "interp,jit,", "--runs", "1"], "empty word"),
    (["fuzz", "--executors", "interp,jit,jit:O2", "--runs", "1"], "named twice"),
    (["fuzz", "--executors", "interp", "--executors", "interp", "--runs", "1"], "named twice"),
    (["fuzz", "--without", "nobody", "--runs", "1"], "nobody"),
    (["fuzz", "--without", "gc,op,binaryen", "--runs", "1"], "not all"),
    (["fuzz", "--without", "op", "--generator", "gc", "--runs", "1"], "mix"),
    (["fuzz", "--fault", "NONE9", "--runs", "1"], "NONE9"),
    (["fuzz", "--corpus", "/nowhere/at/all", "--runs", "1"], "/nowhere/at/all"),
    (["fuzz", "--resume", "--runs", "1"], "resume"),
    (["generate", "--jobs", "2"], "--jobs"),
    (["generate", "--fault", "SM1"], "--fault"),
    (["generate", "--count", "0"], "--count"),
    (["run", "none.wat", "--executor", "interp", "-O1"], "-O"),
    (["run", "none.wat", "--executor", "interp", "--gc", "never"], "--gc"),
    (["run", "none.wat", "--executor", "interp", "--armed"], "--armed"),
    (["run", "none.wat", "--executor", "jit:"], "jit:"),
    (["run", "none.wat", "--zeal", ""], "--zeal"),
    (["run", "none.wat", "--dump", ""], "--dump"),
    (["run", "none.wat", "--executor", "jit:O2:O1"], "the level again"),
    (["run", "none.wat", "--executor", "jit:moving:gen"], "the collector again"),
    (["run", "none.wat", "--executor", "ir:O2", "--perf-map"], "no machine code"),
    (["run", "none.wat", "--executor", "interp", "--dump", "folder"], "no machine code"),
    (["run", "none.wat", "--executor", "v8"], "another engine"),
    (["diff", "none.wat", "--sweep", "--executors", "interp"], "--sweep"),
    (["diff", "none.wat", "--sweep-cap", "5"], "--sweep"),
    (["diff", "none.wat", "--sweep", "--sweep-cap", "0"], "not in range"),
    (["diff", "none.wat", "--roots", "--sweep"], "--roots"),
    (["bench", "--validate", "none.wasm", "--program", "fib"], "--program"),
    (["bench", "--compile", "none.wasm", "--executor", "interp"], "no machine code"),
    (["bench", "--json", "--markdown", "--list"], "--markdown"),
    (["bench", "--list", "--program", "fib"], "--program"),
    (["bench", "--generator", "gc"], "--cases"),
    (["bench", "--cases", "3", "--generator", "nobody"], "nobody"),
    (["faultbench", "--limit", "nan"], "--limit"),
    (["faultbench", "--only", "NONE9"], "no fault"),
    (["replay", "none.wat", "--fault", "NONE9"], "no such fault"),
    (["replay", "none.wat", "--state", "."], "is a folder"),
    (["reduce", "none.wat", "--time", "nan"], "is no number"),
    (["fuzz", "--runs", "1", "--seed", "99999999999999999999"], "too large"),
    (["findings", ".", "list", "further"], "too many words"),
    (["narrow", "n" * 5000], "cannot open"),
    (["narrow", "none.wat", "--executors", "interp"], "two"),
]


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for command, word in REFUSED:
            done = subprocess.run([PARALLAX, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, timeout=60)
            said = done.stdout + done.stderr
            if done.returncode != 2 or word not in said:
                wrong.append(f"{' '.join(command)}: exit code {done.returncode}, said {said.strip()!r}")
    assert not wrong, "\n".join(wrong)
    print(f"{len(REFUSED)} refusals")


main()
