"""The presets of `exchange` against the servers they are named after, as Debian has them: those that
work are available; PostgreSQL's log says nothing of our probes but that they came."""
import pytest

from harness import (SLOWNESS, Authority, MariaDb, Memcached, Postgres, Redis, SmtpServer, app,
                     free_port, until)

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{500 * SLOWNESS}ms"; rise = 1; fall = 1;'


def endpoint(daemon):
    return daemon.inspect("web")["endpoints"][0]


def probe_it(daemon, server, preset):
    daemon.write_apps(app("web", free_port(), [server],
                          probe=f'kind = "exchange"; preset = "{preset}"; {FAST}'))
    daemon.start()
    until(lambda: endpoint(daemon)["state"] == "available", what="it is available")
    assert endpoint(daemon)["last_probe"]["detail"].startswith("answered in ")


@pytest.mark.parametrize("password", [None, "secret"])
def test_redis(daemon, started, password):
    server = started(Redis(password))
    probe_it(daemon, server, "redis")
    server.kill()
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="it is down")
    assert endpoint(daemon)["reason"] in ("connect_refused", "unexpected_eof")
    started(Redis(password, port=server.port))
    until(lambda: endpoint(daemon)["state"] == "available", what="it is back")


def test_memcached(daemon, started):
    probe_it(daemon, started(Memcached()), "memcached")


@pytest.mark.limit(90)
def test_postgres(daemon, started):
    server = started(Postgres())
    probe_it(daemon, server, "postgres")
    until(lambda: daemon.sql("SELECT 1 FROM probe_results"), what="it is recorded")
    log = server.log()
    assert "connection received" in log             # it logs who comes
    for word in ("incomplete startup packet", "invalid length", "ERROR", "FATAL"):
        assert word not in log, log


@pytest.mark.limit(90)
def test_mysql(daemon, started):
    server = started(MariaDb())
    probe_it(daemon, server, "mysql")
    server.kill()
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="it is down")


def test_smtp(daemon, started):
    """Each probe says goodbye: the server's log has nobody who hung up, but for who saw it start."""
    server = started(SmtpServer())
    strangers = server.log().count("EOF received")
    probe_it(daemon, server, "smtp")
    until(lambda: server.log().count(">> b'QUIT'") >= 3, what="it is told that we go")
    assert server.log().count("EOF received") <= max(strangers, 1), server.log()
    assert "Traceback" not in server.log() and "502" not in server.log()
    server.kill()
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="it is down")
    assert endpoint(daemon)["reason"] in ("connect_refused", "unexpected_eof")
    started(SmtpServer(port=server.port))
    until(lambda: endpoint(daemon)["state"] == "available", what="it is back")
    assert all(outcome in ("ok", "connect_refused", "unexpected_eof") for outcome, in
               daemon.sql("SELECT DISTINCT outcome FROM probe_results"))


def test_smtps_is_not_smtp(daemon, started, tmp_path):
    """It waits for TLS and says nothing: a named outcome, in time. The kind tls knows it."""
    authority = Authority(tmp_path)
    server = started(SmtpServer(certificate=authority.sign("mail.test", "20200101000000Z",
                                                           "20491231235959Z")))
    daemon.write_apps(app("web", free_port(), [server],
                          probe=f'kind = "exchange"; preset = "smtp"; {FAST}'))
    daemon.start()
    until(lambda: endpoint(daemon)["state"] == "unavailable", what="it is down")
    assert endpoint(daemon)["reason"] == "read_timeout"
    probe = f'kind = "tls"; sni = "mail.test"; ca = "{authority.certificate}"; {FAST}'
    daemon.replace_apps(app("web", free_port(), [server], probe=probe))
    daemon.apply()
    until(lambda: endpoint(daemon)["state"] == "available", what="a handshake is what it takes")
