"""kill -9 of the supervisor at random moments of rollouts: no client notices, workers are the
same, and the next supervisor brings about what is configured."""
import random
import signal
import time

import pytest

from harness import (SLOWNESS, Conversation, Crowd, EchoProcess, app, asks, free_ports,
                     generations, kill_supervisor, outcome, pids, until)

TIMES = 20 if SLOWNESS == 1 else 8
SEED = 3


@pytest.mark.limit(180)
def test_no_client_notices(daemon, started):
    chance = random.Random(SEED)
    port, second, other = free_ports(3)
    red, blue = started(EchoProcess("red")), started(EchoProcess("blue"))
    echo = started(EchoProcess())
    variants = [(app("web", [port], [red]), "red", "refused"),
                (app("web", [port, second], [blue]), "blue", "blue")]
    daemon.write_apps(app("steady", other, [echo]), file="steady.conf")
    daemon.write_apps(variants[0][0], file="web.conf")
    daemon.start()
    before, steady_number = pids(daemon), generations(daemon)["steady"]
    conversation = started(Conversation(other))
    crowd, steady = started(Crowd(port)), started(Crowd(other))

    for turn in range(1, TIMES + 1):
        text, said, second_said = variants[turn % 2]
        daemon.write_apps(text, file="web.conf")
        daemon.signal(signal.SIGHUP)
        moment = chance.uniform(0, 0.15 * SLOWNESS)
        time.sleep(moment)              # this is the random moment, and waits for nothing
        kill_supervisor(daemon)
        crowd.goes_on(5)
        daemon.start()
        until(lambda: set(asks(port, 4)) == {said} and outcome(second) == second_said,
              what=f"turn {turn} (killed after {moment:.3f} s) applies")
        assert pids(daemon) == before, f"turn {turn}, killed after {moment:.3f} s"

    assert generations(daemon)["steady"] == steady_number
    conversation.goes_on()
    assert steady.unlucky() == []
    assert crowd.unlucky("red", "blue") == []
    until(lambda: daemon.sql("SELECT count(*) FROM rollouts WHERE outcome IS NULL") == [(0,)],
          what="every rollout has its outcome")
    until(lambda: len(list(daemon.runtime.glob("board-*"))) == 2, what="no board is left over")
