"""Probes over HTTP, TLS and gRPC, of real servers: nginx, and a gRPC server with the standard
health service. A target that answers clients and says that it is sick gets none; a certificate that
is no good, or soon will be, is told for what it is."""
import datetime

from harness import (SLOWNESS, Authority, EchoProcess, GrpcHealth, Nginx, app, ask, free_port,
                     until)

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{400 * SLOWNESS}ms"; rise = 1; fall = 1;'


def endpoint(daemon, name="web"):
    return daemon.inspect(name)["endpoints"][0]


def ends(daemon, name, state, reason, detail):
    """It comes to that, and what it says of its last probe has `detail` in it."""
    def there():
        found = endpoint(daemon, name)
        return (found["state"], found["reason"]) == (state, reason) and \
            detail in found["last_probe"]["detail"]
    until(there, what=f"{name} is {state}: {reason}: {detail}")
    return endpoint(daemon, name)["last_probe"]


def stamp(days):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(days=days, minutes=5)).strftime("%Y%m%d%H%M%SZ")


def test_http_of_nginx(daemon, started, tmp_path):
    """Clients are served at one port, health is told at another: by status, and by the body."""
    port, health = free_port(), free_port()

    def servers(answer):
        return f"""
server {{
  listen 127.0.0.1:{health};
  server_name app.example;
  location = /health {{ {answer} }}
}}
server {{
  listen 127.0.0.1:{health} default_server;
  listen [::1]:{health};
  return 421;
}}
"""
    nginx = started(Nginx(tmp_path, servers('return 200 "all is well\\n";')))
    target = started(EchoProcess())
    daemon.write_apps(app("web", port, [target], probe=f"""
        kind = "http"; port = {health}; path = "/health"; host = "app.example"; body = "well";
        status = "200,204"; headers = ( "X-Asked-By: fproxy" ); {FAST}"""),
                      app("six", free_port(), [f"[::1]:{health}"],
                          probe=f'kind = "http"; status = 421; {FAST}'))
    daemon.start()
    ends(daemon, "six", "available", "ok", "HTTP 421 in ")
    probe = ends(daemon, "web", "available", "ok", "HTTP 200 in ")
    assert probe["kind"] == "http"
    assert ask(port) == "hello"
    assert '"GET /health HTTP/1.1" 200' in nginx.access_log()
    assert "fproxy-probe/" in nginx.access_log()

    nginx.configure(servers('return 503 "all is well\\n";'))
    probe = ends(daemon, "web", "unavailable", "http_status", "HTTP 503 in ")
    assert probe["detail"].endswith("(wanted 200,204)")
    nginx.configure(servers('return 200 "we have a problem\\n";'))
    ends(daemon, "web", "unavailable", "mismatch",
         'HTTP 200, but no "well" in 18 bytes: "we have a problem\\n"')
    nginx.configure(servers('return 204;'))
    ends(daemon, "web", "unavailable", "mismatch", 'HTTP 204, but no "well" in 0 bytes')
    nginx.configure(servers('return 200 "well again\\n";'))
    ends(daemon, "web", "available", "ok", "HTTP 200 in ")
    assert "reset by peer" not in nginx.log.read_text()     # each probe ended politely


