"""What a StandIn runs (stand_in.py), as a process of its own: arguments are its socket in the
runtime directory and JSON. It asks the child there what it holds, ends it, listens in its place,
and repeats that to who connects. What it hears then goes to stdout, a JSON line a message."""
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys

PATH, OPTIONS = sys.argv[1], json.loads(sys.argv[2])
NUMBERS = OPTIONS["numbers"]                    # of the types, by name
NAMES = {number: name for name, number in NUMBERS.items()}
PACKET_BYTES, FDS_MAX, HEADER_BYTES = 1 << 16, 250, 8
PID_AT, PROTOCOL_AT = 12, 16                    # in a HELLO
COUNT_AT = HEADER_BYTES + 64 + 3 * 4            # in what is about an app
F_ADD_SEALS, SEALS = 1033, 15


def number_at(packet, at):
    return struct.unpack_from("I", packet, at)[0]


def with_number(packet, at, number):
    return packet[:at] + struct.pack("I", number) + packet[at + 4:]


def is_of(packet, app):
    name = packet[HEADER_BYTES:HEADER_BYTES + 64].partition(b"\0")[0].decode()
    return app in (None, name)


def tell(**what):
    print(json.dumps(what), flush=True)


def seqpacket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def changed_text(fd):
    text = OPTIONS["before_text"].encode() + os.pread(fd, 1 << 20, 0)
    fd = os.memfd_create("app", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, text)
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def what_is_held():
    """[(packet, descriptors)] from HELLO to REPORT_END; the child there is gone afterwards."""
    child, said = seqpacket(), []
    child.connect(PATH)
    while not said or number_at(said[-1][0], 4) != NUMBERS["REPORT_END"]:
        packet, fds, _, _ = socket.recv_fds(child, PACKET_BYTES, FDS_MAX)
        if number_at(packet, 4) == NUMBERS["REPORT_APP"] and is_of(packet, OPTIONS["text_of"]):
            fds = [changed_text(fds[0])]
        said.append((packet, fds))
    pid = struct.unpack("3i", child.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([pidfd], [], [])
    hello = with_number(said[0][0], PID_AT, os.getpid())
    protocol = number_at(hello, PROTOCOL_AT) + OPTIONS["later"]
    return [(with_number(hello, PROTOCOL_AT, protocol), []), *said[1:]]


def say_gone(supervisor, said):
    for packet, _ in said:
        if number_at(packet, 4) == NUMBERS["REPORT_APP"]:
            supervisor.send(with_number(packet, 4, NUMBERS["APP_GONE"]))


def hear(supervisor):
    """False: it is to end."""
    packet = socket.recv_fds(supervisor, PACKET_BYTES, FDS_MAX)[0]
    if not packet:
        return True                             # the supervisor ended; so shall the test
    name = NAMES[number_at(packet, 4)]
    tell(type=name, count=number_at(packet, COUNT_AT) if len(packet) > COUNT_AT else None)
    if name == "PING" and OPTIONS["later"] == 0:
        supervisor.send(struct.pack("II", number_at(packet, 0), NUMBERS["PONG"]))
    return name != "STOP" or not OPTIONS["stops"]


def main():
    said = what_is_held()
    os.unlink(PATH)
    listener = seqpacket()
    listener.bind(PATH)
    listener.listen()
    tell(type="ready")
    supervisor, _ = listener.accept()
    for packet, fds in said:
        socket.send_fds(supervisor, [packet], fds)
    while True:
        ready = select.select([supervisor, 0], [], [])[0]
        if supervisor in ready and not hear(supervisor):
            return
        if 0 in ready and not os.read(0, 100):
            return
        if 0 in ready:
            say_gone(supervisor, said)


main()
