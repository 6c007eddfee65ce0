"""One proxy with many apps, one of which changes: configuration, start, change."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

from . import processes
from .proxies import NGINX_MODULES

HAPROXY = """
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    timeout connect 3s
    timeout client 1h
    timeout server 1h
    default-server inter {interval}
{apps}
"""
HAPROXY_APP = """listen {app}
    bind 127.0.0.1:{port}
    server target {target} check
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
    proxy_connect_timeout 3s;
    proxy_timeout 1h;
{apps}
}}
"""
NGINX_APP = "    server {{ listen 127.0.0.1:{port} backlog=4096; proxy_pass {target}; }}\n"

FPROXY_DAEMON = """
daemon = {{ log_level = "warn";{pool} }};
defaults = {{ probe = {{ kind = "tcp"; interval = "{interval}"; }}; }};
"""
FPROXY_APP = """
apps = ( {{ name = "{app}"; ports = ("127.0.0.1:{port}"); targets = ("{target}"); }} );
"""

# How each is told that its files changed; fproxy-watch is not told.
WAYS = ("haproxy", "nginx", "fproxy", "fproxy-watch")
START_SECONDS = 120


class Fleet:
    """`way` of WAYS, with an app on each of `ports`, all of which go to `target`."""

    def __init__(self, way, bench, ports, target, interval="60s", pool=0):
        bench.started += 1
        name = f"{bench.started}-{way}"
        self.way = way
        self.directory = bench.directory / name
        self.directory.mkdir()
        self.runtime = bench.directory / "runtime" / name       # in memory
        self.ports = ports
        self.targets = {port: target for port in ports}
        self.fproxy = bench.fproxy
        self.interval = interval
        self.pool = pool
        self.log = open(self.directory / "log", "w+", encoding="utf-8")
        getattr(self, "_prepare_" + self.kind())()
        self.start_s = self._start()

    def kind(self):
        return self.way.split("-")[0]

    def family(self):
        return processes.family(self.process.pid)

    # ---- configuration ----

    def _apps(self, template):
        return "".join(template.format(app=f"app-{number:05d}", port=port,
                                       target=self.targets[port])
                       for number, port in enumerate(self.ports))

    def _write(self, name, text):
        """Renamed over, so that nobody reads half of it."""
        path = self.directory / name
        new = path.with_name("." + path.name)
        new.write_text(text, encoding="utf-8")
        new.rename(path)
        return path

    def _prepare_haproxy(self):
        self._write("haproxy.cfg", HAPROXY.format(interval=self.interval,
                                                  apps=self._apps(HAPROXY_APP)))

    def _prepare_nginx(self):
        import resource
        self._write("nginx.conf", NGINX.format(
            module=next(path for path in NGINX_MODULES if pathlib.Path(path).exists()),
            dir=self.directory, descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            apps=self._apps(NGINX_APP)))

    def _write_fproxy_app(self, port):
        app = f"app-{self.ports.index(port):05d}"
        self._write(f"conf.d/{app}.conf",
                    FPROXY_APP.format(app=app, port=port, target=self.targets[port]))

    def _prepare_fproxy(self):
        (self.directory / "conf.d").mkdir()
        pool = f" worker_pool = {self.pool};" if self.pool else ""
        daemon = self._write("conf.d/00-daemon.conf",
                             FPROXY_DAEMON.format(interval=self.interval, pool=pool))
        if subprocess.run([self.fproxy, "check", daemon], stdout=self.log, stderr=self.log,
                          check=False).returncode == 1:
            self._failed("cannot be configured like this")
        for port in self.ports:
            self._write_fproxy_app(port)

    def _command(self):
        return {
            "haproxy": ["haproxy", "-W", "-db", "-f", self.directory / "haproxy.cfg"],
            "nginx": ["nginx", "-p", self.directory, "-e", self.directory / "nginx.log",
                      "-c", self.directory / "nginx.conf"],
            "fproxy": [self.fproxy, "--config", self.directory / "conf.d",
                       "--state-dir", self.directory / "state",
                       "--runtime-dir", self.runtime],
        }[self.kind()]

    # ---- start ----

    def _failed(self, what):
        self.log.seek(0)
        raise SystemExit(f"reload: {self.way} {what}:\n{self.log.read()[-4000:]}")

    def _start(self):
        """Seconds from exec until every app serves."""
        options = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log}
        begun = time.monotonic()
        if self.kind() == "fproxy":
            self._start_notified(options)
        else:
            self.process = processes.start(self._command(), None, **options)
            self._wait_listening(begun)
        return time.monotonic() - begun

    def _start_notified(self, options):
        """fproxy tells a service manager when every app serves, or cannot."""
        path = self.directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(START_SECONDS)
            self.process = processes.start(self._command(), None,
                                           env=dict(os.environ, NOTIFY_SOCKET=str(path)), **options)
            try:
                while b"READY=1" not in notify.recv(4096):
                    pass
            except TimeoutError:
                self._failed(f"is not ready after {START_SECONDS} s")

    def _wait_listening(self, begun):
        """All of their ports are bound before the first one is served."""
        while ask(self.ports[-1]) is None or ask(self.ports[0]) is None:
            if self.process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                self._failed("does not serve")
            time.sleep(0.005)

    def end(self):
        processes.end(self.process, patience_s=30)
        self.log.close()

    # ---- change ----

    def change(self, port, target):
        """The app on `port` goes to `target` from now on. Returns when that was asked for, and
        the command that waits for it (None: there is none)."""
        self.targets[port] = target
        if self.kind() == "fproxy":
            begun = time.monotonic()
            self._write_fproxy_app(port)
            if self.way == "fproxy-watch":
                return begun, None
            begun = time.monotonic()
            return begun, subprocess.Popen([self.fproxy, "reload", "--runtime-dir",
                                            self.runtime], stdin=subprocess.DEVNULL,
                                           stdout=self.log, stderr=self.log)
        getattr(self, "_prepare_" + self.kind())()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGUSR2 if self.kind() == "haproxy" else signal.SIGHUP)
        return begun, None


REQUEST = struct.pack("=IIQ48x", 0x66703031, 0, 1)      # bench/wire.h: one byte


def ask(port, timeout_s=5):
    """The mark of the target that answers on this port; None when none does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as conn:
            conn.sendall(REQUEST)
            return conn.recv(1).decode() or None
    except OSError:
        return None


def knows_changes(fproxy):
    """Whether this build of fproxy takes changes while it runs."""
    return b"\n  reload" in subprocess.run([fproxy, "--help"], stdout=subprocess.PIPE,
                                       check=False).stdout
