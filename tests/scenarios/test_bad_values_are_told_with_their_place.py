"""Each bad value of a configuration is told with its file, line, app and key, and with what is
allowed there."""
import os
import re

import pytest

from harness import app

GOOD = app("good", 5001, ["127.0.0.1:6001"])


def check(daemon):
    return daemon.run("fproxy", "check")


def errors_of(daemon, text, file="10-bad.conf"):
    """The lines of errors about a file with this text."""
    daemon.write(file, text)
    answer = check(daemon)
    assert answer.returncode == 1, answer.stdout
    return answer.stderr.splitlines()


def one_app(**changes):
    """An app on lines of its own, from line 3 on: name, ports, targets, then what is added."""
    keys = {"name": '"web"', "ports": "[5001]", "targets": '("127.0.0.1:6001")', **changes}
    lines = [f"  {key} = {value};" for key, value in keys.items() if value is not None]
    return "apps = (\n{\n" + "\n".join(lines) + "\n}\n);\n"


def test_an_empty_directory_is_valid(daemon):
    answer = check(daemon)
    assert answer.returncode == 0
    assert "0 apps" in answer.stdout


BAD = {
    # change of an app, its line, its key, and what the message has to name
    "a port of 0": (dict(ports="[0]"), 4, "ports", "1 to 65535|0"),
    "a port of 65536": (dict(ports="[65536]"), 4, "ports", "65535"),
    "a negative port": (dict(ports="[-1]"), 4, "ports", "65535"),
    "a port twice": (dict(ports="[5001, 5001]"), 4, "ports", "5001"),
    "a port twice, by a range": (dict(ports='("5001", "5000-5002")'), 4, "ports", "5001"),
    "a port twice, by an address": (dict(ports='("127.0.0.1:5001", 5001)'), 4, "ports", "5001"),
    "a port twice, by a mapped address": (
        dict(ports='("127.0.0.1:5001", "[::ffff:127.0.0.1]:5001")'), 4, "ports", "5001"),
    "a range that ends before it begins": (dict(ports='("5002-5001")'), 4, "ports",
                                           "5002-5001"),
    "no ports": (dict(ports="[]"), 4, "ports", "port"),
    "ports missing": (dict(ports=None), 2, "ports", "missing"),
    "no targets": (dict(targets="()"), 5, "targets", "target"),
    "targets missing": (dict(targets=None), 2, "targets", "missing"),
    "a target without a port": (dict(targets='("host")'), 5, "targets", "host"),
    "a target with an empty port": (dict(targets='("host:")'), 5, "targets", "host:"),
    "a target without a host": (dict(targets='(":80")'), 5, "targets", ":80"),
    "a target with half a bracket": (dict(targets='("[::1")'), 5, "targets", r"\[::1"),
    "a target of port 0": (dict(targets='("127.0.0.1:0")'), 5, "targets", "127.0.0.1:0"),
    "a target of port 70000": (dict(targets='("127.0.0.1:70000")'), 5, "targets", "70000"),
    "a target that is a number": (dict(targets="(5001)"), 5, "targets", "host:port"),
    "the name missing": (dict(name=None), 2, "name", "missing"),
    "an empty name": (dict(name='""'), 3, "name", "a-z"),
    "a name in capitals": (dict(name='"Web"'), 3, "name", "Web.*a-z"),
    "a name that begins with -": (dict(name='"-web"'), 3, "name", "-web"),
    "a name with a slash": (dict(name='"a/b"'), 3, "name", "a/b"),
    "a name of 64 characters": (dict(name='"' + "a" * 64 + '"'), 3, "name", "63"),
    "a name that is a number": (dict(name="7"), 3, "name", "name"),
    "a negative duration": (dict(idle_timeout='"-1s"'), 6, "idle_timeout", "-1s"),
    "a negative number of ms": (dict(idle_timeout="-1"), 6, "idle_timeout", "-1"),
    "an absurd duration": (dict(drain_timeout='"99999999h"'), 6, "drain_timeout", "99999999h"),
    "a duration without a sense": (dict(idle_timeout='"soon"'), 6, "idle_timeout", "soon.*5s"),
    "a duration that is true": (dict(idle_timeout="true"), 6, "idle_timeout", "duration"),
    "a word that is not known": (dict(panic='"al"'), 6, "panic", 'did you mean "all"'),
    "a strategy that is not known": (dict(strategy='"round-robin"'), 6, "strategy",
                                     "round_robin"),
    "a group that is a number": (dict(connect="3"), 6, "connect", "group"),
    "too many retries": (dict(connect="{ retries = 1000; }"), 6, "connect.retries", "0 to"),
    "a fraction": (dict(threads="1.5"), 6, "threads", "whole number"),
    "a probe that outlasts its interval": (
        dict(probe='{ interval = "1s"; timeout = "2s"; }'), 6, "probe.timeout", "interval"),
    "an unknown key": (dict(idle_timout='"1s"'), 6, "idle_timout",
                       'did you mean "?idle_timeout'),
    "an unknown key in a group": (dict(probe='{ intervall = "1s"; }'), 6, "probe.intervall",
                                  'did you mean "?interval'),
    "a key of a later version": (dict(proxy_protocol='"v1"'), 6, "proxy_protocol",
                                 "unknown|not known"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_value_is_told_with_its_place(daemon, what):
    changes, line, key, says = BAD[what]
    errors = errors_of(daemon, one_app(**changes))

    place = f"{daemon.config}/10-bad.conf:{line}: "
    assert len(errors) == 1, errors
    assert errors[0].startswith(place), errors[0]
    named = '"web": |web: ' if "name" not in changes else ""
    assert re.match(f"({named}|){re.escape(key)}", errors[0][len(place):]), errors[0]
    assert re.search(says, errors[0]), errors[0]


@pytest.mark.parametrize("number", ["5000000000", "0x1ffffffff", "-3000000000"])
def test_a_number_beyond_32_bits_is_not_cut(daemon, number):
    errors = errors_of(daemon, one_app(ports=f"[{number}]"))
    assert len(errors) == 1
    assert "10-bad.conf:4: " in errors[0] and number in errors[0] and "32 bits" in errors[0]


def test_all_errors_are_told_not_the_first_only(daemon):
    daemon.write("20-other.conf", one_app(name='"other"', ports="[70000]"))
    errors = errors_of(daemon, one_app(ports="[0]", targets='("host", ":80")', panic='"no"'))

    assert len(errors) == 5
    assert [line.split(":")[1] for line in errors] == ["4", "5", "5", "6", "4"]


def test_two_apps_with_one_port(daemon):
    daemon.write_apps(GOOD, file="10-first.conf")
    errors = errors_of(daemon, one_app(ports='("[::]:5001")'), "20-second.conf")

    assert len(errors) == 1
    assert "20-second.conf:4: web: ports: " in errors[0]
    assert "5001" in errors[0] and "good" in errors[0]


def test_two_apps_with_one_name(daemon):
    daemon.write_apps(GOOD, file="10-first.conf")
    errors = errors_of(daemon, one_app(name='"good"', ports="[5002]"), "20-second.conf")

    assert len(errors) == 1
    assert "20-second.conf:2: good: name: " in errors[0]
    assert "10-first.conf" in errors[0]


def test_daemon_stands_in_one_file_only(daemon):
    daemon.write("10-first.conf", 'daemon = { log_level = "info"; };')
    errors = errors_of(daemon, 'daemon = { log_level = "info"; };', "20-second.conf")

    assert len(errors) == 1
    assert "20-second.conf:1" in errors[0] and "10-first.conf" in errors[0]


def test_an_include_is_refused(daemon):
    errors = errors_of(daemon, '@include "/etc/passwd"\n')
    assert len(errors) == 1
    assert "include" in errors[0]
    assert "root:" not in errors[0]


def test_binary_garbage_is_an_error_of_its_file_only(daemon):
    (daemon.config / "10-bad.conf").write_bytes(os.urandom(4096) + b"\0")
    daemon.write_apps(GOOD, file="20-good.conf")
    answer = check(daemon)

    assert answer.returncode == 1
    assert "10-bad.conf" in answer.stderr and "20-good.conf" not in answer.stderr
    assert "1 app of" in answer.stdout
    assert answer.stderr.replace("\n", "").isprintable()


def test_a_file_of_ten_megabytes_is_refused(daemon):
    errors = errors_of(daemon, "# " + "x" * (10 << 20))
    assert len(errors) == 1
    assert len(errors[0]) < 1000
    assert "8" in errors[0]


def test_a_file_that_cannot_be_read(daemon):
    (daemon.config / "10-bad.conf").symlink_to(daemon.directory / "nowhere")
    daemon.write_apps(GOOD, file="20-good.conf")
    answer = check(daemon)

    assert answer.returncode == 1
    assert "10-bad.conf" in answer.stderr


def test_other_files_are_no_configuration(daemon):
    daemon.write("README", "not a configuration")
    daemon.write("10-apps.conf.bak", "nor this")
    daemon.write_apps(GOOD)
    assert check(daemon).returncode == 0
