"""A network of its own for a scenario whose sockets would take too much of the host's."""
import contextlib
import ctypes
import errno
import os
import subprocess
from pathlib import Path

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    if function(*arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextlib.contextmanager
def own_network(**settings):
    """Whatever this thread starts in here, threads and processes included, has a loopback of
    its own. `settings` are those of net.ipv4 in there, as tcp_wmem="4096 16384 65536". Where
    that is not allowed (it takes root) it is the host's network after all."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _call(_libc.unshare, CLONE_NEWNET)
    except OSError as error:
        os.close(outside)
        if error.errno != errno.EPERM:
            raise
        yield
        return
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for name, value in settings.items():
            Path("/proc/sys/net/ipv4", name).write_text(value)
        yield
    finally:
        _call(_libc.setns, outside, CLONE_NEWNET)
        os.close(outside)
