"""A second daemon on the same directories ends with status 2 and touches nothing."""
import pytest

from harness import EchoProcess, app, ask, free_ports


def snapshot(directory):
    """Names and inodes; contents change while a daemon runs."""
    return sorted((path.name, path.stat().st_ino) for path in directory.iterdir())


@pytest.mark.parametrize("shared", ["both", "runtime", "state"])
def test_the_second_one_refuses(daemon, started, shared):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()
    before = snapshot(daemon.runtime), snapshot(daemon.state), daemon.status("web")["worker"]

    other = daemon.directory / "other"
    state = daemon.state if shared != "runtime" else other
    runtime = daemon.runtime if shared != "state" else other
    second = daemon.run("fproxy", "--config", daemon.config, "--state-dir", state,
                        "--runtime-dir", runtime)

    assert second.returncode == 2
    assert f"pid {daemon.pid}" in second.stderr and "fproxy stop" in second.stderr
    assert (snapshot(daemon.runtime), snapshot(daemon.state),
            daemon.status("web")["worker"]) == before
    assert not other.exists()
    assert ask(port) == "good"


def test_a_directory_that_was_there_stays(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()
    other = daemon.directory / "other"
    other.mkdir()

    assert daemon.run("fproxy", "--config", daemon.config, "--state-dir", daemon.state,
                      "--runtime-dir", other).returncode == 2
    assert other.is_dir()
