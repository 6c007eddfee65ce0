"""A port that was open on all addresses is open on one only, or the other way round: two sockets
of one port for a moment, and no client is lost between them, also when the update fails."""
import pytest

from harness import (SLOWNESS, EchoProcess, Load, Talk, app, ask, free_port, free_ports, outcome,
                     until)

READY = 'ready = { timeout = "1s"; };'
ROUNDS = 10


class Scene:
    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, = free_ports(1)
        self.target = started(EchoProcess())
        self.configure(self.port)
        daemon.start()
        self.talk = started(Talk(self.port))
        self.load = started(Load(self.port, 200 // SLOWNESS, timeout=5))
        until(lambda: self.load.done() > 10, what="clients come")

    def configure(self, port, target=None):
        self.daemon.replace_apps(app("web", port, [target or self.target], READY))

    def no_client_failed(self):
        done = self.load.done()
        until(lambda: self.load.done() > done + 20, what="clients come")
        self.load.finish()
        assert self.load.failed("hello") == []


@pytest.fixture
def scene(daemon, started):
    return Scene(daemon, started)


def test_to_one_address_and_back(daemon, scene):
    for _ in range(ROUNDS):
        scene.configure(f"127.0.0.1:{scene.port}")
        daemon.apply()
        until(lambda: outcome(scene.port, host="::1") == "refused", 10, "it is on one only")
        assert daemon.status("web")["ports"] == [f"127.0.0.1:{scene.port}"]
        scene.configure(scene.port)
        daemon.apply()
        until(lambda: outcome(scene.port, host="::1") == "hello", 10, "it is on all")
    scene.no_client_failed()


@pytest.mark.parametrize("back", [False, True])
def test_an_update_that_fails_leaves_nothing_behind(daemon, started, scene, back):
    """What was bound for it has taken no client away."""
    if back:
        scene.configure(f"127.0.0.1:{scene.port}")
        daemon.apply()
    other = scene.port if back else f"127.0.0.1:{scene.port}"
    for _ in range(2):
        scene.configure(other, f"127.0.0.1:{free_port()}")
        assert not daemon.reload()["applied"]
        assert daemon.status("web")["last_rollout"]["outcome"] == "rolled_back"
    assert ask(scene.port) == "hello"
    scene.no_client_failed()
