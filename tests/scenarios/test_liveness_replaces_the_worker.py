"""A probe of the app's own port, end to end: when clients are not served although a target is
available, a new worker takes over, and no connection is lost by it."""
import pytest

from harness import SLOWNESS, Target, Talk, app, ask, free_port, outcome, until

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{400 * SLOWNESS}ms"; fall = 2;'
LIVE = ('probes = ( { name = "tcp"; }, { name = "live"; role = "liveness"; '
        'send = "alive?"; expect = "alive?"; } );')


class Moody:
    """An echo that does not answer this question for a while."""

    def __init__(self):
        self.mute = False

    def __call__(self, sock):
        while data := sock.recv(4096):
            if not (self.mute and data == b"alive?"):
                sock.sendall(data)


def events(daemon):
    return daemon.sql("SELECT app, message FROM events WHERE kind = 'unresponsive'")


def test_a_new_worker_takes_over(daemon, started):
    port, moody = free_port(), Moody()
    target = started(Target(moody))
    daemon.write_apps(app("web", port, [target], LIVE, FAST))
    daemon.start()
    daemon.until_available("web", 1)
    until(lambda: daemon.sql("SELECT 1 FROM probe_results WHERE probe = 'live' AND "
                             "outcome = 'ok'"), what="the proxy is probed")
    talk = started(Talk(port))
    pid = daemon.worker_pid("web")

    moody.mute = True
    until(lambda: daemon.worker_pid("web") not in (pid, None, 0), 20, "another worker")
    until(lambda: events(daemon), what="it is told why")
    name, message = events(daemon)[0]
    assert name == "web" and "a new worker takes over" in message
    assert "expected" in message, message
    assert ask(port) == "hello"
    assert talk.lasts()                 # where it was, in the worker of before

    # That did not help, and is not tried again and again.
    second = daemon.worker_pid("web")
    failures = "SELECT count(*) FROM probe_results WHERE probe = 'live' AND outcome <> 'ok'"
    before = daemon.sql(failures)[0][0]
    until(lambda: daemon.sql(failures)[0][0] >= before + 5, what="it fails five times more")
    assert daemon.worker_pid("web") == second
    assert len(events(daemon)) == 1
    assert outcome(port) == "hello"


@pytest.mark.parametrize("shared", ["", 'worker = "both";'])
def test_a_rollout_of_another_app_does_not_delay_it(daemon, started, shared):
    """That one waits for readiness, and has a minute for it; in the same worker or another one."""
    moody, closed = Moody(), f"127.0.0.1:{free_port()}"
    web = app("web", free_port(), [started(Target(moody))], LIVE + shared, FAST)
    port, target = free_port(), started(Target())
    patient = 'ready = { timeout = "60s"; };' + shared
    daemon.write_apps(web, app("other", port, [target], patient))
    daemon.start()
    daemon.until_available("web", 1)
    daemon.until_available("other", 1)
    until(lambda: daemon.sql("SELECT 1 FROM probe_results WHERE probe = 'live' AND "
                             "outcome = 'ok'"), what="the proxy is probed")
    daemon.replace_apps(web, app("other", port, [closed], patient))
    until(lambda: daemon.status("other")["state"] == "rolling_out", what="the other one waits")
    pid = daemon.worker_pid("web")

    moody.mute = True
    until(lambda: daemon.worker_pid("web") not in (pid, None, 0), 20, "another worker")
    assert daemon.status("other")["state"] == "rolling_out"
    assert ask(port) == "hello"

    # When that is over it follows, if it was in the same one.
    moody.mute = False
    daemon.replace_apps(web, app("other", port, [target], patient))
    until(lambda: daemon.status("other")["state"] == "ready", what="the other one is ready")
    if shared:
        until(lambda: daemon.worker_pid("other") == daemon.worker_pid("web"), what="it follows")
    assert ask(port) == "hello"


@pytest.mark.limit(90)
def test_its_own_rollout_is_waited_for_and_no_other(daemon, started):
    """It fails while its own new configuration waits for readiness; another app goes on waiting."""
    port, moody, closed = free_port(), Moody(), f"127.0.0.1:{free_port()}"
    target, other = started(Target(moody)), started(Target())
    short = f'ready = {{ timeout = "{8 * SLOWNESS}s"; }};'
    patient = f'ready = {{ timeout = "{80 * SLOWNESS}s"; }};'

    def configure(web, rest):
        daemon.replace_apps(app("web", port, [web], LIVE + short, FAST),
                            app("other", other_port, [rest], patient))
    other_port = free_port()
    configure(target, other)
    daemon.start()
    daemon.until_available("web", 1)
    daemon.until_available("other", 1)
    until(lambda: daemon.sql("SELECT 1 FROM probe_results WHERE probe = 'live' AND "
                             "outcome = 'ok'"), what="the proxy is probed")
    talk = started(Talk(port))
    pid = daemon.worker_pid("web")
    configure(closed, closed)
    until(lambda: [daemon.status(name)["state"] for name in ("web", "other")] ==
          ["rolling_out"] * 2, what="both wait")
    moody.mute = True
    until(lambda: events(daemon), 7, "it is told")
    assert (daemon.status("web")["state"], daemon.worker_pid("web")) == ("rolling_out", pid)

    daemon.until_rollout("web", "rolled_back", 15)
    until(lambda: daemon.worker_pid("web") not in (pid, None, 0), 5, "another worker")
    assert daemon.status("other")["state"] == "rolling_out"
    assert ask(port) == "hello"
    assert talk.lasts()


def test_without_a_target_it_is_not_the_proxy(daemon, started):
    """Nobody is served, but no worker could."""
    port, target = free_port(), started(Target())
    daemon.write_apps(app("web", port, [target], LIVE + ' panic = "fail";', FAST))
    daemon.start()
    daemon.until_available("web", 1)
    pid = daemon.worker_pid("web")
    target.close()
    failures = "SELECT count(*) FROM probe_results WHERE probe = 'live' AND outcome <> 'ok'"
    until(lambda: daemon.sql(failures)[0][0] >= 5, 20, "the probe of the proxy fails")
    assert daemon.worker_pid("web") == pid
    assert events(daemon) == []
