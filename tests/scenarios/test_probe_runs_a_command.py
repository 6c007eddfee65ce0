"""A command of the operator's says how a target is: one that is run for every check, or one that runs
on and is asked. Whatever it does, nothing of it is left."""
import os
import re
from pathlib import Path

import pytest

from harness import (SLOWNESS, EchoProcess, app, ask, free_port, is_alive, kill, pids, replaced,
                     until)

FAST = f'interval = "{500 * SLOWNESS}ms"; timeout = "{500 * SLOWNESS}ms"; rise = 1; fall = 1;'
SLOW = f'interval = "{SLOWNESS}s"; timeout = "{SLOWNESS}s"; rise = 1; fall = 1;'
DOCS = Path(__file__).parents[2] / "docs"


def endpoint(daemon, target, name="web"):
    return next(each for each in daemon.inspect(name)["endpoints"]
                if each["target"] == target.address)


def said(daemon, target, part):
    return part in (endpoint(daemon, target)["last_probe"] or {}).get("detail", "")


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def processes(word):
    """Those that have it among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid() and is_alive(pid)]


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def command(*words):
    return "command = ( " + ", ".join(f'"{word}"' for word in words) + " );"


def test_its_exit_status_tells(daemon, started, tmp_path):
    port, target, status = free_port(), started(EchoProcess()), tmp_path / "status"
    check = script(tmp_path / "check", f'#!/bin/sh\nread code text <{status}\n'
                                       'echo "$text at $FPROXY_ADDRESS of $FPROXY_APP"\nexit $code\n')
    status.write_text("0 OK")
    daemon.write_apps(app("web", port, [target], probe=f'kind = "exec"; {command(check)} {FAST}'))
    daemon.start()
    until(lambda: said(daemon, target, f": OK at {target.address} of web"), what="it passed")
    assert endpoint(daemon, target)["state"] == "available"
    assert endpoint(daemon, target)["last_probe"]["kind"] == "exec"
    assert ask(port) == "hello"

    status.write_text("2 REPLICA DOWN")
    until(lambda: endpoint(daemon, target)["reason"] == "exec_exit", what="it failed")
    assert endpoint(daemon, target)["state"] == "unavailable"
    assert said(daemon, target, "exit 2 (critical): REPLICA DOWN at")
    status.write_text("1 LAG")
    until(lambda: said(daemon, target, "passed with a warning in "), what="it passed")
    assert endpoint(daemon, target)["reason"] == "ok"

    check.unlink()
    until(lambda: endpoint(daemon, target)["reason"] == "exec_spawn", what="it is missing")
    assert said(daemon, target, f"cannot run {str(check)[:80]}")


@pytest.mark.parametrize("plugin", ["/usr/lib/nagios/plugins/check_tcp"])
def test_a_plugin_of_monitoring_systems(daemon, started, plugin):
    port, target = free_port(), started(EchoProcess())
    text = f'command = "exec {plugin} -t 5 -H $FPROXY_HOST -p $FPROXY_PORT";'
    daemon.write_apps(app("web", port, [target], probe=f'kind = "exec"; {text} {SLOW}'))
    daemon.start()
    until(lambda: said(daemon, target, "TCP OK - "), what="it passed")
    target.close()
    until(lambda: endpoint(daemon, target)["reason"] == "exec_exit", what="it failed")
    assert said(daemon, target, "exit 2 (critical): connect to address 127.0.0.1")


def test_commands_that_hang_leave_nothing(daemon, started, tmp_path):
    """Eight targets, four places: some commands hang, some leave a child behind that holds their
    output; each ends in its own way, and the prober has what it had."""
    targets = [started(EchoProcess()) for _ in range(8)]
    hang = [target.port for target in targets[::2]]
    mark = f"86400.{os.getpid()}"
    check = script(tmp_path / "check", "#!/bin/sh\n"
                                       f"sleep {mark} &\necho $FPROXY_PORT\n"
                                       f"case $FPROXY_PORT in {'|'.join(map(str, hang))}) wait; esac\n")
    daemon.write_apps(app("web", free_port(), targets, probe=f'kind = "exec"; {command(check)} {SLOW}'))
    daemon.start(within=20)

    def outcome(target):
        return (endpoint(daemon, target)["last_probe"] or {}).get("outcome")

    for target in targets:
        expected = "exec_timeout" if target.port in hang else "ok"
        until(lambda: outcome(target) == expected, 20, f"{target.address} is probed")
    prober = pids(daemon)["prober"]
    assert len(children(prober)) <= 4
    daemon.replace_apps(app("web", free_port(), targets))
    daemon.apply()
    until(lambda: not children(prober) and not processes(mark), what="all have ended")
    before = descriptors(prober)
    daemon.replace_apps(app("web", free_port(), targets, probe=f'kind = "exec"; {command(check)} {SLOW}'))
    daemon.reload()
    until(lambda: children(prober), what="they run again")
    daemon.replace_apps(app("web", free_port(), targets))
    daemon.apply()
    until(lambda: not children(prober) and not processes(mark), what="all have ended")
    until(lambda: descriptors(prober) <= before, what="its descriptors are closed")


def helper_of_the_manual(path):
    """The example of docs/probing.md."""
    text = re.search(r"```python\n(.*?)```", (DOCS / "probing.md").read_text(), re.S).group(1)
    assert len(text.splitlines()) <= 13
    return script(path, text)


def test_a_helper_is_asked(daemon, started, tmp_path):
    port, target, other = free_port(), started(EchoProcess()), started(EchoProcess())
    helper = helper_of_the_manual(tmp_path / "helper.py")
    daemon.write_apps(app("web", port, [target, other],
                          probe=f'kind = "helper"; {command(helper)} {SLOW}'))
    daemon.start(within=20)
    until(lambda: said(daemon, target, "passed in ") and said(daemon, other, "passed in "),
          what="both passed")
    assert endpoint(daemon, target)["state"] == "available"
    first, = processes(str(helper))
    assert ask(port) == "hello"

    other.close()
    until(lambda: endpoint(daemon, other)["reason"] == "exec_exit", what="one is gone")
    assert said(daemon, other, "Connection refused")
    assert endpoint(daemon, target)["state"] == "available"
    assert processes(str(helper)) == [first]

    kill(first)
    second, = until(lambda: processes(str(helper)), what="another one runs")
    assert second != first
    until(lambda: endpoint(daemon, target)["state"] == "available", what="it answers")
    until(lambda: "the helper was killed by SIGKILL; it is started again at once" in daemon.log(),
          what="it is told")

    prober = pids(daemon)["prober"]
    kill(prober)
    replaced(daemon, "prober", prober)
    until(lambda: not is_alive(second), what="it ended with its prober")
    third, = until(lambda: processes(str(helper)), 20, what="the next prober has its own")
    daemon.replace_apps(app("web", port, [target]))
    daemon.apply()
    until(lambda: not processes(str(helper)), what="nobody needs it")


def test_a_helper_that_misbehaves(daemon, started, tmp_path):
    """It does not hear SIGTERM, tells its troubles and speaks nonsense once; the next one answers, and
    the daemon ends all the same, with it."""
    target = started(EchoProcess())
    helper = script(tmp_path / "helper.py", f"""#!/usr/bin/python3
