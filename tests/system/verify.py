# SPDX-License-Identifier: Apache-2.0
"""heddle verify, and the check that has none of its code, on a session that was altered in each way."""
import base64
import ctypes
import importlib.util
import json
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import sys

import harness

_spec = importlib.util.spec_from_file_location("other", pathlib.Path(__file__).parent.parent / "verify.py")
other = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(other)
zstd = other.ZSTD
zstd.ZSTD_compress.restype = ctypes.c_size_t

# The agent: more than three blocks of events.
AGENT = "i=0; while [ $i -lt 150 ]; do cat /nowhere/$i 2>/dev/null; i=$((i+1)); done; exit 7"


def sign(seed, message):
    """As whoever has the key does."""
    digest = other.hashlib.sha512(seed).digest()
    secret = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    public = other.compress(other.multiply(secret, other.BASE))
    r = other.hash_number(digest[32:], message)
    point = other.compress(other.multiply(r, other.BASE))
    return point + ((r + other.hash_number(point, public, message) * secret) % other.L).to_bytes(32, "little")


def public_of(seed):
    digest = other.hashlib.sha512(seed).digest()
    return other.compress(other.multiply(int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254, other.BASE))


class Forger:
    """Someone who can write the store and knows its form."""

    def __init__(self, path):
        self.path = path
        self.db = sqlite3.connect(path)
        self.db.row_factory = sqlite3.Row
        self.version, = self.db.execute("PRAGMA user_version").fetchone()
        self.mark = other.mark_of_version_2 if self.version == 2 else other.mark

    def sql(self, text, *values):
        self.db.execute(text, values)

    def done(self):
        self.db.commit()
        self.db.close()

    def block(self, n):
        return self.db.execute("SELECT * FROM block ORDER BY last").fetchall()[n]

    def lines(self, n):
        """The lines of a block as [head without the length, process, line]."""
        row, at, out = self.block(n), 0, []
        buffer = ctypes.create_string_buffer(row["size"])
        assert zstd.ZSTD_decompress(buffer, ctypes.c_size_t(row["size"]), row["body"],
                                    ctypes.c_size_t(len(row["body"]))) == row["size"]
        for i in range(row["lines"]):
            sequence, time, pid, kind, length, size = struct.unpack_from(
                "<QqIIII", buffer.raw, row["size"] - 32 * (row["lines"] - i))
            length = 0 if length == 0xffffffff else length
            out.append([sequence, time, pid, kind, buffer.raw[at:at + length], buffer.raw[at + length:at + length + size]])
            at += length + size
        return out

    def put(self, n, lines, digest=False, marks=False):
        """Writes a block anew; what of the row is made to fit is the caller's wish."""
        row, heads, text = self.block(n), b"", b""
        for sequence, time, pid, kind, process, line in lines:
            heads += struct.pack("<QqIIII", sequence, time, pid, kind, len(process) or 0xffffffff, len(line))
            text += process + line
        data = text + heads
        out = ctypes.create_string_buffer(len(data) + 4096)
        size = zstd.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 1)
        body = out.raw[:size]
        self.sql("UPDATE block SET body = ?, size = ?, lines = ? WHERE last = ?", body, len(data), len(lines), row["last"])
        if digest:
            self.sql("UPDATE block SET digest = ? WHERE last = ?", other.sha(body), row["last"])
        if marks:
            self.sql("UPDATE block SET marks = ? WHERE last = ?",
                     b"".join(struct.pack("<I", self.mark(line[5])) for line in lines), row["last"])

    def relink(self):
        """Makes the chain fit what is there; returns the link at each sequence."""
        session = self.db.execute("SELECT * FROM session").fetchone()
        link = other.genesis(session)
        links = {0: link}
        for row in self.db.execute("SELECT * FROM block ORDER BY last").fetchall():
            self.sql("UPDATE block SET digest = ? WHERE last = ?", other.sha(row["body"]), row["last"])
        for row in self.db.execute("SELECT * FROM block ORDER BY last").fetchall():
            link = other.link(link, row, self.version)
            links[row["last"]] = link
            self.sql("UPDATE block SET link = ? WHERE last = ?", link, row["last"])
        return links

    def resign(self, seed):
        """Signs all anew."""
        self.sql("UPDATE session SET public_key = ?", public_of(seed))
        links = self.relink()
        session = self.db.execute("SELECT * FROM session").fetchone()
        before = other.genesis(session)
        for row in self.db.execute("SELECT * FROM checkpoint ORDER BY n").fetchall():
            row = dict(row)
            row["link"] = links[row["sequence"]]
            signed = other.message(session, before, row)
            row["signature"] = sign(seed, signed)
            before = other.sha(signed, row["signature"])
            self.sql("UPDATE checkpoint SET link = ?, signature = ? WHERE n = ?", row["link"], row["signature"], row["n"])

    def edit(self, n, i, **how):
        """Changes what one event says, at the same length."""
        lines = self.lines(n)
        assert b'"time":"2' in lines[i][5]
        lines[i][5] = lines[i][5].replace(b'"time":"2', b'"time":"1', 1)
        self.put(n, lines, **how)
        return lines[i][0]


