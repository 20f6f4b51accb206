#!/usr/bin/env python3
"""Entry point of the black-box fuzzer for ClusterFuzz: writes test cases for a WebAssembly engine.

ClusterFuzz starts it in the folder of the unpacked bundle (scripts/clusterfuzz/bundle):

    run.py --input_dir=CORPUS --output_dir=TESTCASES --no_of_files=N

settings.json beside it says what kind of test cases, and with which flags. Test cases are fuzz-parallax-*.js (for
JavaScript shells: each brings its driver and the results that the specification demands, and crashes the shell on a wrong
one) or .wasm (modules with plan and settings in a custom section, for fuzz_diff_module and for other engines). The flags of
a test case are in the file that has `flags-` for `fuzz-`. Modules in the corpus are mutated for every second batch.

PARALLAX_SEED=N in the environment makes it repeatable. Exit code: 0 = all files written, 1 = fewer.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "bin", "parallax")
BATCH = 20          # test cases a call
SECONDS = 120       # for a batch
MOST_FAILURES = 20  # batches in a row that give nothing


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input_dir", default="")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--no_of_files", type=int, required=True)
    arguments, _ = parser.parse_known_args()  # a later ClusterFuzz may say more
    return arguments


def modules_in(folder):
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            try:
                with open(path, "rb") as file:
                    if file.read(4) == b"\0asm":
                        found.append(path)
            except OSError:
                pass
    return sorted(found)


def link_corpus(folder, scratch):
    """A folder of the corpus's modules alone, or nothing."""
    modules = modules_in(folder) if folder else []
    if not modules:
        return None
    corpus = os.path.join(scratch, "corpus")
    os.mkdir(corpus)
    for number, path in enumerate(modules):
        shutil.copyfile(path, os.path.join(corpus, f"{number}.wasm"))
    return corpus


def generate(settings, seed, count, corpus, out):
    command = [PROGRAM, "generate", "--seed", str(seed), "--count", str(max(count, 2)), "--output", out]
    command += ["--js"] if settings["kind"] == "js" else ["--envelope"]
    command += ["--mutate", "--corpus", corpus] if corpus else ["--generator", settings["generator"]]
    environment = dict(os.environ, LD_LIBRARY_PATH=os.path.join(HERE, "lib"))
    try:
        subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pass  # what was written until then counts
    return sorted(os.listdir(out)) if os.path.isdir(out) else []


def main():
    arguments = read_arguments()
    with open(os.path.join(HERE, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)
    if not os.access(PROGRAM, os.X_OK):
        os.chmod(PROGRAM, 0o755)
    draw = random.Random(int(os.environ.get("PARALLAX_SEED", random.SystemRandom().getrandbits(63))))
    os.makedirs(arguments.output_dir, exist_ok=True)
    written, failures, batch = 0, 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        corpus = link_corpus(arguments.input_dir, scratch)
        while written < arguments.no_of_files and failures < MOST_FAILURES:
            out = os.path.join(scratch, f"batch-{batch}")
            wanted = min(BATCH, arguments.no_of_files - written)
            made = generate(settings, draw.getrandbits(40), wanted, corpus if batch % 2 else None, out)
            batch += 1
            failures = 0 if made else failures + 1
            for name in made[:arguments.no_of_files - written]:
                if os.path.getsize(os.path.join(out, name)) == 0:
                    continue
                shutil.move(os.path.join(out, name), os.path.join(arguments.output_dir, f"fuzz-parallax-{name}"))
                flags = " ".join(settings["flags"] + draw.choice(settings["optional_flags"] or [[]]))
                if flags:
                    with open(os.path.join(arguments.output_dir, f"flags-parallax-{name}"), "w", encoding="utf-8") as file:
                        file.write(flags)
                written += 1
    print(f"wrote {written} test cases of {arguments.no_of_files}")
    return 0 if written == arguments.no_of_files else 1


if __name__ == "__main__":
    sys.exit(main())
