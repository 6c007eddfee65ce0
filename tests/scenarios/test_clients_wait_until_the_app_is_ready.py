"""From the start clients may connect; they wait in the kernel's queue until targets are known
to work, at the latest until ready.timeout."""
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from harness import (DnsServer, EchoProcess, Target, answer, app, ask, free_ports, outcome,
                     until)


def slow_name(daemon, started, target_port, delay_ms):
    dns = started(DnsServer(daemon.directory, {
        "slow.test": {"A": ["127.0.0.1"], "AAAA": {"status": "empty"}, "delay_ms": delay_ms}}))
    daemon_group = (f'daemon = {{ dns = {{ servers = ["{dns.address}"]; timeout = "5s"; '
                    f'tries = 1; }}; }};')
    return f"slow.test:{target_port}", daemon_group


def until_listening(port):
    """Somebody listens, whoever: looked up, for a connection would be in its queue."""
    wanted = f":{port:04X}"

    def listens():
        with open("/proc/net/tcp6", encoding="ascii") as table:
            return any(line.split()[1].endswith(wanted) and line.split()[3] == "0A"
                       for line in list(table)[1:])

    until(listens, what=f"port {port} is open")


def test_clients_that_come_before_it_is_ready_are_served_when_it_is(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("good"), port=target_port))
    name, group = slow_name(daemon, started, target_port, 4500)
    daemon.write_apps(app("web", port, [name]), more=group)

    begin = time.monotonic()
    daemon.launch()
    until_listening(port)
    with ThreadPoolExecutor(10) as clients:
        answers = [clients.submit(ask, port) for _ in range(10)]
        status = until(daemon.try_status, what="it answers")
        assert status["apps"][0]["state"] == "starting"
        assert status["apps"][0]["ready"] is False
        assert [answer.result() for answer in answers] == ["good"] * 10
    assert time.monotonic() - begin > 4.4       # not before DNS has answered
    assert daemon.status("web")["ready"] is True


def test_after_ready_timeout_it_accepts_all_the_same(daemon, started):
    port, target_port = free_ports(2)
    name, group = slow_name(daemon, started, target_port, 4500)
    daemon.write_apps(app("web", port, [name], 'ready = { timeout = "1s"; };'), more=group)

    begin = time.monotonic()
    daemon.launch()
    until_listening(port)
    said = outcome(port)

    assert said == "reset"              # there is nobody to connect it to, and it is told so
    assert time.monotonic() - begin < 4         # and not when DNS answers, after 4.5 s
    rollout = daemon.status("web")["last_rollout"]
    assert (rollout["outcome"], rollout["reason"]) == ("done", "not_ready")
    took = (datetime.fromisoformat(rollout["finished_at"]) -
            datetime.fromisoformat(rollout["started_at"]))
    assert took.total_seconds() >= 0.9


def test_more_than_one_may_be_required(daemon, started):
    port, target_port = free_ports(2)
    started(Target(answer("slow"), port=target_port))
    name, group = slow_name(daemon, started, target_port, 1500)
    daemon.write_apps(app("web", port, [started(EchoProcess("quick")), name],
                          "ready = { min_available = 2; };"), more=group)

    daemon.start()

    assert daemon.status("web")["targets"]["available"] == 2
    assert {ask(port), ask(port)} == {"quick", "slow"}
