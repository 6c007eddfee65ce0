"""An upgrade loses nothing that waits in memory for a database that cannot be written: it is refused
with the reason, everything goes on, and when the database is well the next one is done. The words
of operators hold all the while."""
import sqlite3

import pytest

from harness import (Conversation, EchoProcess, Installation, Target, answer, app, asks, free_port,
                     generations, pids, post, replaced, until)


@pytest.mark.limit(120)
def test_what_operators_said_is_not_lost(daemon, started):
    port, kept, out = free_port(), started(Target(answer("kept"))), started(Target(answer("out")))
    echo, other = started(EchoProcess()), free_port()
    daemon.write_apps(app("web", port, [kept, out]), app("talk", other, [echo]))
    installation = Installation(daemon)
    daemon.start()
    daemon.until_available("web", 2)
    conversation = started(Conversation(other))
    locked = sqlite3.connect(daemon.state / "fproxy.db", isolation_level=None, timeout=20)
    locked.execute("BEGIN EXCLUSIVE")
    daemon.run("fproxy", "drain", "web", out.address)
    until(lambda: set(asks(port, 8)) == {"kept"}, what="it is drained")
    before = pids(daemon), generations(daemon)

    status, said = post(daemon, "/v1/upgrade")

    assert status == 409 and "not on the disk" in said["error"], said
    assert "locked" in said["error"], said
    assert (pids(daemon), generations(daemon)) == before
    assert set(asks(port, 8)) == {"kept"}
    locked.execute("COMMIT")
    locked.close()
    until(lambda: daemon.sql("SELECT 1 FROM overrides WHERE app = 'web'"), 40, "it is written")

    until(lambda: post(daemon, "/v1/upgrade")[0] == 202, 40, "the next one is done")
    replaced(daemon, "web", before[0]["web"], 20)
    until(lambda: installation.is_of(daemon.worker_pid("web"), "fproxy-worker"), 20, "it is new")
    for _ in range(5):
        assert set(asks(port, 8)) == {"kept"}
    conversation.goes_on()
