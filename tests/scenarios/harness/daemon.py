"""The daemon: its directories, its life, and what can be asked of it."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import uuid
from pathlib import Path

from .http import request
from .machine import BIN, SLOWNESS, until

REPORT = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                    r"Assertion .* failed)")
END_S = 10
LOG_BYTES = 20000
ACT_S = 30
SETTLED = ("ready", "degraded", "panic", "unavailable", "config_error")


def quoted(items):
    """A libconfig list: numbers as they are, dictionaries as groups, anything else as strings."""
    def text(item):
        if isinstance(item, dict):
            return "{ " + " ".join(f"{key} = {quoted([value])};"
                                   for key, value in item.items()) + " }"
        return str(item) if isinstance(item, int) else json.dumps(str(item))
    return ", ".join(text(item) for item in items)


def app(name, ports, targets, more="", probe='interval = "250ms"; timeout = "250ms";'):
    """The text of one app. `targets` are addresses, or things that have one, or dictionaries of
    the keys of a target."""
    ports = ports if isinstance(ports, (list, tuple)) else [ports]
    targets = [getattr(target, "address", target) for target in targets]
    if "drain_timeout" not in more:
        more += ' drain_timeout = "3s";'        # so that a scenario that fails ends soon
    return (f'{{ name = "{name}"; ports = ( {quoted(ports)} );\n'
            f'  targets = ( {quoted(targets)} );\n'
            f'  probe = {{ {probe} }};\n  {more} }}')


def apps_text(*apps, more=""):
    """The text of a file with these apps (see app()) and whatever else it has to say."""
    return f"{more}\napps = (\n{','.join(apps)}\n);\n"


class Daemon:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.config = self.directory / "conf.d"
        self.state = self.directory / "state"
        self.runtime = self.directory / "runtime"
        self.log_path = self.directory / "fproxy.log"
        self.config.mkdir(exist_ok=True)
        self.mark = f"FPROXY_SCENARIO={uuid.uuid4().hex}"
        self.variables = {}             # of the environment of it and of our commands
        self.process = None
        self.bin = BIN                  # where it is started from

    # ---- configuration ----

    def write(self, name, text):
        (self.config / name).write_text(text)

    def write_apps(self, *apps, more="", file="10-apps.conf"):
        """A file with these apps (see app()) and whatever else it has to say."""
        self.write(file, apps_text(*apps, more=more))

    def replace(self, name, text):
        """Written beside it and renamed over it: nobody sees half of it."""
        beside = self.directory / f"{name}.new"
        beside.write_text(text)
        beside.rename(self.config / name)

    def replace_apps(self, *apps, more="", file="10-apps.conf"):
        self.replace(file, apps_text(*apps, more=more))

    # ---- life ----

    def environment(self, **more):
        inherited = {key: value for key, value in os.environ.items()
                     if not key.startswith(("FPROXY_", "NOTIFY_", "XDG_"))}
        key, _, value = self.mark.partition("=")
        return {**inherited, key: value,
                "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1",
                "TSAN_OPTIONS": "halt_on_error=0", **self.variables, **more}

    def places(self):
        return ["--state-dir", str(self.state), "--runtime-dir", str(self.runtime)]

    def launch(self, arguments=(), prefix=(), **environment):
        """Starts the daemon and does not wait for anything."""
        assert self.process is None
        command = [*prefix, self.bin / "fproxy", "--config", self.config, *self.places(), *arguments]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.environment(**environment))
        return self

    def start(self, *arguments, within=10, **environment):
        """Starts it and waits until every app serves, or is known not to."""
        self.launch(arguments, **environment)
        until(self.settled, within, "every app has started")
        return self

    def settled(self):
        assert self.process.poll() is None, f"it has ended:\n{self.log()}"
        try:
            if "starts" in request(self, "GET", "/readyz")[1]:
                return False        # it has not read the configuration yet
        except OSError:
            return False
        status = self.try_status()
        return status is not None and all(app["state"] in SETTLED and app["last_rollout"] and
                                          app["last_rollout"]["outcome"]
                                          for app in status["apps"])

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, within=END_S):
        """Its exit status, when it has ended and is checked."""
        status = self.process.wait(within * SLOWNESS)
        self.process = None
        self.check_end()
        return status

    def stop(self, within=END_S):
        """The normal end: SIGTERM, exit status 0, nothing left."""
        self.signal(signal.SIGTERM)
        status = self.wait(within)
        assert status == 0, f"exit status {status}:\n{self.log()}"

    def check_end(self):
        assert self.children() == [], f"left behind: {self.children()}"
        if self.runtime.is_dir():
            assert os.listdir(self.runtime) == []
        self.check_log()

    def check_log(self):
        found = REPORT.search(self.log())
        assert found is None, f"{found.group()}:\n{self.log()}"

    def children(self):
        """The processes that this daemon has started, as (pid, arguments)."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or self.process and int(entry.name) == self.pid:
                continue
            try:
                if self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().decode().split("\0")[:-1]
                    found.append((int(entry.name), words))
            except OSError:
                continue            # it has just ended
        return found

    def close(self):
        """At the end of a scenario, however that went."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
            elif self.process is not None:
                raise AssertionError(f"it ended by itself, status {self.process.returncode}:\n"
                                     f"{self.log()}")
            self.check_log()
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            for pid, _ in self.children():
                os.kill(pid, signal.SIGKILL)
            print(self.log()[-LOG_BYTES:])      # pytest shows it when the scenario failed

    # ---- what it is told to do ----

    def _admin(self, method, path):
        """(status, what it says) of the admin socket."""
        status, text = request(self, method, path, ACT_S * SLOWNESS)
        return status, json.loads(text)

    def reload(self):
        """Reads the files again, and waits for what comes of it: {"applied", "changed",
        "groups", "held_back", "errors"}."""
        status, result = self._admin("POST", "/v1/reload")
        assert status == 200, result
        return result

    def apply(self):
        """A reload of which nothing is held back."""
        result = self.reload()
        assert result["applied"], f"{result}\n{self.log()[-LOG_BYTES:]}"

    def rollback(self, name):
        """Back to the generation before: {"outcome", ...}, or {"error"}."""
        return self._admin("POST", f"/v1/apps/{name}/rollback")[1]

    def running(self, name):
        """What runs of the app, in detail; None: nothing."""
        status, answer = self._admin("GET", "/v1/running")
        assert status == 200, answer
        return next((app for app in answer["apps"] if app["name"] == name), None)

    # ---- what it tells ----

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def run(self, program, *arguments, **environment):
        """One of our commands, on this daemon's directories."""
        variables = self.environment(FPROXY_STATE_DIR=str(self.state),
                                     FPROXY_RUNTIME_DIR=str(self.runtime),
                                     FPROXY_CONFIG_PATH=str(self.config), **environment)
        return subprocess.run([BIN / program, *map(str, arguments)], env=variables, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=20 * SLOWNESS)

    def try_status(self):
        """As status(), or None while nothing answers."""
        answer = self.run("fproxy", "status", "--json")
        return json.loads(answer.stdout) if answer.stdout else None

    def status(self, name=None):
        """All of `fproxy status --json`, or one app of it."""
        answer = self.run("fproxy", "status", "--json")
        assert answer.stdout, answer.stderr
        status = json.loads(answer.stdout)
        return next(app for app in status["apps"] if app["name"] == name) if name else status

    def names(self):
        """Those of all apps that it knows."""
        return [app["name"] for app in self.status()["apps"]]

    def until_rollout(self, name, outcome, within=10):
        """Waits until the last rollout ended like this; the app's status."""
        def ended():
            status = self.status(name)
            return status if (status["last_rollout"] or {}).get("outcome") == outcome else None

        return until(ended, within, f"the last rollout of {name} is {outcome}")

    def inspect(self, name):
        """The app of `fproxy-probe inspect --json`."""
        answer = self.run("fproxy-probe", "inspect", name, "--json")
        assert answer.stdout, answer.stderr
        return json.loads(answer.stdout)["apps"][0]

    def states(self, name):
        """{address, or target when it has none: state}"""
        return {endpoint["address"] or endpoint["target"]: endpoint["state"]
                for endpoint in self.inspect(name)["endpoints"]}

    def until_state(self, name, target, state, within=10):
        address = getattr(target, "address", target)
        until(lambda: self.states(name).get(address) == state, within, f"{address} is {state}")

    def until_available(self, name, count, within=10):
        until(lambda: self.status(name)["targets"]["available"] == count, within,
              f"{name} has {count} available")

    def worker_pid(self, name):
        return self.status(name)["worker"]["pid"]

    def sql(self, query, *values):
        """Rows of a query on the database, which is opened as any reader would."""
        with sqlite3.connect(f"file:{self.state}/fproxy.db?mode=ro", uri=True, timeout=5) as db:
            rows = db.execute(query, values).fetchall()
        db.close()
        return rows
