#!/usr/bin/env python3
"""Under a limit of address space, which fuzzing services set (5 GiB around Centipede), nothing is found that is not there.

usage: limits_test.py PARALLAX

Stores reserve far more than that when they can. With less they take less, and what cannot be had at all judges nothing.
"""
import resource
import subprocess
import sys

PARALLAX = sys.argv[1]

for gigabytes in (5, 2):
    def limit(most=gigabytes << 30):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    run = subprocess.run([PARALLAX, "fuzz", "--runs", "150", "--seed", "5", "--jobs", "1", "--quiet"], preexec_fn=limit,
                         capture_output=True, text=True, timeout=500, check=False)
    agreed = [line for line in run.stdout.splitlines() if line.lstrip().startswith("agreed ")]
    if run.returncode != 0 or not agreed or int(agreed[0].split()[1].rstrip(",")) < 100:
        print(f"with {gigabytes} GiB: exit code {run.returncode}\n{run.stdout}{run.stderr}")
        sys.exit(1)
    print(f"{gigabytes} GiB: {agreed[0].strip()}")
