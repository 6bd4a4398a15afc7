#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory, the guard, top and metrics: the real binary around programs that take too much."""
import json
import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import harness
from harness import Case

HOG = "import sys,time\nkeep=[]\nfor i in range(int(sys.argv[1])//4):\n keep.append(bytearray(4<<20)); time.sleep(.004)\n" \
    "print('took it all', flush=True)\ntime.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)\n"
LIMIT = "96M"


def memory_mount():
    """Where a cgroup of ours could have a limit: v1's hierarchy, or v2 with the controller at its root; else None."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        mount = pathlib.Path(line.split()[4])
        if " - cgroup " in line and "memory" in line.rpartition(" ")[2].split(","):
            return mount
        if " - cgroup2 " in line and "memory" in (mount / "cgroup.controllers").read_text():
            return mount
    return None


def memory_is_limitable():
    return memory_mount() is not None


limitable = unittest.skipUnless(memory_is_limitable(), "no memory controller on this machine")


class Vitals(Case):
    def setUp(self):
        super().setUp()
        self.hog = str(self.dir / "hog.py")
        pathlib.Path(self.hog).write_text(HOG)
        self.env["HEDDLE_RUN"] = str(self.dir / "run")

    def record(self, *args, **more):
        """Runs heddle run --json; returns the process and its lines."""
        out = str(self.dir / "out.json")
        process = self.run_heddle("run", "--json", out, *args, **more)
        return process, self.lines(out)

    def text(self, *args):
        return self.run_heddle(*args).stdout.decode()

    def of_type(self, lines, kind):
        return [one for one in lines if one["type"] == kind]


class Samples(Vitals):
    def test_a_session_has_samples_in_its_chain(self):
        process, lines = self.record("--", sys.executable, self.hog, "40", "0.3")
        self.assertEqual(process.returncode, 0, process.stderr)
        samples = self.of_type(lines, "vitals")
        self.assertGreaterEqual(len(samples), 2)
        self.assertEqual([one["sequence"] for one in lines], list(range(1, len(lines) + 1)))
        self.assertEqual(lines[-1]["type"], "ledger")
        self.assertEqual(self.of_type(lines, "score")[0]["forecasts"]["misses"], 0)
        if memory_is_limitable():
            highest = max(one["memory"]["current"] for one in samples)
            self.assertGreater(highest, 40 << 20)
            self.assertLess(highest, 120 << 20)
            for one in samples:
                available = one["memory"]["available"]
                self.assertLessEqual(available["free"], available["clean"])
                self.assertLessEqual(available["clean"], available["all"])
        self.assertTrue(any(one["tasks"]["processes"] == 1 for one in samples))
        verdict = self.run_heddle("verify", "last")
        self.assertEqual(verdict.returncode, 0, verdict.stdout + verdict.stderr)
        report = self.text("report", "last")
        if memory_is_limitable():
            self.assertIn("Memory  at most", report)
            self.assertIn("(the agent)", report)
        whole = json.loads(self.text("report", "last", "--format", "json"))
        self.assertEqual(whole["memory"]["last"]["type"], "vitals")

    def test_a_contradiction_cuts_no_file(self):
        kept = self.dir / "kept.json"
        kept.write_text("kept")
        process = self.run_heddle("run", "--no-vitals", "--memory", "64M", "--json", str(kept), "--", "true")
        self.assertEqual(process.returncode, 125)
        self.assert_one_line(process.stderr, "--no-vitals leaves nothing to guard")
        self.assertEqual(kept.read_text(), "kept")

    def test_without_vitals_there_are_none(self):
        process, lines = self.record("--no-vitals", "--", "true")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertFalse({"vitals", "forecast", "guard", "phase", "score"} & {one["type"] for one in lines})

    def test_a_child_is_told_of_by_its_command(self):
        script = f"{sys.executable} {self.hog} 40 0.3; true"
        _, lines = self.record("--", "bash", "-c", script)
        phases = [one for one in self.of_type(lines, "phase") if "hog.py 40" in one["command"]]
        self.assertEqual(len(phases), 1, lines)
        self.assertGreater(phases[0]["peak_bytes"], 40 << 20)
        self.assertIn("process", phases[0])

    def start_sleep(self, out):
        """Runs a session; returns heddle and the process for vitals."""
        process = self.start_heddle("run", "--json", out, "--", "sleep", "30")
        sensor = harness.wait_value("the sensor", lambda: next(
            (p for p in harness.children(process.pid) if harness.name(p) == "heddle-sensor"), None))
        vitals = harness.wait_value("the process for vitals", lambda: next(
            (p for p in harness.children(sensor) if harness.name(p) == "heddle-vitals"), None))
        harness.wait_for("the command", lambda: any(harness.name(p) == "sleep" for p in harness.children(process.pid)))
        return process, vitals

    def end(self, process, out):
        """Ends it; returns the gaps in what vitals say."""
        process.send_signal(signal.SIGTERM)
        process.wait(harness.PATIENCE)
        return [one for one in self.lines(out) if one["type"] == "gap" and "vitals" in one["why"]]

    def test_the_process_that_measures_is_stopped(self):
        out = str(self.dir / "out.json")
        process, vitals = self.start_sleep(out)
        os.kill(vitals, signal.SIGSTOP)
        error = harness.read_until(process.stderr.fileno(), b"guarded")
        self.assertIn(b"stood still for seconds", error)
        harness.wait_for("it to go on", lambda: harness.state(vitals) in "SR")
        # One that stands still at the end holds nobody up.
        os.kill(vitals, signal.SIGSTOP)
        self.assertGreaterEqual(len(self.end(process, out)), 1)
        self.assertFalse(harness.alive(vitals))

    def test_the_process_that_measures_is_killed(self):
        out = str(self.dir / "out.json")
        process, vitals = self.start_sleep(out)
        os.kill(vitals, signal.SIGKILL)
        error = harness.read_until(process.stderr.fileno(), b"guarded any more")
        self.assertIn(b"the process that reads vitals was killed", error)
        self.assertEqual(len(self.end(process, out)), 1)


@limitable
class Guard(Vitals):
    def script(self, *lines):
        path = self.dir / "agent.sh"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def test_the_child_dies_and_the_agent_does_not(self):
        agent = self.script(f"{sys.executable} {self.hog} 400 2>&1 | cat", "echo child ${PIPESTATUS[0]}",
                            f"{sys.executable} {self.hog} 8", "echo agent lives")
        process, lines = self.record("--memory", LIMIT, "--", "bash", agent)
        self.assertEqual(process.returncode, 0, process.stderr)
        said = process.stdout.decode()
        self.assertIn("child 137", said)
        self.assertIn("agent lives", said)
        # The agent reads of it where it reads what its child said.
        self.assertRegex(said, r"heddle: killed `.*hog.py 400` \(pid \d+\): it held .* of the 96.0 MiB")
        rungs = [one["rung"] for one in self.of_type(lines, "guard") if not one["undo"] and one["result"] == 0]
        self.assertIn("tell", rungs)
        self.assertIn("kill", rungs)
        self.assertNotIn("kill-all", rungs)
        self.assertEqual(rungs.count("kill"), 1)
        kill = next(one for one in self.of_type(lines, "guard") if one["rung"] == "kill")
        ended = next(one for one in self.of_type(lines, "phase") if "hog.py 400" in one["command"])
        self.assertEqual(kill["process"], ended["process"])
        self.assertFalse(self.of_type(lines, "oom_kill"))
        self.assertEqual(lines[0]["memory_limit"], 96 << 20)
        self.assertIn("What the guard did", self.text("report", "last"))

    def test_what_fits_is_left_alone(self):
        process, lines = self.record("--memory", LIMIT, "--", "bash", self.script(
            f"{sys.executable} {self.hog} 24", "echo $?"))
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn(b"took it all", process.stdout)
        self.assertFalse({"kill", "freeze", "save"} & {one["rung"] for one in self.of_type(lines, "guard")})

    def test_the_agent_that_grows_itself_is_not_held_forever(self):
        process, lines = self.record("--memory", LIMIT, "--guard", "default,patience=500ms", "--", sys.executable, self.hog, "400",
                                     timeout=240)
        # Nothing is left to be done for it but to save its work; then the kernel has its way.
        self.assertEqual(process.returncode, 137, process.stderr)
        self.assertIn("save", [one["rung"] for one in self.of_type(lines, "guard")])

    def test_a_signal_reaches_an_agent_that_stands_still(self):
        out = str(self.dir / "out.json")
        process = self.start_heddle("run", "--json", out, "--memory", LIMIT, "--guard", "default,patience=1h,no-save", "--",
                                    sys.executable, self.hog, "400")

        def stands():
            path = pathlib.Path(out)
            freezes = [line for line in path.read_bytes().splitlines() if b'"rung":"freeze"' in line] if path.exists() else []
            return freezes and b'"undo":false' in freezes[-1] and b'"result":0' in freezes[-1]

        harness.wait_for("an agent that is held", stands)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.PATIENCE), 143)

    def test_tool_cgroups(self):
        agent = self.script("for i in 1 2; do sleep 0.6; done", "sleep 0.6 & wait", "echo done")
        process, lines = self.record("--tool-cgroups", "--", "bash", agent)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn(b"done", process.stdout)
        exits = [one for one in lines if one["type"] == "process_exit" and one["comm"] == "sleep"]
        self.assertEqual(len(exits), 3)
        for one in exits:
            self.assertRegex(one["cgroup"], r"/tool-\d+$")
        # Into a child of the session's cgroup: nobody left it.
        self.assertFalse([one for one in lines if one["type"] == "sandbox_escape"])

    def test_two_guards_on_one_cgroup(self):
        top = harness.cgroup_mount() / f"heddle-test-{os.getpid()}"
        top.mkdir()
        sleeper = subprocess.Popen(["sleep", "60"])
        try:
            (top / "cgroup.procs").write_text(str(sleeper.pid))
            first = self.start_heddle("attach", "--cgroup", str(top), "--guard", "default", "--no-store")
            harness.read_until(first.stderr.fileno(), b"following")
            second = self.run_heddle("attach", "--cgroup", str(top), "--guard", "default", "--no-store")
            self.assertEqual(second.returncode, 125)
            self.assert_one_line(second.stderr, "guard")
            first.send_signal(signal.SIGTERM)
            self.assertEqual(first.wait(harness.PATIENCE), 0)
        finally:
            sleeper.kill()
            sleeper.wait()
            harness.wait_for("an empty cgroup", lambda: not (top / "cgroup.procs").read_text())
            top.rmdir()

    def test_bad_words(self):
        for args, word in [
            (("--memory", "1K"), "4M"),
            (("--memory", "lots"), "--memory"),
            (("--guard", "brake,frobnicate"), "frobnicate"),
            (("--guard", "/nowhere/policy"), "/nowhere/policy"),
            (("--no-vitals", "--memory", "64M"), "--no-vitals"),
            (("--probes", "disk"), "sched"),
            (("--agent", "a-name-that-is-too-long"), "15"),
        ]:
            process = self.run_heddle("run", *args, "--", "true")
            self.assertEqual(process.returncode, 125, args)
            self.assert_one_line(process.stderr, word)


class Top(Vitals):
    def setUp(self):
        super().setUp()
        self.session = self.start_heddle("run", "--", sys.executable, self.hog, "24", "60")
        harness.wait_for("a page", lambda: any(pathlib.Path(self.env["HEDDLE_RUN"]).glob("*")))

    def tearDown(self):
        self.session.send_signal(signal.SIGTERM)
        self.session.wait(harness.PATIENCE)
        super().tearDown()
        self.assertFalse(list(pathlib.Path(self.env["HEDDLE_RUN"]).glob("*")))

    def test_once(self):
        whole = json.loads(self.run_heddle("top", "--once", "--format", "json").stdout)
        self.assertEqual(len(whole["workloads"]), 1)
        one = whole["workloads"][0]
        self.assertIn("hog.py", one["command"])
        self.assertEqual(one["tasks"]["processes"], 1)
        self.assertIn("forecast", one)
        text = self.text("top", "--once")
        self.assertIn("1 workload ", text)
        self.assertIn("python3 ", text)
        self.assertNotIn("\033", text)
        self.assertIn("nothing matches", self.text("top", "--once", "--filter", "no such thing"))

    @limitable
    def test_all(self):
        """What no session of ours is, too, in whichever hierarchy its memory is counted."""
        group = memory_mount() / f"heddle-test-{os.getpid()}"
        group.mkdir()
        hog = subprocess.Popen(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec {sys.executable} {self.hog} 40 60"],
                               stdout=subprocess.PIPE)
        try:
            harness.read_until(hog.stdout.fileno(), b"took it all")
            whole = json.loads(self.run_heddle("top", "--once", "--all", "--format", "json").stdout)
            names = {one["name"]: one for one in whole["workloads"]}
            self.assertGreater(names[f"/{group.name}"]["memory"]["current"], 40 << 20)
            self.assertEqual(names[f"/{group.name}"]["tasks"]["processes"], 1)
            self.assertEqual(sum("session" in one for one in whole["workloads"]), 1)
        finally:
            hog.kill()
            hog.wait()
            hog.stdout.close()
            harness.wait_for("an empty cgroup", lambda: not (group / "cgroup.procs").read_text())
            group.rmdir()

    def test_bad_words(self):
        for args, word in [(("--sort", "colour"), "colour"), (("--interval", "1ms"), "100ms"), (("last",), "--follow"),
                           (("--format", "json"), "--once"), (("--follow", "zz", "--once"), "zz"), ((), "--once")]:
            process = self.run_heddle("top", *args)
            self.assertEqual(process.returncode, 125, args)
            self.assert_one_line(process.stderr, word)

    def test_on_a_terminal(self):
        master, slave = pty.openpty()
        env = dict(self.env, TERM="xterm", LINES="24", COLUMNS="80", LC_ALL="C.UTF-8")
        process = subprocess.Popen([harness.HEDDLE, "top", "--interval", "200ms"], stdin=slave, stdout=slave, stderr=slave,
                                   env=env, start_new_session=True)
        os.close(slave)
        try:
            seen = harness.read_until(master, b"python3")
            for key, shown in [(b"?", b"any key goes back"), (b" ", b"COMMAND"), (b"f", b"FROZEN"), (b"f", b":"),
                               (b"/", b"filter:"), (b"zz\r", b"nothing matches")]:
                os.write(master, key)
                seen = harness.read_until(master, shown)
            os.write(master, b"q")
            self.assertEqual(process.wait(harness.PATIENCE), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(master)
        self.assertIsNotNone(seen)

    def test_what_is_no_page_is_left_alone(self):
        run = pathlib.Path(self.env["HEDDLE_RUN"])
        (run / "notes.txt").write_text("of the user's")
        os.mkfifo(run / "fifo")
        whole = json.loads(self.run_heddle("top", "--once", "--format", "json").stdout)
        self.assertEqual(len(whole["workloads"]), 1)
        # They are still there to be removed.
        (run / "notes.txt").unlink()
        (run / "fifo").unlink()

    def test_a_dead_sensors_page_is_not_shown(self):
        sensor = next(p for p in harness.children(self.session.pid) if harness.name(p) == "heddle-sensor")
        os.kill(sensor, signal.SIGKILL)
        self.session.wait(harness.PATIENCE)
        whole = json.loads(self.run_heddle("top", "--once", "--format", "json").stdout)
        self.assertEqual(whole["workloads"], [])


class Metrics(Vitals):
    @staticmethod
    def port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def test_served(self):
        session = self.start_heddle("run", "--", "sleep", "60")
        harness.wait_for("a page", lambda: any(pathlib.Path(self.env["HEDDLE_RUN"]).glob("*")))
        at = f"127.0.0.1:{self.port()}"
        server = self.start_heddle("metrics", "--listen", at)
        harness.read_until(server.stderr.fileno(), b"Ctrl-C ends")
        with urllib.request.urlopen(f"http://{at}/metrics") as answer:
            self.assertIn("version=0.0.4", answer.headers["Content-Type"])
            text = answer.read().decode()
        self.assertRegex(text, r'heddle_workload_info\{workload="[0-9a-f-]{36}",command="sleep 60"\} 1\n')
        self.assertIn("heddle_workloads 1\n", text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)+\})? [0-9.e+]+)$')
        for path, method, code in [("/", "GET", 404), ("/metrics", "POST", 405)]:
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(f"http://{at}{path}", method=method, data=None))
            self.assertEqual(refused.exception.code, code)
            refused.exception.close()
        taken = self.run_heddle("metrics", "--listen", at)
        self.assertEqual(taken.returncode, 125)
        self.assert_one_line(taken.stderr, at)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(harness.PATIENCE), 0)
        session.send_signal(signal.SIGTERM)
        session.wait(harness.PATIENCE)

    def test_bad_address(self):
        for bad in ["", "9465", "localhost:9465", "127.0.0.1:0", "127.0.0.1:70000", "[::1]", "::1:9465"]:
            process = self.run_heddle("metrics", "--listen", bad)
            self.assertEqual(process.returncode, 125, bad)
            self.assert_one_line(process.stderr, "--listen")

    def test_the_dashboard_asks_for_metrics_that_there_are(self):
        text = self.text("metrics", "--once")
        known = set(re.findall(r"^# TYPE (\S+)", text, re.M))
        top = pathlib.Path(__file__).resolve().parents[2]
        dashboard = json.loads((top / "deploy/grafana/heddle.json").read_text())
        asked = set()
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked |= set(re.findall(r"\b((?:heddle|container)_[a-z_]+)", target["expr"]))
        self.assertGreater(len(asked), 10)
        for one in asked:
            self.assertIn(re.sub(r"_bucket$", "", one), known)


if __name__ == "__main__":
    harness.main()
