#!/usr/bin/env python3
"""A campaign that is killed ten times with SIGKILL and resumed finds what one that was left alone finds.

usage: kill_test.py PARALLAX

Cases follow from seed and number (no mutation), a planted fault makes some of them findings, so both campaigns must end
with the same signatures, none lost. Afterwards no worker may be left, and the log must be readable to its end.
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

PARALLAX = sys.argv[1]
RUNS = int(os.environ.get("KILL_TEST_RUNS", "1200"))
COMMON = ["--generator", "gc", "--seed", "20", "--runs", str(RUNS), "--jobs", "2", "--mutate", "0", "--fault", "OPT7",
          "--executors", "interp,jit:O2", "--quiet"]


def fuzz(folder, *more):
    return [PARALLAX, "fuzz", "--findings", folder, *COMMON, *more]


def signatures(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name, "finding.json")
        if os.path.exists(path):
            with open(path) as file:
                found[json.load(file)["signature"]] = name
    return found


def alive(folder):
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                count += folder.encode() in file.read()
        except OSError:
            pass
    return count


def main():
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as base:
        quiet, killed = os.path.join(base, "quiet"), os.path.join(base, "killed")
        done = subprocess.run(fuzz(quiet), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 1, f"the planted fault was not found: {done.stdout}"
        kills = 0
        while kills < 10:
            resume = ["--resume"] if os.path.exists(os.path.join(killed, "campaign.state")) else []
            process = subprocess.Popen(fuzz(killed, *resume), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                process.wait(timeout=rng.uniform(0.4, 4.0))
                break  # it came to its end before it could be killed
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        last = subprocess.run(fuzz(killed, "--resume", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert last.returncode == 1, f"{last.returncode}: {last.stdout} {last.stderr}"
        report = json.loads(last.stdout)
        before, after = signatures(quiet), signatures(killed)
        assert set(before) <= set(after), f"lost: {set(before) - set(after)}"
        assert set(after) <= set(before), f"from nowhere: {set(after) - set(before)}"
        assert report["cases"] >= RUNS, f"only {report['cases']} of {RUNS} cases were run"
        assert {row["signature"] for row in report["found"]} <= set(after)
        with open(os.path.join(killed, "campaign.jsonl")) as file:
            samples = [json.loads(line) for line in file if line.endswith("}\n")]
        assert len(samples) > kills, "the log is missing samples"
        time.sleep(0.5)
        assert alive(base) == 0, "workers are left over"
        print(f"{kills} kills, {report['cases']} cases for {RUNS} numbers, {len(after)} signatures, none lost")


main()
