#!/usr/bin/env python3
"""The first two packets of an SCTP association (RFC 9260 5.1) through raw sockets, for kernels without SCTP sockets.

    sctp_peer.py serve NAME PORT                  answers each INIT to PORT with an INIT ACK, and tells of it in a line
    sctp_peer.py init IP PORT FROM_PORT [WAIT]    sends an INIT; prints who acknowledged it, or ends with 1

The answer carries NAME as the state cookie. Checksums are right, since connection tracking drops what has none.
"""

import select
import socket
import struct
import sys

INIT, INIT_ACK, STATE_COOKIE = 1, 2, 7
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def packet(source: int, target: int, tag: int, kind: int, own_tag: int, cookie: bytes = b"") -> bytes:
    parameters = struct.pack("!HH", STATE_COOKIE, 4 + len(cookie)) + cookie if cookie else b""
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20 + len(parameters), own_tag, 65536, 1, 1, own_tag) + parameters
    chunk += b"\0" * (-len(chunk) % 4)
    head = struct.pack("!HHI", source, target, tag)
    return head + struct.pack("<I", crc32c(head + b"\0" * 4 + chunk)) + chunk


def parse(data: bytes, family: int) -> tuple:
    """(source port, target port, tag, chunk type, the sender's own tag, cookie)"""
    if family == socket.AF_INET:  # a raw socket of IPv4 has the IP header in front
        data = data[(data[0] & 15) * 4 :]
    source, target, tag = struct.unpack_from("!HHI", data)
    kind, _, length, own_tag = struct.unpack_from("!BBHI", data, 12)
    cookie = data[36 : 12 + length] if kind == INIT_ACK else b""
    return source, target, tag, kind, own_tag, cookie


def raw(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_SCTP)


def serve(name: str, port: int) -> None:
    sockets = [raw(family) for family in (socket.AF_INET, socket.AF_INET6)]
    print("serving", flush=True)
    while True:
        for ready in select.select(sockets, [], [])[0]:
            data, peer = ready.recvfrom(4096)
            source, target, _, kind, tag, _ = parse(data, ready.family)
            if kind != INIT or target != port:
                continue
            print(f"INIT from {peer[0]} {source}", flush=True)
            ready.sendto(packet(port, source, tag, INIT_ACK, 2, name.encode()), (peer[0], 0))


def init(ip: str, port: int, own_port: int, patience: float) -> int:
    peer = raw(socket.AF_INET6 if ":" in ip else socket.AF_INET)
    peer.settimeout(patience)
    peer.sendto(packet(own_port, port, 0, INIT, 1), (ip, 0))
    while True:
        try:
            data, sender = peer.recvfrom(4096)
        except TimeoutError:
            return 1
        source, target, tag, kind, _, cookie = parse(data, peer.family)
        if (source, target, tag, kind, sender[0]) == (port, own_port, 1, INIT_ACK, ip):
            print(cookie.decode())
            return 0


if sys.argv[1] == "serve":
    serve(sys.argv[2], int(sys.argv[3]))
else:
    sys.exit(init(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]) if len(sys.argv) > 5 else 1))
