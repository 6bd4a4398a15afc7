# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: the real binary, a store of its own, and waiting for events instead of for luck."""
import json
import os
import signal
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

# Whoever runs the tests may have signals ignored (nohup, a shell's background job), and a command under test would
# inherit that.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

HEDDLE = os.environ.get("HEDDLE", "build/heddle")
PATIENCE = 60  # seconds; only a broken program takes so long


def wait_for(what, condition):
    """Waits until condition() is true; says what was missing when it never is."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.01)


def wait_value(what, find):
    """Waits until find() gives something, and returns it."""
    found = []

    def look():
        found[:] = [find()]
        return found[0] is not None

    wait_for(what, look)
    return found[0]


def read_until(fd, wanted, seen=b""):
    """Reads from a descriptor until wanted bytes were seen; returns all that was read."""
    until = time.monotonic() + PATIENCE
    while wanted not in seen:
        if not select.select([fd], [], [], max(0, until - time.monotonic()))[0]:
            raise AssertionError(f"{wanted!r} never came, only {seen!r}")
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            raise AssertionError(f"ended before {wanted!r}, after {seen!r}")
        seen += data
    return seen


def children(pid):
    """The direct children of a process."""
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def state(pid):
    """One letter, as ps has it; empty when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def alive(pid):
    return state(pid) not in ("", "Z", "X")


def cgroup_mount():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return pathlib.Path(line.split()[4])
    return None


class Case(unittest.TestCase):
    """A test with a directory and a store of its own."""

    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="heddle-test-"))
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.env = {**os.environ, "HEDDLE_HOME": str(self.dir / "home"), "LC_ALL": "C.UTF-8"}
        self.env.pop("NO_COLOR", None)

    def run_heddle(self, *args, **more):
        """Runs to the end; returns the finished process with bytes in stdout and stderr."""
        more.setdefault("stdin", subprocess.DEVNULL if "input" not in more else None)
        if more["stdin"] is None:
            del more["stdin"]
        more.setdefault("timeout", PATIENCE)
        return subprocess.run([HEDDLE, *args], capture_output=True, env=self.env, check=False, **more)

    def start_heddle(self, *args, **more):
        """Starts it; it is ended with the test."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([HEDDLE, *args], env=self.env, **more)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def lines(self, path):
        """The JSON lines of a file; every one must be valid."""
        return [json.loads(line) for line in pathlib.Path(path).read_bytes().splitlines()]

    def assert_one_line(self, stderr, *words):
        """stderr is exactly one line of ours that has these words."""
        self.assertEqual(stderr.count(b"\n"), 1, stderr)
        self.assertTrue(stderr.startswith(b"heddle: "), stderr)
        for word in words:
            self.assertIn(word.encode(), stderr)


def main():
    if os.geteuid() != 0:
        print("FAIL: the system tests capture for real, so they need root", file=sys.stderr)
        sys.exit(1)
    unittest.main(verbosity=2)
