# SPDX-License-Identifier: MIT
"""A few words of gdb's remote serial protocol (GDB manual, appendix E), for tests that change what a CPU sees.

    stub = Stub()                          # stub.options: for QEMU, whose machine then waits for us
    stub.connect()
    stub.run_to(address)                   # until a CPU executes it; stub.thread: which one
    stub.register(0), stub.write(address, data)
    stub.start("c"), stub.interrupt()      # let go, stop again
    stub.leave()                           # the machine goes on alone
"""
import pathlib
import socket
import tempfile
import time

from machine import LIMIT_S


class Stub:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "gdb"     # a socket's path may not be long
        self.options = ["-chardev", f"socket,id=gdb,path={self.path},server=on,wait=off", "-gdb", "chardev:gdb", "-S"]
        self.socket, self.buffer, self.thread = None, b"", None

    def connect(self, limit_s=LIMIT_S, answer_s=LIMIT_S):
        end = time.monotonic() + limit_s
        while self.socket is None:
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(str(self.path))
            except OSError:
                self.socket.close()
                self.socket = None
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.socket.settimeout(answer_s)
        self.ask("?")
        # QEMU gives single registers only to those who have looked at its description of them.
        self.ask("qXfer:features:read:target.xml:0,ffb")

    def receive(self):
        """The next packet's content."""
        while b"#" not in self.buffer or len(self.buffer) < self.buffer.index(b"#") + 3:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError("the machine ended")
            self.buffer += data
        end = self.buffer.index(b"#")
        packet, self.buffer = self.buffer[self.buffer.index(b"$") + 1:end], self.buffer[end + 3:]
        self.socket.sendall(b"+")
        return packet.decode("latin-1")

    def start(self, request):
        """Something that the machine answers only when it stops."""
        data = request.encode()
        self.socket.sendall(b"$" + data + f"#{sum(data) % 256:02x}".encode())

    def stopped(self):
        """Waits until the machine stops; the CPU that made it."""
        stop = self.receive()
        while not stop.startswith("T"):
            stop = self.receive()
        return stop.split("thread:")[1].split(";")[0]

    def interrupt(self):
        """Stops the machine that runs."""
        self.socket.sendall(b"\x03")
        self.stopped()

    def ask(self, request):
        self.start(request)
        answer = self.receive()
        if answer.startswith("E"):
            raise RuntimeError(f"gdb stub: {request}: {answer}")
        return answer

    def run_to(self, address):
        """Whatever CPU comes there first. What it does next is up to us."""
        self.ask(f"Z1,{address:x},4")
        self.start("c")
        self.thread = self.stopped()
        self.ask(f"z1,{address:x},4")

    def step_over(self, address):
        """Like run_to, from that address itself to the next time."""
        self.ask("s")
        self.run_to(address)

    def choose(self, thread):
        self.ask(f"Hg{thread}")

    def register(self, number):
        """Of the chosen CPU, or the one that stopped; 64 bits, little-endian."""
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}")), "little")

    def set_register(self, number, value):
        self.ask(f"P{number:x}={value.to_bytes(8, 'little').hex()}")

    def read(self, address, size):
        return bytes.fromhex(self.ask(f"m{address:x},{size:x}"))

    def write(self, address, data):
        self.ask(f"M{address:x},{len(data):x}:{data.hex()}")

    def leave(self):
        """Whatever it says to that: when the machine has ended it says nothing."""
        try:
            self.ask("D")
        except (AttributeError, EOFError, OSError, RuntimeError):
            pass
        if self.socket:
            self.socket.close()
        self.folder.cleanup()
