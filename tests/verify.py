#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a session's chain from docs/evidence.md alone, with none of Heddle's code: verify.py STORE.db [OPTION...]

Prints one line, and exits as `heddle verify` does: 0 proved, 1 altered, 2 nothing wrong but not ended, interrupted or
not vouched for. Needs Python's standard library and libzstd.
"""
import argparse
import base64
import ctypes
import ctypes.util
import hashlib
import json
import re
import sqlite3
import struct
import sys

# --- Ed25519 (RFC 8032), for checking; slow and plain --------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (1 << 255) - 1, y >> 255)
    return None if x is None else (x, y & (1 << 255) - 1, 1, x * (y & (1 << 255) - 1) % P)


def hash_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


def signature_holds(public, message, signature):
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    left, right = multiply(s, BASE), add(r, multiply(hash_number(signature[:32], public, message), a))
    return compress(left) == compress(right)


# --- the forms of docs/evidence.md ---------------------------------------------------------------------------------


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(value):
    return (value & (1 << 64) - 1).to_bytes(8, "little")


def text(value):
    data = (value or "").encode()
    return number(len(data)) + data


def genesis(row):
    return sha(b"heddle genesis 1\n", text(row["id"]), number(row["started_ns"]), text(row["command"]),
               text(row["start_line"]), row["public_key"])


def link(before, row, version=3):
    numbers = [row[name] for name in ("first", "last", "first_ns", "last_ns", "types", "pids", "lines", "size")]
    if version == 2:
        return sha(b"heddle block 1\n", before, *map(number, numbers), row["digest"], sha(row["marks"]))
    return sha(b"heddle block 2\n", before, *map(number, numbers), row["digest"], row["marks"])


def end_hash(row):
    status = -1 if row["exit_status"] is None else row["exit_status"]
    return sha(b"heddle end 1\n", number(row["ended_ns"] or 0), number(status), number(row["events"]),
               text(row["end_line"]), text(row["ledger_line"]))


def message(session, before, row):
    end = end_hash(session) if row["kind"] == 5 else bytes(32)
    return (b"heddle checkpoint 1\n" + session["id"].encode() + before + number(row["n"]) + number(row["kind"]) +
            number(row["sequence"]) + row["link"] + number(row["time_ns"]) + number(row["boot_ns"]) + end +
            number(len(row["counts"])) + row["counts"])


def stored_counts(data):
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    if shift or len(numbers) != 1 + 6 * numbers[0]:
        raise ValueError("counts")
    return {type: count for type, count in enumerate(numbers[1::6]) if count}


MASK = (1 << 64) - 1
SALT = (0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89)


def mix(a, b):
    return (a * b ^ a * b >> 64) & MASK


def mark(line):
    """The quick hash by which a changed line is named."""
    stripes = [line[at:at + 64] for at in range(0, max(len(line) - 64, 0), 64)] + [line[-64:].ljust(64, b"\0")]
    sums, of_sums = [0] * 8, [0] * 8
    for stripe in stripes:
        sums = [(a + b) & MASK for a, b in zip(sums, struct.unpack("<8Q", stripe))]
        of_sums = [(a + b) & MASK for a, b in zip(of_sums, sums)]
    places = [a + 2 * b & MASK for a, b in zip(sums, of_sums)]
    words = [a ^ (b << 23 & MASK | b >> 41) ^ salt for a, b, salt in zip(places, places[4:], SALT)]
    whole = max(len(line), 64) + mix(words[0], words[1]) + mix(words[2], words[3]) & MASK
    return (whole ^ whole >> 32) & 0xffffffff ^ (len(line) if len(line) < 64 else 0)


def mark_of_version_2(line):
    lanes = list(SALT)
    for at in range(0, len(line), 64):
        words = struct.unpack("<8Q", line[at:at + 64].ljust(64, b"\0"))
        lanes = [mix(words[2 * i] ^ SALT[i], words[2 * i + 1] ^ lanes[i]) for i in range(4)]
    whole = mix(mix(lanes[0] ^ len(line), lanes[1] ^ SALT[0]), mix(lanes[2], lanes[3] ^ SALT[1]) ^ SALT[2])
    return (whole ^ whole >> 32) & 0xffffffff


ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t


def unpack(row):
    """The lines of a block as (sequence, type, line), however many there are."""
    size = row["size"]
    out = ctypes.create_string_buffer(max(size, 1))
    body = row["body"]
    if ZSTD.ZSTD_decompress(out, ctypes.c_size_t(size), body, ctypes.c_size_t(len(body))) != size:
        raise ValueError("body")
    data, at, lines = out.raw[:size], 0, []
    heads = size - 32 * row["lines"]
    if heads < 0:
        raise ValueError("heads")
    for i in range(row["lines"]):
        sequence, _, _, kind, process, length = struct.unpack_from("<QqIIII", data, heads + 32 * i)
        at += 0 if process == 0xffffffff else process
        if at + length > heads:
            raise ValueError("line")
        lines.append((sequence, kind, data[at:at + length]))
        at += length
    if at != heads:
        raise ValueError("rest")
    return lines


# --- the check -----------------------------------------------------------------------------------------------------


class Altered(Exception):
    """What was done; sequence: of the first event that it is about, None where no one can say."""

    def __init__(self, kind, why, sequence=None):
        super().__init__(why)
        self.kind, self.sequence = kind, sequence


def own(line):
    found = re.search(rb'"sequence":(\d+)', line)
    return int(found.group(1)) if found else 0


def name_change(expected, row, linked, version):
    """Raises what was done to a block that is not what the chain says."""
    first, last = row["first"], row["last"]
    if first < expected:
        raise Altered("inserted", f"event {first} comes again", first)
    try:
        lines = unpack(row)
    except (ValueError, struct.error) as error:
        raise Altered("changed", f"something in events {first} to {last}") from error
    marks = [value for (value,) in struct.iter_unpack("<I", row["marks"][:len(row["marks"]) // 4 * 4])]
    now = [(mark_of_version_2 if version == 2 else mark)(line) for _, _, line in lines]
    if marks != now:
        i = next((i for i in range(min(len(marks), len(now))) if marks[i] != now[i]), min(len(marks), len(now)))
        here = lines[i - 1][0] + 1 if i else first
        if len(now) < len(marks) and (i == len(now) or now[i] == (marks[i + 1:] or [None])[0]):
            raise Altered("removed", f"event {here}", here)
        if len(now) > len(marks) and (i == len(marks) or (now[i + 1:] or [None])[0] == marks[i]):
            raise Altered("inserted", f"event {lines[i][0]}", lines[i][0])
        if i < len(now) and now[i] in marks[i + 1:]:
            raise Altered("reordered", f"event {own(lines[i][2])} stands where event {here} belongs", here)
        raise Altered("changed", f"event {here}", here)
    for sequence, _, line in lines:
        if own(line) != sequence or not first <= sequence <= last:
            raise Altered("reordered", f"event {own(line)} stands where it does not belong", first)
    if not linked and row["digest"] == sha(row["body"]) and first > expected:
        raise Altered("removed", f"events {expected} to {first - 1}", expected)
    raise Altered("changed", f"the row of events {first} to {last}")


class Walk:
    def __init__(self, session, head, version):
        self.session, self.head, self.met, self.version = session, head, False, version
        self.link = self.before = genesis(session)
        self.sequence = self.signed = 0
        self.died = None
        self.counts, self.ended, self.checkpoints = {}, False, 0
        self.meet()

    def meet(self):
        if not self.head or self.met or self.head["sequence"] != self.sequence:
            return
        if self.head["link"] != self.link:
            raise Altered("rewritten", f"the head kept elsewhere has another chain at event {self.sequence}")
        self.met = True

    def follows(self, row):
        return link(self.link, row, self.version) == row["link"]

    def block(self, row, following):
        if self.ended:
            raise Altered("inserted", f"event {row['first']} after the end", row["first"])
        linked, whole = self.follows(row), sha(row["body"]) == row["digest"]
        if not linked and following is not None and self.follows(following):
            raise Altered("inserted", f"events {row['first']} to {row['last']}", row["first"])
        if not linked or not whole:
            name_change(self.sequence + 1, row, linked, self.version)
        at = self.sequence
        for sequence, kind, line in unpack(row):
            if not at < sequence <= row["last"] or own(line) != sequence or \
               b'"session":"%s"' % self.session["id"].encode() not in line:
                raise Altered("reordered", f"event {own(line)} stands where event {sequence} belongs", sequence)
            self.counts[kind] = self.counts.get(kind, 0) + 1
            at = sequence
        self.link, self.sequence = row["link"], row["last"]
        self.meet()

    def checkpoint(self, row):
        if self.ended or row["n"] != self.checkpoints:
            raise Altered("checkpoint", f"checkpoint {self.checkpoints} is gone, or one was put in")
        signed = message(self.session, self.before, row)
        if not signature_holds(self.session["public_key"], signed, row["signature"]):
            kind = "session" if row["n"] == 0 else "end" if row["kind"] == 5 else "checkpoint"
            raise Altered(kind, f"the signature of checkpoint {row['n']} does not hold")
        if row["sequence"] > self.sequence:
            raise Altered("removed", f"events {self.sequence + 1} to {row['sequence']}", self.sequence + 1)
        if row["sequence"] < self.sequence or row["link"] != self.link:
            raise Altered("rewritten", f"something in events {self.signed + 1} to {self.sequence}")
        if stored_counts(row["counts"]) != self.counts:
            raise Altered("checkpoint", "the signed counts are not those of the events")
        self.before = sha(signed, row["signature"])
        self.checkpoints += 1
        if row["kind"] == 4 and self.died is None:
            self.died = self.signed
        self.signed, self.ended = row["sequence"], row["kind"] == 5

    def finish(self):
        if not self.checkpoints:
            raise Altered("checkpoint", "every checkpoint is gone")
        if self.session["ended_ns"] and not self.ended:
            raise Altered("end", "an end that nobody signed")
        if self.session["events"] != sum(count for kind, count in self.counts.items() if kind):
            raise Altered("end", "the session's count of events")
        if self.head and self.head["sequence"] > self.sequence:
            raise Altered("removed", f"events {self.sequence + 1} to {self.head['sequence']}", self.sequence + 1)
        if self.head and not self.met:
            raise Altered("rewritten", f"no block ends at event {self.head['sequence']}")
        if self.head and self.head["end"] and not (self.ended and self.head["end"] == end_hash(self.session)):
            raise Altered("end", "the head kept elsewhere has another end")


def check(path, public=None, head=None):
    """(verdict, kind, why, sequence); public: 32 bytes that must be the key; head: a dict of head_of()."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        session = db.execute("SELECT * FROM session").fetchone()
        blocks = db.execute("SELECT * FROM block ORDER BY last").fetchall()
        checkpoints = db.execute("SELECT * FROM checkpoint ORDER BY n").fetchall()
    finally:
        db.close()
    try:
        if head and head["public_key"] != session["public_key"]:
            raise Altered("rewritten", "another key than the head's")
        walk, at = Walk(session, head, version), 0
        for row in checkpoints + [None]:
            while at < len(blocks) and (row is None or blocks[at]["last"] <= row["sequence"]):
                walk.block(blocks[at], blocks[at + 1] if at + 1 < len(blocks) else None)
                at += 1
            if row is not None:
                walk.checkpoint(row)
        walk.finish()
    except Altered as altered:
        return "altered", altered.kind, str(altered), altered.sequence
    if public and public != session["public_key"]:
        return "altered", "key", "signed by another key", None
    if not walk.ended:
        return "not ended", None, f"complete up to event {walk.signed}", None
    if not public and not head:
        return "unproved", None, "by nobody's key", None
    if walk.died is not None:
        return "interrupted", None, f"its writer died; complete up to event {walk.died}", None
    return "proved", None, "all there", None


