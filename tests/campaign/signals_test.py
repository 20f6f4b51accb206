#!/usr/bin/env python3
"""Signals from outside end a campaign or cost it a case; they are no findings, and nobody is left behind.

usage: signals_test.py PARALLAX
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PARALLAX = sys.argv.pop(1)


def workers_of(folder):
    """Processes of this campaign that are no supervisor."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"worker" in words and str(folder).encode() in words:
            found.append(int(entry.name))
    return found


class Signals(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.holder.name) / "found"

    def tearDown(self):
        self.holder.cleanup()

    def start(self, *more):
        return subprocess.Popen([PARALLAX, "fuzz", "--seed", "31", "--jobs", "2", "--quiet", "--findings", self.folder, *more],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for_workers(self):
        for _ in range(200):
            if len(workers_of(self.folder)) == 2:
                return
            time.sleep(0.02)
        self.fail("no workers")

    def findings(self):
        return [path.parent.name for path in self.folder.glob("*/finding.json")]

    def test_the_whole_group_is_told_to_end(self):
        campaign = self.start()
        self.wait_for_workers()
        time.sleep(0.5)
        for worker in workers_of(self.folder):
            os.kill(worker, signal.SIGTERM)
        campaign.send_signal(signal.SIGTERM)
        out, err = campaign.communicate(timeout=60)
        self.assertEqual(campaign.returncode, 0, out + err)
        self.assertEqual(self.findings(), [])

    def test_killed_workers_are_no_findings(self):
        campaign = self.start("--runs", "300", "--generator", "gc")
        self.wait_for_workers()
        for _ in range(12):
            time.sleep(0.05)
            for worker in workers_of(self.folder):
                try:
                    os.kill(worker, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        out, err = campaign.communicate(timeout=120)
        self.assertEqual(campaign.returncode, 0, out + err)
        self.assertEqual(self.findings(), [])
        self.assertIn("worker killed from outside", out)

    def test_a_supervisor_that_dies_at_once_leaves_nobody(self):
        for wait in (0.01, 0.02, 0.03, 0.04, 0.05):
            campaign = self.start()
            time.sleep(wait)
            campaign.kill()
            campaign.communicate()
        for _ in range(100):
            if not workers_of(self.folder):
                return
            time.sleep(0.05)
        self.fail("workers are left behind")

    def test_damaged_states_are_refused(self):
        self.folder.mkdir()
        for state in ({"parallax": 5}, {"parallax": None, "version": 4}, {"parallax": "campaign state", "version": "x"},
                      {"parallax": "campaign state", "version": None}, [], 7):
            (self.folder / "campaign.state").write_text(json.dumps(state))
            done = subprocess.run([PARALLAX, "fuzz", "--resume", "--runs", "1", "--findings", self.folder],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("damaged", done.stderr)

    def test_a_corpus_that_cannot_be_written_is_refused(self):
        file = self.folder.parent / "file"
        file.write_text("no folder")
        done = subprocess.run([PARALLAX, "fuzz", "--runs", "1", "--corpus", file, "--findings", self.folder],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("is no folder", done.stderr)


if __name__ == "__main__":
    unittest.main()
