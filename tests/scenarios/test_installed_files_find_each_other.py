"""Programs in bin, what they start and load in libexec/fproxy: each is found from where it is, and
what is missing is told."""
import shutil
import socket
import subprocess

import pytest

from harness import BIN, Installation, Target, app, apps_text, free_port, until

HELPERS = ("fproxy-launch", "fproxy-probe-curl.so")


def web(sock):
    if sock.recv(4096):
        sock.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


PROBES = {"exec": ('kind = "exec"; command = ["/bin/true"];', "fproxy-launch"),
          "http": ('kind = "http";', "fproxy-probe-curl.so")}


@pytest.fixture
def run(tmp_path, started):
    (tmp_path / "bin").mkdir()
    (tmp_path / "libexec/fproxy").mkdir(parents=True)
    shutil.copy(BIN / "fproxy-probe", tmp_path / "bin")
    for name in HELPERS:
        shutil.copy(BIN / name, tmp_path / "libexec/fproxy")

    def run(probe):
        config = tmp_path / "a.conf"
        config.write_text(apps_text(app("web", free_port(), [started(Target(web))], probe=probe)))
        return subprocess.run([tmp_path / "bin/fproxy-probe", "run", "web", "--config", config,
                               "--state-dir", tmp_path], capture_output=True, text=True,
                              timeout=60, check=False)
    return run


@pytest.mark.parametrize("kind", PROBES)
def test_found(run, kind):
    result = run(PROBES[kind][0])
    assert result.returncode == 0, result


@pytest.mark.parametrize("kind", PROBES)
def test_missing(run, kind, tmp_path):
    probe, name = PROBES[kind]
    (tmp_path / "libexec/fproxy" / name).unlink()
    result = run(probe)
    assert result.returncode == 1, result
    assert name in result.stdout and "Traceback" not in result.stderr


def test_a_module_of_another_version(run, tmp_path):
    """One that has the symbol, and other sizes behind it."""
    source = tmp_path / "other.c"
    source.write_text("const unsigned fproxy_probe_module[8] = { 99 };\n")
    subprocess.run(["cc", "-shared", "-o", tmp_path / "libexec/fproxy/fproxy-probe-curl.so", source],
                   check=True, timeout=60)
    result = run(PROBES["http"][0])
    assert result.returncode == 1
    assert "is of another version: run `fproxy upgrade'" in result.stdout


def test_an_app_that_needs_what_is_missing_stays_as_it_was(daemon, started):
    """And the module is found when it has been installed after all."""
    module = "fproxy-probe-curl.so"
    installation = Installation(daemon)
    (installation.bin / module).unlink()
    port, target = free_port(), started(Target(web))
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    daemon.until_available("web", 1)

    daemon.write_apps(app("web", port, [target], probe='kind = "http";'))
    assert daemon.run("fproxy", "reload").returncode == 1
    assert f"{module} is missing" in daemon.log()
    assert daemon.inspect("web")["endpoints"][0]["state"] == "available"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"hello")
        assert client.recv(4096).startswith(b"HTTP/1.1 204")

    installation.install(module)
    assert daemon.run("fproxy", "reload").returncode == 0
    until(lambda: "204" in daemon.inspect("web")["endpoints"][0]["last_probe"]["detail"],
          what="it is asked over HTTP")
