"""The connections to a target that is configured no more have drain_timeout to end: none is
closed before two thirds of it, those that are left then end evenly, and none is left at the
bound. All others just go on."""
import time

import pytest

from harness import SLOWNESS, Talk, Target, app, free_ports, greet, until

CONNECTIONS = 60
DRAIN_S = 3
LATE_S = 2 * SLOWNESS     # after its time is over, until we have seen it


class Scene:
    """One half of the connections is to a target that stays, the other to one that goes."""

    def __init__(self, daemon, started, more=""):
        self.daemon, self.started, self.more = daemon, started, more
        self.port, = free_ports(1)
        self.targets = [started(Target(greet(name))) for name in ("stay", "goes")]
        self.configure(*self.targets)
        daemon.start()
        daemon.until_available("web", 2)
        talks = [self.client() for _ in range(CONNECTIONS)]
        self.stay = [talk for talk in talks if talk.greeting == b"stay"]
        self.goes = [talk for talk in talks if talk.greeting == b"goes"]
        assert len(self.stay) == len(self.goes) == CONNECTIONS // 2

    def configure(self, *targets):
        self.daemon.replace_apps(app("web", self.port, targets,
                                     f'drain_timeout = "{DRAIN_S}s"; {self.more}'))

    def remove(self):
        self.configure(self.targets[0])
        self.daemon.apply()

    def client(self):
        return self.started(Talk(self.port, pause=0.05, greeting=4))

    def short_client(self):
        """The target that it came to."""
        client = self.client()
        client.close()
        return client.greeting

    def until_new_clients_go_elsewhere(self):
        """Each thread of the worker does when its turn comes."""
        until(lambda: {self.short_client() for _ in range(6)} == {b"stay"}, 5,
              "new clients go elsewhere")

    def until_only_the_others_are_left(self):
        until(lambda: self.daemon.status("web")["connections"] == len(self.stay),
              DRAIN_S + 4, "none but the others are left")
        assert all(talk.lasts() for talk in self.stay[:5])
        assert all(talk.ended is None for talk in self.stay)


@pytest.mark.parametrize("threads", [1, 4])
def test_it_goes_on_until_drain_timeout_and_not_longer(daemon, started, threads):
    scene = Scene(daemon, started, f"threads = {threads};")
    goes = scene.goes
    begin = time.monotonic()
    scene.remove()
    end = time.monotonic()

    assert daemon.status("web")["connections"] == CONNECTIONS
    assert daemon.status("web")["generation"] == 2
    scene.until_new_clients_go_elsewhere()
    assert all(talk.lasts() for talk in goes[:5])
    until(lambda: all(talk.ended for talk in goes), DRAIN_S + 4, "the drained ones have ended")

    endings = sorted(talk.ended_at for talk in goes)
    print(f"{len(goes)} ended between {endings[0] - begin:.2f} s and {endings[-1] - begin:.2f} s")
    assert endings[0] - begin >= DRAIN_S * 2 / 3 - 0.05
    assert endings[-1] - end <= DRAIN_S + LATE_S
    assert endings[-1] - endings[0] >= DRAIN_S / 3 * 0.5      # not all of them in one moment
    assert {talk.ended for talk in goes} <= {"fin", "reset"}
    scene.until_only_the_others_are_left()


def test_those_that_end_by_themselves_end_well(daemon, started):
    scene = Scene(daemon, started)
    scene.remove()

    for talk in scene.goes:
        talk.close()
    assert {talk.ended for talk in scene.goes} == {"closed"}
    scene.until_only_the_others_are_left()


def test_a_target_that_is_back_at_once_takes_new_clients(daemon, started):
    scene = Scene(daemon, started)
    scene.remove()
    scene.until_new_clients_go_elsewhere()

    scene.configure(*scene.targets)
    daemon.apply()

    until(lambda: scene.short_client() == b"goes", what="it gets clients again")
    for talk in scene.goes:
        talk.close()
    assert all(talk.lasts() for talk in scene.stay[:5])
    assert all(talk.ended is None for talk in scene.stay)
