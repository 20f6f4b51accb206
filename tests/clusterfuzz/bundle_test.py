#!/usr/bin/env python3
"""The black-box bundle, used as ClusterFuzz uses it: unpacked elsewhere, run.py started there, its files taken by prefix.

usage: bundle_test.py PARALLAX

ClusterFuzz takes what is named fuzz-*, is not empty, and at most as many as it asked for; flags are in the file with flags-
instead. With a JavaScript shell that knows WebAssembly GC (PARALLAX_PEERS, the cache of scripts/fetch-peers, PATH) test
cases are run too: they must agree, and crash the shell when what they expect is changed. Without one that part is skipped.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

PARALLAX = os.path.abspath(sys.argv[1])
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEEDS = os.path.join(TREE, "fuzz", "corpus", "diff_module")


def check(condition, text):
    if not condition:
        print(f"failed: {text}")
        sys.exit(1)


def unpack(archive, folder):
    """With the modes of files, as ClusterFuzz unpacks."""
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            path = zipped.extract(info, folder)
            os.chmod(path, info.external_attr >> 16)


def generate(work, engine, count, seed="7"):
    archive = os.path.join(work, f"{engine}.zip")
    subprocess.run([os.path.join(TREE, "scripts/clusterfuzz/bundle"), "--for", engine, "--program", PARALLAX, archive],
                   check=True)
    moved, out = os.path.join(work, "bots", engine), os.path.join(work, f"out-{engine}-{seed}")
    shutil.rmtree(moved, ignore_errors=True)
    os.makedirs(moved)
    os.makedirs(out)
    unpack(archive, moved)
    entry = [name for name in os.listdir(moved) if name.startswith("run")]
    check(entry == ["run.py"], f"one file whose name begins with run: {entry}")
    # ClusterFuzz says `python run.py --name=value`, in the fuzzer's own folder.
    command = [sys.executable, "run.py", f"--input_dir={SEEDS}", f"--output_dir={out}", f"--no_of_files={count}"]
    environment = {"PATH": os.environ["PATH"], "PARALLAX_SEED": seed, "TMPDIR": work}
    run = subprocess.run(command, cwd=moved, env=environment, capture_output=True, text=True, timeout=500, check=False)
    check(run.returncode == 0, f"run.py ends with {run.returncode}: {run.stdout}{run.stderr}")
    return out


def testcases(folder):
    found = sorted(name for name in os.listdir(folder) if name.startswith("fuzz-"))
    for name in os.listdir(folder):
        check(name.startswith(("fuzz-", "flags-", "resources-")), f"{name} would stay behind on the bot")
    for name in found:
        check(os.path.getsize(os.path.join(folder, name)) > 0, f"{name} is empty")
    return found


def flags_of(folder, name):
    path = os.path.join(folder, "flags-" + name[len("fuzz-"):])
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().split()


def shell():
    cache = os.environ.get("PARALLAX_CACHE", os.path.expanduser("~/.cache/parallax"))
    folders = os.environ.get("PARALLAX_PEERS", "").split(":") + [os.path.join(cache, "peers")]
    programs = [os.path.join(folder, "bin", "node") for folder in folders] + ["node"]
    for program in programs:
        try:
            version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        if int(re.match(r"v(\d+)", version).group(1)) >= 26:
            return program
    return None


def run_case(program, path, flags):
    return subprocess.run([program, *flags, path], capture_output=True, text=True, timeout=120, check=False)


def change_expectation(text):
    """The outcome of the first step that returned becomes another."""
    head, expected, rest = re.match(r"(?s)(.*\nexpected: \[)([^\]]*)(\].*)", text).groups()
    return head + expected.replace(',"0",', ',"3",', 2) + rest


def test_modules(work):
    out = generate(work, "wasm", 9)
    names = testcases(out)
    check(len(names) == 9 and all(name.endswith(".wasm") for name in names), f"nine modules: {names}")
    validate = subprocess.run([PARALLAX, "replay", *(os.path.join(out, name) for name in names)], capture_output=True,
                              text=True, check=False)
    check(validate.returncode == 0, f"executors agree on them: {validate.stdout}{validate.stderr}")


def test_javascript(work):
    out = generate(work, "v8", 45)
    names = testcases(out)
    check(len(names) == 45, f"45 test cases: {len(names)}")
    again = generate(os.path.join(work, "again"), "v8", 45)
    check(names == testcases(again), "the same seed gives the same files")
    check(len({tuple(flags_of(out, name)) for name in names}) > 2, "flags differ between test cases")
    check(all("--expose-gc" in flags_of(out, name) for name in names), "every test case has its flags")
    program = shell()
    if program is None:
        print("no shell with WebAssembly GC: test cases were not run")
        return
    judged = 0
    for name in names[:12] + names[20:32]:  # of new cases, and of mutations
        path = os.path.join(out, name)
        run = run_case(program, path, flags_of(out, name))
        check(run.returncode == 0 and "parallax: " in run.stdout, f"{name}: {run.returncode} {run.stdout}{run.stderr}")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if judged == 3 or "\nexpected: null" in text or "inconclusive" in run.stdout or "whole run" not in run.stdout:
            continue
        wrong = os.path.join(work, "wrong.js")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write(change_expectation(text))
        run = run_case(program, wrong, flags_of(out, name))
        if "judges nothing" in run.stdout:
            continue
        check(run.returncode < 0 and "PARALLAX MISMATCH" in run.stdout,
              f"{name} with a changed expectation: {run.returncode} {run.stdout}{run.stderr}")
        judged += 1
    check(judged == 3, "test cases that expect something crash the shell when it is not so")
    print(f"24 test cases agree on {program}; 3 changed ones crash it")


def main():
    with tempfile.TemporaryDirectory() as work:
        os.makedirs(os.path.join(work, "again"))
        test_modules(work)
        test_javascript(work)
    print("ok")


main()