def change(f, seed):
    return "changed", f.edit(1, 40)


def change_and_digest(f, seed):
    return "changed", f.edit(1, 40, digest=True)


def change_and_marks(f, seed):
    row = f.block(1)
    f.edit(1, 40, digest=True, marks=True)
    return "changed", None, (row["first"], row["last"])


def change_and_chain(f, seed):
    row = f.block(1)
    f.edit(1, 40, digest=True, marks=True)
    f.relink()
    return "rewritten", None, (1, row["last"])


def remove(f, seed):
    lines = f.lines(1)
    gone = lines.pop(17)
    f.put(1, lines, digest=True)
    return "removed", gone[0]


def remove_first_of_all(f, seed):
    first, second, *rest = f.lines(0)
    # A process that is the same as the line's before is not written again.
    second[4] = second[4] or first[4]
    f.put(0, [second, *rest])
    return "removed", 1


def remove_block(f, seed):
    row = f.block(1)
    f.sql("DELETE FROM block WHERE last = ?", row["last"])
    return "removed", row["first"]


def remove_block_and_chain(f, seed):
    row = f.block(1)
    f.sql("DELETE FROM block WHERE last = ?", row["last"])
    f.relink()
    # The signature is over the old chain; where a checkpoint names a line that is gone it is missed itself.
    return ("rewritten", "removed"), None


def insert(f, seed):
    lines = f.lines(1)
    new = list(lines[30])
    new[5] = new[5].replace(b'"time":"2', b'"time":"1', 1)
    new[4] = b""
    lines.insert(31, new)
    f.put(1, lines)
    return "inserted", new[0]


def insert_block(f, seed):
    row = dict(f.block(1))
    row["last"] = row["first"] = f.block(1)["first"] + 7
    f.sql(f"INSERT INTO block ({','.join(row)}) VALUES ({','.join('?' * len(row))})", *row.values())
    return "inserted", row["first"]


def swap_events(f, seed):
    lines = f.lines(1)
    lines[20][5], lines[25][5] = lines[25][5], lines[20][5]
    f.put(1, lines)
    return "reordered", lines[20][0]


def swap_blocks(f, seed):
    a, b = f.block(0), f.block(1)
    for row, at in ((a, b), (b, a)):
        f.sql("UPDATE block SET body = ?, digest = ?, marks = ?, lines = ?, size = ? WHERE last = ?", row["body"],
              row["digest"], row["marks"], row["lines"], row["size"], at["last"])
    return "reordered", a["first"]


def ledger(f, seed):
    f.sql("UPDATE session SET ledger_line = replace(ledger_line, '\"lost\":0', '\"lost\":9')")
    return "end", None


def end_line(f, seed):
    f.sql("UPDATE session SET end_line = replace(end_line, '\"exit_status\":7', '\"exit_status\":0'), exit_status = 0")
    return "end", None


def command(f, seed):
    f.sql("UPDATE session SET command = 'true'")
    return "session", None


def checkpoint(f, seed):
    f.sql("DELETE FROM checkpoint WHERE n = 1")
    return "checkpoint", None


def cut(f, seed):
    row = f.block(2)
    f.sql("DELETE FROM block WHERE last >= ?", row["last"])
    f.sql("DELETE FROM checkpoint WHERE sequence > ?", f.block(1)["last"])
    last = f.block(1)["last"]
    events = sum(1 for n in (0, 1) for line in f.lines(n) if line[3])
    f.sql("UPDATE session SET ended_ns = NULL, end_line = NULL, ledger_line = NULL, exit_status = NULL, events = ?",
          events)
    return "removed", last + 1


def another_key(f, seed):
    f.edit(1, 40, digest=True, marks=True)
    f.resign(bytes(range(32)))
    return "rewritten", None


def stolen_key(f, seed):
    f.edit(1, 40, digest=True, marks=True)
    f.resign(seed)
    return "rewritten", None


