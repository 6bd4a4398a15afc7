# SPDX-License-Identifier: Apache-2.0
"""heddle replay: what a recording gives is what the session printed, byte for byte, whatever it went through."""
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import threading

from harness import HEDDLE, Case, main, wait_for

# A second and more of reads, writes and failed opens that are told by the clock's ticks, not by their frames.
FOLDS = """
import os, time
until = time.monotonic() + 2.6
fd = os.open("file", os.O_RDWR | os.O_CREAT)
while time.monotonic() < until:
    os.pwrite(fd, b"x" * 100, 0)
    os.pread(fd, 100, 0)
    for i in range(20):
        try:
            os.open("missing", os.O_RDONLY)
        except OSError:
            pass
    time.sleep(0.01)
"""
FLOOD = """
import os, sys
for i in range(int(sys.argv[1])):
    try:
        os.open(f"missing/{i}", os.O_RDONLY)
    except OSError:
        pass
"""
ESCAPES = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for path in ("/proc/1/root/etc", "/proc/kcore", "/proc/1/mem", "/sys/kernel/debug"):
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        pass
libc.unshare(0x10000000)
libc.mount(b"none", b"/nowhere", b"tmpfs", 0, None)
libc.ptrace(16, 1, 0, 0)
"""
NAMES = """
import os
for i, name in enumerate((b"\\x1b[2Jscreen", b"new\\nline", b"\\xff\\xfe", "\\u202etxt.exe".encode(), b"a\\\\b", b'"q"')):
    with open(name, "wb") as f:
        f.write(b"x")
    os.rename(name, name + b"2")
    os.unlink(name + b"2")
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect(("127.0.0.1", int(sys.argv[1])))
name = b"\\x03www\\x07example\\x03com\\x00"
s.send(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + name + b"\\x00\\x01\\x00\\x01")
s.recv(512)
t = socket.socket()
t.settimeout(1)
t.connect_ex(("127.77.0.1", 9))
"""


class Recorded(Case):
    def setUp(self):
        super().setUp()
        self.json, self.lanes = self.dir / "lines", self.dir / "lanes"
        (self.dir / "work").mkdir()

    def record(self, *command, options=(), status=0):
        done = self.run_heddle("run", "--quiet", "--json", self.json, "--record", self.lanes, *options, "--",
                               *[str(c) for c in command], cwd=self.dir / "work")
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def same(self):
        """Replays as any user could; returns the lines."""
        again = self.dir / "again"
        done = self.run_heddle("replay", "--json", again, self.lanes)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.assertTrue(again.read_bytes() == self.json.read_bytes(), "the replay differs")
        return self.lines(again)

    def python(self, script, *arguments, **more):
        self.record("python3", "-c", script, *arguments, **more)
        return self.same()


class Replay(Recorded):
    def test_forks(self):
        self.record("sh", "-c", "for i in $(seq 200); do (:); done; ls / | cat >out; exec true")
        lines = self.same()
        self.assertGreater(sum(line["type"] == "process_fork" for line in lines), 200)

    def test_folds_over_seconds(self):
        lines = self.python(FOLDS)
        self.assertGreater(sum(line["type"] == "file_write" and line.get("operations", 0) > 1 for line in lines), 1)
        self.assertGreater(sum(line.get("count", 0) > 8 and line["type"] == "file_open" for line in lines), 1)

    def test_a_flood_with_losses(self):
        """A lane of one page: gaps are told, in the replay too."""
        lines = self.python(FLOOD, 50000, options=("--bulk-bytes", "4K"))
        self.assertEqual(lines[-1]["type"], "ledger")
        self.assertGreater(lines[-1]["lost"], 0)
        self.assertIn("gap", [line["type"] for line in lines])

    def test_escapes(self):
        lines = self.python(ESCAPES)
        self.assertGreater(sum(line["type"] == "sandbox_escape" for line in lines), 3)

    def test_hostile_names(self):
        lines = self.python(NAMES)
        self.assertGreater(sum("escaped" in line for line in lines), 6)

    def test_names_from_dns(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)

        def answer():
            query, peer = server.recvfrom(512)
            head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
            server.sendto(head + query[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes((127, 77, 0, 1)), peer)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        lines = self.python(ASK, port, options=("--dns-port", str(port)))
        thread.join()
        named = [line for line in lines if line.get("hostname") == "www.example.com"]
        self.assertTrue(named, "the connect has no name")

    def test_under_load(self):
        """More than the reader can take at once, from two sides."""
        lines = self.python(
            "import os, sys\n"
            "for i in range(2):\n"
            "    if os.fork() == 0:\n"
            "        for k in range(20000):\n"
            "            os.close(os.open('/etc/passwd', os.O_RDONLY))\n"
            "        os._exit(0)\n"
            "os.wait(); os.wait()\n")
        self.assertEqual(sum(line["type"] == "process_fork" for line in lines), 2)
        self.assertGreater(len(lines), 1000)

    def test_attach(self):
        process = self.start_heddle("attach", "--pid", str(os.getpid()), "--quiet", "--json", self.json, "--record",
                                    self.lanes)
        wait_for("the start", lambda: self.json.exists() and b"start" in self.json.read_bytes())
        wait_for("an event", lambda: os.stat("/etc/passwd") and (self.dir / "x").write_text("x") and
                 self.json.read_bytes().count(b"\n") > 1)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0, process.stderr.read())
        self.same()

    def test_without_a_store_or_root(self):
        """The recording is enough; nothing is asked of the machine, and nothing is kept."""
        self.record("true", options=("--no-store",))
        # The tree may be where only root can go.
        program = shutil.copy(HEDDLE, self.dir / "heddle")
        os.chmod(self.dir, 0o755)
        os.chmod(self.lanes, 0o644)
        done = subprocess.run([program, "replay", "--format", "json", self.lanes], capture_output=True, env=self.env,
                              check=False, user=65534, group=65534, extra_groups=[], cwd="/")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, self.json.read_bytes())
        self.assertFalse((self.dir / "home").exists())

    def test_words(self):
        self.record("cat", "/etc/hostname")
        table = self.run_heddle("replay", self.lanes)
        self.assertEqual(table.stdout, self.run_heddle("events", "last").stdout)
        live = self.run_heddle("replay", "--format", "live", self.lanes).stdout
        self.assertIn(b" cat file_open /etc/hostname\n", live)


class Broken(Recorded):
    def test_killed_in_the_middle(self):
        """What the sensor wrote before it was killed is replayed, and that it was cut is said."""
        process = self.start_heddle("run", "--quiet", "--record", self.lanes, "--", "sh", "-c",
                                    "while :; do : </etc/passwd; sleep 0.01; done")
        wait_for("frames on the disk", lambda: self.lanes.exists() and self.lanes.stat().st_size > 30000)
        sensor = [p for p in pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                  if pathlib.Path(f"/proc/{p}/comm").read_text() == "heddle-sensor\n"]
        os.kill(int(sensor[0]), signal.SIGKILL)
        process.wait(30)
        done = self.run_heddle("replay", "--format", "json", self.lanes)
        self.assertEqual(done.returncode, 1)
        self.assert_one_line(done.stderr, "has no end")
        self.assertGreater(done.stdout.count(b"file_open"), 10)

    def test_a_full_disk_ends_the_recording_only(self):
        """A limit on the size of files stands for the disk."""
        script = "import os; [os.close(os.open('/etc/passwd', 0)) for i in range(3000)]"
        done = self.run_heddle("run", "--no-store", "--record", self.lanes, "--", "python3", "-c", script,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b"the recording can't be written and ends early"), 1, done.stderr)
        done = self.run_heddle("replay", "--format", "json", self.lanes)
        self.assertEqual(done.returncode, 1)
        self.assert_one_line(done.stderr, "has no end")

    def test_no_recording(self):
        other = self.dir / "other"
        for content, words in ((b"", "no recording"), (b"HEDDLELN\1\0\0\0\0\0\0\0", "another version")):
            other.write_bytes(content)
            done = self.run_heddle("replay", other)
            self.assertEqual((done.returncode, done.stdout), (125, b""))
            self.assert_one_line(done.stderr, words)
        done = self.run_heddle("replay", self.dir / "nowhere")
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "can't open the recording")

    def test_altered(self):
        """A frame taken out: the numbers of what follows no longer fit."""
        self.record("true")
        data = bytearray(self.lanes.read_bytes())
        at = 16
        while True:
            kind, size = struct.unpack_from("<II", data, at)
            if kind == 1 and data[at + 8:at + 12] == b"\3\0\0\0":  # an exit
                break
            at += 8 + size
        del data[at:at + 8 + size]
        self.lanes.write_bytes(data)
        done = self.run_heddle("replay", "--format", "json", self.lanes)
        self.assertEqual(done.returncode, 1)
        self.assert_one_line(done.stderr, "does not give what was recorded")

    def test_not_over_itself(self):
        self.record("true")
        before = self.lanes.read_bytes()
        done = self.run_heddle("replay", "--json", self.lanes, self.lanes)
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "the recording itself")
        self.assertEqual(self.lanes.read_bytes(), before)


if __name__ == "__main__":
    main()
