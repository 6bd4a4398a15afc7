# SPDX-License-Identifier: Apache-2.0
"""What the command can do to the sensor, each tried from inside: the sensor survives, or the session shows it."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys

from harness import HEDDLE, PATIENCE, Case, alive, main, read_until, state, wait_for

# Python as the hostile command: it finds the sensor as any root process could, and does what its argument says.
FIND = """
import os, signal, sys, time, ctypes, pathlib
def sensor():
    for p in pathlib.Path('/proc').iterdir():
        if p.name.isdigit():
            try:
                if (p / 'comm').read_text() == 'heddle-sensor\\n' and (p / 'stat').read_text().split()[3] == str(os.getppid()):
                    return int(p.name)
            except OSError:
                pass
    sys.exit('no sensor found')
S = sensor()
libc = ctypes.CDLL(None, use_errno=True)
"""


class Blind(Case):
    def attack(self, script, *options, **more):
        """Starts the hostile command; its sensor's pid is on the first line of standard output."""
        code = FIND + "print(S, flush=True)\n" + script
        self.json_file = self.dir / "out.json"
        process = self.start_heddle("run", "--quiet", "--json", self.json_file, *options, "--",
                                    sys.executable, "-c", code, **more)
        line = process.stdout.readline()
        self.assertTrue(line, process.stderr.read() if not line else "")
        return process, int(line)

    def finish(self, process):
        """Exit code and what was said."""
        code = process.wait(PATIENCE)
        return code, process.stderr.read()

    def gaps(self, word):
        return [line for line in self.lines(self.json_file) if line["type"] == "gap" and word in line["why"]]

    def heddle_json(self, *args):
        done = self.run_heddle(*args, "--format", "json")
        return json.loads(done.stdout)

    @staticmethod
    def seconds(time):
        return datetime.datetime.fromisoformat(time[:26] + "+00:00").timestamp()

    @staticmethod
    def end_process(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def interrupted(self, why, in_json=True):
        """The session says that its sensor died, in every place where one may look; returns the gap."""
        self.assertIn(b"interrupted", self.run_heddle("sessions").stdout)
        session = self.heddle_json("sessions")
        self.assertEqual(session["state"], "interrupted")
        stored = self.run_heddle("events", "--format", "json").stdout.splitlines()
        gap, end, ledger = (json.loads(line) for line in stored[-3:])
        self.assertEqual((gap["type"], end["phase"], ledger["type"]), ("gap", "end", "ledger"))
        self.assertIn(why, gap["why"])
        self.assertNotIn("count", gap)
        self.assertTrue(end["interrupted"])
        self.assertEqual(ledger["as_of"], gap["from"])
        for rows in ledger["lanes"].values():
            for row in rows.values():
                self.assertEqual(row["made"], row["delivered"] + row["folded"] + row["lost"])
        if in_json:
            self.assertEqual(self.json_file.read_bytes().splitlines()[-3:], stored[-3:])
        report = self.run_heddle("report").stdout
        self.assertIn(b"interrupted", report)
        self.assertIn(b"Gaps", report)
        verdict = self.run_heddle("verify", "--format", "json")
        said = json.loads(verdict.stdout)
        self.assertEqual((verdict.returncode, said["verdict"], said["gaps"]), (2, "interrupted", 1), said)
        self.assertEqual(said["recovered"], 1)
        return gap

    def touched(self, path):
        """The record has an event of this path."""
        return [line for line in self.lines(self.json_file) if line.get("path") == str(path)]


class Signals(Blind):
    def test_terminal_signals(self):
        """What a terminal or a shell sends ends the session in order and says so; nothing goes on unobserved."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process, _ = self.attack(f"os.kill(S, {int(number)}); time.sleep(1000)")
            code, said = self.finish(process)
            self.assertEqual(code, 125, said)
            self.assert_one_line(said, "ended before the command", "killed")
            self.assertIn("why", self.lines(self.json_file)[-2])

    def test_ignored_signals(self):
        """Signals that would end another process (USR1, ALRM, QUIT, PIPE, ...) don't end this one."""
        script = "for n in (1, 2):\n for s in ('USR1', 'USR2', 'ALRM', 'QUIT', 'PIPE', 'VTALRM', 'PROF', 'IO', 'XCPU'):\n" \
                 "  os.kill(S, getattr(signal, 'SIG' + s))\n" \
                 f"open('{self.dir}/after', 'w')"
        process, _ = self.attack(script)
        self.assertEqual(self.finish(process), (0, b""))
        self.assertTrue(self.touched(self.dir / "after"))

    def test_kill(self):
        """The launcher ends the session in its place, with a gap from the last sign of life."""
        process, _ = self.attack(f"open('{self.dir}/before', 'w'); time.sleep(1.5); os.kill(S, 9); time.sleep(1000)")
        code, said = self.finish(process)
        self.assertEqual(code, 125, said)
        self.assert_one_line(said, "the sensor was killed (SIGKILL)", "the command was killed")
        self.assertTrue(self.touched(self.dir / "before"))
        self.interrupted("the sensor was killed (SIGKILL)")
        lines = self.lines(self.json_file)
        self.assertEqual([line["sequence"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual(self.heddle_json("sessions")["exit_status"], 137)

    def test_kill_best_effort(self):
        """The command goes on; the gap lasts to its end."""
        process, _ = self.attack("os.kill(S, 9); time.sleep(2); print('on', flush=True); sys.exit(3)", "--best-effort")
        code, said = self.finish(process)
        self.assertEqual((code, process.stdout.read()), (3, b"on\n"), said)
        gap = self.interrupted("the sensor was killed (SIGKILL)")
        self.assertGreater(self.seconds(gap["to"]) - self.seconds(gap["from"]), 1.9)
        self.assertEqual(self.heddle_json("sessions")["exit_status"], 3)

    def test_kill_without_a_store(self):
        """The JSON file alone has a gap and an end then; nobody knows the counts."""
        process, _ = self.attack("time.sleep(1.5); os.kill(S, 9); time.sleep(1000)", "--no-store")
        self.assertEqual(self.finish(process)[0], 125)
        lines = self.lines(self.json_file)
        self.assertEqual([line["type"] for line in lines[-2:]], ["gap", "session"])
        self.assertTrue(lines[-1]["interrupted"])
        self.assertEqual([line["sequence"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertFalse((self.dir / "home").exists())

    # The launcher is stopped first, so that it does nothing between the two.
    BOTH = "os.kill(os.getppid(), signal.SIGSTOP); os.kill(S, 9); os.kill(os.getppid(), 9)\n"

    def test_both_killed(self):
        """Nobody is left to end the command or the session; the next Heddle that comes by ends the latter."""
        process, sensor = self.attack("print(os.getpid(), flush=True)\ntime.sleep(1.5)\n" + self.BOTH + "time.sleep(1000)")
        pid = int(process.stdout.readline())
        self.addCleanup(self.end_process, pid)
        process.wait(PATIENCE)
        wait_for("the sensor's death", lambda: not alive(sensor))
        self.assertTrue(alive(pid))
        (store,) = (self.dir / "home/sessions").glob("*.db")
        before = store.stat().st_mtime_ns
        done = self.run_heddle("verify")
        self.assertEqual((done.returncode, done.stdout.split(b":")[0]), (2, b"not ended"), done.stdout)
        self.assertEqual(store.stat().st_mtime_ns, before)  # who checks writes nothing
        gap = self.interrupted("found later", in_json=False)
        self.assertLess(gap["from"], gap["to"])

    def test_both_killed_fail_closed(self):
        """The kernel kills the command with the launcher."""
        process, sensor = self.attack("print(os.getpid(), flush=True)\n" + self.BOTH + "time.sleep(1000)", "--fail-closed")
        pid = int(process.stdout.readline())
        self.addCleanup(self.end_process, pid)
        process.wait(PATIENCE)
        wait_for("the command's death", lambda: not alive(pid))
        wait_for("the sensor's death", lambda: not alive(sensor))
        self.interrupted("found later", in_json=False)

    def test_launcher_stopped_sensor_killed(self):
        """Nobody acts until the launcher goes on; that the sensor died can be seen at once."""
        process, sensor = self.attack("print(os.getpid(), flush=True)\ntime.sleep(1.5)\n"
                                      "os.kill(os.getppid(), signal.SIGSTOP); os.kill(S, 9); time.sleep(1000)")
        pid = int(process.stdout.readline())
        self.addCleanup(self.end_process, pid)
        wait_for("the sensor's death", lambda: not alive(sensor))
        self.assertTrue(alive(pid))
        self.interrupted("found later", in_json=False)
        process.send_signal(signal.SIGCONT)
        code, said = self.finish(process)
        self.assertEqual(code, 125, said)
        self.assert_one_line(said, "the sensor was killed (SIGKILL)", "the command was killed")
        self.assertFalse(alive(pid))
        self.assertTrue(self.gaps("the sensor was killed (SIGKILL)"))
        self.assertEqual(self.heddle_json("sessions")["state"], "interrupted")

    def test_kill_all(self):
        """kill -9 -1, in a pid namespace, so that it reaches no more than Heddle and what it watches."""
        # Not by mistake anywhere else: the namespace is a new one, or nothing is done.
        here = os.readlink("/proc/self/ns/pid")
        script = f"import os, time\nif os.readlink('/proc/self/ns/pid') == '{here}': raise SystemExit\n" \
                 "time.sleep(1.5)\nos.kill(-1, 9)\nprint('alone', flush=True)\ntime.sleep(1000)"
        inside = f"'{os.path.abspath(HEDDLE)}' run --quiet -- {sys.executable} -c \"{script}\" & wait; sleep 1000"
        process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inside],
                                   env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self._end, process)
        self.assertEqual(process.stdout.readline(), b"alone\n")
        process.kill()
        process.wait(PATIENCE)
        wait_for("the lock's end", lambda: self.heddle_json("sessions")["state"] == "interrupted")
        self.interrupted("found later", in_json=False)

    def test_reader_that_may_not_write(self):
        """It is shown as interrupted all the same."""
        process, sensor = self.attack("time.sleep(1.5)\n" + self.BOTH)
        process.wait(PATIENCE)
        wait_for("the sensor's death", lambda: not alive(sensor))
        home = self.dir / "home"
        self.dir.chmod(0o755)
        for path in (home, home / "sessions"):
            path.chmod(0o555)
        for path in (home / "sessions").iterdir():
            path.chmod(0o444)
        nobody = {"preexec_fn": lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))}
        for args in (["sessions"], ["report"]):
            done = self.run_heddle(*args, **nobody)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn(b"interrupted", done.stdout)
        done = self.run_heddle("verify", **nobody)
        self.assertEqual((done.returncode, done.stdout.split(b":")[0]), (2, b"not ended"), done.stdout)

    def test_stop(self):
        """A stopped sensor is told to go on at once; that it stood still is said."""
        process, sensor = self.attack(f"os.kill(S, signal.SIGSTOP); time.sleep(2); open('{self.dir}/after', 'w')")
        code, said = self.finish(process)
        self.assertEqual(code, 0, said)
        self.assert_one_line(said, "the sensor was stopped", "told to go on")
        self.assertTrue(self.touched(self.dir / "after"))
        self.assertFalse(alive(sensor) and state(sensor) == "T")

    def test_stopped_again_and_again(self):
        """It keeps running between the stops, and stderr is not flooded."""
        script = "end = time.monotonic() + 6\n" \
                 "while time.monotonic() < end:\n os.kill(S, signal.SIGSTOP)\n time.sleep(0.01)\n" \
                 f"open('{self.dir}/after', 'w')"
        process, _ = self.attack(script)
        code, said = self.finish(process)
        self.assertEqual(code, 0, said)
        self.assertLessEqual(said.count(b"\n"), 3, said)
        self.assertTrue(self.touched(self.dir / "after"))

    def test_stop_fail_closed(self):
        """With --fail-closed the command does nothing while the sensor is stopped."""
        process, _ = self.attack(f"os.kill(S, signal.SIGSTOP); time.sleep(1); open('{self.dir}/after', 'w')", "--fail-closed")
        code, said = self.finish(process)
        self.assertEqual(code, 0, said)
        self.assertIn(b"the command is stopped until it can be recorded", said)
        self.assertIn(b"the command goes on", said)
        self.assertTrue(self.touched(self.dir / "after"))

    def test_launcher_killed_fail_closed(self):
        """Nobody is left to watch the sensor, so the sensor ends the command; the session says why."""
        process, _ = self.attack("print(os.getpid(), flush=True); os.kill(os.getppid(), 9); time.sleep(1000)", "--fail-closed")
        pid = int(process.stdout.readline())
        process.wait(PATIENCE)
        wait_for("the command's death", lambda: not alive(pid))
        wait_for("the ledger line", lambda: b'"type":"ledger"' in self.json_file.read_bytes())
        self.assertIn("heddle was killed", self.lines(self.json_file)[-2]["why"])


class Tracing(Blind):
    """ptrace and its like on the sensor by a command that is root."""

    def test_attach(self):
        """A tracer holds the sensor: after a while that is its end, and the command's."""
        process, sensor = self.attack("print(libc.ptrace(16, S, 0, 0), flush=True); os.waitpid(S, 0x40000000); time.sleep(1000)")
        self.assertEqual(process.stdout.readline(), b"0\n")
        code, said = self.finish(process)
        self.assertEqual(code, 125, said)
        self.assertIn(b"the sensor is being traced", said)
        self.assertIn(b"the command was killed", said)
        self.assertFalse(alive(sensor))


    def test_memory_and_descriptors(self):
        """Written and taken from, as root may: each attempt is an event."""
        script = """
text = pathlib.Path(f'/proc/{S}/maps').read_text().splitlines()
at = int(next(l for l in text if ' rw-p ' in l and l.endswith('heddle')).split('-')[0], 16)
class Piece(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
data = ctypes.create_string_buffer(8)
here, there = Piece(ctypes.addressof(data), 8), Piece(at, 8)
one = ctypes.c_ulong(1)
print(libc.process_vm_readv(S, ctypes.byref(here), one, ctypes.byref(there), one, ctypes.c_ulong(0)))
print(libc.process_vm_writev(S, ctypes.byref(here), one, ctypes.byref(there), one, ctypes.c_ulong(0)))
with open(f'/proc/{S}/mem', 'r+b', 0) as mem:
    mem.seek(at)
    print(mem.write(data.raw))
print(libc.syscall(438, os.pidfd_open(S), 0, 0) >= 0, flush=True)
"""
        process, sensor = self.attack(script)
        self.assertEqual(self.finish(process), (0, b""))
        self.assertEqual(process.stdout.read().split(), [b"8", b"8", b"8", b"True"])
        lines = self.lines(self.json_file)
        told = json.dumps([line for line in lines if line["type"] == "sandbox_escape"])
        for word in ("process_vm_readv", "process_vm_writev", f"/proc/{sensor}/mem", "pidfd_getfd"):
            self.assertIn(word, told)
        self.assertEqual((lines[-1]["type"], lines[-1]["lost"]), ("ledger", 0))


class Hardened(Blind):
    """What the sensor gives up before the command runs; docs/blinding.md has the list."""

    KEPT = sum(1 << bit for bit in (1, 2, 5, 19, 39))  # DAC_OVERRIDE, DAC_READ_SEARCH, KILL, SYS_PTRACE, BPF

    @staticmethod
    def status(path):
        text = (path / "status").read_text()
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def hard(self, sensor):
        """All threads' state, once each has started; a thread that is just being made has not given up its own yet."""
        own = int(self.status(pathlib.Path("/proc/self"))["CapPrm"], 16)
        want = ("1", "2", own & self.KEPT, own & self.KEPT, 0, 0)

        def state(task):
            s = self.status(task)
            return (s["NoNewPrivs"], s["Seccomp"], *(int(s[k], 16) for k in ("CapEff", "CapPrm", "CapInh", "CapAmb")))

        tasks = list(pathlib.Path(f"/proc/{sensor}/task").iterdir())
        self.assertGreaterEqual(len(tasks), 2)
        wait_for(f"{want}", lambda: all(state(task) == want for task in tasks))
        self.assertEqual(int(self.status(tasks[0])["CapBnd"], 16) & ~self.KEPT, 0)

    def test_run(self):
        process, sensor = self.attack("sys.stdin.readline()", stdin=subprocess.PIPE)
        self.hard(sensor)
        _, said = process.communicate(b"go\n", PATIENCE)
        self.assertEqual((process.returncode, said), (0, b""))

    def test_attach(self):
        sleeper = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        process = self.start_heddle("attach", "--pid", str(sleeper.pid), "--json", self.dir / "out.json")
        read_until(process.stderr.fileno(), b"Ctrl-C ends\n")
        self.hard(process.pid)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 0, process.stderr.read())
        self.assertEqual(self.lines(self.dir / "out.json")[-1]["type"], "ledger")


class Store(Blind):
    """The session's file, attacked by a command that is root."""

    def attacked(self, act, *options):
        script = f"db = next(pathlib.Path('{self.dir}/home/sessions').glob('*.db')); time.sleep(1.5)\n{act}\n" \
                 f"end = time.monotonic() + 3\n" \
                 f"while time.monotonic() < end:\n open('{self.dir}/after', 'w').close()\n time.sleep(0.05)\n"
        process, _ = self.attack(script, *options)
        return self.finish(process)

    def test_deleted(self):
        code, said = self.attacked("db.unlink()")
        self.assertEqual(code, 0, said)
        self.assertIn(b"was deleted or moved away", said)
        self.assertTrue(self.gaps("was deleted or moved away"))
        self.assertGreater(self.lines(self.json_file)[-1]["lost"], 0)

    def test_directory_renamed(self):
        code, said = self.attacked("db.parent.rename(str(db.parent) + '.gone')")
        self.assertEqual(code, 0, said)
        self.assertTrue(self.gaps("was deleted or moved away"))

    def test_truncated(self):
        code, said = self.attacked("os.truncate(db, 0)")
        self.assertEqual(code, 0, said)
        self.assertIn(b"was cut", said)
        self.assertTrue(self.gaps("was cut"))

    def test_lock_replaced(self):
        """Who finds a session without its lock does not take it from a sensor that lives."""
        script = f"lock = next(pathlib.Path('{self.dir}/home/sessions').glob('*.lock')); time.sleep(1.5)\n" \
                 f"lock.unlink(); lock.touch(); print('gone', flush=True); sys.stdin.readline(); open('{self.dir}/after', 'w')"
        process, _ = self.attack(script, stdin=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"gone\n")
        for command in ("sessions", "report", "events"):
            self.assertEqual(self.run_heddle(command).returncode, 0)
        _, said = process.communicate(b"go\n", PATIENCE)
        self.assertEqual((process.returncode, said), (0, b""))
        self.assertTrue(self.touched(self.dir / "after"))
        self.assertEqual(self.heddle_json("sessions")["state"], "ended")
        self.assertEqual(self.run_heddle("verify").returncode, 0)

    def test_deleted_fail_closed(self):
        code, said = self.attacked("db.unlink(); time.sleep(1000)", "--fail-closed")
        self.assertEqual(code, 125, said)
        self.assertIn(b"was deleted or moved away", said)
        self.assertIn(b"killed (--fail-closed)", said)
        self.assertIn("not recorded", self.lines(self.json_file)[-2]["why"])


class Pins(Blind):
    def test_there_are_none(self):
        """Nothing in a BPF file system could be removed: the sensor's descriptors alone hold its programs."""
        pins = self.dir / "pins"
        pins.mkdir()
        subprocess.run(["mount", "-t", "bpf", "none", pins], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", pins], check=True)
        places = [pins, pathlib.Path("/sys/fs/bpf")]
        before = sorted(pins.rglob("*"))  # the kernel's own
        process, sensor = self.attack("sys.stdin.readline()", stdin=subprocess.PIPE)
        found = [p for place in places if place.is_dir() for p in place.rglob("*") if "heddle" in p.name.lower()]
        mounts = pathlib.Path(f"/proc/{sensor}/mountinfo").read_text()
        self.assertEqual(found, [])
        self.assertEqual(sorted(pins.rglob("*")), before)
        self.assertEqual(mounts.count(" - bpf "), pathlib.Path("/proc/self/mountinfo").read_text().count(" - bpf "))
        process.communicate(b"go\n", PATIENCE)
        self.assertEqual(process.returncode, 0)


class Fails(Blind):
    """--fail-closed when it is the record that fails, not the sensor."""

    def small_home(self, size):
        home = self.dir / "home"
        home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", home], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", home], check=True)
        return home

    def test_full_disk_for_good(self):
        home = self.small_home("256k")
        script = f"f = open('{home}/fill', 'wb', 0)\n" \
                 "try:\n while True: f.write(bytes(4096))\nexcept OSError: pass\n" \
                 f"while True:\n open('{self.dir}/after', 'w').close()\n time.sleep(0.01)"
        process, _ = self.attack(script, "--fail-closed")
        code, said = self.finish(process)
        self.assertEqual(code, 125, said)
        self.assertIn(b"the command is stopped until it can be recorded (--fail-closed)", said)
        self.assertIn(b"the command was killed (--fail-closed)", said)
        self.assertIn("not recorded", self.lines(self.json_file)[-2]["why"])

    def test_full_disk_for_a_while(self):
        """Room again: the command goes on, and the loss is in the ledger and in a gap."""
        home = self.small_home("256k")
        script = f"f = open('{home}/fill', 'wb', 0)\n" \
                 "try:\n while True: f.write(bytes(4096))\nexcept OSError: f.close()\n" \
                 f"end = time.monotonic() + 3\n" \
                 f"while time.monotonic() < end:\n open('{self.dir}/after', 'w').close()\n time.sleep(0.01)\n" \
                 f"print('done', flush=True)"
        process, _ = self.attack(script, "--fail-closed")
        said = read_until(process.stderr.fileno(), b"(--fail-closed)\n")
        (home / "fill").unlink()  # closed above, else its blocks would stay
        said = read_until(process.stderr.fileno(), b"goes on", said)
        self.assertEqual(process.stdout.readline(), b"done\n")
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertTrue(self.gaps("No space"))


if __name__ == "__main__":
    main()
