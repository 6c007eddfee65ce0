"""The proxies that are compared: how each is configured, started and known to serve."""

import pathlib
import socket
import struct
import subprocess
import time

from . import processes

REQUEST = struct.pack("=IIQ48x", 0x66703031, 0, 64)      # bench/wire.h

HAPROXY = """
global
    nbthread 1
    maxconn 9000
    maxpipes 500
defaults
    mode tcp
    option splice-auto
    option tcp-smart-accept
    option tcp-smart-connect
    option redispatch 1
    retries 3
    timeout connect 3s
    timeout client 1h
    timeout server 1h
listen bench
    bind {listen}
    balance roundrobin
    default-server inter 5s
{servers}
"""

NGINX = """
load_module {module};
daemon off;
user root;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log error;
worker_processes 1;
worker_rlimit_nofile {descriptors};
events {{ use epoll; multi_accept on; worker_connections 16384; }}
stream {{
    upstream targets {{
{servers}
    }}
    server {{
        listen {listen} backlog=4096;
        proxy_pass targets;
        proxy_connect_timeout 3s;
        proxy_timeout 1h;
        proxy_next_upstream on;
        tcp_nodelay on;
    }}
}}
"""

FPROXY = """
daemon = {{ log_level = "warn"; }};
apps = ( {{
    name = "bench";
    ports = ("{listen}");
    targets = ({targets});
    threads = 1;
    probe = {{ kind = "tcp"; interval = "5s"; }};
}} );
"""

NGINX_MODULES = ["/usr/lib/nginx/modules/ngx_stream_module.so",
                 "/usr/share/nginx/modules/ngx_stream_module.so"]


class Proxy:
    """One running proxy. `targets` are "address:port", `checks` where haproxy may probe."""

    def __init__(self, name, directory, targets, checks=None, fproxy=None):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.targets = targets
        self.checks = checks or targets
        self.fproxy = fproxy
        self.port = processes.free_port(["127.0.0.1"])
        self.address = f"127.0.0.1:{self.port}"
        self.log = open(self.directory / "log", "w+", encoding="utf-8")
        command = {"haproxy": self._haproxy, "nginx": self._nginx, "fproxy": self._fproxy}[name]()
        self.process = processes.start(command, processes.PROXY_CPU, stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log)
        self._wait()

    def _write(self, name, text):
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def _haproxy(self):
        servers = "\n".join(
            f"    server s{i} {target} check addr {check.split(':')[0]} "
            f"port {check.split(':')[1]}"
            for i, (target, check) in enumerate(zip(self.targets, self.checks)))
        config = HAPROXY.format(listen=self.address, servers=servers)
        return ["haproxy", "-db", "-f", self._write("haproxy.cfg", config)]

    def _nginx(self):
        import resource
        module = next(path for path in NGINX_MODULES if pathlib.Path(path).exists())
        servers = "\n".join(f"        server {target} max_fails=1 fail_timeout=10s;"
                            for target in self.targets)
        config = NGINX.format(module=module, dir=self.directory, listen=self.address,
                              servers=servers,
                              descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        return ["nginx", "-p", self.directory, "-e", self.directory / "nginx.log",
                "-c", self._write("nginx.conf", config)]

    def _fproxy(self):
        conf = self.directory / "conf.d"
        conf.mkdir()
        targets = ", ".join(f'"{target}"' for target in self.targets)
        (conf / "bench.conf").write_text(
            FPROXY.format(listen=self.address, targets=targets), encoding="utf-8")
        return [self.fproxy, "--config", conf, "--state-dir", self.directory / "state",
                "--runtime-dir", self.directory / "runtime"]

    def _wait(self):
        """Serves on all its targets: some requests in a row are answered."""
        for _ in range(2 * len(self.targets)):
            until = time.monotonic() + 15
            while not answers(self.port):
                if self.process.poll() is not None or time.monotonic() > until:
                    self.log.seek(0)
                    raise SystemExit(f"compare: {self.name} does not serve:\n{self.log.read()}")
                time.sleep(0.05)

    def pids(self):
        return ",".join(str(pid) for pid, _ in processes.family(self.process.pid))

    def end(self):
        processes.end(self.process)
        self.log.close()


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as conn:
            conn.sendall(REQUEST)
            got = b""
            while len(got) < 64:
                more = conn.recv(64)
                if not more:
                    return False
                got += more
            return True
    except OSError:
        return False
