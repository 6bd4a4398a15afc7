#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The files of the project: what lies in the tree and was not built or installed there. Needs no git, since a
clone may belong to another user than the one who tests it. As a program: prints them, one a line."""

import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIPPED = (".git", "node_modules", "__pycache__")


def files(top=TOP):
	"""Paths relative to top, sorted."""
	found = []
	for directory, names, leaves in os.walk(top):
		at_top = directory == top
		names[:] = [n for n in names if n not in SKIPPED and not (at_top and (n == "build" or n.startswith("build-")))]
		for leaf in leaves:
			path = os.path.join(directory, leaf)
			if leaf not in SKIPPED and os.path.isfile(path) and not os.path.islink(path):
				found.append(os.path.relpath(path, top))
	return sorted(found)


def read(top, path):
	"""The text, or None for a file that is none."""
	with open(os.path.join(top, path), "rb") as f:
		data = f.read()
	if b"\0" in data:
		return None
	return data.decode("utf-8", errors="replace")


def self_test(check, cases):
	"""cases: (name, {path: text}, part of the expected complaint or None). check(top) gives complaints."""
	import tempfile
	bad = 0
	for name, tree, expected in cases:
		with tempfile.TemporaryDirectory() as top:
			for path, text in tree.items():
				os.makedirs(os.path.dirname(os.path.join(top, path)) or top, exist_ok=True)
				with open(os.path.join(top, path), "w") as f:
					f.write(text)
			found = check(top)
		if expected is None and found:
			print("%s: unexpected: %s" % (name, found))
			bad += 1
		elif expected is not None and (len(found) != 1 or expected not in found[0]):
			print("%s: wanted one complaint with '%s', got %s" % (name, expected, found))
			bad += 1
	return 1 if bad else 0


if __name__ == "__main__":
	sys.stdout.writelines(path + "\n" for path in files())
