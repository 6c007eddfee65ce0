"""A target that answers every other probe never fails twice in a row; a window sees it."""
from harness import SLOWNESS, Target, app, free_port, until

FAST = (f'interval = "{400 * SLOWNESS}ms"; timeout = "{400 * SLOWNESS}ms"; jitter = 0; '
        'send = "ping"; expect = "pong";')


class Moody:
    """Answers right every other time while it is moody, else always."""

    def __init__(self):
        self.moody, self.asked = False, 0

    def __call__(self, sock):
        if not sock.recv(100):
            return
        self.asked += 1
        sock.sendall(b"pong" if not self.moody or self.asked % 2 else b"gone")


def state(daemon, name):
    return daemon.inspect(name)["endpoints"][0]["state"]


def test_every_other_failure(daemon, started):
    servers = [Moody(), Moody()]
    targets = [started(Target(server)) for server in servers]
    windowed = FAST + "window = 4; threshold = 3;"
    daemon.write_apps(app("row", free_port(), targets[:1], probe=f'kind = "exchange"; {FAST}'),
                      app("window", free_port(), targets[1:],
                          probe=f'kind = "exchange"; {windowed}'))
    daemon.start()
    daemon.until_available("row", 1)
    daemon.until_available("window", 1)
    for server in servers:
        server.moody = True
    until(lambda: state(daemon, "window") in ("unavailable", "recovering"), what="it is down")
    until(lambda: servers[0].asked > 14, within=20,
          what="the other one is asked as well")
    assert not daemon.sql("SELECT * FROM transitions WHERE app = 'row' AND to_state = "
                          "'unavailable'")
    assert state(daemon, "row") in ("available", "failing")
    for server in servers:
        server.moody = False
    daemon.until_available("window", 1)
