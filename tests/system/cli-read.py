# SPDX-License-Identifier: Apache-2.0
"""events, report, sessions and the command line itself, on stores that a small tool made of given lines."""
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import signal
import sqlite3
import struct
import subprocess
import termios
import unicodedata
import unittest

import sample
from harness import HEDDLE, PATIENCE, Case

MKSTORE = os.environ["MKSTORE"]
NEWER = "0190c0de-ffff-7000-8000-000000000002"


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


class Read(Case):
    def setUp(self):
        super().setUp()
        self.env.update(TZ="UTC")
        self.env.pop("COLUMNS", None)
        self.sessions = self.dir / "home" / "sessions"

    def make(self, lines, *args, **more):
        return subprocess.run([MKSTORE, *args], input=lines.text().encode(), env=self.env, capture_output=True,
                              timeout=PATIENCE, check=False, **more)

    def make_agent(self, *args):
        lines = sample.agent()
        self.assertEqual(self.make(lines, "--id", sample.SESSION, *args).returncode, 0)
        return lines

    def read(self, *args, code=0):
        done = self.run_heddle(*args)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode()

    def fails(self, *args, code, words):
        done = self.run_heddle(*args)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assert_one_line(done.stderr, *words)

    def on_terminal(self, *args, size=(24, 80)):
        """What a terminal of that size would be sent."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        with subprocess.Popen([HEDDLE, *args], env=self.env, stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            seen = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
            os.close(master)
            process.wait(PATIENCE)
        return seen.decode().replace("\r\n", "\n")


class CommandLine(Read):
    def test_help_and_version(self):
        for args in (["--help"], ["help"], ["-h"]):
            text = self.read(*args)
            for command in ("run", "attach", "events", "report", "sessions", "version"):
                self.assertRegex(text, rf"(?m)^  {command} ")
        for command in ("events", "report", "sessions", "version"):
            self.assertEqual(self.read(command, "--help"), self.read("help", command))
            self.assertTrue(self.read(command, "--help").startswith(f"Usage: heddle {command}"))
        self.assertEqual(self.read("--version"), self.read("version"))
        self.assertRegex(self.read("version"), r"^heddle \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_one_line_and_125(self):
        for args, words in (
            ([], ["no command", "--help"]),
            (["eventz"], ["did you mean 'events'"]),
            (["no\x1b[31m\nsuch"], ["\\x1b[31m\\x0asuch"]),
            (["events", "--tpye", "x"], ["did you mean --type"]),
            (["events", "--type"], ["--type needs an argument"]),
            (["events", "--failed=1"], ["--failed takes no argument"]),
            (["events", "-z"], ["-z is not an option"]),
            (["events", "--type", "file_opne"], ["did you mean 'file_open'"]),
            (["events", "--type", ""], ["names no type"]),
            (["events", "--pid", "0"], ["--pid"]),
            (["events", "--pid", "12x"], ["--pid"]),
            (["events", "--type", "xyzzy"], ["they are exec, fork"]),
            (["report", "--json"], ["did you mean --format json?"]),
            (["report", "--fromat=json"], ["did you mean --format?"]),
            (["sessions", "last"], ["'heddle report last' shows one"]),
            (["sessions", "--delete", "a", "--delete", "b"], ["one session at a time"]),
            (["events", "--limit", "-1"], ["--limit"]),
            (["events", "--since", "yesterday"], ["--since"]),
            (["events", "--format", "xml"], ["table or json"]),
            (["events", "a", "b"], ["wants one session"]),
            (["report", "--format", "html"], ["text or json"]),
            (["sessions", "x"], ["takes no argument"]),
            (["version", "x"], ["takes no argument"]),
        ):
            with self.subTest(args=args):
                self.fails(*args, code=125, words=words)

    def test_nothing_there_is_1(self):
        for command in ("events", "report"):
            self.fails(command, code=1, words=["no session", "heddle run"])
        self.assertIn("No session", self.read("sessions"))
        self.assertEqual(self.read("sessions", "--format", "json"), "")
        self.make_agent()
        self.fails("events", "ffffffff", code=1, words=["no session 'ffffffff'", "heddle sessions"])

    def test_no_match_is_said_and_no_error(self):
        self.make_agent()
        for format_ in ("table", "json"):
            done = self.run_heddle("events", "--pid", "4000000", "--format", format_)
            self.assertEqual((done.returncode, done.stdout), (0, b""))
            self.assert_one_line(done.stderr, "no event matches", "heddle events last")

    def test_types_by_the_name_the_table_shows(self):
        self.make_agent()
        for brief, full in (("exec", "process_exec"), ("ESCAPE", "sandbox_escape"), ("dns", "dns_query,dns_response"),
                            ("change,open", "file_metadata,file_open")):
            self.assertEqual(self.read("events", "--type", brief), self.read("events", "--type", full))

    def test_full_standard_output(self):
        self.make_agent()
        for command in ("events", "report", "sessions", "version"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([HEDDLE, command], stdout=full, stderr=subprocess.PIPE, env=self.env, check=False)
            self.assertEqual(done.returncode, 125)
            self.assert_one_line(done.stderr, "can't write to standard output", "No space left")


class Events(Read):
    def test_json_is_byte_for_byte(self):
        lines = self.make_agent()
        self.assertEqual(self.read("events", "--format", "json"), lines.text())
        self.assertEqual(self.read("events", "last", "--format", "json"), lines.text())
        self.assertEqual(self.read("events", "0190c0de", "--format", "json"), lines.text())

    def filtered(self, *args):
        return [json.loads(line) for line in self.read("events", "--format", "json", *args).splitlines()]

    def test_filters(self):
        lines = [json.loads(line) for line in self.make_agent().lines]

        def expect(args, wanted):
            with self.subTest(args=args):
                self.assertEqual(self.filtered(*args), [line for line in lines if wanted(line)])

        expect(["--type", "file_open"], lambda l: l["type"] == "file_open")
        expect(["--type", "dns,process_fork"], lambda l: l["type"].startswith("dns_") or l["type"] == "process_fork")
        expect(["--pid", "101"], lambda l: l.get("pid") == 101)
        expect(["--failed"], lambda l: "error" in l)
        expect(["--escapes"], lambda l: l["type"] == "sandbox_escape")
        expect(["--since", "2026-03-01T12:00:01.7Z"], lambda l: l["time"] >= "2026-03-01T12:00:01.7")
        expect(["--until", "2026-03-01T12:00:00.030Z"], lambda l: l["time"] < "2026-03-01T12:00:00.030")
        expect(["--path", "/srv/ann/project/*"],
               lambda l: "/srv/ann/project/" in l.get("path", "") + l.get("new_path", ""))
        expect(["--host", "*.EXAMPLE.com"], lambda l: "api.example.com" in (l.get("hostname"), l.get("name")))
        expect(["--host", "::1"], lambda l: l.get("destination") == "::1")
        expect(["--failed", "--type", "network"], lambda l: l["type"].startswith("network_") and "error" in l)
        self.assertEqual(len(self.filtered("--limit", "3")), 3)
        self.assertEqual([l["result"] for l in self.filtered("--failed", "--limit", "2")], [-2, -13])

    def test_table_fits_the_terminal(self):
        self.make_agent()
        for width in (60, 80, 120, 200):
            text = self.on_terminal("events", size=(24, width))
            for line in text.splitlines():
                self.assertLessEqual(columns(re.sub("\x1b\\[[0-9;]*m", "", line)), width, line)
        self.assertIn("/etc/shadow O_RDONLY -> EACCES", text)
        # The outcome is never what is cut.
        self.assertRegex(self.on_terminal("events", "--failed", size=(24, 60)), r"….* -> ENOENT")

    def test_table_in_a_pipe_is_whole_and_plain(self):
        self.make_agent()
        text = self.read("events")
        self.assertIn("/usr/bin/node /usr/local/bin/agent --prompt 'Fix the failing test'", text)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("…", text)
        self.assertRegex(text, r"(?m)^12:00:00.910     101 sh         privilege_change setuid euid 1000 -> 0 -> EPERM$")

    def test_colour_only_where_it_is_wanted(self):
        self.make_agent()
        for command in ("events", "report", "sessions"):
            self.env.pop("NO_COLOR", None)
            self.env["TERM"] = "xterm"
            self.assertIn("\x1b[", self.on_terminal(command))
            self.env["NO_COLOR"] = "1"
            self.assertNotIn("\x1b", self.on_terminal(command))
            self.env["NO_COLOR"] = ""
            self.assertIn("\x1b[", self.on_terminal(command))
            self.env["TERM"] = "dumb"
            self.assertNotIn("\x1b", self.on_terminal(command))

    def test_follow_ends_with_the_session(self):
        lines = sample.agent().lines
        with subprocess.Popen([MKSTORE, "--hold", "--id", sample.SESSION], env=self.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as writer:
            def put(line):
                writer.stdin.write(line.encode() + b"\n")
                writer.stdin.flush()
                return writer.stdout.readline()

            put(lines[0])
            writer.stdout.readline()
            self.assertIn("running", self.read("sessions"))
            self.fails("sessions", "--delete", "last", code=125, words=["still running"])
            follower = self.start_heddle("events", "--follow", "--format", "json")
            self.assertEqual(follower.stdout.readline().decode(), lines[0] + "\n")
            for line in lines[1:]:
                put(line)
                self.assertEqual(follower.stdout.readline().decode(), line + "\n")
            self.assertIsNone(follower.poll())
            writer.stdin.close()
            self.assertEqual(follower.wait(PATIENCE), 0)
            self.assertEqual(follower.stdout.read(), b"")
            self.assertEqual(writer.wait(PATIENCE), 0)
        self.assertIn("exit 3", self.read("sessions"))

    def test_follow_sees_a_writer_die(self):
        with subprocess.Popen([MKSTORE, "--hold"], env=self.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as writer:
            writer.stdin.write(sample.agent().lines[0].encode() + b"\n")
            writer.stdin.flush()
            writer.stdout.readline()
            writer.stdout.readline()
            follower = self.start_heddle("events", "--follow")
            self.assertIn(b"session", follower.stdout.readline())
            writer.kill()
            self.assertEqual(follower.wait(PATIENCE), 0)
        self.assertIn("interrupted", self.read("sessions"))


class Report(Read):
    def test_text(self):
        self.make_agent()
        text = self.on_terminal("report")
        plain = re.sub("\x1b\\[[0-9;]*m", "", text)
        for line in plain.splitlines():
            self.assertLessEqual(columns(line), 80, line)
        titles = re.findall(r"(?m)^[A-Z][a-z ]+[a-z]", plain)
        self.assertEqual(titles[:4], ["Sandbox escapes", "Privilege changes", "Memory made executable", "Processes"])
        for words in ("exit 3; 1 process left running", "peak 300.0 MiB in all; 180.0 MiB in node", "5× git status",
                      "api.example.com  93.184.216.34", "/srv/ann/project/src/sum.js", "EACCES      1  /etc/shadow",
                      "127.0.0.1:3000 tcp", "nothing lost", "KILL", "io_uring"):
            self.assertIn(words, plain)

    def test_json(self):
        self.make_agent()
        report = json.loads(self.read("report", "--format", "json"))
        self.assertEqual(report["session"]["id"], sample.SESSION)
        self.assertEqual(report["session"]["exit_status"], 3)
        self.assertEqual(report["escapes"][0]["event"]["target"], "/var/run/docker.sock")
        self.assertEqual(report["privilege_changes"][0]["event"]["after"], {"euid": 0})
        processes = {p["pid"]: p for p in report["processes"]}
        self.assertEqual(processes[101]["parent"], processes[100]["process"])
        self.assertEqual(processes[130]["signal"], "SIGKILL")
        self.assertEqual(processes[120]["exit_code"], 1)
        self.assertEqual(report["peak_memory"], {"max_rss_bytes": 180 << 20, "process": processes[100]["process"],
                                                 "comm": "node"})
        files = {f["path"]: f for f in report["files"]}
        self.assertEqual(files["/srv/ann/project/src/sum.js"]["written_bytes"], 5230)
        self.assertEqual(files["/tmp/agent-1"]["deleted"], 1)
        self.assertEqual(report["ledger"]["lost"], 0)
        self.assertEqual(report["left_out"], {})

    def test_hostile_bytes_stay_harmless(self):
        lines = sample.Lines()
        nasty = "\x1b]0;owned\x07\r\n\u202e\u009b31m\x7f"
        sample.start(lines, ["agent" + nasty, "\\x1b[2J"])
        lines.event(1, "process_exec", 100, 99, nasty, "/bin/" + nasty, path=nasty, args=[nasty, "a\\x1bb"])
        lines.event(2, "file_open", 100, 99, nasty, nasty, path=nasty, flags=[nasty], error=nasty)
        lines.event(3, "sandbox_escape", 100, 99, nasty, nasty, category=nasty, syscall=nasty, target=nasty,
                    detail=nasty)
        lines.event(4, "network_connect", 100, 99, nasty, nasty, destination=nasty, hostname=nasty, protocol=nasty)
        lines.event(5, "privilege_change", 100, 99, nasty, nasty, operation=nasty, before={nasty: nasty},
                    after={nasty: [nasty]})
        lines.event(6, "process_exec", 100, 99, nasty, nasty, path=nasty, error=nasty)
        lines.add(7, nasty, why=nasty)
        lines.lines.append("\x1b[31m this is no JSON")
        self.assertEqual(self.make(lines).returncode, 0)
        self.env["NO_COLOR"] = "1"
        for command in ("events", "report", "sessions"):
            for text in (self.read(command), self.on_terminal(command)):
                harmful = [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]
                self.assertFalse(harmful, text)
        for line in (self.read("report", "--format", "json"), self.read("sessions", "--format", "json")):
            json.loads(line)
            self.assertNotIn("\x1b", line)


class Stores(Read):
    def interrupted(self):
        """A session whose writer and machine died: the log is there, the shared index is not."""
        lines = sample.agent()
        self.assertEqual(self.make(lines, "--no-end", "--id", sample.SESSION).returncode, -signal.SIGKILL)
        (self.sessions / (sample.SESSION + ".db-shm")).unlink()
        return lines

    def test_killed_writer_is_interrupted_with_what_it_committed(self):
        lines = sample.agent()
        done = self.make(lines, "--no-end", "--id", sample.SESSION)
        self.assertEqual(done.returncode, -signal.SIGKILL)
        # As after a power cut: the shared index is gone, only the log is there.
        (self.sessions / (sample.SESSION + ".db-shm")).unlink()
        self.assertIn("interrupted", self.read("sessions"))
        # Who finds it so says that in the session, once.
        for _ in range(2):
            kept = self.read("events", "--format", "json")
            self.assertTrue(kept.startswith(lines.text()))
            own = [json.loads(line) for line in kept[len(lines.text()):].splitlines()]
            self.assertEqual([line["type"] for line in own], ["gap", "session", "ledger"])
        self.assertEqual([line["sequence"] for line in own], [len(lines.lines) + i for i in (1, 2, 3)])
        self.assertIn("found later", own[0]["why"])
        self.assertTrue(own[0]["from"] < own[0]["to"] and own[1]["interrupted"])
        self.assertIn("interrupted", self.read("report"))
        (session,) = [json.loads(line) for line in self.read("sessions", "--format", "json").splitlines()]
        self.assertEqual((session["state"], session["events"]), ("interrupted", len(lines.lines) - 3))
        done = self.run_heddle("verify", "--format", "json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["verdict"]), (2, "interrupted"), done.stdout)
        self.assertEqual(sorted(p.suffix for p in self.sessions.iterdir()), [".db"])

    def test_a_cut_end_is_not_made_again(self):
        """A session that had ended, and whose end was cut off, is not closed as if its writer had died."""
        self.make_agent()
        with sqlite3.connect(self.sessions / (sample.SESSION + ".db")) as db:
            db.execute("UPDATE session SET ended_ns = NULL, end_line = NULL, ledger_line = NULL, exit_status = NULL")
            db.execute("DELETE FROM checkpoint WHERE kind = 5")
        db.close()
        (self.sessions / (sample.SESSION + ".lock")).touch()
        before = self.read("events", "--format", "json")
        for command in ("sessions", "report"):
            self.assertIn("interrupted", self.read(command))
        self.assertEqual(self.read("events", "--format", "json"), before)
        done = self.run_heddle("verify", "--format", "json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["kind"]), (1, "end"), done.stdout)

    def test_bad_files_are_one_clear_line_and_hide_nothing(self):
        self.make_agent()
        self.assertEqual(self.make(sample.agent(), "--id", NEWER).returncode, 0)
        with sqlite3.connect(self.sessions / (NEWER + ".db")) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        for command in ("events", "report"):
            self.fails(command, "last", code=125, words=[NEWER, "newer Heddle", "upgrade"])
        rows = self.read("sessions").splitlines()
        self.assertEqual(len(rows), 3)
        self.assertIn("unreadable", rows[1])
        self.assertIn("exit 3", rows[2])
        (self.sessions / (NEWER + ".db")).write_bytes(os.urandom(20000))
        self.fails("events", NEWER, code=125, words=[NEWER, "damaged", "--delete"])
        states = [json.loads(line)["state"] for line in self.read("sessions", "--format", "json").splitlines()]
        self.assertEqual(states, ["unreadable", "ended"])
        self.read("sessions", "--delete", NEWER)
        self.assertEqual(len(self.read("sessions").splitlines()), 2)
        self.assertEqual(sorted(p.name for p in self.sessions.iterdir()), [sample.SESSION + ".db"])

    def test_unwritable_and_unreadable_directory(self):
        self.make_agent()
        nobody = {}
        if os.geteuid() == 0:
            nobody["preexec_fn"] = lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))
        self.dir.chmod(0o755)
        (self.dir / "home").chmod(0o700 if nobody else 0o000)
        done = self.make(sample.agent(), **nobody)
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"Permission denied", done.stderr)
        self.assertIn(b"HEDDLE_HOME", done.stderr)
        done = self.run_heddle("sessions", **nobody)
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "home/sessions", "Permission denied")
        (self.dir / "home").chmod(0o700)

    def test_read_only_medium_shows_what_the_log_holds(self):
        lines = self.interrupted()
        nobody = {}
        if os.geteuid() == 0:
            nobody["preexec_fn"] = lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534))
        for path in (self.dir, self.dir / "home", self.sessions):
            path.chmod(0o555)
        for path in self.sessions.iterdir():
            path.chmod(0o444)
        for args in (["events", "--format", "json"], ["sessions"], ["report"]):
            done = self.run_heddle(*args, **nobody)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertIn(lines.text().encode() if args[0] == "events" else b"interrupted", done.stdout)
        for path in (self.dir, self.dir / "home", self.sessions):
            path.chmod(0o755)
        self.assertEqual(sorted(p.suffix for p in self.sessions.iterdir()), [".db", ".db-wal", ".lock"])

    def test_full_disk_keeps_what_was_committed(self):
        lines = sample.Lines()
        sample.start(lines, ["agent"])
        for i in range(8000):
            lines.event(i, "file_open", 100, 99, "node", "/usr/bin/node", path="/" + os.urandom(200).hex(), result=0)
        limit = (1280 << 10, 1280 << 10)
        done = self.make(lines, "--id", sample.SESSION,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr.decode(), rf"^can't write .*{sample.SESSION}.db: File too large\n$")
        self.assertIn("interrupted", self.read("sessions"))
        kept = self.read("events", "--format", "json").encode().splitlines()[:-3]  # without what its finder said
        self.assertTrue(kept and lines.text().encode().splitlines()[:len(kept)] == kept)

    def test_two_writers_at_once(self):
        lines = sample.agent()
        writers = [subprocess.Popen([MKSTORE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.env)
                   for _ in range(4)]
        for writer in writers:
            writer.stdin.write(lines.text().encode())
        for writer in writers:
            writer.stdin.close()
            self.assertEqual(writer.wait(PATIENCE), 0)
        sessions = [json.loads(line) for line in self.read("sessions", "--format", "json").splitlines()]
        self.assertEqual(len({s["session"] for s in sessions}), 4)
        for session in sessions:
            self.assertEqual(self.read("events", session["session"], "--format", "json"), lines.text())

    def test_ids(self):
        self.make_agent()
        self.assertEqual(self.make(sample.agent(), "--id", NEWER).returncode, 0)
        self.fails("events", "0190c0de", code=125, words=["fits 2 sessions", sample.SESSION, NEWER])
        self.fails("events", "019", code=125, words=["too short"])
        self.fails("events", "../../etc/passwd", code=1, words=["no session"])
        shown = [row.split()[0] for row in self.read("sessions").splitlines()[1:]]
        for prefix, whole in zip(shown, (NEWER, sample.SESSION)):
            self.assertTrue(whole.startswith(prefix))
            self.assertIn(whole[:8], self.read("report", prefix))
        self.assertTrue(pathlib.Path(self.sessions).stat().st_mode & 0o077 == 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
