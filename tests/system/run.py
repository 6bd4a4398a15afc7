# SPDX-License-Identifier: Apache-2.0
"""heddle run: exit codes, streams, failures of ours, what is written, what is left."""
import os
import re
import shlex
import signal
import subprocess
import threading
import time

from harness import HEDDLE, PATIENCE, Case, alive, cgroup_mount, children, main, name, read_until, wait_for


class ExitCodes(Case):
    def test_own_status(self):
        for code in (0, 1, 7, 125, 255):
            self.assertEqual(self.run_heddle("run", "--", "sh", "-c", f"exit {code}").returncode, code)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGHUP):
            done = self.run_heddle("run", "--quiet", "--", "sh", "-c", f"kill -{int(number)} $$")
            self.assertEqual(done.returncode, 128 + number, done.stderr)

    def test_not_found(self):
        for command in ("no-such-command-here", "/no/such/file", "./nor-this", ""):
            json_file = self.dir / "out.json"
            json_file.write_text("kept")
            done = self.run_heddle("run", "--json", json_file, "--", command)
            self.assertEqual(done.returncode, 127)
            self.assert_one_line(done.stderr, command)
            self.assertEqual(json_file.read_text(), "kept")
        self.assertFalse((self.dir / "home").exists())

    def test_not_executable(self):
        plain = self.dir / "plain"
        plain.write_text("#!/bin/sh\n")
        for path in (plain, self.dir):
            done = self.run_heddle("run", "--", path)
            self.assertEqual(done.returncode, 126)
            self.assert_one_line(done.stderr, str(path))

    def test_interpreter_missing(self):
        script = self.dir / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        done = self.run_heddle("run", "--quiet", "--", script)
        self.assertEqual(done.returncode, 127)
        self.assert_one_line(done.stderr, str(script))

    def test_script_without_interpreter(self):
        script = self.dir / "script"
        script.write_text('echo "$1"; exit 9\n')
        script.chmod(0o755)
        done = self.run_heddle("run", "--quiet", "--", script, "an argument")
        self.assertEqual((done.returncode, done.stdout), (9, b"an argument\n"))

    def test_path_is_searched(self):
        tool = self.dir / "a-tool"
        tool.write_text("#!/bin/sh\nexit 12\n")
        tool.chmod(0o755)
        self.env["PATH"] = f"{self.dir}:{self.env['PATH']}"
        self.assertEqual(self.run_heddle("run", "a-tool").returncode, 12)

    def test_wrong_usage(self):
        for args in (
            [],
            ["--no-such-option", "true"],
            ["--json", "-", "true"],
            ["--linger", "soon", "true"],
            ["--critical-bytes", "1000", "true"],
            ["--tier", "best", "true"],
            ["--dns-port", "70000", "true"],
            ["--chdir", "/no/such/directory", "true"],
            ["--user", "no-such-user-here", "true"],
            ["--json", "/no/such/directory/file", "true"],
        ):
            done = self.run_heddle("run", *args)
            self.assertEqual(done.returncode, 125, args)
            self.assert_one_line(done.stderr)
            self.assertEqual(done.stdout, b"")

    def test_help(self):
        done = self.run_heddle("run", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        for option in (b"--json FILE", b"--best-effort", b"--kill-rest", b"--live"):
            self.assertIn(option, done.stdout)


class Streams(Case):
    def test_bytes_pass_untouched(self):
        data = os.urandom(1 << 20)
        done = self.run_heddle("run", "--", "cat", input=data)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(done.stdout == data)

    def test_quiet_is_silent(self):
        done = self.run_heddle("run", "--quiet", "--", "sh", "-c", "echo out; echo err >&2")
        self.assertEqual((done.stdout, done.stderr), (b"out\n", b"err\n"))

    def test_summary_is_on_stderr_without_colour(self):
        done = self.run_heddle("run", "--", "true")
        self.assertEqual(done.stdout, b"")
        self.assertIn(b"exit 0", done.stderr)
        self.assertIn(b"heddle report last", done.stderr)
        self.assertNotIn(b"\x1b", done.stderr)

    def test_closed_streams_stay_closed(self):
        for closed, wanted in (("<&-", "1\n2\n"), ("<&- 2>&-", "1\n"), ("<&- >&- 2>&-", "")):
            script = f"exec {shlex.join([HEDDLE, 'run', '--quiet', '--', 'sh', str(self.probe())])} {closed}"
            subprocess.run(["sh", "-c", script], env=self.env, timeout=PATIENCE, check=True)
            self.assertEqual((self.dir / "open").read_text(), wanted, closed)

    def probe(self):
        script = self.dir / "probe"
        script.write_text(
            f"open=\nfor n in 0 1 2; do [ -e /proc/$$/fd/$n ] && open=\"$open$n\n\"; done\n"
            f"printf %s \"$open\" > {self.dir}/open\n"
        )
        return script

    def test_descriptors_are_as_without(self):
        # The names are all read before the first of the shell's own pipes is made.
        listing = ["sh", "-c", 'for fd in /proc/$$/fd/*; do echo "${fd##*/} $(readlink $fd)"; done']
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        more = {"pass_fds": (read,)}
        plain = subprocess.run(listing, stdin=subprocess.DEVNULL, capture_output=True, check=True, **more)
        done = self.run_heddle("run", "--json", self.dir / "j", "--", *listing, **more)
        inode = re.compile(rb":\[[0-9]+\]")
        self.assertEqual(inode.sub(b"", done.stdout), inode.sub(b"", plain.stdout))
        self.assertIn(f"{read} pipe".encode(), done.stdout)

    def test_reader_sees_the_end_when_the_command_closes(self):
        process = self.start_heddle("run", "--quiet", "--", "sh", "-c", "echo out; exec >&-; read wait",
                                    stdin=subprocess.PIPE)
        # Until end of file, though the command still waits.
        self.assertEqual(process.stdout.read(), b"out\n")
        self.assertIsNone(process.poll())
        process.stdin.close()
        self.assertEqual(process.wait(PATIENCE), 1)

    def test_stderr_ends_with_run(self):
        process = self.start_heddle("run", "--live", "--", "true")
        process.stderr.read()
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_signals_are_as_without(self):
        def settings():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

        command = ["grep", "-E", "^Sig(Blk|Ign|Pnd)|^ShdPnd", "/proc/self/status"]
        more = {"preexec_fn": settings}
        plain = subprocess.run(command, capture_output=True, check=True, **more)
        done = self.run_heddle("run", "--quiet", "--", *command, **more)
        self.assertEqual(done.stdout, plain.stdout)
        self.assertIn(b"SigBlk:\t0000000000000200", done.stdout)

    def test_group_and_session_are_ours(self):
        done = self.run_heddle("run", "--quiet", "--", "sh", "-c", "cut -d' ' -f5,6 /proc/$$/stat")
        self.assertEqual(done.stdout.decode().split(), [str(os.getpgrp()), str(os.getsid(0))])

    def test_chdir_and_user(self):
        self.dir.chmod(0o755)
        done = self.run_heddle("run", "--quiet", "--chdir", self.dir, "--user", "nobody", "--",
                               "sh", "-c", "pwd; id -un; id -G")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode().split(), [str(self.dir), "nobody", "65534"])


