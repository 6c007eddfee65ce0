"""Real servers from Debian's packages, each on a free port of the loopback in a directory of its own."""
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from .machine import free_port, until


def find_program(name, *places):
    """Its path: in $PATH, in sbin, or where `places` (patterns) say."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    for place in places:
        found = found or next((str(path) for path in sorted(Path("/").glob(place.lstrip("/")))), None)
    assert found, f"{name} is not installed; scripts/packages.txt names its package"
    return found


class RealServer:
    """A program that listens on self.port. close() ends it and removes its directory."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        # Another user may have to get there, and pytest's directories let nobody in.
        self.directory = Path(tempfile.mkdtemp(prefix="fproxy-server-", dir="/var/tmp"))
        # Theirs, too: that of the tests is for root alone.
        self.environment = {**os.environ, "TMPDIR": str(self.directory)}
        self.process = None

    def launch(self, *command, user=None):
        """Starts it, as `user` where we may, and waits until it accepts."""
        self.output = open(self.directory / "output", "ab")
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.output,
            stderr=self.output, cwd=self.directory, env=self.environment, **as_user(user))
        until(self.accepts, 30, f"{command[0]} accepts")

    def accepts(self):
        assert self.process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def log(self):
        return (self.directory / "output").read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.kill()
            self.output.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def as_user(name):
    """Arguments of Popen; PostgreSQL and MariaDB refuse to run as root."""
    if name is None or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Redis(RealServer):
    def __init__(self, password=None, port=None):
        super().__init__(port)
        secret = ["--requirepass", password] if password else []
        self.launch(find_program("redis-server"), "--port", self.port, "--bind", "127.0.0.1",
                    "--save", "", "--dir", self.directory, *secret)


class Memcached(RealServer):
    def __init__(self):
        super().__init__()
        self.launch(find_program("memcached"), "-l", "127.0.0.1", "-p", self.port, "-U", "0",
                    "-u", "nobody")


class Postgres(RealServer):
    def __init__(self):
        super().__init__()
        user = "postgres" if os.geteuid() == 0 else None
        data = self.directory / "data"
        if user:
            shutil.chown(self.directory, user)
        subprocess.run([find_program("initdb", "/usr/lib/postgresql/*/bin/initdb"), "-D", data,
                        "-A", "trust", "-U", "postgres", "--no-sync"], check=True,
                       cwd=self.directory, env=self.environment, capture_output=True,
                       **as_user(user))
        self.launch(find_program("postgres", "/usr/lib/postgresql/*/bin/postgres"), "-D", data,
                    "-p", self.port, "-h", "127.0.0.1", "-k", self.directory,
                    "-c", "log_connections=on", "-c", "fsync=off", user=user)


class MariaDb(RealServer):
    def __init__(self):
        super().__init__()
        user = "mysql" if os.geteuid() == 0 else None
        data = self.directory / "data"
        if user:
            shutil.chown(self.directory, user)
        subprocess.run([find_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}",
                        "--auth-root-authentication-method=normal", "--skip-test-db"], check=True,
                       cwd=self.directory, env=self.environment, capture_output=True,
                       **as_user(user))
        self.launch(find_program("mariadbd"), "--no-defaults", f"--datadir={data}",
                    f"--port={self.port}", "--bind-address=127.0.0.1",
                    f"--socket={self.directory}/socket", user=user)


class SmtpServer(RealServer):
    """aiosmtpd, which logs every command that it is told. `certificate`: (certificate, key); TLS
    from the first byte (SMTPS)."""

    def __init__(self, port=None, certificate=None):
        super().__init__(port)
        tls = []
        if certificate:
            tls = ["--smtpscert", certificate[0], "--smtpskey", certificate[1]]
        self.launch(sys.executable, "-m", "aiosmtpd", "--nosetuid", "-d", "-d",
                    "-l", self.address, *tls)
