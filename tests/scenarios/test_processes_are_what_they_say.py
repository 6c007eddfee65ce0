"""`ps` tells the role and the app of each process; a worker loads few libraries."""
import subprocess

from harness import BIN, SANITIZED, EchoProcess, app, free_ports


def test_names_say_role_and_app(daemon, started):
    ports = free_ports(2)
    target = started(EchoProcess("good"))
    daemon.write_apps(app("five-thousand", ports[0], [target]), app("web", ports[1], [target]))
    daemon.start()

    assert sorted(words for _, words in daemon.children()) == [
        ["fproxy-prober"], ["fproxy-worker", "five-thousand"], ["fproxy-worker", "web"]]
    status = daemon.status()
    shown = {status["prober"]["pid"], *(one["worker"]["pid"] for one in status["apps"])}
    assert shown == {pid for pid, _ in daemon.children()}
    assert status["supervisor"]["pid"] == daemon.pid


def test_children_are_in_sessions_of_their_own(daemon, started):
    port, = free_ports(1)
    daemon.write_apps(app("web", port, [started(EchoProcess("good"))]))
    daemon.start()

    for pid, _ in daemon.children():
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            session = int(stat.read().rpartition(")")[2].split()[3])
        assert session == pid           # a terminal's Ctrl-C does not reach it


def test_a_worker_links_libc_libevent_and_libconfig_only():
    told = subprocess.run(["ldd", BIN / "fproxy-worker"], capture_output=True, text=True,
                          check=True).stdout
    loaded = {line.split()[0].rpartition("/")[2].partition(".so")[0]
              for line in told.splitlines()}
    allowed = {"linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64", "libc", "libm",
               "libpthread", "libconfig", "libevent-2.1", "libevent_core-2.1"}
    if SANITIZED:
        allowed |= {"libasan", "libubsan", "libtsan", "libgcc_s", "libstdc++"}
    assert loaded <= allowed
