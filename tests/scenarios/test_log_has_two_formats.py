"""log_format: lines of text, or one JSON object a line from every process."""
import json

from harness import EchoProcess, app, ask, free_ports


def start(daemon, started, settings, *arguments, **environment):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]),
                      more=f"daemon = {{ {settings} }};")
    daemon.start(*arguments, **environment)
    assert ask(port) == "good"
    daemon.stop()
    return daemon.log().splitlines()


def test_json(daemon, started):
    lines = [json.loads(line) for line in start(daemon, started, 'log_format = "json"; '
                                                'log_level = "debug";')]

    assert {"supervisor", "prober", "worker"} <= {line["process"] for line in lines}
    assert any(line.get("app") == "web" for line in lines)
    assert all(line["level"] in ("error", "warn", "info", "debug") for line in lines)


def test_the_level_is_taken_from_the_file(daemon, started):
    assert start(daemon, started, 'log_level = "error";') == []


def test_the_environment_wins_over_the_file(daemon, started):
    lines = start(daemon, started, 'log_level = "error";', FPROXY_LOG="debug")
    assert any("debug" in line for line in lines)


def test_the_option_wins_over_the_environment(daemon, started):
    assert start(daemon, started, 'log_level = "debug";', "--log-level", "error",
                 FPROXY_LOG="debug") == []
