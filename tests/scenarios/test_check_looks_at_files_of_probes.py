"""fproxy check names the files that probes will miss: a command that is not there is a warning, for
its app serves all the same; a file of `ca` that the prober would refuse is an error."""
import json
import os
import tempfile
from pathlib import Path

import pytest

from harness import Authority, EchoProcess, app, apps_text, ask, free_port, until


@pytest.fixture
def program():
    """A command in a directory whose name has a space; short, for long paths are told cut."""
    with tempfile.TemporaryDirectory(prefix="") as directory:
        path = Path(directory) / "my checks" / "check"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\nexit 0\n")
        path.chmod(0o755)
        yield path


def check(daemon, *probes):
    """The exit status, and the lines that are told of apps named 0, 1... with these probes."""
    daemon.write_apps(*(app(str(i), 5001 + i, ["127.0.0.1:6001"], probe=probe)
                        for i, probe in enumerate(probes)), file="a.conf")
    answer = daemon.run("fproxy", "check")
    return answer.returncode, answer.stderr.replace(f"{daemon.config}/", "").splitlines()


def test_a_command_that_is_there_is_not_spoken_of(daemon, program):
    assert check(daemon, f'kind = "exec"; command = ( "{program}", "-a" );',
                 f'kind = "exec"; command = "\'{program}\' -a";',
                 'kind = "helper"; command = "exec sh -c \'cat\'";') == (0, [])


def test_a_command_that_is_not_is_a_warning(daemon, program):
    missing, plain = program.parent / "chekc", program.parent / "plain"
    plain.touch(0o644)
    status, lines = check(daemon, f'kind = "exec"; command = ( "{missing}" );',
                          f'kind = "helper";\ncommand = ( "{plain}" );')
    assert status == 0
    assert lines == [
        f'a.conf:5: warning: 0: probe.command: there is no program "{missing}"; the probe fails '
        'until there is one',
        f'a.conf:9: warning: 1: probe.command: "{plain}" may not be executed; '
        '`chmod +x` makes a program of it']
    answer = json.loads(daemon.run("fproxy", "check", "--json").stdout)
    assert (answer["valid"], answer["errors"]) == (True, [])
    assert [(warning["line"], warning["app"], warning["key"])
            for warning in answer["warnings"]] == [(5, "0", "probe.command"),
                                                   (9, "1", "probe.command")]
    assert "2 apps in 1 file, 2 warnings" in daemon.run("fproxy", "check").stdout


def test_a_path_with_spaces_says_what_to_write(daemon, program):
    status, lines = check(daemon, f'kind = "exec"; command = "{program} -a";',
                          'kind = "exec"; command = ( "/bin/sh -c true" );')
    assert status == 0
    assert f'path of {program} has spaces: write a list, ( "{program}", "..." )' in lines[0]
    assert 'write each argument as a text of its own: ( "/bin/sh", "..." )' in lines[1]


def test_a_file_of_certificates_that_would_be_refused_is_an_error(daemon, tmp_path):
    authority = Authority(tmp_path)
    cut = tmp_path / "cut.pem"
    cut.write_text(authority.certificate.read_text()[:-60])
    empty = tmp_path / "empty.pem"
    empty.touch()
    words = tmp_path / "words.pem"
    words.write_text("certificate\n")
    missing = tmp_path / "missing.pem"
    status, lines = check(
        daemon, f'kind = "tls"; ca = "{authority.certificate}";',
        f'kind = "https"; ca = "{missing}";', f'kind = "tls"; ca = "{cut}";',
        f'kind = "grpc"; tls = true; ca = "{words}";', f'kind = "https"; ca = "{empty}";',
        f'kind = "https"; verify = false; ca = "{missing}";')
    begin = authority.certificate.read_text().split("-----BEGIN CERT")[0].count("\n") + 1
    assert (status, lines) == (1, [
        f"a.conf:8: 1: probe.ca: {missing} cannot be read: No such file or directory",
        f"a.conf:11: 2: probe.ca: {cut}:{begin}: here begins something that is no certificate in "
        "PEM, or is cut off",
        f'a.conf:14: 3: probe.ca: {words} has no certificates in PEM '
        '("-----BEGIN CERTIFICATE-----")',
        f"a.conf:17: 4: probe.ca: {empty} is empty"])
    assert "not valid: 4 errors; 2 apps of 1 file could be used" in \
        daemon.run("fproxy", "check").stdout


def test_the_app_of_a_warning_serves_and_that_of_an_error_does_not(daemon, started, tmp_path):
    """The check and the daemon agree."""
    target = started(EchoProcess())
    ports = [free_port(), free_port()]
    missing, certificates = tmp_path / "missing", tmp_path / "missing.pem"
    daemon.write_apps(
        app("served", ports[0], [target], probe=f'kind = "exec"; command = ( "{missing}" );'),
        app("refused", ports[1], [target], probe=f'kind = "tls"; ca = "{certificates}";'))
    assert daemon.run("fproxy", "check").returncode == 1
    daemon.start()
    assert ask(ports[0]) is not None
    until(lambda: "refused: cannot serve" in daemon.log(), what="the refusal of the prober")
    until(lambda: "No such file" in daemon.inspect("served")["endpoints"][0]["last_probe"]["detail"],
          what="the prober says what is missing")
    # The file comes: that alone is enough, for the prober is asked again.
    source = Authority(tmp_path).certificate
    os.link(source, certificates)
    until(lambda: "refused: serves on" in daemon.log(), what="the app with certificates")
    assert daemon.run("fproxy", "check").returncode == 0
