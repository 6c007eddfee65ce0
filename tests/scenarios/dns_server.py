#!/usr/bin/env python3
"""A DNS server for tests: answers A and AAAA from a JSON zone file, over UDP and TCP.

    dns_server.py ZONE.json [PORT]      (127.0.0.1; port 0 or none: any free one)

Prints "ready 127.0.0.1:PORT" when it answers. The file is read again when it changes.

    {"a.test":    {"A": ["127.0.0.1"], "AAAA": ["::1"], "ttl": 5},
     "no.test":   {"status": "nxdomain", "soa": 7},
     "bad.test":  {"status": "servfail"},
     "mute.test": {"status": "silence"},
     "none.test": {"status": "empty"},
     "slow.test": {"A": ["127.0.0.1"], "delay_ms": 300},
     "half.test": {"A": ["127.0.0.1"], "AAAA": {"status": "silence"}},
     "big.test":  {"A": ["127.0.0.1"], "truncated": true}}

Keys of a name hold for both types; an object instead of a list replaces them for one type.
A name that is not there does not exist (nxdomain). "truncated": UDP says TC, TCP answers.
"soa": seconds in the SOA of negative answers (without it they have none). The server may be
stopped (SIGSTOP) or killed like any other; it keeps no state.
"""
import ipaddress
import json
import os
import socket
import socketserver
import struct
import sys
import threading
import time

TYPES = {1: "A", 28: "AAAA"}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Zone:
    """The file, read again whenever it is another one; a broken one leaves the last good."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.seen = None
        self.names = {}

    def find(self, name, kind):
        with self.lock:
            self._reload()
            entry = self.names.get(name.lower())
        if entry is None:
            return {"status": "nxdomain"}
        own = entry.get(kind)
        if isinstance(own, dict):
            return {"addresses": [], **own}
        return {**entry, "addresses": own or []}

    def _reload(self):
        try:
            stat = os.stat(self.path)
            now = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if now == self.seen:
                return
            with open(self.path, encoding="utf-8") as file:
                self.names = {k.lower(): v for k, v in json.load(file).items()}
            self.seen = now
        except (OSError, ValueError) as error:
            print(f"zone: {error}", file=sys.stderr, flush=True)


def encode_name(name):
    labels = [part.encode() for part in name.rstrip(".").split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in labels) + b"\0"


def parse_question(packet):
    """(name, type, end of the question), or None when it is no plain question."""
    if len(packet) < 12 or struct.unpack("!H", packet[4:6])[0] != 1:
        return None
    labels, at = [], 12
    while at < len(packet) and packet[at] != 0:
        length = packet[at]
        if length > 63 or at + 1 + length > len(packet):
            return None
        labels.append(packet[at + 1:at + 1 + length].decode("latin-1"))
        at += 1 + length
    if at + 5 > len(packet):
        return None
    return ".".join(labels), struct.unpack("!H", packet[at + 1:at + 3])[0], at + 5


def record(kind, ttl, data):
    # The owner is always the question's name: a pointer to offset 12.
    return struct.pack("!HHHIH", 0xC00C, kind, 1, ttl, len(data)) + data


def soa(seconds):
    numbers = struct.pack("!IIIII", 1, 3600, 600, 86400, seconds)
    return record(6, seconds, encode_name("ns.test") + encode_name("admin.test") + numbers)


def answer(zone, packet, over_udp):
    """The reply's bytes, or None for silence."""
    question = parse_question(packet)
    if question is None:
        return None
    name, kind, end = question
    entry = zone.find(name, TYPES[kind]) if kind in TYPES else {"status": "empty"}
    status = entry.get("status", "ok")
    time.sleep(entry.get("delay_ms", 0) / 1000)
    if status == "silence":
        return None
    code = {"servfail": SERVFAIL, "nxdomain": NXDOMAIN, "refused": REFUSED}.get(status, NOERROR)
    addresses = entry.get("addresses", []) if status == "ok" else []
    truncated = over_udp and entry.get("truncated", False)
    answers = authority = b""
    if not truncated:
        answers = b"".join(
            record(kind, entry.get("ttl", 60), ipaddress.ip_address(text).packed)
            for text in addresses)
        if not addresses and "soa" in entry and code in (NOERROR, NXDOMAIN):
            authority = soa(entry["soa"])
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    header = packet[:2] + struct.pack("!HHHHH", flags, 1,
                                      0 if truncated else len(addresses),
                                      1 if authority else 0, 0)
    return header + packet[12:end] + answers + authority


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        packet, sock = self.request
        reply = answer(self.server.zone, packet, True)
        if reply is not None:
            sock.sendto(reply, self.client_address)


class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(5)
        head = self.request.recv(2, socket.MSG_WAITALL)
        if len(head) < 2:
            return
        packet = self.request.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
        reply = answer(self.server.zone, packet, False)
        if reply is not None:
            self.request.sendall(struct.pack("!H", len(reply)) + reply)


class UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    request_queue_size = 1024


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def bind(port):
    """Both servers on one port; with port 0 a free one is searched a few times."""
    for _ in range(20):
        udp = UdpServer(("127.0.0.1", port), Udp)
        try:
            return udp, TcpServer(("127.0.0.1", udp.server_address[1]), Tcp)
        except OSError:
            udp.server_close()
            if port != 0:
                raise
    raise OSError("no port is free for both UDP and TCP")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    zone = Zone(sys.argv[1])
    udp, tcp = bind(int(sys.argv[2]) if len(sys.argv) == 3 else 0)
    udp.zone = tcp.zone = zone
    udp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    print(f"ready 127.0.0.1:{udp.server_address[1]}", flush=True)
    try:
        udp.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
