"""Nobody but the owner and its group gets at the admin socket, the boards and the database."""
import os
import stat

from harness import EchoProcess, app, free_ports


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_whatever_the_umask_is(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    before = os.umask(0)
    try:
        daemon.start()
    finally:
        os.umask(before)

    assert mode(daemon.runtime) == mode(daemon.state) == 0o750
    assert mode(daemon.runtime / "admin.sock") == 0o660
