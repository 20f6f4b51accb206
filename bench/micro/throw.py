#!/usr/bin/env python3
"""Nanoseconds for a throw through N frames to its handler, the calls that lead there included.

    bench/micro/throw.py PARALLAX [EXECUTOR...] [--node NODE]

A run of many throws less a run of few, in processor time of the process; best of five.
"""
import os
import resource
import subprocess
import sys
import tempfile

FRAMES = [1, 4, 16, 64]
FEW, MANY, ROUNDS = 1000, 201000, 5
WAT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "throw.wat")

NODE = """
const bytes = require('fs').readFileSync(process.argv[2]);
const through = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.through;
if (through(+process.argv[3], +process.argv[4]) != +process.argv[4]) process.exit(1);
"""


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def nanoseconds(make):
    best = {count: min(seconds(make(count)) for _ in range(ROUNDS)) for count in (FEW, MANY)}
    return (best[MANY] - best[FEW]) / (MANY - FEW) * 1e9


def main():
    args = sys.argv[1:]
    node = None
    if "--node" in args:
        at = args.index("--node")
        node = args[at + 1]
        del args[at : at + 2]
    if not args:
        sys.exit(__doc__)
    parallax, executors = args[0], args[1:] or ["interp", "jit:O0", "jit:O2"]
    rows = {}
    for executor in executors:
        rows[executor] = [
            nanoseconds(lambda count: [parallax, "run", WAT, "--executor", executor, "--invoke", "through", str(frames), str(count)])
            for frames in FRAMES
        ]
    if node:
        with tempfile.TemporaryDirectory() as folder:
            wasm, script = os.path.join(folder, "throw.wasm"), os.path.join(folder, "throw.js")
            subprocess.run([parallax, "parse", WAT, "-o", wasm], check=True, stdout=subprocess.DEVNULL)
            with open(script, "w") as out:
                out.write(NODE)
            rows["v8 (node)"] = [
                nanoseconds(lambda count: [node, script, wasm, str(frames), str(count)]) for frames in FRAMES
            ]
    print("| ns per throw through | " + " | ".join(f"{n} frames" for n in FRAMES) + " |")
    print("|---|" + "---:|" * len(FRAMES))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in row) + " |")


if __name__ == "__main__":
    main()
