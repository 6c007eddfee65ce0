"""What both programs do before they measure: packages, tools, a network of their own."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

from . import processes, proxies

INSIDE = "FPROXY_BENCH_INSIDE"
NAMES = ("haproxy", "nginx", "fproxy")


def program():
    return pathlib.Path(sys.argv[0]).name


def install_missing(names):
    missing = []
    if "haproxy" in names and not shutil.which("haproxy"):
        missing.append("haproxy")
    if "nginx" in names and not (shutil.which("nginx") and any(
            pathlib.Path(path).exists() for path in proxies.NGINX_MODULES)):
        missing += ["nginx", "libnginx-mod-stream"]
    if not missing:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"{program()}: as root, run: apt-get install -y " + " ".join(missing))
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # Debian starts what it installs; a measurement wants the ports and the cores itself.
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-q"], check=True, env=environment,
                       stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing],
                       check=True, env=environment, stdout=sys.stderr)
    finally:
        if ours:
            policy.unlink()


def check_built(build_dir, names):
    wanted = [build_dir / "bench" / "bench_load", build_dir / "bench" / "bench_backend"]
    if "fproxy" in names:
        wanted.append(build_dir / "bin" / "fproxy")
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        raise SystemExit(
            f"{program()}: not built: {', '.join(missing)}\n"
            "Run: cmake --preset release && cmake --build --preset release "
            "-t all -t bench_tools")


def enter_namespaces():
    """As root: an own network and an own process tree, which end with this program."""
    if os.geteuid() != 0 or os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, *sys.argv])


def prepare_network(without):
    """A range of ports wide enough for what thousands of connections a second leave.
    `without`: what is missing when the network is shared."""
    if not os.environ.get(INSIDE):
        print(f"{program()}: not root: shares this machine's network{without}", file=sys.stderr)
        return
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in {"ipv4/ip_local_port_range": "10000 65000",
                        "core/somaxconn": "4096"}.items():
        try:
            pathlib.Path("/proc/sys/net", name).write_text(value, encoding="utf-8")
        except OSError as error:
            print(f"{program()}: net/{name} stays as it is: {error}", file=sys.stderr)


@contextlib.contextmanager
def runtime_directory(path):
    """What stands in /run elsewhere lies in memory here too, where that may be had."""
    path.mkdir()
    mounted = bool(os.environ.get(INSIDE))
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "fproxy-bench", path],
                       check=True)
    try:
        yield
    finally:
        processes.end_all()
        if mounted:
            subprocess.run(["umount", "--lazy", path], check=True)
