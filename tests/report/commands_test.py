#!/usr/bin/env python3
"""report, dashboard and wast as processes: good input, bad input, no room, Ctrl-C.

usage: commands_test.py PARALLAX SOURCE_FOLDER
"""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

PARALLAX = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
WITNESS = SOURCE / "tests/faults/OPT7.wat"


def run(*words):
    return subprocess.run([PARALLAX, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          check=False)


class Commands(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.holder.name)

    def tearDown(self):
        self.holder.cleanup()

    def expect(self, done, code, *words):
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        for word in words:
            self.assertIn(word, said)

    def finding(self):
        """A real finding, by a campaign with a planted fault."""
        made = run("fuzz", "--fault", "OPT7", "--seed", 3, "--generator", "gc", "--runs", 2000, "--stop-at-first", "--quiet",
                   "--findings", self.folder / "found")
        self.assertEqual(made.returncode, 1, made.stderr)
        return next((self.folder / "found").glob("*/finding.json")).parent


class Report(Commands):
    def test_a_witness_of_a_planted_fault_gets_a_whole_report(self):
        out = self.folder / "out"
        self.expect(run("report", WITNESS, "--fault", "OPT7", "-o", out), 0)
        report = json.loads((out / "report.json").read_text())
        self.assertEqual(report["format"], 1)
        self.assertEqual(report["finding"]["fault"], "OPT7")
        self.assertTrue(any(vote["group"] > 0 for vote in report["votes"]))
        self.assertTrue(any(vote["group"] == 0 for vote in report["votes"][1:]))
        self.assertTrue(report["expected"]["rules"])
        for name in ("report.md", "report.html", "report.sarif", "reproducer.wasm", "reproducer.wat"):
            self.assertTrue((out / name).stat().st_size > 0, name)
        # What the report claims to be the reproducer shows the finding with the settings that it names.
        again = run("replay", "--fault", "OPT7", "--executors", ",".join(report["finding"]["executors"]), out / "reproducer.wasm")
        self.assertEqual(again.returncode, 1, again.stdout)
        script = next(test for test in report["tests"] if test["file"] == "regress.wast")
        if script["text"]:
            self.assertIn("passes on", script["remark"])
            reference, other = report["finding"]["executors"]
            self.expect(run("wast", out / "regress.wast", "--executor", reference, "--fault", "OPT7"), 0)
            fails = run("wast", out / "regress.wast", "--executor", other, "--fault", "OPT7").returncode == 1
            self.assertEqual(fails, ", fails on" in script["remark"])

    def test_without_the_bug_there_is_no_report(self):
        out = self.folder / "out"
        self.expect(run("report", WITNESS, "-o", out), 1, "no report", "the executors agreed")
        self.assertFalse(out.exists())
        told = run("report", WITNESS, "-o", out, "--json")
        self.assertEqual(json.loads(told.stdout), {"reproduced": False, "instead": "the executors agreed"})

    def test_a_finding_is_reported_beside_itself(self):
        finding = self.finding()
        told = run("report", finding, "--format", "json,html", "--few-votes", "--json")
        self.expect(told, 0)
        answer = json.loads(told.stdout)
        self.assertTrue((finding / "report" / "report.html").exists())
        self.assertFalse((finding / "report" / "report.md").exists())
        self.assertEqual(answer["signature"], json.loads((finding / "finding.json").read_text())["signature"])
        self.expect(run("report", finding, "--fault", "none"), 1, "no report")

    def test_damaged_findings_are_refused(self):
        finding = self.finding()
        self.expect(run("report", self.folder / "nothing"), 2, "no such file or folder")
        self.expect(run("report", self.folder), 2, "finding.json")
        whole = (finding / "finding.json").read_text()
        (finding / "finding.json").write_text(whole[:30])
        self.expect(run("report", finding), 2, "not a finding")
        (finding / "finding.json").write_text(whole)
        (finding / "narrow.json").write_text("{")
        (finding / "reduced.wasm").write_bytes(b"no module")
        self.expect(run("report", finding, "--few-votes"), 0)
        unknown = json.loads((finding / "report" / "report.json").read_text())["unknown"]
        self.assertTrue(any("narrow.json" in line for line in unknown), unknown)
        # Inside the first section: at the end of one, the rest would be a module.
        (finding / "case.wasm").write_bytes((finding / "case.wasm").read_bytes()[:20])
        (finding / "reduced.wasm").unlink()
        self.expect(run("report", finding), 2, "not a valid module")
        (finding / "case.wasm").unlink()
        self.expect(run("report", finding), 2, "case.wasm")

    def test_options_that_mean_nothing_are_refused(self):
        self.expect(run("report", WITNESS, "--format", "pdf"), 2, "pdf")
        self.expect(run("report", WITNESS, "--fault", "NONE9"), 2, "NONE9")
        self.expect(run("report", WITNESS, "--executors", "interp,nobody"), 2, "nobody")

    def test_no_room_is_said_and_leaves_no_half_files(self):
        out = self.folder / "out"
        out.mkdir()
        (out / "report.html").symlink_to("/dev/full")  # links are written through
        self.expect(run("report", WITNESS, "--fault", "OPT7", "-o", out, "--few-votes"), 3, "cannot write", "No space")
        for path in out.iterdir():
            self.assertNotIn(".tmp", path.name)
        self.expect(run("report", WITNESS, "--fault", "OPT7", "-o", "/proc/nowhere/out"), 3, "no place")

    def test_an_interruption_leaves_all_or_nothing(self):
        for wait in (0.05, 0.3, 0.6):
            out = self.folder / f"out{wait}"
            child = subprocess.Popen([PARALLAX, "report", WITNESS, "--fault", "OPT7", "-o", out], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
            time.sleep(wait)
            child.send_signal(signal.SIGINT)
            said = "".join(child.communicate(timeout=120))
            self.assertIn(child.returncode, (0, 3, -signal.SIGINT), said)
            self.assertEqual((out / "report.sarif").exists(), child.returncode == 0, said)


class Dashboard(Commands):
    def test_a_campaign_becomes_a_page_with_its_findings(self):
        self.finding()
        found = self.folder / "found"
        (found / "broken-1").mkdir()
        (found / "broken-1" / "finding.json").write_text("[")
        with open(found / "campaign.jsonl", "a", encoding="utf-8") as log:
            log.write('{"line": "samp')
        told = run("dashboard", found, "-o", self.folder / "page", "--json")
        self.expect(told, 0)
        answer = json.loads(told.stdout)
        self.assertEqual(answer["findings"], 1)
        self.assertTrue(any("broken-1" in remark for remark in answer["remarks"]))
        page = (self.folder / "page" / "index.html").read_text()
        data = json.loads(page.split('id="data">')[1].split("</script>")[0])
        self.assertEqual(len(data["findings"]), 1)
        self.assertEqual(data["damaged_lines"], 1)
        self.assertEqual(data["last"]["cases"], data["samples"]["cases"][-1])
        self.assertIn("interpreter", data["findings"][0]["verdict"])
        self.assertTrue((self.folder / "page" / data["findings"][0]["page"]).exists())

    def test_what_is_no_campaign_is_refused(self):
        self.expect(run("dashboard", self.folder / "nothing"), 2, "no such folder")
        self.expect(run("dashboard", self.folder), 2, "neither")
        self.assertFalse((self.folder / "dashboard").exists())
        self.finding()
        self.expect(run("dashboard", self.folder / "found", "-o", "/proc/nowhere"), 3, "no place")
        (self.folder / "page").mkdir()
        (self.folder / "page" / "index.html").symlink_to("/dev/full")
        self.expect(run("dashboard", self.folder / "found", "-o", self.folder / "page"), 3, "cannot write", "No space")


class Wast(Commands):
    SCRIPT = ('(module (func (export "one") (result i32) (i32.const 1)))\n(assert_return (invoke "one") (i32.const 1))\n'
              '(assert_return (invoke "one") (i32.const 2))\n(thread $t)\n')

    def setUp(self):
        super().setUp()
        (self.folder / "a.wast").write_text(self.SCRIPT)
        (self.folder / "b.wast").write_text(self.SCRIPT.replace("const 2", "const 1"))

    def junit(self):
        return ElementTree.parse(self.folder / "out.xml").getroot()

    def test_junit_counts_its_elements(self):
        done = run("wast", self.folder, "--executor", "interp,jit:O0", "--executor", "none", "--junit", self.folder / "out.xml")
        self.expect(done, 1)
        root = self.junit()
        self.assertEqual(len(root), 6)
        for suite in root:
            self.assertEqual(int(suite.get("tests")), len(suite.findall("testcase")))
            self.assertEqual(int(suite.get("failures")), len(suite.findall("testcase/failure")))
            self.assertEqual(int(suite.get("skipped")), len(suite.findall("testcase/skipped")))
        failures = root.findall(".//failure/..")
        self.assertEqual([test.get("line") for test in failures], ["3", "3"])

    def test_known_failures_must_fail(self):
        known = self.folder / "known.txt"
        words = ("wast", self.folder, "--executor", "interp", "--junit", self.folder / "out.xml", "--expect", known)
        known.write_text("a.wast 3 interp an example\n")
        self.expect(run(*words), 0, "1 known to fail")
        self.assertEqual(self.junit().get("failures"), "0")
        known.write_text("a.wast 3 run an example\nb.wast 3 run passes in truth\n")
        self.expect(run(*words), 1, "passes now")
        self.assertEqual(self.junit().get("failures"), "1")
        known.write_text("a.wast three\n")
        self.expect(run(*words), 2, "line 1")

    def test_unreadable_scripts_cost_themselves(self):
        (self.folder / "c.wast").write_text("")
        done = run("wast", self.folder, "--executor", "interp", "--json")
        self.assertEqual(done.returncode, 2, done.stderr)
        rows = json.loads(done.stdout)
        self.assertEqual([row["passed"] for row in rows], [2, 3, 0])
        self.assertIn("empty", rows[2]["unreadable"])

    def test_no_place_for_results_is_said_first(self):
        self.expect(run("wast", self.folder, "--junit", "/nowhere/out.xml"), 3, "cannot write")
        self.expect(run("wast", self.folder, "--junit", "/dev/full"), 3, "cannot write")

    def test_an_interrupted_run_says_so(self):
        for i in range(200):
            (self.folder / f"long{i}.wast").write_text(
                '(module (func (export "f") (param $n i32) (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))'
                '(assert_return (invoke "f" (i32.const 30000000)))')
        child = subprocess.Popen([PARALLAX, "wast", self.folder, "--executor", "interp", "--junit", self.folder / "out.xml"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        said = "".join(child.communicate(timeout=120))
        self.assertEqual(child.returncode, 3, said)
        self.assertIn("interrupted", said)
        self.assertEqual(self.junit().findall(".//error")[0].get("type"), "interrupted")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
