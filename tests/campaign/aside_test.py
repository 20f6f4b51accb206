#!/usr/bin/env python3
"""A campaign in a folder where another stands puts that one's state aside, says so, and the old one can be gone on with.

usage: aside_test.py PARALLAX
"""
import os
import subprocess
import sys
import tempfile

PARALLAX = sys.argv[1]


def fuzz(folder, *more, runs=20):
    return subprocess.run([PARALLAX, "fuzz", "--runs", str(runs), "--findings", folder, *more], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300)


def main():
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "campaign.state")
        first = fuzz(folder, "--seed", "1", "--quiet")
        assert first.returncode == 0, first.stderr
        old = open(state).read()
        second = fuzz(folder, "--seed", "2")
        assert second.returncode == 0, second.stderr
        assert "campaign.state.before" in second.stderr, second.stderr
        assert open(state + ".before").read() == old
        assert open(state).read() != old
        os.replace(state + ".before", state)
        again = fuzz(folder, "--resume", runs=30)
        assert again.returncode == 0, again.stderr
        assert "30 cases of seed 1 " in again.stdout, again.stdout
    print("put aside and taken up again")


main()