# Name, what is done, whether the head that was kept elsewhere is compared, whether the local heads are wiped too.
CASES = [
    ("one byte of an event", change, False, False),
    ("the same, and the digest", change_and_digest, False, False),
    ("the same, and the marks", change_and_marks, False, False),
    ("the same, and the chain", change_and_chain, False, False),
    ("an event taken out of a block", remove, False, False),
    ("the first event taken out", remove_first_of_all, False, False),
    ("a block taken out", remove_block, False, False),
    ("the same, and the chain", remove_block_and_chain, False, False),
    ("an event put in", insert, False, False),
    ("a block put in", insert_block, False, False),
    ("two events swapped", swap_events, False, False),
    ("two blocks swapped", swap_blocks, False, False),
    ("the ledger", ledger, False, False),
    ("the end line and exit status", end_line, False, False),
    ("the command", command, False, False),
    ("a checkpoint taken out", checkpoint, False, False),
    ("the tail cut off, head kept", cut, True, True),
    ("all signed with another key, head kept", another_key, True, True),
    ("all signed with the stolen key, head kept", stolen_key, True, True),
]


class Verify(harness.Case):
    def setUp(self):
        super().setUp()
        self.home = self.dir / "home"
        done = self.run_heddle("run", "--quiet", "--", "sh", "-c", AGENT)
        self.assertEqual(done.returncode, 7, done.stderr)
        self.store, = (self.home / "sessions").glob("*.db")
        self.id = self.store.stem
        pem = (self.home / "keys" / "ed25519.pem").read_text().splitlines()
        self.seed = base64.b64decode("".join(pem[1:-1]))[-32:]
        self.public = other.public_of(self.home / "keys" / "ed25519.pub")
        self.head = self.dir / "head.json"
        done = self.run_heddle("verify", "--export", str(self.head))
        self.assertEqual(done.returncode, 0, done.stdout)

    def verify(self, home, *args):
        self.env["HEDDLE_HOME"] = str(home)
        done = self.run_heddle("verify", "--format", "json", *args, self.id)
        self.env["HEDDLE_HOME"] = str(self.home)
        self.assertEqual(done.stderr, b"")
        return done.returncode, json.loads(done.stdout)

    def altered(self, number, how, wipe):
        home = self.dir / f"altered-{number}"
        shutil.copytree(self.home, home)
        forger = Forger(home / "sessions" / self.store.name)
        wanted = how(forger, self.seed)
        forger.done()
        if wipe:
            (home / "heads").unlink()
        return home, wanted

    def test_a_whole_session_is_proved(self):
        code, said = self.verify(self.home)
        self.assertEqual((code, said["verdict"], said["head_compared"]), (0, "proved", True), said)
        self.assertGreater(said["lines"], 3 * 256)
        self.assertEqual(other.check(self.store, self.public)[0], "proved")
        self.assertEqual(other.check(self.store, None, other.head_of(self.head, self.id))[0], "proved")
        text = self.run_heddle("verify")
        self.assertEqual(text.returncode, 0)
        self.assertTrue(text.stdout.startswith(b"proved: "), text.stdout)
        with open(self.home / "heads", encoding="utf-8") as file:
            self.assertEqual(file.read(), self.head.read_text())

    def test_each_alteration_is_named(self):
        print("# | alteration | heddle verify | verify.py")
        for number, (name, how, with_head, wipe) in enumerate(CASES):
            with self.subTest(name):
                home, wanted = self.altered(number, how, wipe)
                code, said = self.verify(home, *(["--head", str(self.head)] if with_head else []))
                store = home / "sessions" / self.store.name
                head = other.head_of(self.head, self.id) if with_head else None
                verdict, kind, why, sequence = other.check(store, self.public, head)
                print(f"# | {name} | {said['verdict']}, {said.get('kind')}: {said['why']} | {verdict}, {kind}: {why}",
                      flush=True)
                kinds = wanted[0] if isinstance(wanted[0], tuple) else (wanted[0],)
                self.assertEqual((code, said["verdict"], verdict), (1, "altered", "altered"), (said, why))
                self.assertIn(said["kind"], kinds)
                self.assertEqual(said["kind"], kind)
                if wanted[1]:
                    self.assertEqual((said["sequence"], sequence), (wanted[1], wanted[1]))
                if len(wanted) > 2:
                    self.assertLessEqual(said["first"], wanted[2][0])
                    self.assertGreaterEqual(said["last"], wanted[2][1])

    def test_what_only_a_kept_head_proves(self):
        """Without it each of these looks sound: docs/evidence.md says so."""
        home, _ = self.altered(100, stolen_key, True)
        code, said = self.verify(home)
        self.assertEqual((code, said["verdict"]), (0, "proved"))
        self.assertEqual(other.check(home / "sessions" / self.store.name, self.public)[0], "proved")
        home, _ = self.altered(101, cut, True)
        code, said = self.verify(home)
        self.assertEqual((code, said["verdict"]), (2, "not ended"), said)
        self.assertEqual(other.check(home / "sessions" / self.store.name, self.public)[0], "not ended")
        # The list of heads beside the sessions is one that was kept, unless it is wiped too.
        home, wanted = self.altered(102, cut, False)
        code, said = self.verify(home)
        self.assertEqual((code, said["kind"], said["sequence"]), (1, *wanted))
        # Another key is told by this machine's own.
        home, _ = self.altered(103, another_key, True)
        code, said = self.verify(home)
        self.assertEqual((code, said["kind"]), (1, "key"))

    def test_keys(self):
        pub = self.dir / "kept.pub"
        shutil.copy(self.home / "keys" / "ed25519.pub", pub)
        elsewhere = self.dir / "elsewhere"
        (elsewhere / "sessions").mkdir(parents=True)
        shutil.copy(self.store, elsewhere / "sessions")
        self.assertEqual(self.verify(elsewhere)[1]["verdict"], "unproved")
        self.assertEqual(self.verify(elsewhere)[0], 2)
        self.assertEqual(self.verify(elsewhere, "--key", str(pub))[1]["verdict"], "proved")
        self.assertEqual(self.verify(elsewhere, "--head", str(self.head))[1]["verdict"], "proved")
        pem = self.home / "keys" / "ed25519.pem"
        pem.chmod(0o644)
        done = self.run_heddle("run", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "can be read by others")
        pem.chmod(0o600)
        pem.write_text("garbage")
        done = self.run_heddle("run", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assert_one_line(done.stderr, "damaged")

    def test_a_store_of_the_version_before(self):
        """tests/data/store-2.db: other marks, other links, and the same proof."""
        data = pathlib.Path(__file__).parent.parent / "data"
        with sqlite3.connect(data / "store-2.db") as db:
            self.id, = db.execute("SELECT id FROM session").fetchone()
        key, public = str(data / "store-2.pub"), other.public_of(data / "store-2.pub")
        for number, (name, how) in enumerate(((None, None), ("changed", change), ("marks", change_and_marks),
                                              ("removed", remove), ("swapped", swap_blocks))):
            home = self.dir / f"old-{number}"
            (home / "sessions").mkdir(parents=True)
            store = home / "sessions" / f"{self.id}.db"
            shutil.copy(data / "store-2.db", store)
            if how is None:
                self.assertEqual(self.verify(home, "--key", key)[:1], (0,))
                self.assertEqual(other.check(store, public)[0], "proved")
                continue
            with self.subTest(name):
                forger = Forger(store)
                wanted = how(forger, None)
                forger.done()
                code, said = self.verify(home, "--key", key)
                verdict, kind, why, sequence = other.check(store, public)
                self.assertEqual((code, said["verdict"], verdict, said["kind"]), (1, "altered", "altered", kind), why)
                if wanted[1]:
                    self.assertEqual((said["sequence"], sequence), (wanted[1], wanted[1]))
        # The version is in the links: nobody makes one store pass for another's.
        home = self.dir / "relabelled"
        shutil.copytree(self.home, home)
        with sqlite3.connect(home / "sessions" / self.store.name) as db:
            db.execute("PRAGMA user_version = 2")
        self.id = self.store.stem
        self.assertEqual(self.verify(home)[0], 1)
        self.assertEqual(other.check(home / "sessions" / self.store.name, self.public)[0], "altered")

    def test_wrong_use(self):
        for args, words in ((("--format", "xml"), "text or json"), (("a", "b"), "one session"),
                            (("--head", str(self.store)), "has no head"), (("--key", str(self.head)), "no Ed25519 key")):
            done = self.run_heddle("verify", *args)
            self.assertEqual((done.returncode, done.stdout), (125, b""), args)
            self.assert_one_line(done.stderr, words)
        text = self.head.read_text()
        forged = text.replace('"signature":"', '"signature":"00', 1).replace('"}', '', 1)[:-3] + '"}\n'
        (self.dir / "forged").write_text(forged)
        done = self.run_heddle("verify", "--head", str(self.dir / "forged"))
        self.assertEqual(done.returncode, 125, done.stdout)
        self.assert_one_line(done.stderr, "damaged or forged")

    def test_the_other_check_stands_alone(self):
        done = subprocess.run([sys.executable, other.__file__, str(self.store), "--head", str(self.head)],
                              capture_output=True, timeout=harness.PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b"proved: all there\n"), done.stderr)


if __name__ == "__main__":
    harness.main()
