"""Connections go to the targets in turn, in the order of the file, without an exception."""
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from harness import EchoProcess, app, ask, asks, free_ports


def three_targets(started):
    return [started(EchoProcess(name)) for name in ("one", "two", "three")]


def test_in_exact_order_with_one_thread(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("turn", port, three_targets(started), "threads = 1;"))
    daemon.start()
    daemon.until_available("turn", 3)

    first = ask(port)
    order = ["one", "two", "three"]
    begin = order.index(first)
    expected = [order[(begin + 1 + i) % 3] for i in range(30)]

    assert asks(port, 30) == expected


def test_in_exact_order_with_four_threads(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("turn", port, three_targets(started), "threads = 4;"))
    daemon.start()
    daemon.until_available("turn", 3)

    answers = asks(port, 61)

    order = ["one", "two", "three"]
    begin = order.index(answers[0])
    assert answers == [order[(begin + i) % 3] for i in range(61)]


def test_in_total_balance_when_clients_come_at_once(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("turn", port, three_targets(started), "threads = 4;"))
    daemon.start()
    daemon.until_available("turn", 3)

    with ThreadPoolExecutor(20) as clients:
        answers = Counter(clients.map(lambda _: ask(port), range(300)))

    assert answers == {"one": 100, "two": 100, "three": 100}
