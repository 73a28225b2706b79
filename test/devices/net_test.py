#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TCP/IP over a network card, to QEMU's user network and through it to this host: the machine gets address, route and name server by
itself (DHCP), ping, names, a file fetched and sent, compared by checksum, and a window that opens again by itself once its reader has read. Prints TAP.

usage: net_test.py     (from the project's root; the machine comes from the environment, see tools/machine.py)

needs: kernel boot initramfs
"""
import hashlib
import http.server
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from machine import Machine

HERE = pathlib.Path(__file__).parent
FILE = os.urandom(1 << 20)
SUM = hashlib.md5(FILE).hexdigest()
TURNS = 3
# A segment that Ethernet carries is not much less.
SEGMENT = 1400


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()
        self.wfile.write(FILE)

    def log_message(self, *words):
        pass


def answer_with_sum(listener):
    """Whoever connects is told the checksum of what he sent."""
    connection, _ = listener.accept()
    with connection:
        got = hashlib.md5()
        while data := connection.recv(65536):
            got.update(data)
        connection.sendall(got.hexdigest().encode() + b"\n")


def segments(path, port):
    """(number of the connection's port here, whether the guest sent it, bytes of data, window) of each segment of TCP to and from port."""
    data, at = path.read_bytes(), 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
            continue
        packet = frame[14:14 + struct.unpack_from(">H", frame, 16)[0]]
        tcp = packet[(packet[0] & 15) * 4:]
        source, target, _, _, offset, _, window = struct.unpack_from(">HHIIBBH", tcp)
        if port in (source, target):
            yield (source if target == port else target), target == port, len(tcp) - (offset >> 4) * 4, window


def stalls(path, port):
    """For each connection, in their order: how often the host had to ask for a window that had become too small for a segment."""
    closed, counts = {}, {}
    for number, ours, length, window in segments(path, port):
        counts.setdefault(number, 0)
        if ours:
            closed[number] = window < SEGMENT
        elif length > 0 and closed.get(number):
            counts[number] += 1
            closed[number] = False
    return list(counts.values())


def boot(machine, folder, web, listener):
    lines = (machine.build / "initramfs.list").read_text() + f"dir /net 755\nfile /net/net.sh {HERE / 'net.sh'} 755\n"
    (machine.build / "net.list").write_text(lines)
    subprocess.run([sys.executable, "tools/mkcpio", str(machine.build / "net.list"), str(machine.build / "net.cpio")], check=True)
    image = machine.make_image(folder / "net.img", "net", f'console={machine.facts["console"]} init.run="/net/net.sh {web} {listener}"')
    return machine.run(image, ["-netdev", f"user,id=net,guestfwd=tcp:10.0.2.100:53-cmd:{sys.executable} {HERE.resolve() / 'dns_answer.py'}", "-device", "virtio-net-pci,netdev=net",
                               "-object", f"filter-dump,id=dump,netdev=net,file={folder / 'net.pcap'}"])


def main():
    machine = Machine.from_environment()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    threading.Thread(target=answer_with_sum, args=(listener,), daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text, ended = boot(machine, folder, web.server_port, listener.getsockname()[1])
        counts = stalls(folder / "net.pcap", web.server_port)
    fetched = re.findall(r"^fetched \d ([0-9a-f]{32})", text, re.MULTILINE)
    # A host that stands still for long asks, too: one turn without is enough, and without the cure there is none.
    results = [
        ("the machine ends well", ended),
        ("it gets an address by itself", re.search(r"^address 10\.0\.2\.15 255\.255\.255\.0\r?$", text, re.MULTILINE)),
        ("and a route", re.search(r"^route 10\.0\.2\.2 eth0\r?$", text, re.MULTILINE)),
        ("and a name server", re.search(r"^resolv nameserver 10\.0\.2\.3 \r?$", text, re.MULTILINE)),
        ("one client looks after the address", re.search(r"^clients 1\r?$", text, re.MULTILINE)),
        ("the router answers ping", re.search(r"^ping 0\r?$", text, re.MULTILINE)),
        ("what is fetched is whole", fetched == [SUM] * TURNS),
        ("a window that was full opens by itself", len(counts) > TURNS and 0 in counts[:TURNS]),
        ("what is sent is whole", re.search(rf"^sent {SUM}\r?$", text, re.MULTILINE)),
        ("ip(8) shows the address", re.search(r"^ip addr 10\.0\.2\.15/24 10\.0\.2\.255 eth0\r?$", text, re.MULTILINE)),
        ("and the routes", re.search(r"^ip route 10\.0\.2\.2 eth0 1\r?$", text, re.MULTILINE)),
        ("and the router among the neighbours", re.search(r"^ip neigh 10\.0\.2\.2 eth0 52:55:0a:00:02:02\r?$", text, re.MULTILINE)),
        ("and sets a link", re.search(r"^ip link set 0 1400\r?$", text, re.MULTILINE)),
        ("adds a route", re.search(r"^ip route add 0 1\r?$", text, re.MULTILINE)),
        ("and deletes it", re.search(r"^ip route del 0 0\r?$", text, re.MULTILINE)),
        ("a second address is refused", re.search(r"^second address [1-9]\d*\r?$", text, re.MULTILINE)),
        ("a name is found, and answers ping", re.search(r"^ping by name 0\r?$", text, re.MULTILINE)),
        ("a file is fetched by name", re.search(rf"^named {SUM}", text, re.MULTILINE)),
        ("a name that nobody has is not", re.search(r"^no such name 1\r?$", text, re.MULTILINE)),
        ("a port where nobody listens refuses", re.search(r"^refused 1\r?$", text, re.MULTILINE)),
        ("a lease without a network has one address", re.search(r"^alone 255\.255\.255\.255\r?$", text, re.MULTILINE)),
        ("and its router all the same", re.search(r"^ping alone 0\r?$", text, re.MULTILINE)),
        ("nothing faulted", re.search(r"^faults 0\r?$", text, re.MULTILINE)),
    ]
    print(f"TAP version 14\n1..{len(results)}")
    for number, (what, good) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
    if not all(good for _, good in results):
        print(f"# asked for a window: {counts}")
        print("".join(f"# {line}\n" for line in text.splitlines()[-40:]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
