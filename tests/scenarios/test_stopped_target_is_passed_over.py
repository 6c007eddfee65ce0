"""A target whose process hangs (SIGSTOP): the kernel still completes connections for it until
its queue is full, so a few clients may hang with it; from then on nobody goes there."""
import signal

from harness import EchoProcess, SmallQueue, app, asks, free_ports, hang, outcome


def test_once_its_queue_is_full_nobody_goes_to_a_stopped_target(daemon, started):
    port, = free_ports(1)
    hangs = started(SmallQueue("hangs"))
    daemon.write_apps(app("web", port, [started(EchoProcess("one")), hangs,
                                        started(EchoProcess("two"))]))
    daemon.start()
    daemon.until_available("web", 3)

    hang(hangs.pid)

    # Clients of the others do not notice, meanwhile and afterwards.
    answers = [outcome(port, timeout=2) for _ in range(12)]
    assert answers.count("timeout") <= 4
    assert answers.count("one") >= 4 and answers.count("two") >= 4
    daemon.until_state("web", hangs, "unavailable")
    assert set(asks(port, 20)) == {"one", "two"}

    hangs.signal(signal.SIGCONT)

    daemon.until_state("web", hangs, "available")
    assert set(asks(port, 6)) == {"one", "two", "hangs"}
