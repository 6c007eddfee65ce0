"""An app whose file was deleted and is restored goes on above its generations of before: nothing of
its history is overwritten, and an operator may go back to one of them."""
import pytest

from harness import EchoProcess, app, asks, free_ports, until


class Scene:
    def __init__(self, daemon, started):
        self.daemon = daemon
        self.port, other = free_ports(2)
        self.targets = {name: started(EchoProcess(name))
                        for name in ("one", "two", "three", "four")}
        daemon.write_apps(app("steady", other, [self.targets["one"]]), file="steady.conf")

    def configure(self, name):
        self.daemon.replace_apps(app("aa", self.port, [self.targets[name]]), file="aa.conf")

    def roll_out(self, name):
        self.configure(name)
        self.daemon.apply()
        self.until_it_is(name)

    def until_it_is(self, name):
        until(lambda: asks(self.port, 2) == [name] * 2, 5, f"{name} answers")

    def remove(self):
        (self.daemon.config / "aa.conf").unlink()
        self.daemon.reload()
        until(lambda: self.daemon.names() == ["steady"], what="it is gone")

    def rows(self):
        return self.daemon.sql("SELECT generation, status, hash FROM config_generations "
                               "WHERE app = 'aa' ORDER BY generation")

    def until_rows(self, *statuses):
        until(lambda: [status for _, status, _ in self.rows()] == list(statuses),
              what="it is recorded")
        return self.rows()


@pytest.fixture
def scene(daemon, started):
    scene = Scene(daemon, started)
    daemon.start()
    for name in ("one", "two", "three"):
        scene.roll_out(name)
    return scene


@pytest.mark.limit(60)
@pytest.mark.parametrize("restarted", [False, True])
def test_history_stays(daemon, scene, restarted):
    scene.remove()
    before = scene.until_rows(*["superseded"] * 3)
    if restarted:
        daemon.stop()
        daemon.start()

    scene.roll_out("four")
    assert daemon.status("aa")["generation"] == 4
    assert scene.until_rows(*["superseded"] * 3, "good")[:3] == before
    assert daemon.rollback("aa")["outcome"] == "done"
    scene.until_it_is("three")
    assert daemon.status("aa")["generation"] == 3


@pytest.mark.limit(60)
def test_again_and_again(daemon, scene):
    for number in (4, 5):
        scene.remove()
        scene.roll_out("one")
        assert daemon.status("aa")["generation"] == number
    scene.until_rows(*["superseded"] * 4, "good")
