"""A port that another program has: that app is not started, even where the kernel would let
two programs share it, and says why. Other apps serve. It starts when the port is free."""
import os

import pytest

from harness import EchoProcess, app, ask, free_ports, occupy, until


@pytest.mark.parametrize("reuse_port", [False, True])
def test_the_app_waits_for_its_port(daemon, started, reuse_port):
    port, taken = free_ports(2)
    target = started(EchoProcess("good"))
    daemon.write_apps(app("barred", taken, [target]), app("web", port, [target]))

    with occupy(taken, reuse_port):
        daemon.start()
        assert ask(port) == "good"
        barred = daemon.status("barred")
        assert (barred["state"], barred["ready"]) == ("unavailable", False)
        assert barred["last_rollout"]["outcome"] == "failed"
        assert f"port {taken} is in use" in barred["last_rollout"]["reason"]
        assert f"pid {os.getpid()}" in barred["last_rollout"]["reason"]
        assert f"port {taken} is in use" in daemon.log()

    until(lambda: daemon.status("barred")["ready"], what="it has its port")
    assert ask(taken) == "good"
    assert daemon.status("barred")["last_rollout"]["outcome"] == "done"
