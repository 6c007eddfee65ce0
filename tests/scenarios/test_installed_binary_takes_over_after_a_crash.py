"""Other binaries are installed and the supervisor is killed: the next one adopts what runs, hands
it over to the binary that is installed now, and leaves alone what is of the same one."""
import pytest

from harness import (Conversation, Crowd, EchoProcess, Installation, app, free_ports, is_alive,
                     kill_supervisor, listeners, pids, until)


@pytest.mark.limit(60)
@pytest.mark.parametrize("program", ["fproxy-worker", "fproxy-prober"])
def test_what_is_of_another_binary_is_replaced(daemon, started, program):
    ports = free_ports(2)
    echo = started(EchoProcess())
    daemon.write_apps(*(app(f"app-{i}", port, [echo]) for i, port in enumerate(ports)))
    installation = Installation(daemon)
    daemon.start()
    before, sockets = pids(daemon), [listeners(port) for port in ports]
    conversations = [started(Conversation(port)) for port in ports]
    crowds = [started(Crowd(port, count=2)) for port in ports]
    kill_supervisor(daemon)
    installation.install(program)
    changes = {"fproxy-worker": ["app-0", "app-1"], "fproxy-prober": ["prober"]}[program]

    daemon.start()

    until(lambda: all(installation.is_of(pids(daemon).get(name) or 0, program) for name in changes),
          20, "the new binary has taken over")
    after = pids(daemon)
    assert {name for name in before if after[name] != before[name]} == set(changes)
    for conversation in conversations:
        conversation.goes_on()
        conversation.close()
    until(lambda: not any(is_alive(before[name]) for name in changes), what="the old ones end")
    assert [listeners(port) for port in ports] == sockets
    assert [crowd.unlucky() for crowd in crowds] == [[], []]