import json, os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(2, b"\\x1b[1mtrouble\\n" * 1000)
for count, line in enumerate(sys.stdin):
    if count == 3 and not os.path.exists("{tmp_path}/said"):
        print(os.getpid(), file=open("{tmp_path}/said", "w"), flush=True)
        print("ready?", flush=True)
    answer = dict(id=json.loads(line)["id"], ok=True, detail=f"I am {{os.getpid()}}")
    print(json.dumps(answer), flush=True)
""")
    daemon.write_apps(app("web", free_port(), [target],
                          probe=f'kind = "helper"; {command(helper)} {FAST}'))
    daemon.start()
    until(lambda: "said what is no JSON" in daemon.log(), what="it speaks nonsense")
    first = int((tmp_path / "said").read_text())
    until(lambda: not is_alive(first), what="it is gone")
    until(lambda: said(daemon, target, ": I am ") and not said(daemon, target, f"I am {first}"),
          what="the next one answers")
    assert re.search(r"web: its probe's helper \S+: \?\[1mtrouble", daemon.log())
    assert daemon.log().count("[1mtrouble") <= 40           # 20 a minute
    assert processes(str(helper))
    daemon.stop()
    assert not processes(str(helper))


def test_as_another_user(daemon, started):
    target = started(EchoProcess())
    if os.geteuid() != 0:
        pytest.skip("only root may")
    daemon.write_apps(app("web", free_port(), [target],
                          probe=f'kind = "exec"; command = "echo $(id -un) $HOME"; user = "nobody"; {FAST}'))
    daemon.start()
    until(lambda: said(daemon, target, ": nobody /nonexistent"), what="it runs as nobody")
