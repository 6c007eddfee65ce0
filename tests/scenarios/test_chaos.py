"""Three apps under load while, at random moments, supervisor, workers and prober are killed,
upgrades begin and the configuration changes, to what is right and what is wrong. No client is
refused, none is reset but by the death of its own worker, every app ends with its last good
configuration, and nothing is left over.

Supervisor and worker of an app are not killed at once: then nobody has its sockets any more."""
import contextlib
import os
import random
import signal
import sqlite3
import time

import pytest

from harness import (SANITIZED, SLOWNESS, Crowd, EchoProcess, app, asks, free_ports,
                     kill_supervisor, launch_successor, outcome, pids, post, reload, until)

SEED = int(os.environ.get("FPROXY_CHAOS_SEED", "7"))
CHAOS_S = 20 if SANITIZED else 60
WINDOW_S = 0.2                  # around a worker's death: what it had accepted goes down with it
DEATHS_MAX = 3                  # of each worker and the prober: later ones are started later


class App:
    """One app, its two targets, its file, and the clients that come all the time."""

    def __init__(self, daemon, started, number):
        self.daemon = daemon
        self.name, self.file = f"app-{number}", f"{number}.conf"
        self.port, self.second, self.dead = free_ports(3)
        self.targets = {said: started(EchoProcess(said))
                        for said in (f"{number}-red", f"{number}-blue")}
        self.worker_deaths = []         # (begin, end), monotonic
        self.last_is_valid = True
        self.write_valid(random.Random(number))

    def _write(self, ports, targets):
        self.daemon.write_apps(app(self.name, ports, targets,
                                   'drain_timeout = "5s"; ready = { timeout = "1s"; };'),
                               file=self.file)

    def write_valid(self, chance):
        self.said = chance.choice(sorted(self.targets))
        self.has_second = chance.random() < 0.5
        self._write([self.port, self.second] if self.has_second else [self.port],
                    [self.targets[self.said]])
        self.last_is_valid = True

    def write_invalid(self, chance, others):
        how = chance.choice(["syntax", "value", "empty", "half", "not ready", "port of another"])
        path = self.daemon.config / self.file
        target = self.targets[self.said]
        if how == "syntax":
            self.daemon.write(self.file, "apps = ( { name = ")
        elif how == "value":
            self._write([self.port, 70000], [target])
        elif how == "empty":
            self.daemon.write(self.file, "")
        elif how == "half":
            text = path.read_text()
            path.write_text(text[:len(text) // 2])
        elif how == "not ready":
            self._write([self.port], [f"127.0.0.1:{self.dead}"])
        else:
            self._write([self.port, chance.choice(others).port], [target])
        self.last_is_valid = False
        return how

    def begin(self, started):
        self.crowd = started(Crowd(self.port, count=2, pause=0.02))

    def excused(self, came, ended):
        """It was there when its own worker died."""
        return any(came <= end + WINDOW_S * SLOWNESS and ended >= begin
                   for begin, end in self.worker_deaths)

    def judge(self):
        """Outcomes that nothing excuses, and how many had the bad luck that is."""
        bad = [(came, ended, said) for came, ended, said in self.crowd.finish()
               if said not in self.targets]
        lost = [each for each in bad
                if each[2] in ("reset", "") and self.excused(each[0], each[1])]
        return [each for each in bad if each not in lost], len(lost)


class Chaos:
    def __init__(self, daemon, apps, seed):
        self.daemon, self.apps = daemon, apps
        self.chance = random.Random(seed)
        self.prober_deaths = self.upgrades = 0
        self.begin = time.monotonic()
        self.counts = {}

    def tell(self, what):
        self.counts[what.split()[0]] = self.counts.get(what.split()[0], 0) + 1
        print(f"{time.monotonic() - self.begin:7.3f} s: {what}")

    def edit(self):
        one = self.chance.choice(self.apps)
        if self.chance.random() < 0.6:
            one.write_valid(self.chance)
            self.tell(f"edit: {one.name} says {one.said}, second port {one.has_second}")
        else:
            how = one.write_invalid(self.chance, [other for other in self.apps
                                                  if other is not one])
            self.tell(f"edit: {one.name} is wrong ({how})")
        if self.chance.random() < 0.7:
            self.daemon.signal(signal.SIGHUP)

    def kill_supervisor(self):
        self.tell("supervisor is killed")
        kill_supervisor(self.daemon)
        time.sleep(self.chance.uniform(0, 0.3))     # so long nobody supervises
        launch_successor(self.daemon)

    def kill_worker(self):
        one = self.chance.choice(self.apps)
        pid = pids(self.daemon).get(one.name)
        if pid is None or len(one.worker_deaths) >= DEATHS_MAX:
            return
        # Alone, in the midst of a change, or with the prober.
        self.chance.choice([lambda: None, self.edit, self.kill_prober])()
        self.tell(f"worker of {one.name} is killed")
        begin = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        one.worker_deaths.append((begin, time.monotonic()))
        until(lambda: pids(self.daemon).get(one.name) not in (None, pid), 20, "it is replaced")
        one.crowd.goes_on(10, within=30)            # it has its sockets

    def kill_prober(self):
        pid = pids(self.daemon).get("prober")
        if pid is not None and self.prober_deaths < DEATHS_MAX:
            self.prober_deaths += 1
            self.tell("prober is killed")
            with contextlib.suppress(ProcessLookupError):   # an upgrade was faster
                os.kill(pid, signal.SIGKILL)

    def upgrade(self):
        if self.upgrades >= DEATHS_MAX:
            return
        self.upgrades += 1
        self.tell("upgrade")
        with contextlib.suppress(OSError):          # one that is under way cuts the connection
            assert post(self.daemon, "/v1/upgrade")[0] in (202, 409)
        until(lambda: pids(self.daemon), 20, "it answers again")

    def step(self):
        event = self.chance.choices([self.edit, self.kill_supervisor, self.kill_worker,
                                     self.kill_prober, self.upgrade], [60, 20, 8, 8, 4])[0]
        event()
        time.sleep(self.chance.uniform(0, 0.25))    # the random moment; nothing is waited for


def reload_heard(daemon):
    """The upgrade that came last may still be under way: its exec cuts who waits for an answer."""
    try:
        return reload(daemon)
    except OSError:
        return None


def settle(daemon, apps):
    """What is wrong is held back, and what ran last runs on; what is right applies."""
    until(lambda: reload_heard(daemon) is not None, 60, "a reload is answered")
    good = dict(daemon.sql("SELECT app, config FROM last_good_config"))
    for one in apps:
        said = one.said if one.last_is_valid else \
            next(said for said, target in one.targets.items() if target.address in good[one.name])
        until(lambda: set(asks(one.port, 4)) == {said}, 20, f"{one.name} says {said}")


@pytest.mark.limit(150)
def test_everything_at_random(daemon, started):
    apps = [App(daemon, started, number) for number in range(3)]
    daemon.start()
    for one in apps:
        one.begin(started)
    print(f"seed {SEED}")
    chaos = Chaos(daemon, apps, SEED)

    while time.monotonic() - chaos.begin < CHAOS_S:
        chaos.step()

    settle(daemon, apps)
    for one in apps:
        one.write_valid(chaos.chance)
    assert reload(daemon)["applied"]
    settle(daemon, apps)
    for one in apps:
        until(lambda: outcome(one.second) == (one.said if one.has_second else "refused"),
              what=f"the second port of {one.name}")
        assert daemon.status(one.name)["state"] == "ready"
    judged = [one.judge() for one in apps]
    print(f"{chaos.counts}; {sum(len(one.crowd.results) for one in apps)} clients, "
          f"{sum(lost for _, lost in judged)} went down with their worker")
    assert [bad for bad, _ in judged] == [[], [], []]
    until(lambda: daemon.sql("SELECT count(*) FROM rollouts WHERE outcome IS NULL") == [(0,)],
          what="every rollout has its outcome")
    daemon.stop(20)
    with sqlite3.connect(daemon.state / "fproxy.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
