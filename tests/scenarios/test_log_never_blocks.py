"""Nobody reads the log, and its pipe is full: clients do not notice, lines are dropped."""
import os

from harness import Target, answer, app, ask, asks, free_ports, until


def test_a_full_pipe_as_standard_error_stops_nothing(daemon, started):
    port, = free_ports(1)
    fifo = daemon.directory / "stderr"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)       # there is one, so that it can be opened for writing
    daemon.write_apps(app("web", port, [started(Target(answer("good")))]))
    daemon.launch(["--log-level", "debug"], ["sh", "-c", f'exec "$@" 2>{fifo}', "sh"])
    until(daemon.settled, what="it serves")

    assert asks(port, 500) == ["good"] * 500        # several lines each
    os.set_blocking(reader, False)
    logged = os.read(reader, 1 << 20)
    assert len(logged) > 60000                      # it was full
    assert ask(port) == "good"
    daemon.stop()
    os.close(reader)
