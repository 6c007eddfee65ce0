"""Targets that are DNS servers: probed by a question, against dnsmasq and against one that is ill."""
import shutil
import socket
import subprocess

import pytest

from harness import SLOWNESS, DnsServer, app, free_port, until

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{400 * SLOWNESS}ms"; rise = 1; fall = 1;'


class Dnsmasq:
    """Knows one host, one alias of it and one mail exchanger, and nobody else."""

    def __init__(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self._process = subprocess.Popen(
            [program, "--no-daemon", "--conf-file=/dev/null", "--no-hosts", "--no-resolv",
             "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={self.port}",
             "--user=", "--pid-file=", "--local=/example/", "--host-record=www.example,10.0.0.1",
             "--cname=alias.example,www.example", "--mx-host=example,www.example,10",
             *[f"--host-record=many.example,10.1.{i // 250}.{i % 250 + 1}" for i in range(90)]],
            stderr=subprocess.DEVNULL)
        until(self._listens, what="dnsmasq listens")

    def _listens(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self._process.kill()
        self._process.wait()


def endpoint(daemon, name):
    return daemon.inspect(name)["endpoints"][0]


def ended(daemon, name, reason):
    """What its last probe found is known."""
    return until(lambda: endpoint(daemon, name)["last_probe"]["outcome"] == reason and
                 endpoint(daemon, name), what=f"{name} is {reason}")


def test_dnsmasq(daemon, started):
    server = started(Dnsmasq())
    ask = {"name": ('host = "www.example";', "ok"),
           "alias": ('host = "alias.example";', "ok"),
           "mail": ('host = "example"; type = "MX";', "ok"),
           "many": ('host = "many.example";', "ok"),                   # TCP
           "nobody": ('host = "nobody.example";', "dns_nxdomain"),
           "empty": ('host = "www.example"; type = "SRV";', "dns_empty"),
           "foreign": ('host = "www.elsewhere";', "dns_servfail")}     # REFUSED
    daemon.write_apps(*[app(name, free_port(), [server],
                            probe=f'kind = "dns"; {keys} {FAST}') for name, (keys, _) in ask.items()])
    daemon.start()
    for name, (_, reason) in ask.items():
        found = ended(daemon, name, reason)
        assert found["state"] == ("available" if reason == "ok" else "unavailable")
        assert found["last_probe"]["kind"] == "dns"
    assert endpoint(daemon, "many")["last_probe"]["detail"].startswith("90 A records")
    assert endpoint(daemon, "foreign")["last_probe"]["detail"] == "A www.elsewhere: REFUSED"
    server.close()
    ended(daemon, "name", "connect_refused")


@pytest.mark.parametrize("answer, reason", [
    ({"status": "servfail"}, "dns_servfail"),
    ({"status": "silence"}, "dns_timeout"),
    ({"A": ["127.0.0.1"], "truncated": True}, "ok"),
])
def test_one_that_is_ill(daemon, started, tmp_path, answer, reason):
    server = started(DnsServer(tmp_path, {"www.test": answer}))
    daemon.write_apps(app("dns", free_port(), [server],
                          probe=f'kind = "dns"; host = "www.test"; {FAST}'))
    daemon.start()
    ended(daemon, "dns", reason)
    server.set({"www.test": {"A": ["127.0.0.1"]}})
    ended(daemon, "dns", "ok")
    until(lambda: endpoint(daemon, "dns")["state"] == "available", what="it is available")
