"""Commands of probes where fproxy runs as an ordinary user, and as root with `user`: what each key
does, and what cannot be done has a name and says what to do."""
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import BIN, SLOWNESS, Daemon, EchoProcess, app, free_port, pids, until

TIMEOUT_S = 0.5 * SLOWNESS
FAST = f'interval = "{TIMEOUT_S * 1000:g}ms"; timeout = "{TIMEOUT_S * 1000:g}ms"; rise = 1; fall = 1;'
SLOW = 'interval = "10s"; timeout = "10s"; rise = 1; fall = 1;'
USER = "nobody"
PROGRAMS = ("fproxy", "fproxy-prober", "fproxy-worker", "fproxy-launch", "fproxy-probe")
KINDS = ("exec", "helper")
# Tells who it is and what it may; then it is a check, or answers checks.
TELLS = r'''#!/bin/sh
told=$(dirname "$0")/told
{ id -un; id -gn; echo "$HOME"; cat /proc/self/limits /proc/self/status; } >"$told.new"
mv "$told.new" "$told"
[ "$1" = exec ] && exit 0
while read -r line; do
    echo "$line" | sed 's/.*"id": *\([0-9]*\).*/{"id": \1, "ok": true}/'
done
'''
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts things as others")


class Ordinary(Daemon):
    """Runs as USER, in directories and with programs that are that user's to reach."""

    def launch(self, arguments=(), prefix=(), **environment):
        self.bin = self.directory / "bin"
        self.bin.mkdir()
        for program in PROGRAMS:
            shutil.copy2(BIN / program, self.bin)
        for path in (self.directory, self.config):
            shutil.chown(path, USER, "nogroup")
        as_user = ["setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups"]
        return super().launch(arguments, [*prefix, *as_user], **environment)


