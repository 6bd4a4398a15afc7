# SPDX-License-Identifier: Apache-2.0
"""No byte of the agent's does anything: not in a terminal, not in JSON, in no name, argument or message."""
import fcntl
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import termios
import unicodedata

from harness import HEDDLE, Case, main

WIDTH = 80
# The colours that are ours, and nothing else that begins with an escape.
SGR = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36|1;31)m")
# Neither a slash nor a NUL, at most 255 bytes: any other name is a file's.
NAMES = [bytes([b]) + b"byte" for b in range(1, 256) if b != 0x2f] + [n.encode() for n in (
    *(f"c1 {chr(c)}" for c in range(0x80, 0xa0)), "\x1b[2J\x1b[H", "\x1b]8;;http:evil\x07link\x1b]8;;\x07", "\x1b]52;c;aGk=\x07",
    "\x1bP+q544e\x1b\\", "\x9b31m", "\x9d0;title\x9c", "cr\rover", "line\n00:00:00.000       1 init process_exec forged",
    "tab\ttab", "back\b\b\b\b", "\u2028", "\u2029", *(f"bidi {chr(c)}" for c in (0x61c, 0x200e, 0x200f)),
    *(f"bidi {chr(c)}" for c in range(0x202a, 0x202f)), *(f"bidi {chr(c)}" for c in range(0x2066, 0x206a)),
    "zero\u200b\u200c\u200d\u2060\ufeffwidth", "soft\u00adhyphen", "a" + "\u0301" * 60, "\u0301 first", "\U000e0041\U000e0042",
    "\ufdd0\ufffe\U0001ffff\U0010ffff", "漢字" * 30, "😀" * 40, "👩\u200d👩\u200d👧\ufe0f", "\u1160\u3164\uffa0", '"quote"', "'single'",
    "back\\slash", "\\x41", "\\\\x41", "<script>alert(1)<!--", "{{7*7}}", "${HOME}", "%s%n%p", "=cmd|' C'!A0", "-rf", "--help", " ",
    "x" * 255, ".hidden\n", "#comment")] + [
    b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"cut\xe2\x82",
    b"cut\xf0\x9f\x98", b"\xfe\xff", bytes(range(0x80, 0x100)), b"ok\xffok"]
WORK = """
import ctypes, os, socket, sys
names = [bytes.fromhex(n) for n in open(sys.argv[1]).read().split()]
libc = ctypes.CDLL(None)
for name in names:
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600))
    try:
        os.open(b"missing/" + name, os.O_RDONLY)
    except OSError:
        pass
for name in dict.fromkeys(names[:400:7] + names[254:]):
    libc.prctl(15, name[:15] or b"x", 0, 0, 0)
    if os.fork() == 0:
        try:
            os.execv("/bin/true", [name, name, b"--" + name])
        finally:
            os._exit(1)
    os.wait()
    for path in (name[:100], b"\\0" + name[:100]):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
        except OSError:
            pass
    os.mkdir(b"d" + name[:200])
    label = name[:60]
    query = b"\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0" + bytes((len(label),)) + label + b"\\4evil\\0\\0\\1\\0\\1"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(query, ("127.0.0.1", 53))
"""


def undo(text):
    """What an escaped field was."""
    out, i = bytearray(), 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
        elif text[i + 1] == "\\":
            out += b"\\"
            i += 2
        else:
            assert re.fullmatch(r"\\x[0-9a-f]{2}", text[i:i + 4]), text
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
    return bytes(out)


def width(ch):
    if unicodedata.category(ch) in ("Mn", "Me") or 0x1160 <= ord(ch) <= 0x11ff or 0xd7b0 <= ord(ch) <= 0xd7ff:
        return 0
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1


def strict(line):
    """One line of JSON, by the letter: no name twice, no number that is none, no raw control character."""
    def pairs(items):
        assert len({k for k, _ in items}) == len(items), line
        return dict(items)

    def refuse(word):
        raise AssertionError(word)

    return json.loads(line.decode("utf-8"), object_pairs_hook=pairs, parse_constant=refuse)


