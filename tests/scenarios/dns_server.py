#!/usr/bin/env python3
"""A DNS server for tests: answers A, AAAA and SRV from a JSON zone file, over UDP and TCP.

    dns_server.py ZONE.json [PORT [COUNT_FILE]]      (127.0.0.1; port 0 or none: any free one)

Prints "ready 127.0.0.1:PORT" when it answers. The file is read again when it changes.

    {"a.test":    {"A": ["127.0.0.1"], "AAAA": ["::1"], "ttl": 5},
     "no.test":   {"status": "nxdomain", "soa": 7},
     "bad.test":  {"status": "servfail"},
     "mute.test": {"status": "silence"},
     "none.test": {"status": "empty"},
     "slow.test": {"A": ["127.0.0.1"], "delay_ms": 300},
     "half.test": {"A": ["127.0.0.1"], "AAAA": {"status": "silence"}},
     "big.test":  {"A": ["127.0.0.1"], "truncated": true},
     "some.test": {"A": ["127.0.0.1", "127.0.0.2"], "some": 1},
     "also.test": {"CNAME": "a.test"},
     "_http._tcp.test": {"SRV": ["10 5 8080 a.test", "20 0 8080 b.test"]}}

Keys of a name hold for all types; an object instead of a list replaces them for one type.
A name that is not there does not exist (nxdomain). "truncated": UDP says TC, TCP answers; so it
is with answers of more than 512 bytes. "some": so many of the addresses, others each time in
turn. "CNAME": the chain is followed in the answer, at most 16 times, so that loops can be made.
SRV: "priority weight port host", where the host "." says that there is no such service.
Every question is a line "NAME TYPE" in COUNT_FILE.
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

TYPES = {1: "A", 28: "AAAA", 33: "SRV"}
TYPE_CNAME = 5
UDP_BYTES = 512
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Zone:
    """The file, read again whenever it is another one; a broken one leaves the last good."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.seen = None
        self.names = {}
        self.turns = {}
        self.count_file = None

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

    def count(self, name, kind):
        if self.count_file is not None:
            with self.lock:
                self.count_file.write(f"{name} {TYPES.get(kind, kind)}\n")
                self.count_file.flush()

    def some_of(self, name, addresses, how_many):
        """The next `how_many` of them, as a name server that balances by its answers."""
        with self.lock:
            turn = self.turns.get(name, 0)
            self.turns[name] = turn + how_many
        return [addresses[(turn + i) % len(addresses)] for i in range(how_many)]

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


def record(kind, ttl, data, owner=b"\xc0\x0c"):
    # The owner is mostly the question's name: a pointer to offset 12.
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def encode_service(text):
    priority, weight, port, host = text.split()
    return struct.pack("!HHH", int(priority), int(weight), int(port)) + encode_name(host)


def encode(kind, text):
    return encode_service(text) if kind == 33 else ipaddress.ip_address(text).packed


def follow_aliases(zone, name, kind):
    """The entry at the end of the chain of CNAMEs, the owner of its records, and the chain."""
    entry, owner, chain = zone.find(name, TYPES[kind]), b"\xc0\x0c", []
    for _ in range(16):
        if "CNAME" not in entry:
            break
        chain.append(record(TYPE_CNAME, entry.get("ttl", 60), encode_name(entry["CNAME"]), owner))
        owner = encode_name(entry["CNAME"])
        entry = zone.find(entry["CNAME"], TYPES[kind])
    return entry, owner, chain


def soa(seconds):
    numbers = struct.pack("!IIIII", 1, 3600, 600, 86400, seconds)
    return record(6, seconds, encode_name("ns.test") + encode_name("admin.test") + numbers)


def answer(zone, packet, over_udp):
    """The reply's bytes, or None for silence."""
    question = parse_question(packet)
    if question is None:
        return None
    name, kind, end = question
    zone.count(name, kind)
    entry, owner, answers = {"status": "empty"}, b"", []
    if kind in TYPES:
        entry, owner, answers = follow_aliases(zone, name, kind)
    status = entry.get("status", "ok")
    time.sleep(entry.get("delay_ms", 0) / 1000)
    if status == "silence":
        return None
    code = {"servfail": SERVFAIL, "nxdomain": NXDOMAIN, "refused": REFUSED}.get(status, NOERROR)
    texts = entry.get("addresses", []) if status == "ok" else []
    if texts and "some" in entry:
        texts = zone.some_of(name, texts, entry["some"])
    answers += [record(kind, entry.get("ttl", 60), encode(kind, text), owner) for text in texts]
    authority = []
    if not answers and "soa" in entry and code in (NOERROR, NXDOMAIN):
        authority = [soa(entry["soa"])]
    size = end + sum(map(len, answers))
    truncated = over_udp and (entry.get("truncated", False) or size > UDP_BYTES)
    if truncated:
        answers = authority = []
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    header = packet[:2] + struct.pack("!HHHHH", flags, 1, len(answers), len(authority), 0)
    return header + packet[12:end] + b"".join(answers + authority)


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
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    zone = Zone(sys.argv[1])
    if len(sys.argv) > 3:
        zone.count_file = open(sys.argv[3], "w", encoding="utf-8")
    udp, tcp = bind(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
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