def head_of(path, session):
    """A session's head in a file of them, with its signature checked; None: there is none."""
    found = None
    with open(path, encoding="utf-8") as file:
        for line in file:
            head = json.loads(line)
            if head["session"] != session:
                continue
            signed, public = bytes.fromhex(head["message"]), bytes.fromhex(head["public_key"])
            if not signature_holds(public, signed, bytes.fromhex(head["signature"])):
                sys.exit(f"{path}: the head's signature does not hold")
            at = len(b"heddle checkpoint 1\n") + 36 + 32
            _, kind, sequence = struct.unpack_from("<QQQ", signed, at)
            end = signed[at + 72:at + 104]
            found = {"public_key": public, "sequence": sequence, "link": signed[at + 24:at + 56],
                     "end": end if kind == 5 else None}
    return found


def public_of(path):
    """The key in a PEM file of the public half."""
    with open(path, encoding="ascii") as file:
        return base64.b64decode("".join(line.strip() for line in file if "-----" not in line))[-32:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--key", help="public key, PEM")
    parser.add_argument("--head", help="a head that was exported")
    arguments = parser.parse_args()
    session = arguments.store.rsplit("/", 1)[-1].removesuffix(".db")
    head = head_of(arguments.head, session) if arguments.head else None
    verdict, kind, why, _ = check(arguments.store, public_of(arguments.key) if arguments.key else None, head)
    print(f"{verdict}: {kind + ': ' if kind else ''}{why}")
    sys.exit({"proved": 0, "altered": 1}.get(verdict, 2))


if __name__ == "__main__":
    main()