class Hostile(Case):
    def harmless(self, data, columns=None):
        """A terminal that prints this does nothing but print. Returns the lines without colours."""
        text = SGR.sub("", data.decode("utf-8").replace("\r\n", "\n"))
        lines = text.split("\n")
        for line in lines:
            marks = 4
            for ch in line if not line.isascii() or not line.isprintable() else "":
                category, point = unicodedata.category(ch), ord(ch)
                marks = marks + 1 if category in ("Mn", "Me") else 0
                if category in ("Cc", "Cf", "Cs", "Zl", "Zp") or point & 0xfffe == 0xfffe or 0xfdd0 <= point <= 0xfdef or marks > 4:
                    self.fail(f"U+{point:04x} ({category}, mark {marks}) in {line!r}")
            if columns:
                self.assertLessEqual(sum(width(ch) for ch in line), columns, line)
        return lines

    def in_terminal(self, *argv):
        """All that argv prints on a terminal of its own, and its status."""
        pid, fd = pty.fork()
        if pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
                os.chdir(self.dir / "work")
                os.execve(argv[0], [os.fsencode(a) for a in argv], {**self.env, "TERM": "xterm"})
            finally:
                os._exit(99)
        seen = b""
        try:
            while chunk := os.read(fd, 65536):
                seen += chunk
        except OSError:
            pass
        os.close(fd)
        return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_everywhere(self):
        (self.dir / "work").mkdir()
        names, out, lanes = self.dir / "names", self.dir / "lines", self.dir / "lanes"
        names.write_text(" ".join(n.hex() for n in NAMES))
        shown, status = self.in_terminal(HEDDLE, "run", "--live", "--json", out, "--record", lanes, "--", sys.executable,
                                         "-c", WORK, names)
        self.assertEqual(status, 0, shown[-2000:])
        live = self.harmless(shown)
        self.assertGreater(len(live), 1000)
        self.assertFalse([line for line in live if line.startswith("00:00:00.000")], "a forged line")
        self.exact(out)
        events, status = self.in_terminal(HEDDLE, "events", "last")
        self.assertEqual(status, 0)
        self.assertEqual(len(self.harmless(events, WIDTH)) - 1, out.read_bytes().count(b"\n"))
        self.assertEqual(self.in_terminal(HEDDLE, "replay", lanes)[0], events)
        for argv in (("report", "last"), ("sessions",), ("events", "last", "--type", "exec"), ("replay", "--format", "live", lanes)):
            text, status = self.in_terminal(HEDDLE, *argv)
            self.assertEqual(status, 0, text[-2000:])
            self.harmless(text)
        report = self.run_heddle("report", "last", "--format", "json").stdout
        strict(report)
        self.harmless_json(report.rstrip(b"\n"))
        self.assertEqual(self.run_heddle("replay", "--format", "json", lanes).stdout, out.read_bytes())

    def exact(self, path):
        """Every line is JSON, and every name can be had back as it was."""
        opened, args, words, asked = set(), set(), set(), set()
        for raw in path.read_bytes().split(b"\n")[:-1]:
            line = strict(raw)
            self.harmless_json(raw)
            escaped = line.get("escaped", [])

            def was(field, value, escaped=escaped):
                return undo(value) if field in escaped else value.encode()

            if line["type"] == "file_open" and "path" in line:
                opened.add(was("path", line["path"]).rpartition(b"/")[2])
            if line["type"] == "process_exec":
                args.update(was("args", a) for a in line.get("args", []))
            if "comm" in line:
                words.add(was("comm", line["comm"]))
            if line["type"] == "dns_query":
                asked.add(line.get("name"))
        self.assertEqual([n for n in NAMES if n not in opened], [])
        some = NAMES[:400:7] + NAMES[254:]
        self.assertEqual([n for n in some if n not in args or b"--" + n not in args], [])
        self.assertEqual([n for n in some if n[:15] not in words], [])
        self.assertGreater(len(asked), len(some) // 2)

    def harmless_json(self, raw):
        if bad := {unicodedata.category(ch) for ch in raw.decode("utf-8")} & {"Cc", "Zl", "Zp", "Cs"}:
            self.fail(f"{bad} in {raw!r}")

    def test_every_character(self):
        """All of Unicode as a path, as an altered store could have it: shown or spelled, never passed on."""
        points = [c for c in range(1, 0x110000) if not 0xd800 <= c <= 0xdfff]
        lines = ['{"type":"session","phase":"start","time":"2026-01-01T00:00:00Z","command":["x"]}']
        for at in range(0, len(points), 512):
            path = "".join(f"a{chr(c)}" for c in points[at:at + 512])
            lines.append(json.dumps({"type": "file_open", "time": "2026-01-01T00:00:01Z", "path": path}, ensure_ascii=False))
        made = subprocess.run([os.environ["MKSTORE"]], input="\n".join(lines).encode() + b"\n", env=self.env,
                              capture_output=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        text = self.run_heddle("events", "last").stdout
        self.assertEqual(len(self.harmless(text)), len(lines) + 1)
        shown = text.decode()
        for ch in "é漢😀ß\u0301":
            self.assertIn("a" + ch, shown)
        self.assertIn("a\\xe2\\x80\\xae", shown)

    def test_messages(self):
        """Errors name what they are about."""
        for name in NAMES:
            for argv in (("events", name), ("replay", b"/nonexistent/" + name), (b"x" + name,), ("run", b"/nonexistent/" + name),
                         ("events", "--type", name)):
                done = subprocess.run([os.fsencode(HEDDLE), *(os.fsencode(a) for a in argv)], env=self.env, capture_output=True,
                                      stdin=subprocess.DEVNULL, check=False)
                if b"--help" in name and argv[0] == "events" or done.returncode == 0:
                    continue
                self.harmless(done.stderr)
                self.assert_one_line(done.stderr)


if __name__ == "__main__":
    main()
