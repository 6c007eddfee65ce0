"""fproxy check tells all errors, each where it is, and its exit status answers the question."""
import json
import os
import subprocess

import pytest

from harness import BIN

APP = 'apps = ( {{ name = "{}"; ports = {}; targets = "127.0.0.1:1"; {} }} );\n'


def check(*arguments, **environment):
    return subprocess.run([BIN / "fproxy", *arguments], capture_output=True, text=True,
                          timeout=30, env={**os.environ, **environment})


@pytest.fixture
def conf_d(tmp_path):
    directory = tmp_path / "conf.d"
    directory.mkdir()
    return directory


def test_a_valid_configuration_has_status_0(conf_d):
    (conf_d / "a.conf").write_text(APP.format("a", "[5001, 5002]", ""))
    result = check("check", conf_d)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{conf_d}: valid: 1 app in 1 file\n"


def test_every_error_of_every_file_is_told_with_its_place(conf_d):
    (conf_d / "a.conf").write_text(APP.format("a", "5001", "\nstratgey = 5;\nidle_timeout = -1;"))
    (conf_d / "b.conf").write_text(APP.format("b", '"127.0.0.1:5001"', ""))
    (conf_d / "c.conf").write_text("apps = (\n{ name = }\n);")
    (conf_d / "d.conf").write_bytes(os.urandom(50) + b"\0" + os.urandom(50))
    (conf_d / "e.json").write_text('{"Apps": [{"Name": "e", "Port": 1}]}')
    result = check("check", conf_d)
    lines = result.stderr.replace(f"{conf_d}/", "").splitlines()
    assert result.returncode == 1
    assert lines[:4] == [
        "a.conf:2: a: stratgey: unknown key; did you mean strategy?",
        "a.conf:3: a: idle_timeout: -1 (ms) is out of range; allowed is 0s to 24d",
        'b.conf:1: b: ports: 127.0.0.1:5001 is taken: app "a" listens on 5001 (a.conf:1)',
        'c.conf:2: syntax error in this line or just before it: look for a missing ";", ",", '
        'quote or bracket']
    assert lines[4].startswith("d.conf:") and lines[4].endswith("a NUL byte: this is no text file")
    assert lines[5] == "e.json:1: e: Port: unknown key; did you mean Ports?"
    assert "not valid" in result.stdout


def test_json_says_the_same(conf_d):
    (conf_d / "a.conf").write_text(APP.format("a", '(5001, "[::1]:5002")', ""))
    (conf_d / "b.conf").write_text(APP.format("b", "0", ""))
    result = check("check", "--json", conf_d)
    answer = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (1, "")
    assert (answer["valid"], answer["files"]) == (False, 2)
    assert answer["apps"] == [{"name": "a", "ports": [5001, "[::1]:5002"],
                               "targets": ["127.0.0.1:1"], "source": f"{conf_d}/a.conf"}]
    assert answer["errors"] == [{"file": f"{conf_d}/b.conf", "line": 1, "app": "b", "key": "ports",
                                 "message": "0 is out of range; allowed is 1 to 65535"}]


def test_the_path_comes_from_the_argument_the_option_or_the_environment(conf_d):
    (conf_d / "a.conf").write_text("garbage")
    empty = conf_d.parent / "empty"
    empty.mkdir()
    assert check("check", FPROXY_CONFIG_PATH=str(conf_d)).returncode == 1
    assert check("--config", empty, "check", FPROXY_CONFIG_PATH=str(conf_d)).returncode == 0
    assert check("--config", conf_d, "check", empty).returncode == 0


def test_what_cannot_be_read_or_understood_has_status_2(conf_d):
    absent = check("check", conf_d / "absent")
    assert absent.returncode == 2
    assert "absent cannot be read: No such file or directory" in absent.stderr
    assert check("check", "--unknown").returncode == 2
    assert check("check", conf_d, conf_d).returncode == 2