class Refusals(Case):
    """Nothing runs unobserved."""

    def command(self):
        return ["sh", "-c", f"touch {self.dir}/ran; exit 3"]

    def nobody(self, *args):
        self.dir.chmod(0o777)
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        return subprocess.run(
            [*become, HEDDLE, "run", *args, "--", *self.command()],
            stdin=subprocess.DEVNULL, capture_output=True, env=self.env, timeout=PATIENCE, check=False)

    def test_not_root(self):
        done = self.nobody()
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assert_one_line(done.stderr, "root")
        self.assertFalse((self.dir / "ran").exists())

    def test_not_root_best_effort(self):
        done = self.nobody("--best-effort")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assert_one_line(done.stderr, "root", "unobserved")
        self.assertTrue((self.dir / "ran").exists())

    def test_unwritable_store(self):
        (self.dir / "home").write_text("a file")
        done = self.run_heddle("run", "--", *self.command())
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assert_one_line(done.stderr, str(self.dir / "home"))
        self.assertFalse((self.dir / "ran").exists())
        done = self.run_heddle("run", "--best-effort", "--", *self.command())
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assert_one_line(done.stderr, "unobserved")
        self.assertTrue((self.dir / "ran").exists())

    def test_no_store_needs_none(self):
        (self.dir / "home").write_text("a file")
        done = self.run_heddle("run", "--no-store", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b"heddle report", done.stderr)

    def test_json_that_takes_nothing(self):
        done = self.run_heddle("run", "--json", "/dev/full", "--", *self.command())
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "No space")
        self.assertFalse((self.dir / "ran").exists())


