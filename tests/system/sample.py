# SPDX-License-Identifier: Apache-2.0
"""A session's lines for tests of what reads them: an agent that looks around, fetches, writes and tries a door."""

import json

SESSION = "0190c0de-0000-7000-8000-000000000001"


def stamp(ms):
    return "2026-03-01T12:%02d:%02d.%03d000000Z" % (ms // 60000, ms // 1000 % 60, ms % 1000)


class Lines:
    def __init__(self, session=SESSION):
        self.session = session
        self.lines = []

    def add(self, ms, type, **fields):
        line = {"sequence": len(self.lines) + 1, "time": stamp(ms), "type": type, "session": self.session}
        line.update(fields)
        self.lines.append(json.dumps(line, separators=(",", ":")))

    def event(self, ms, type, pid, ppid, comm, exe, **fields):
        self.add(ms, type, process="deadbeef-%d-%d" % (pid, pid * 1000), pid=pid, tid=pid, ppid=ppid, uid=0, gid=0,
                 comm=comm, exe=exe, image=1, via="syscall", verified="error" not in fields, lane="critical", cpu=0,
                 lane_sequence=len(self.lines), **fields)

    def fork(self, ms, pid, child, comm, exe):
        self.event(ms, "process_fork", pid, 1, comm, exe, child_pid=child,
                   child_process="deadbeef-%d-%d" % (child, child * 1000))

    def run(self, ms, parent, pid, args, exe, lasts=10, code=0, **fields):
        self.fork(ms, parent, pid, "node", "/usr/bin/node")
        self.event(ms + 1, "process_exec", pid, parent, exe.rsplit("/", 1)[-1], exe, path=exe, args=args,
                   args_count=len(args), args_bytes=99, result=0)
        end = {"exit_code": code}
        end.update(fields)
        self.event(ms + lasts, "process_exit", pid, parent, exe.rsplit("/", 1)[-1], exe,
                   duration_ns=lasts * 1000000, max_rss_bytes=4 << 20, **end)

    def text(self):
        return "".join(line + "\n" for line in self.lines)


def start(lines, command):
    lines.add(0, "session", phase="start", command=command, cwd="/srv/ann/project", user="ann", host="devbox",
              kernel="6.18.5", tier="tracepoint", hooks=["tp_btf/sys_exit"],
              blind=["Operations of io_uring that the kernel finishes on a worker show without their caller's call."],
              heddle_version="0.1.0")


def agent():
    l = Lines()
    node = "/usr/bin/node"
    start(l, ["agent", "--prompt", "Fix the failing test"])
    l.event(1, "process_exec", 100, 99, "node", node, path="/usr/local/bin/agent", interpreter=node,
            args=["node", "/usr/local/bin/agent", "--prompt", "Fix the failing test"], args_count=4, args_bytes=60,
            result=0)
    l.event(20, "file_open", 100, 99, "node", node, path="/srv/ann/.config/agent.json", flags=["O_RDONLY"], result=-2,
            error="ENOENT")
    l.event(21, "file_open", 100, 99, "node", node, path="/etc/shadow", flags=["O_RDONLY"], result=-13, error="EACCES")
    l.event(30, "memory_exec", 100, 99, "node", node, operation="mprotect", address="0x7f0000000000", length=262144,
            protection=["PROT_READ", "PROT_EXEC"], backing="anonymous", reason="was_writable", result=0)
    l.event(40, "dns_query", 100, 99, "node", node, name="api.example.com", query_type="A", server="10.0.0.2",
            server_port=53, transport="udp", transaction=7)
    l.event(44, "dns_response", 100, 99, "node", node, name="api.example.com", query_type="A",
            response_code="NOERROR", answers=[{"data": "93.184.216.34", "ttl": 60}], server="10.0.0.2", server_port=53,
            transport="udp", transaction=7)
    l.event(60, "network_connect", 100, 99, "node", node, family="AF_INET", protocol="tcp", destination="93.184.216.34",
            destination_port=443, source="10.0.0.9", source_port=50000, hostname="api.example.com", result=0)
    l.event(61, "network_connect", 100, 99, "node", node, family="AF_INET6", protocol="tcp", destination="::1",
            destination_port=8080, result=-111, error="ECONNREFUSED")
    l.event(62, "network_connect", 100, 99, "node", node, family="AF_UNIX", path="/run/nscd/socket", result=-2,
            error="ENOENT")
    l.run(200, 100, 101, ["sh", "-c", "ls -la && cat package.json"], "/usr/bin/dash", 120)
    for pid in range(110, 115):
        l.run(400 + pid, 100, pid, ["git", "status"], "/usr/bin/git", 8)
    l.run(700, 100, 120, ["npm", "test"], "/usr/bin/node", 900, 1)
    l.event(900, "sandbox_escape", 101, 100, "sh", "/usr/bin/dash", category="container", syscall="connect",
            target="/var/run/docker.sock", detail="the socket of a container runtime", result=-13, error="EACCES")
    l.event(910, "privilege_change", 101, 100, "sh", "/usr/bin/dash", operation="setuid", before={"euid": 1000},
            after={"euid": 0}, syscall="setuid", result=-1, error="EPERM")
    l.event(1700, "file_write", 100, 99, "node", node, path="/srv/ann/project/src/.sum.js.tmp", bytes=5230,
            operations=2, first=stamp(1699), last=stamp(1700), inode=12, device="8:1")
    l.event(1710, "file_metadata", 100, 99, "node", node, operation="rename", path="/srv/ann/project/src/.sum.js.tmp",
            new_path="/srv/ann/project/src/sum.js", result=0)
    l.event(1720, "file_read", 100, 99, "node", node, path="/srv/ann/project/package.json", bytes=1800, operations=1,
            first=stamp(1720), last=stamp(1720), inode=13, device="8:1")
    l.event(1730, "file_metadata", 100, 99, "node", node, operation="unlink", path="/tmp/agent-1", result=0)
    l.run(1800, 100, 130, ["sleep", "100"], "/usr/bin/sleep", 50, signal="SIGKILL")
    l.event(1900, "network_listen", 100, 99, "node", node, family="AF_INET", address="127.0.0.1", port=3000,
            protocol="tcp", backlog=511, result=0)
    l.event(1950, "process_exec", 131, 100, "node", node, path="/usr/bin/rg", args=["rg", "sum"], args_count=2,
            args_bytes=7, result=-2, error="ENOENT")
    l.event(2000, "process_exit", 100, 99, "node", node, exit_code=3, duration_ns=2000000000, max_rss_bytes=180 << 20)
    l.add(2001, "session", phase="end", exit_status=3, duration_ns=2001000000, events=len(l.lines) - 1, left_running=1,
          memory_peak_bytes=300 << 20)
    row = {"made": 4, "delivered": 3, "folded": 1, "lost": 0}
    l.add(2001, "ledger", lanes={"critical": {"process_exec": row}, "bulk": {"file_write": row}}, lost=0)
    return l
