"""Fixtures of the scenarios: a daemon in directories of its own, things that end with the test.

    FPROXY_BIN=build/release/bin /usr/bin/python3 -m pytest tests/scenarios

Each file shows one behaviour of the whole program. Whatever a scenario starts is ended, and
each daemon is looked over afterwards: its exit status, what it left behind, what it logged.
"""
import signal

import pytest

import harness


class Overdue(BaseException):
    """Not an Exception: no scenario takes it for the end of its own patience."""


@pytest.fixture(autouse=True)
def bounded(request):
    """No scenario hangs: the limit ends it from within, so that it can still clean up."""
    marker = request.node.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else 40) * harness.SLOWNESS

    def expired(signum, frame):
        raise Overdue(f"the scenario is not over after {seconds} s")

    signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def started(bounded):
    """started(THING): THING.close() is called at the end, the last one first."""
    things = []

    def start(thing):
        things.append(thing)
        return thing

    yield start
    errors = []
    for thing in reversed(things):
        try:
            thing.close()
        except Exception as error:      # the others have to be closed all the same
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def daemon(started, tmp_path):
    """A daemon that is not started yet; it is stopped and looked over at the end."""
    return started(harness.Daemon(tmp_path))


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the scenario may take")
