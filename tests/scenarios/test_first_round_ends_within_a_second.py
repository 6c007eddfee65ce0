"""At a start every target that answers is known to work within a second, however many there
are and however rarely they are probed."""
from datetime import datetime

from harness import SLOWNESS, Target, app, ask, free_ports, until


def test_sixty_targets_are_known_within_a_second_of_the_start(daemon, started):
    port, target_port = free_ports(2)
    started(Target(host="0.0.0.0", port=target_port))
    targets = [f"127.0.0.{i}:{target_port}" for i in range(1, 61)]
    daemon.write_apps(app("many", port, targets, probe='interval = "30s";'))
    daemon.start()
    daemon.until_available("many", 60)

    until(lambda: len(daemon.sql("SELECT 1 FROM available_targets")) == 60,
          what="all of them are in the database")
    (begin,), = daemon.sql("SELECT started_at FROM rollouts")
    (last,), = daemon.sql("SELECT max(since) FROM available_targets")
    took = datetime.fromisoformat(last) - datetime.fromisoformat(begin)
    print(f"known within {took.total_seconds():.2f} s")
    assert took.total_seconds() < 5 * SLOWNESS      # other programs run, too; else it is 30 s
    assert ask(port) == "hello"