class Sessions(Case):
    def test_json_is_complete(self):
        out = self.dir / "out.json"
        out.write_text("to be truncated\n" * 100)
        done = self.run_heddle("run", "--json", out, "--", "sh", "-c", "cat /etc/hostname; ls / > /dev/null; exit 4")
        self.assertEqual(done.returncode, 4)
        lines = self.lines(out)
        self.assertEqual([line["sequence"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertEqual(len({line["session"] for line in lines}), 1)
        start, end, ledger = lines[0], lines[-2], lines[-1]
        self.assertEqual((start["type"], start["phase"]), ("session", "start"))
        self.assertEqual(start["command"][:2], ["sh", "-c"])
        self.assertEqual(start["cwd"], os.getcwd())
        # What no hook sees is told before anything runs.
        self.assertTrue(any("io_uring" in sentence for sentence in start["blind"]), start["blind"])
        self.assertIn("tp_btf/sys_exit", start["hooks"])
        self.assertEqual((end["type"], end["phase"], end["exit_status"]), ("session", "end", 4))
        self.assertEqual(end["left_running"], 0)
        events = [line for line in lines if "lane" in line and line["type"] != "gap"]
        self.assertEqual(end["events"], len(events))
        self.assertEqual(ledger["type"], "ledger")
        self.assertEqual(ledger["lost"], 0)
        rows = {t: row for lane in ledger["lanes"].values() for t, row in lane.items()}
        for kind, row in rows.items():
            self.assertEqual(row["made"], row["delivered"] + row["folded"] + row["lost"], (kind, row))
            self.assertEqual(row["delivered"], len([line for line in lines if line["type"] == kind]), kind)
        # The command at its gate is introduced; its first observed act is the exec, its last one the exit.
        # But for samples of memory, the next line introduces the command at its gate.
        gate, first = [line for line in lines[1:] if line["type"] != "vitals"][:2]
        self.assertEqual((gate["type"], gate["origin"]), ("process", "before"))
        self.assertEqual(first["process"], gate["process"])
        self.assertEqual((first["type"], first["args"][:2]), ("process_exec", ["sh", "-c"]))
        own = [line for line in lines if line.get("process") == first["process"]]
        self.assertEqual((own[-1]["type"], own[-1]["exit_code"]), ("process_exit", 4))
        execs = [line["exe"] for line in lines if line["type"] == "process_exec" and line["result"] == 0]
        self.assertEqual([os.path.basename(e) for e in execs][1:], ["cat", "ls"])

    def test_nothing_else_shows(self):
        out = self.dir / "out.json"
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                subprocess.run(["true"], check=True)

        noise = threading.Thread(target=busy)
        noise.start()
        try:
            self.run_heddle("run", "--json", out, "--", "sh", "-c", "true; cat /etc/hostname; exit 0")
        finally:
            stop.set()
            noise.join()
        processes = {line["pid"] for line in self.lines(out) if "pid" in line}
        self.assertEqual(len(processes), 2)

    def test_two_at_once(self):
        both = [
            self.start_heddle("run", "--quiet", "--json", self.dir / f"{i}.json", "--",
                              "sh", "-c", f"echo ready; read go; echo {i}; exit {i}", stdin=subprocess.PIPE)
            for i in (1, 2)
        ]
        for process in both:
            self.assertEqual(process.stdout.readline(), b"ready\n")
        for i, process in enumerate(both, 1):
            out, err = process.communicate(b"go\n", PATIENCE)
            self.assertEqual((process.returncode, out, err), (i, f"{i}\n".encode(), b""))
        starts = [self.lines(self.dir / f"{i}.json")[0] for i in (1, 2)]
        self.assertNotEqual(starts[0]["session"], starts[1]["session"])
        pids = [{line["pid"] for line in self.lines(self.dir / f"{i}.json") if "pid" in line} for i in (1, 2)]
        self.assertTrue(pids[0] and pids[1] and not pids[0] & pids[1], pids)

    def test_full_disk(self):
        """The store's disk fills while the command runs: the run goes on, and the loss is told everywhere."""
        home = self.dir / "home"
        home.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", home], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", home], check=True)
        script = "i=0; while [ $i -lt 3000 ]; do echo $i > $1/f$i; i=$((i+1)); done; exit 5"
        out = self.dir / "out.json"
        (self.dir / "w").mkdir()
        done = self.run_heddle("run", "--quiet", "--json", out, "--", "sh", "-c", script, "sh", self.dir / "w")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assert_one_line(done.stderr, str(home))
        lines = self.lines(out)
        self.assertTrue([line for line in lines if line["type"] == "gap" and str(home) in line["why"]])
        self.assertGreater(lines[-1]["lost"], 0)


FLOODER = """
import os, socket, sys
for _ in range(2):
    if os.fork() == 0:
        for _ in range(int(sys.argv[1])):
            try:
                socket.socket(200)
            except OSError:
                pass
        os._exit(0)
for _ in range(2):
    os.wait()
"""


class Floods(Case):
    def flood(self, *options, calls=100000):
        out = self.dir / "out.json"
        done = self.run_heddle("run", *options, "--json", out, "--", "python3", "-c", FLOODER, str(calls))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = self.lines(out)
        row = lines[-1]["lanes"]["critical"]["network_socket"]
        self.assertEqual(row["made"], row["delivered"] + row["folded"] + row["lost"])
        self.assertEqual(row["made"], 2 * calls)
        self.assertEqual(row["delivered"], len([line for line in lines if line["type"] == "network_socket"]))
        return lines, row, done.stderr

    def test_the_flooder_is_slowed(self):
        """In a small lane, which on a busy machine may lose all the same; in one of the usual size nothing is lost."""
        self.assertEqual(self.flood()[1]["lost"], 0)
        lines, _, words = self.flood("--critical-bytes", "64K")
        self.assertEqual(lines[0]["flood"], "slow")
        self.assertGreater(lines[-2].get("slowed", 0), 0)
        self.assertGreaterEqual(lines[-2]["slowed_ns"], lines[-2]["slowed_longest_ns"])
        self.assertIn(b"slowed", words)

    def test_what_is_lost_is_counted(self):
        lines, row, _ = self.flood("--flood", "lose", "--critical-bytes", "4096", calls=20000)
        self.assertEqual(lines[0]["flood"], "lose")
        self.assertGreater(row["lost"], 0)
        self.assertNotIn("slowed", lines[-2])
        missing = sum(line["count"] for line in lines if line["type"] == "gap" and line["lane"] == "critical")
        self.assertEqual(missing, sum(r["lost"] for r in lines[-1]["lanes"]["critical"].values()))

    def test_an_ordinary_run_is_not_slowed(self):
        out = self.dir / "out.json"
        self.run_heddle("run", "--json", out, "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do ls / > /dev/null; done")
        self.assertNotIn("slowed", self.lines(out)[-2])

    def test_usage(self):
        self.assertEqual(self.run_heddle("run", "--flood", "drown", "--", "true").returncode, 125)
        self.assertEqual(self.run_heddle("attach", "--flood", "slow", "--pid", str(os.getpid())).returncode, 125)


class Leftovers(Case):
    def test_left_alone(self):
        out = self.dir / "out.json"
        done = self.run_heddle("run", "--json", out, "--", "sh", "-c", "sleep 1000 >&- 2>&- & echo $!")
        pid = int(done.stdout)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.assertTrue(alive(pid))
        self.assertEqual(self.lines(out)[-2]["left_running"], 1)
        self.assertIn(b"1 left running", done.stderr)

    def test_left_busy(self):
        """What is left and never pauses neither holds the end up nor unbalances the ledger."""
        out = self.dir / "out.json"
        script = "(while :; do : < /etc/hostname; done) > /dev/null 2>&1 & echo $!"
        done = self.run_heddle("run", "--json", out, "--", "sh", "-c", script)
        self.addCleanup(os.kill, int(done.stdout), signal.SIGKILL)
        self.assertNotIn(b"do not balance", done.stderr)
        lines = self.lines(out)
        self.assertEqual(lines[-2]["left_running"], 1)
        self.assert_balances(lines)

    def test_left_busy_outside(self):
        """The same of one that forks all the time, and has left the cgroup."""
        out = self.dir / "out.json"
        procs = cgroup_mount() / "cgroup.procs"
        left = self.dir / "left"
        os.mkfifo(left)
        script = f"sh -c 'echo $$ > {procs}; echo $$; echo > {left}; exec >&- 2>&-; while :; do (:); done' & read x < {left}"
        done = self.run_heddle("run", "--json", out, "--", "sh", "-c", script)
        self.addCleanup(os.kill, int(done.stdout), signal.SIGKILL)
        self.assertNotIn(b"do not balance", done.stderr)
        lines = self.lines(out)
        self.assertGreater(lines[-2]["left_running"], 0)
        self.assertTrue([line for line in lines if line["type"] == "sandbox_escape"])
        self.assert_balances(lines)

    def assert_balances(self, lines):
        """Each type: made = delivered + folded + lost, and as many lines as the ledger says."""
        counted = {}
        for lane in lines[-1]["lanes"].values():
            for kind, row in lane.items():
                self.assertEqual(row["made"], row["delivered"] + row["folded"] + row["lost"], (kind, row))
                counted[kind] = counted.get(kind, 0) + row["delivered"]
        for kind, delivered in counted.items():
            self.assertEqual(sum(line["type"] == kind for line in lines), delivered, kind)

    def test_kill_rest(self):
        out = self.dir / "out.json"
        script = "(setsid sleep 1000 >&- 2>&- & echo $!); sleep 1000 >&- 2>&- & echo $!"
        done = self.run_heddle("run", "--kill-rest", "--json", out, "--", "sh", "-c", script)
        for pid in done.stdout.split():
            self.assertFalse(alive(int(pid)))
        end = self.lines(out)[-2]
        self.assertEqual((end["left_running"], end["killed"]), (0, 2))

    def test_linger_ends_with_the_last(self):
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)
        out = self.dir / "out.json"
        process = self.start_heddle("run", "--quiet", "--linger", "10m", "--json", out, "--",
                                    "sh", "-c", f"echo $$; (read go < {fifo}; touch {self.dir}/late) >&- 2>&- & exit 6")
        command = int(process.stdout.readline())
        wait_for("the command's end", lambda: not alive(command))
        self.assertIsNone(process.poll())
        fifo.write_text("go\n")
        self.assertEqual(process.wait(PATIENCE), 6)
        lines = self.lines(out)
        self.assertEqual(lines[-2]["left_running"], 0)
        self.assertTrue([line for line in lines if line.get("path") == str(self.dir / "late")])

    def sensor_of(self, process):
        found = []

        def look():
            found[:] = [p for p in children(process.pid) if name(p) == "heddle-sensor"]
            return found

        wait_for("the sensor process", look)
        return found[0]

    def test_interrupt_ends_the_lingering(self):
        process = self.start_heddle("run", "--linger", "10m", "--", "sh", "-c", "sleep 1000 >&- 2>&- & echo $!; exit 6")
        pid = int(process.stdout.readline())
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        wait_for("the command's end", lambda: [name(p) for p in children(process.pid)] == ["heddle-sensor"])
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 6)
        self.assertIn(b"1 left running", process.stderr.read())

    def test_cgroups_go(self):
        mount = cgroup_mount()
        self.assertIsNotNone(mount)
        stale = mount / "heddle" / "00000000-0000-7000-8000-000000000000"
        (stale / "child").mkdir(parents=True)
        out = self.dir / "out.json"
        self.run_heddle("run", "--json", out, "--", "true")
        self.assertFalse(stale.exists())
        self.assertFalse((mount / "heddle" / self.lines(out)[0]["session"]).exists())

    def test_a_running_session_keeps_its_cgroup(self):
        process = self.start_heddle("run", "--quiet", "--", "sh", "-c", "cat /proc/self/cgroup; read go",
                                    stdin=subprocess.PIPE)
        path = read_until(process.stdout.fileno(), b"/heddle/").decode()
        self.run_heddle("run", "--", "true")
        session = path.split("/heddle/")[1].split()[0]
        self.assertTrue((cgroup_mount() / "heddle" / session).exists())
        process.communicate(b"go\n", PATIENCE)

    def test_launcher_killed(self):
        """The record goes on without it, to the command's end."""
        out = self.dir / "out.json"
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)
        process = self.start_heddle("run", "--json", out, "--",
                                    "sh", "-c", f"echo ready; read go < {fifo}; exec touch {self.dir}/late")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.kill()
        process.wait()
        fifo.write_text("go\n")
        wait_for("the ledger line", lambda: b'"type":"ledger"' in out.read_bytes())
        self.assertTrue([line for line in self.lines(out) if line.get("path") == str(self.dir / "late")])

    def test_sensor_killed(self):
        process = self.start_heddle("run", "--", "sh", "-c", "echo $$; exec sleep 1000")
        pid = int(process.stdout.readline())
        os.kill(self.sensor_of(process), signal.SIGKILL)
        self.assertEqual(process.wait(PATIENCE), 125)
        self.assert_one_line(process.stderr.read(), "killed")
        self.assertFalse(alive(pid))

    def test_sensor_killed_best_effort(self):
        process = self.start_heddle("run", "--best-effort", "--", "sh", "-c", "echo $$; read go; exit 8",
                                    stdin=subprocess.PIPE)
        process.stdout.readline()
        os.kill(self.sensor_of(process), signal.SIGKILL)
        line = read_until(process.stderr.fileno(), b"\n")
        self.assertIn(b"unobserved", line)
        process.communicate(b"go\n", PATIENCE)
        self.assertEqual(process.returncode, 8)

    def test_sensor_told_to_end(self):
        """SIGTERM to the sensor process ends the session in order, with the command still running."""
        out = self.dir / "out.json"
        process = self.start_heddle("run", "--json", out, "--best-effort", "--",
                                    "sh", "-c", "echo $$; read go; exit 8", stdin=subprocess.PIPE)
        process.stdout.readline()
        os.kill(self.sensor_of(process), signal.SIGTERM)
        wait_for("the ledger line", lambda: b'"type":"ledger"' in out.read_bytes())
        self.assertIn("why", self.lines(out)[-2])
        process.communicate(b"go\n", PATIENCE)
        self.assertEqual(process.returncode, 8)

    def test_start_is_quick(self):
        """To the first output: 0.3 s. The best of several, and more where others wait for the processors too."""
        best = limit = PATIENCE
        for _ in range(20):
            limit = 0.30 * max(1, os.getloadavg()[0] / os.cpu_count())
            best = min(best, self.first_byte())
            if best < limit:
                break
        self.assertLess(best, limit)

    def first_byte(self):
        begin = time.monotonic()
        process = self.start_heddle("run", "--quiet", "--", "echo", "x")
        process.stdout.read(1)
        took = time.monotonic() - begin
        process.wait(PATIENCE)
        return took