@pytest.fixture
def place():
    """Everybody gets there, which cannot be said of pytest's directories."""
    path = Path(tempfile.mkdtemp(prefix="fproxy-commands-", dir="/var/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def ordinary(place, started):
    directory = place / "daemon"
    directory.mkdir()
    return started(Ordinary(directory))


@pytest.fixture
def target(started):
    return started(EchoProcess())


def script(path, text, mode=0o755):
    path.write_text(text)
    path.chmod(mode)
    return path


def endpoint(daemon):
    return daemon.inspect("web")["endpoints"][0]


def serve(daemon, target, kind, command, more="", pace=FAST):
    words = ", ".join(json.dumps(str(word)) for word in command)
    probe = f'kind = "{kind}"; command = ( {words} ); {more} {pace}'
    daemon.write_apps(app("web", free_port(), [target], probe=probe))
    if daemon.process is None:
        daemon.start()


def until_told(daemon, reason, *parts, within=10):
    """The last probe ended with this, and what it says has these parts."""
    def told():
        last = endpoint(daemon)["last_probe"]
        return last and last["outcome"] == reason and all(p in last["detail"] for p in parts)

    try:
        until(told, within)
    except AssertionError as error:
        raise AssertionError(f"not {reason} {parts}: {endpoint(daemon)}") from error


class Told:
    """What a command that TELLS told."""

    def __init__(self, place):
        until((place / "told").exists, what="it has told")
        lines = (place / "told").read_text().splitlines()
        self.user, self.group, self.home = lines[:3]
        self.lines = lines[3:]

    def status(self, name):
        return next(line for line in self.lines if line.startswith(f"{name}:")).split()[1:]


def soft(told, name):
    """The soft limit: behind a name of a column of 26."""
    line = next(line for line in told.lines if line.startswith(name))
    return line[26:].split()[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", [None, USER])
def test_an_ordinary_user_runs_commands(ordinary, target, place, kind, user):
    """As itself, also when that is said; with all limits, and no rights."""
    check = script(place / "check", TELLS)
    serve(ordinary, target, kind, [check, kind],
          f'cpu_time = "3s"; {f"user = {json.dumps(user)};" if user else ""}')
    until(lambda: endpoint(ordinary)["reason"] == "ok", what="it passed")
    told = Told(place)
    assert (told.user, told.group) == (USER, "nogroup")
    assert told.home == (pwd.getpwnam(USER).pw_dir if user else "/")
    assert soft(told, "Max core file size") == "0"
    assert soft(told, "Max open files") == "1024"
    assert soft(told, "Max file size") == str(64 << 20)
    assert soft(told, "Max data size") == str(2048 << 20)
    assert soft(told, "Max cpu time") == ("3" if kind == "exec" else "unlimited")
    if user:
        assert soft(told, "Max processes") == "512"
    assert told.status("NoNewPrivs") == ["1"]
    assert int(told.status("CapEff")[0], 16) == 0
    ordinary.until_state("web", target, "available")


@pytest.mark.parametrize("kind", KINDS)
def test_only_root_becomes_another_user(ordinary, target, place, kind):
    check = script(place / "check", TELLS)
    serve(ordinary, target, kind, [check, kind], 'user = "daemon";')
    until_told(ordinary, "exec_spawn", 'cannot become the user "daemon": only root may, and fproxy '
               f'runs as "{USER}" (uid {pwd.getpwnam(USER).pw_uid})', "leave out `user`")
    assert endpoint(ordinary)["state"] == "unavailable"
    once = ordinary.run("fproxy-probe", "run", "web")       # by root: it may
    assert once.returncode == 0, once.stdout + once.stderr
    serve(ordinary, target, kind, [check, kind], 'user = "no-such-user";')
    ordinary.apply()
    until_told(ordinary, "exec_spawn", 'there is no user "no-such-user"', "change `user`")
    once = ordinary.run("fproxy-probe", "run", "web")
    assert once.returncode == 1 and 'there is no user "no-such-user"' in once.stdout
    serve(ordinary, target, kind, [check, kind])
    ordinary.apply()
    until(lambda: endpoint(ordinary)["state"] == "available", what="without it, it works")


@pytest.mark.parametrize("kind", KINDS)
def test_a_command_that_is_not_for_everybody(ordinary, target, place, kind):
    check = script(place / "check", TELLS, 0o700)
    serve(ordinary, target, kind, [check, kind])
    until_told(ordinary, "exec_spawn", f"cannot run {check}: Permission denied", "command")
    check.chmod(0o755)
    until(lambda: endpoint(ordinary)["state"] == "available", 40, "it may be run now")


def test_cpu_time_is_bounded_without_root(ordinary, target, place):
    busy = script(place / "busy", "#!/bin/sh\necho busy\nwhile :; do :; done\n")
    serve(ordinary, target, "exec", [busy], 'cpu_time = "1s";', SLOW)
    until_told(ordinary, "exec_exit", "SIGXCPU: more CPU time than it may use (cpu_time): busy",
               within=20)


def test_who_ignores_the_limit_is_killed(ordinary, target, place):
    deaf = script(place / "deaf", "#!/bin/sh\ntrap '' XCPU\necho deaf\nwhile :; do :; done\n")
    serve(ordinary, target, "exec", [deaf], 'cpu_time = "1s";', SLOW)
    until_told(ordinary, "exec_exit", "SIGKILL: more CPU time than it may use (cpu_time): deaf",
               within=20)


def test_lower_limits_stay(ordinary, target, place):
    check = script(place / "check", TELLS)
    ordinary.launch(prefix=["prlimit", "--nofile=600:600", "--fsize=40000000:40000000"])
    serve(ordinary, target, "exec", [check, "exec"])
    until(ordinary.settled, what="it serves")
    until(lambda: endpoint(ordinary)["reason"] == "ok", what="it passed")
    told = Told(place)
    assert (soft(told, "Max open files"), soft(told, "Max file size")) == ("600", "40000000")


def limit_processes(pid, soft_limit):
    """As the user itself: root without CAP_SYS_RESOURCE may not."""
    subprocess.run(["setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups", "prlimit",
                    "--pid", str(pid), f"--nproc={soft_limit}:"], check=True)


def test_no_process_is_left_for_it(ordinary, target, place):
    check = script(place / "check", TELLS)
    serve(ordinary, target, "exec", [check, "exec"])
    until(lambda: endpoint(ordinary)["reason"] == "ok", what="it passed")
    prober = pids(ordinary)["prober"]
    limit_processes(prober, "0")
    until_told(ordinary, "exec_spawn", "cannot start a process", "RLIMIT_NPROC")
    limit_processes(prober, "4096")
    until(lambda: endpoint(ordinary)["reason"] == "ok", what="there is room again")


@pytest.mark.parametrize("kind", KINDS)
def test_root_gives_its_rights_away(place, daemon, target, kind):
    """As root with `user`: its groups, its home, its own number of processes; nothing of root's."""
    check = script(place / "check", TELLS)
    serve(daemon, target, kind, [check, kind], f'user = "{USER}"; cpu_time = "2s";')
    until(lambda: endpoint(daemon)["reason"] == "ok", what="it passed")
    told = Told(place)
    assert (told.user, told.group) == (USER, "nogroup")
    assert told.home == pwd.getpwnam(USER).pw_dir
    assert set(told.status("Uid")) == {str(pwd.getpwnam(USER).pw_uid)}
    assert told.status("Groups") == [str(pwd.getpwnam(USER).pw_gid)]
    assert int(told.status("CapEff")[0], 16) == 0 and told.status("NoNewPrivs") == ["1"]
    assert soft(told, "Max processes") == "512"


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_root_may_run_is_not_run(place, daemon, target, kind):
    secret = script(place / "secret", TELLS, 0o700)
    serve(daemon, target, kind, [secret, kind], f'user = "{USER}";')
    until_told(daemon, "exec_spawn", f"cannot run {secret}: Permission denied")
    assert not (place / "told").exists()


def test_a_command_of_another_user_is_bounded_by_root(place, daemon, target):
    busy = script(place / "busy", "#!/bin/sh\necho busy\nwhile :; do :; done\n")
    serve(daemon, target, "exec", [busy], f'user = "{USER}"; cpu_time = "1s";', SLOW)
    until_told(daemon, "exec_exit", "SIGXCPU: more CPU time than it may use (cpu_time)", within=20)
    hangs = script(place / "hangs", "#!/bin/sh\necho hangs\nexec sleep 1000\n")
    serve(daemon, target, "exec", [hangs], f'user = "{USER}";')
    daemon.apply()
    until_told(daemon, "exec_timeout", f"not over after {TIMEOUT_S:g} s, killed: hangs")
