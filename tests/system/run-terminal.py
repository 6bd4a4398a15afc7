# SPDX-License-Identifier: Apache-2.0
"""heddle run on a terminal: keys, job control, window size, hangup. Everything waits for what the terminal shows."""
import fcntl
import os
import pty
import signal
import struct
import termios
import time

from harness import HEDDLE, PATIENCE, Case, children, main, name, read_until, state, wait_for

CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"
PROMPT = b"<prompt>"


class Terminal(Case):
    def spawn(self, *argv):
        """Starts argv as the leader of a session on a new terminal."""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number in range(1, signal.NSIG):
                if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                    signal.signal(number, signal.SIG_DFL)
            try:
                os.execvpe(argv[0], [str(a) for a in argv], {**self.env, "PS1": PROMPT.decode(), "TERM": "dumb"})
            finally:
                os._exit(99)
        self.addCleanup(self.reap)

    def reap(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd is not None:
            os.close(self.fd)

    def shell(self):
        """A shell with job control, at its prompt."""
        self.spawn("bash", "--norc", "--noprofile", "--noediting", "-i")
        self.expect(PROMPT)
        # Without echo only what programs print is seen.
        self.type(b"stty -echo\n")
        self.expect(PROMPT)

    def expect(self, wanted):
        return read_until(self.fd, wanted)

    def type(self, data):
        os.write(self.fd, data)

    def status(self):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            self.drain()
        raise AssertionError("never ended")

    def drain(self):
        """Lets the other side write."""
        os.set_blocking(self.fd, False)
        try:
            os.read(self.fd, 65536)
        except OSError:
            pass
        time.sleep(0.005)

    def launcher(self):
        """The heddle that the shell started."""
        found = []

        def look():
            found[:] = [p for p in children(self.pid) if name(p) == os.path.basename(HEDDLE)[:15]]
            return found

        wait_for("heddle", look)
        return found[0]


class Keys(Terminal):
    def test_interrupt(self):
        self.spawn(HEDDLE, "run", "--quiet", "--", "sh", "-c", "echo ready; exec sleep 1000")
        self.expect(b"ready")
        self.type(CTRL_C)
        self.assertEqual(self.status(), 130)

    def test_quit(self):
        self.spawn(HEDDLE, "run", "--quiet", "--", "sh", "-c", "ulimit -c 0; echo ready; exec sleep 1000")
        self.expect(b"ready")
        self.type(b"\x1c")
        self.assertEqual(self.status(), 131)

    def test_a_caught_interrupt_comes_once(self):
        script = ("n=0; trap 'n=$((n+1)); echo got $n' INT; trap 'echo total $n; exit 9' TERM; "
                  "echo ready; while :; do read x; done")
        self.spawn(HEDDLE, "run", "--quiet", "--", "bash", "-c", script)
        self.expect(b"ready")
        for i in (1, 2):
            self.type(CTRL_C)
            self.expect(b"got %d" % i)
        # To the launcher alone: it is forwarded.
        os.kill(self.pid, signal.SIGTERM)
        self.expect(b"total 2")
        self.assertEqual(self.status(), 9)

    def test_summary_on_a_terminal_has_colour_unless_told(self):
        for plain in (False, True):
            self.env["NO_COLOR"] = "1" if plain else ""
            self.pid, self.fd = pty.fork()
            if self.pid == 0:
                os.execve(HEDDLE, [HEDDLE, "run", "--", "true"], {**self.env, "TERM": "xterm"})
            self.addCleanup(os.close, self.fd)
            text = self.expect(b"heddle report last")
            self.assertEqual(b"\x1b[" not in text, plain, text)
            self.assertEqual(self.status(), 0)
            self.fd = None

    def test_window_size(self):
        script = "trap 'stty size; kill $!; exit 0' WINCH; sleep 1000 & echo ready; wait"
        self.spawn(HEDDLE, "run", "--quiet", "--", "bash", "-c", script)
        self.expect(b"ready")
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        self.expect(b"33 111")
        self.assertEqual(self.status(), 0)

    def test_the_command_reads_the_terminal(self):
        script = "stty -echo; echo ready; read x; echo got $x; test -t 0 && test -t 1 && test -t 2"
        self.spawn(HEDDLE, "run", "--quiet", "--", "sh", "-c", script)
        self.expect(b"ready")
        self.type(b"words\n")
        self.expect(b"got words")
        self.assertEqual(self.status(), 0)

    def test_hangup(self):
        out = self.dir / "out.json"
        self.spawn(HEDDLE, "run", "--json", out, "--", "sh", "-c", "echo ready; exec sleep 1000")
        self.expect(b"ready")
        os.close(self.fd)
        self.fd = None
        wait_for("the ledger line", lambda: b'"type":"ledger"' in out.read_bytes())
        end = self.lines(out)[-2]
        self.assertEqual((end["exit_status"], end["signal"]), (129, "SIGHUP"))


class Jobs(Terminal):
    def test_stop_and_continue(self):
        self.shell()
        self.type(f"{HEDDLE} run --quiet -- cat\n".encode())
        self.type(b"one\n")
        self.expect(b"one")
        launcher = self.launcher()
        self.type(CTRL_Z)
        self.expect(b"Stopped")
        self.assertEqual(state(launcher), "T")
        self.type(b"echo shell is $((1+1))\n")
        self.expect(b"shell is 2")
        self.type(b"fg\n")
        self.expect(b"cat")
        self.type(b"two\n")
        self.expect(b"two")
        self.type(CTRL_Z)
        self.expect(b"Stopped")
        self.type(b"fg\n")
        self.expect(b"cat")
        self.type(CTRL_D)
        self.expect(PROMPT)
        self.type(b"echo status $?\n")
        self.expect(b"status 0")

    def test_stopped_job_killed(self):
        self.shell()
        self.type(f"{HEDDLE} run --quiet -- sleep 1000\n".encode())
        launcher = self.launcher()
        wait_for("the command", lambda: "sleep" in [name(p) for p in children(launcher)])
        self.type(CTRL_Z)
        self.expect(b"Stopped")
        self.type(b"kill %1; fg; echo status $?\n")
        self.expect(b"status 143")

    def test_background(self):
        self.shell()
        self.type(f"{HEDDLE} run --quiet -- sh -c 'exit 5' & wait $!; echo status $?\n".encode())
        self.expect(b"status 5")

    def test_background_that_reads_is_stopped(self):
        self.shell()
        self.type(f"{HEDDLE} run --quiet -- sh -c 'read x; echo got $x' &\n".encode())
        launcher = self.launcher()
        wait_for("the stop", lambda: state(launcher) == "T")
        self.type(b"fg\n")
        # Only now the terminal is the job's.
        wait_for("the job", lambda: state(launcher) != "T")
        self.type(b"words\n")
        self.expect(b"got words")

    def test_pipeline(self):
        self.shell()
        self.type(f"echo in | {HEDDLE} run --quiet -- sed s/in/out/ | cat; echo status ${{PIPESTATUS[*]}}\n".encode())
        text = self.expect(b"status 0 0 0")
        self.assertIn(b"out", text)

    def test_continue_told_to_heddle_alone(self):
        self.shell()
        self.type(f"{HEDDLE} run --quiet -- sleep 1000\n".encode())
        launcher = self.launcher()
        wait_for("the command", lambda: "sleep" in [name(p) for p in children(launcher)])
        command = [p for p in children(launcher) if name(p) == "sleep"][0]
        self.type(CTRL_Z)
        self.expect(b"Stopped")
        os.kill(launcher, signal.SIGCONT)
        wait_for("the command to go on", lambda: state(command) == "S")
        os.kill(launcher, signal.SIGTERM)
        wait_for("the end", lambda: state(launcher) in ("", "Z"))


if __name__ == "__main__":
    main()