class Attach(Case):
    def test_wrong_usage(self):
        for args in ([], ["--pid", "x"], ["--pid", "1", "--cgroup", "/"], ["--cgroup", "/"], ["--container", "abc"],
                     ["--container", "0123456789ab"], ["--cgroup", "/no/such/cgroup"], ["operand"]):
            done = self.run_heddle("attach", *args)
            self.assertEqual(done.returncode, 125, args)
            self.assert_one_line(done.stderr)

    def test_target_gone(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        done = self.run_heddle("attach", "--pid", str(gone.pid))
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, str(gone.pid))

    def attach(self, *args):
        process = self.start_heddle("attach", *args)
        read_until(process.stderr.fileno(), b"following")
        return process

    def target(self, script):
        process = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self._end, process)
        return process

    def test_until_the_target_is_gone(self):
        out = self.dir / "out.json"
        target = self.target("read go; touch $0/seen; exit 3".replace("$0", str(self.dir)))
        process = self.attach("--json", out, "--pid", str(target.pid))
        target.communicate(b"go\n", PATIENCE)
        self.assertEqual(process.wait(PATIENCE), 0)
        lines = self.lines(out)
        self.assertEqual(lines[0]["target"], f"pid {target.pid} (sh)")
        self.assertTrue([line for line in lines if line.get("path") == str(self.dir / "seen")])
        self.assertEqual(lines[-1]["lost"], 0)
        own = [line for line in lines if line.get("pid") == target.pid]
        self.assertTrue(all(line["exe"].endswith(("sh", "dash")) for line in own if line["type"] == "process_exit"))

    def test_until_interrupted(self):
        target = self.target("read go; exit 3")
        for number in (signal.SIGINT, signal.SIGTERM):
            out = self.dir / "out.json"
            process = self.attach("--json", out, "--pid", str(target.pid))
            process.send_signal(number)
            self.assertEqual(process.wait(PATIENCE), 0)
            self.assertEqual([line["type"] for line in self.lines(out)][-2:], ["session", "ledger"])
        self.assertIsNone(target.poll())

    def test_cgroup_and_container(self):
        digits = "0123456789abcdef" * 4
        # A name of its own: another run of these tests may be making and removing its groups.
        top = f"heddle-test-{os.getpid()}"
        group = cgroup_mount() / top / f"docker-{digits}.scope"
        group.mkdir(parents=True)
        self.addCleanup(group.parent.rmdir)
        self.addCleanup(group.rmdir)
        target = self.target("read go; touch $0/one; read go".replace("$0", str(self.dir)))
        # Runs before the cleanups above.
        self.addCleanup(self._end, target)
        (group / "cgroup.procs").write_text(str(target.pid))
        out = self.dir / "out.json"
        targets = (["--cgroup", group], ["--cgroup", f"/{top}/docker-{digits}.scope"], ["--container", digits[:12]])
        for args in targets:
            process = self.attach("--json", out, *args)
            if args[0] == "--container":
                target.communicate(b"go\ngo\n", PATIENCE)
            else:
                process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE), 0)
        self.assertTrue([line for line in self.lines(out) if line.get("path") == str(self.dir / "one")])


if __name__ == "__main__":
    main()
