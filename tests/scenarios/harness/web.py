"""Real servers of the web: nginx with its configuration, certificates made by openssl, and gRPC's
health service."""
import subprocess
import sys
import tempfile
from pathlib import Path

from .machine import free_port, until


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates for any time: `openssl ca` with a start and an end."""

    def __init__(self, directory):
        self.directory = Path(directory) / "authority"
        self.directory.mkdir()
        self.certificate = self.directory / "ca.pem"
        self._key = self.directory / "ca.key"
        (self.directory / "index.txt").touch()
        (self.directory / "serial").write_text("01\n")
        self._config = self.directory / "openssl.cnf"
        self._config.write_text(f"""
[ca]
default_ca = all
[all]
dir = {self.directory}
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
""")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self._key, "-out", self.certificate, "-subj", "/CN=our authority",
                "-days", 3650)

    def sign(self, name, starts, ends):
        """Times as YYYYMMDDHHMMSSZ. Returns certificate and key."""
        stem = self.directory / f"{name}-{starts}-{ends}"
        key, request, certificate = (Path(f"{stem}.{end}") for end in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=DNS:{name}")
        openssl("ca", "-batch", "-config", self._config, "-in", request, "-out", certificate,
                "-startdate", starts, "-enddate", ends, "-notext")
        return certificate, key

    def self_signed(self, name):
        certificate, key = self.directory / f"{name}.self.pem", self.directory / f"{name}.self.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", certificate, "-subj", f"/CN={name}",
                "-addext", f"subjectAltName=DNS:{name}", "-days", 365)
        return certificate, key


class Nginx:
    """With these server blocks, which configure() replaces."""

    def __init__(self, directory, servers):
        self.directory = Path(directory) / "nginx"
        self.directory.mkdir()
        self._conf = self.directory / "nginx.conf"
        self.log = self.directory / "error.log"
        self._write(servers)
        self._process = subprocess.Popen(self._command())
        until(lambda: (self.directory / "pid").exists(), what="nginx is there")

    def _command(self, *more):
        return ["nginx", "-p", str(self.directory), "-c", str(self._conf), "-e", str(self.log),
                *more]

    def _write(self, servers):
        self._conf.write_text(f"""
daemon off;
worker_processes 1;
pid {self.directory}/pid;
error_log {self.log} info;
events {{ worker_connections 512; }}
http {{
  access_log {self.directory}/access.log;
  client_body_temp_path {self.directory}/body;
  proxy_temp_path {self.directory}/proxy;
  fastcgi_temp_path {self.directory}/fastcgi;
  uwsgi_temp_path {self.directory}/uwsgi;
  scgi_temp_path {self.directory}/scgi;
{servers}
}}
""")

    def configure(self, servers):
        self._write(servers)
        subprocess.run(self._command("-s", "reload"), check=True)

    def access_log(self):
        return (self.directory / "access.log").read_text()

    def close(self):
        self._process.terminate()
        self._process.wait(timeout=10)


class GrpcHealth:
    """A gRPC server (python3-grpcio) with the standard health service, whose bytes are written by
    hand, for Debian has no package of it. say("a.B", 1) makes a service known."""

    PROGRAM = """
import sys
from concurrent import futures
import grpc

states = {}

def check(request, context):
    name = request[2:].decode()         # field 1, a length below 128
    if name not in states:
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return bytes([8, states[name]])

class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        if call.method != "/grpc.health.v1.Health/Check":
            return None
        return grpc.unary_unary_rpc_method_handler(check)

server = grpc.server(futures.ThreadPoolExecutor(4), handlers=(Handler(),))
if len(sys.argv) > 2:
    certificate, key = (open(path, "rb").read() for path in sys.argv[2:4])
    credentials = grpc.ssl_server_credentials(((key, certificate),))
    server.add_secure_port("127.0.0.1:" + sys.argv[1], credentials)
else:
    server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
print("listening", flush=True)
for line in sys.stdin:
    name, state = line.rstrip("\\n").split(" ")
    states[name] = int(state)
    print("said", flush=True)
"""

    def __init__(self, certificate=None, key=None):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        files = [str(certificate), str(key)] if certificate else []
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, str(self.port), *files],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        assert "listening" in self._process.stdout.readline()

    def say(self, service, state):
        self._process.stdin.write(f"{service} {state}\n")
        self._process.stdin.flush()
        assert "said" in self._process.stdout.readline()

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()