def test_certificates_of_nginx(daemon, started, tmp_path):
    authority = Authority(tmp_path)
    good = authority.sign("app.example", stamp(-10), stamp(90))
    cases = {
        "good": (good, "ok", "HTTP 200 in "),
        "expired": (authority.sign("app.example", stamp(-10), stamp(-3)), "tls_handshake",
                    "certificate expired 2 days ago"),
        "soon": (authority.sign("app.example", stamp(-10), stamp(5)), "ok",
                 "; certificate expires in 5 days"),
        "early": (authority.sign("app.example", stamp(3), stamp(90)), "tls_handshake",
                  "certificate is valid only in 3 days"),
        "other": (authority.sign("other.example", stamp(-10), stamp(90)), "tls_handshake",
                  "certificate is for other.example, not for app.example"),
        "self": (authority.self_signed("app.example"), "tls_handshake",
                 "certificate is self-signed, and not in `ca`"),
    }
    servers, apps = "", []
    for name, (files, _, _) in cases.items():
        port = free_port()
        servers += f"""
server {{
  listen 127.0.0.1:{port} ssl;
  ssl_certificate {files[0]};
  ssl_certificate_key {files[1]};
  return 200 "well\\n";
}}"""
        for kind in ("https", "tls"):
            apps.append(app(f"{name}-{kind}", free_port(), [f"127.0.0.1:{port}"],
                            'ready = { timeout = "1s"; };',
                            f'kind = "{kind}"; sni = "app.example"; certificate_warn = "336h"; '
                            f'ca = "{authority.certificate}"; {FAST}'))
    apps.append(app("unchecked", free_port(), [f"127.0.0.1:{port}"],
                    probe=f'kind = "https"; verify = false; {FAST}'))
    nginx = started(Nginx(tmp_path, servers))
    daemon.write_apps(*apps)
    daemon.start()
    for name, (_, reason, detail) in cases.items():
        state = "available" if reason == "ok" else "unavailable"
        ends(daemon, f"{name}-https", state, reason, detail)
        ends(daemon, f"{name}-tls", state, reason,
             detail.replace("HTTP 200 in ", "TLS handshake in "))
    ends(daemon, "unchecked", "available", "ok", "HTTP 200 in ")
    told = "SELECT app, message FROM events WHERE kind = 'probe_warning' ORDER BY app"
    until(lambda: [row[0] for row in daemon.sql(told)] == ["soon-https", "soon-tls"],
          what="the warnings are told, once each")
    assert "certificate expires in 5 days" in daemon.sql(told)[0][1]
    assert "reset by peer" not in nginx.log.read_text()


def test_a_file_of_ca_that_is_not_there_is_refused(daemon, started):
    """What runs goes on, and the message says which file."""
    port, target = free_port(), started(EchoProcess())
    daemon.write_apps(app("web", port, [target]))
    daemon.start()
    until(lambda: ask(port) == "hello", what="it serves")
    daemon.replace_apps(app("web", port, [target], probe=f'kind = "tls"; ca = "/no/ca"; {FAST}'))
    result = daemon.reload()
    assert not result["applied"]
    assert "the file of `ca` cannot be read: /no/ca" in str(result)
    assert ask(port) == "hello"


def check_grpc(daemon, server, probe):
    daemon.write_apps(app("web", free_port(), [server], 'ready = { timeout = "1s"; };', probe),
                      app("none", free_port(), [server], 'ready = { timeout = "1s"; };',
                          probe.replace("shop.Cart", "no.Such")))
    server.say("shop.Cart", 1)
    daemon.start()
    found = ends(daemon, "web", "available", "ok", "SERVING in ")
    assert found["kind"] == "grpc"
    ends(daemon, "none", "unavailable", "mismatch",
         'its health service knows no "no.Such": NOT_FOUND')
    server.say("shop.Cart", 2)
    ends(daemon, "web", "unavailable", "mismatch", "it says NOT_SERVING (2)")
    server.say("shop.Cart", 1)
    ends(daemon, "web", "available", "ok", "SERVING in ")
    server.close()
    ends(daemon, "web", "unavailable", "connect_refused", "connection refused")


def test_grpc(daemon, started):
    check_grpc(daemon, started(GrpcHealth()), f'kind = "grpc"; service = "shop.Cart"; {FAST}')


def test_grpc_over_tls(daemon, started, tmp_path):
    authority = Authority(tmp_path)
    server = started(GrpcHealth(*authority.sign("app.example", stamp(-10), stamp(90))))
    check_grpc(daemon, server, f'kind = "grpc"; service = "shop.Cart"; tls = true; '
                               f'sni = "app.example"; ca = "{authority.certificate}"; {FAST}')


def test_grpc_of_a_server_that_has_none(daemon, started, tmp_path):
    """nginx speaks HTTP/2 at one port and HTTP/1.1 at the other."""
    ports = free_port(), free_port()
    started(Nginx(tmp_path, f"""
server {{ listen 127.0.0.1:{ports[0]} http2; return 404; }}
server {{ listen 127.0.0.1:{ports[1]}; return 404; }}"""))
    daemon.write_apps(*[app(name, free_port(), [f"127.0.0.1:{port}"],
                            'ready = { timeout = "1s"; };', f'kind = "grpc"; {FAST}')
                        for name, port in zip(("two", "one"), ports)])
    daemon.start()
    ends(daemon, "two", "unavailable", "http_status", "HTTP 404 in ")
    until(lambda: endpoint(daemon, "one")["state"] == "unavailable", what="it fails")
    assert "HTTP/2" in endpoint(daemon, "one")["last_probe"]["detail"]
