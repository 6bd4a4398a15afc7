# SPDX-License-Identifier: Apache-2.0
"""doctor: what it says is what a session on the same machine then has."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from harness import HEDDLE, PATIENCE, Case, cgroup_mount, main

TIERS = ("none", "tracepoint", "lsm")


class Doctor(Case):
    def diagnose(self, *prefix, code=0, **more):
        done = subprocess.run([*prefix, HEDDLE, "doctor", "--format", "json"], capture_output=True, env=self.env,
                              timeout=PATIENCE, check=False, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr, b"")
        return json.loads(done.stdout)

    def reachable(self):
        """A copy of the binary that any user can start."""
        os.chmod(self.dir, 0o755)
        copy = self.dir / "heddle"
        shutil.copy(HEDDLE, copy)
        os.chmod(copy, 0o755)
        return copy

    def assert_refused(self, found):
        """Nothing to be had, and every line of it says why."""
        self.assertFalse(found["observes"])
        self.assertEqual(found["tier"], "none")
        self.assertEqual(found["blind"], ["everything"])
        self.assertIn("CAP_BPF", found["bpf_why"])
        self.assertTrue(found["verdict"].startswith("nothing can be observed here: "), found["verdict"])
        self.assertGreater(len(found["hooks"]), 20)
        for hook in found["hooks"]:
            self.assertFalse(hook["attached"], hook)
            self.assertEqual(hook["why_not"], found["bpf_why"])

    def test_agrees_with_a_session(self):
        found = self.diagnose()
        log = self.dir / "log.json"
        self.assertEqual(self.run_heddle("run", "--quiet", "--json", str(log), "--", "true").returncode, 0)
        start = self.lines(log)[0]
        self.assertEqual(found["tier"], start["tier"])
        self.assertEqual([h["name"] for h in found["hooks"] if h["attached"]], start["hooks"])
        self.assertEqual(found["blind"][:len(start["blind"])], start["blind"])
        self.assertEqual(found["kernel"], start["kernel"])

    def test_every_hook_is_attached_or_has_a_reason(self):
        found = self.diagnose()
        self.assertTrue(found["observes"])
        names = [hook["name"] for hook in found["hooks"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("tp_btf/sys_exit", names)
        self.assertIn("lsm/path_unlink", names)
        self.assertIn("fentry/mnt_want_write", names)
        for hook in found["hooks"]:
            self.assertIn(hook["tier"], TIERS[1:])
            self.assertTrue(hook["provides"])
            self.assertEqual(hook["attached"], "why_not" not in hook, hook)
            if TIERS.index(hook["tier"]) > TIERS.index(found["tier"]):
                self.assertFalse(hook["attached"], hook)
                self.assertIn(hook["why_not"], (found.get("lsm_why"), found.get("fentry_why")))

    def test_facts_are_the_machine_s(self):
        found = self.diagnose()
        self.assertEqual(found["kernel"], os.uname().release)
        self.assertTrue(found["root"])
        self.assertEqual(found["btf"], os.access("/sys/kernel/btf/vmlinux", os.R_OK))
        mount = cgroup_mount()
        self.assertEqual(found.get("cgroup2_mount"), str(mount) if mount else None)
        try:
            lockdown = pathlib.Path("/sys/kernel/security/lockdown").read_text().split("[")[1].split("]")[0]
        except OSError:
            lockdown = "unknown"
        self.assertEqual(found["lockdown"], lockdown)

    def test_text_has_what_json_has(self):
        found = self.diagnose()
        done = self.run_heddle("doctor")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode()
        self.assertNotIn("\x1b", text)
        rows = {line.split()[0]: line for line in text.splitlines() if "/" in line.split(" ")[0]}
        self.assertEqual(sorted(rows), sorted(hook["name"] for hook in found["hooks"]))
        for hook in found["hooks"]:
            self.assertEqual(rows[hook["name"]].split()[2], "yes" if hook["attached"] else "no")
            self.assertIn(hook.get("why_not", ""), text)
        for sentence in found["blind"]:
            self.assertIn(sentence, text)
        self.assertEqual(text.splitlines()[-1], found["verdict"])

    def test_every_hook_is_on_the_page(self):
        page = pathlib.Path(__file__).parents[2].joinpath("docs/tiers.md").read_text()
        for hook in self.diagnose()["hooks"]:
            kind, _, name = hook["name"].partition("/")
            self.assertIn(kind + "/", page)
            self.assertTrue(f"`{hook['name']}`" in page or f"`{name}`" in page, hook["name"])

    def test_not_root(self):
        copy = self.reachable()
        done = subprocess.run([copy, "doctor", "--format", "json"], capture_output=True, env=self.env, user=65534,
                              group=65534, extra_groups=[], timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b""))
        found = json.loads(done.stdout)
        self.assertFalse(found["root"])
        self.assertEqual(found["capabilities"], [])
        self.assertIn("sudo heddle doctor", found["verdict"])
        self.assert_refused(found)
        text = subprocess.run([copy, "doctor"], capture_output=True, env=self.env, user=65534, group=65534,
                              extra_groups=[], timeout=PATIENCE, check=False)
        self.assertEqual((text.returncode, text.stderr), (1, b""))
        self.assertEqual(text.stdout.decode().splitlines()[-1], found["verdict"])

    def test_root_without_capabilities(self):
        # As root in a container: CAP_SYS_ADMIN (21), CAP_PERFMON (38) and CAP_BPF (39) are held back.
        found = self.diagnose("setpriv", "--bounding-set=-cap_21,-cap_38,-cap_39", code=1)
        self.assertTrue(found["root"])
        self.assertNotIn("CAP_BPF", found["capabilities"])
        self.assertIn("container", found["verdict"])
        self.assert_refused(found)

    def self_test(self, *args, **more):
        done = subprocess.run([HEDDLE, "doctor", "--self-test", "--format", "json", *args], capture_output=True,
                              env=self.env, timeout=PATIENCE, check=False, **more)
        self.assertEqual(done.stderr, b"")
        return done.returncode, json.loads(done.stdout)

    def test_every_hook_answers(self):
        diagnosed = self.diagnose()
        code, found = self.self_test()
        self.assertEqual((code, found["passed"], found["silent"], found["untried"]), (0, True, 0, 0), found)
        self.assertEqual(found["tier"], diagnosed["tier"])
        self.assertEqual({row["hook"] for row in found["canaries"]},
                         {hook["name"] for hook in diagnosed["hooks"] if hook["attached"]})
        for row in found["canaries"]:
            self.assertEqual(row["answer"], "answered", row)
            self.assertGreaterEqual(row.get("took_ns", 0), 0, row)
        for hook in diagnosed["hooks"]:
            self.assertEqual(hook.get("answers", True), True, hook)
        text = self.run_heddle("doctor", "--self-test").stdout.decode()
        for row in found["canaries"]:
            self.assertIn(row["act"], text)

    def test_what_can_t_be_tried(self):
        """What can't be tried is not taken for proved: here there is no cgroup to leave."""
        done = subprocess.run(["unshare", "--mount", "sh", "-c",
                               f"mount -t tmpfs none {cgroup_mount()} && exec {HEDDLE} doctor --self-test --format json"],
                              capture_output=True, env=self.env, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b""))
        found = json.loads(done.stdout)
        self.assertFalse(found["passed"])
        self.assertGreater(found["untried"] + found["not_attached"], 0, found)
        self.assertEqual(found["silent"], 0, found)

    def test_no_place_for_canaries(self):
        """Read-only all over: nothing is proved then, and a session begins all the same."""
        script = "for d in /run /dev/shm /tmp /var/tmp; do mount --bind $d $d && mount -o remount,ro,bind $d; done;"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", f"{script} exec {HEDDLE} doctor --format json"],
                              capture_output=True, env=self.env, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        found = json.loads(done.stdout)
        self.assertTrue(found["observes"])
        for hook in found["hooks"]:
            if hook["attached"]:
                self.assertFalse(hook["answers"], hook)
                self.assertIn("could not be tried", hook["why_silent"])

    def test_port_53_is_taken(self):
        """The canary has its DNS in a network of its own then. In one of the test's own, so that nobody is disturbed."""
        script = ("import fcntl, os, socket, struct, sys\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"
                  "s.bind(('0.0.0.0', 53))\n"
                  "s.set_inheritable(True)\n"
                  "os.execv(sys.argv[1], [sys.argv[1], 'doctor', '--self-test', '--format', 'json'])\n")
        done = subprocess.run(["unshare", "--net", sys.executable, "-c", script, HEDDLE], capture_output=True, env=self.env,
                              timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(json.loads(done.stdout)["passed"])

    def test_canaries_leave_nothing(self):
        log = self.dir / "log.json"
        self.assertEqual(self.run_heddle("run", "--quiet", "--json", str(log), "--", "true").returncode, 0)
        lines = self.lines(log)
        self.assertEqual([line["sequence"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertFalse([line for line in lines if "canary" in json.dumps(line)])
        first = {}
        for line in lines:
            if "lane_sequence" in line:
                key = line["lane"], line["cpu"]
                first[key] = min(first.get(key, line["lane_sequence"]), line["lane_sequence"])
        self.assertTrue(first)
        # The command was introduced by the first frame of all, which has no line of its own.
        self.assertLessEqual(max(first.values()), 2, first)
        for lane in lines[-1]["lanes"].values():
            for kind, row in lane.items():
                self.assertEqual(row["made"], row["delivered"] + row["folded"] + row["lost"], (kind, row))
                self.assertEqual(row["delivered"], sum(line["type"] == kind for line in lines), kind)
        left = list(cgroup_mount().glob("heddle/canary-*"))
        for place in ("/run", "/dev/shm", "/tmp", "/var/tmp"):
            left += pathlib.Path(place).glob("heddle-canary-*")
        # Somebody else's may be there at this moment; ours would stay.
        until = time.monotonic() + PATIENCE
        while any(path.exists() for path in left) and time.monotonic() < until:
            time.sleep(0.01)
        self.assertFalse([path for path in left if path.exists()])

    def test_small_lanes(self):
        """What the canary says does not fit in a lane of a page: that is read meanwhile, or excused; never a silence."""
        log = self.dir / "log.json"
        done = self.run_heddle("run", "--quiet", "--critical-bytes", "4K", "--bulk-bytes", "4K", "--json", str(log),
                               "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        for sentence in self.lines(log)[0]["blind"]:
            self.assertNotIn("nothing was seen of", sentence)

    def diagnose_fails(self, *args, words):
        done = self.run_heddle("doctor", *args)
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assert_one_line(done.stderr, *words)

    def test_wrong_usage(self):
        self.diagnose_fails("--format", "yaml", words=["text or json", "yaml"])
        self.diagnose_fails("now", words=["no argument", "now"])


if __name__ == "__main__":
    main()
