# SPDX-License-Identifier: MIT
"""Speaks to the debugger's port of a QEMU machine (the GDB manual's appendix "Remote Serial Protocol"), for tests that must
see what the machine itself does not show:

    stub, options = attach()
    subprocess.Popen(machine.command(image, options), pass_fds=stub.pass_fds, …)
    stub.begin()
    stub.set_breakpoint(address)
    while (cpu := stub.go_on()) is not None:
        registers = stub.registers()
        stub.step(cpu)

The machine waits until go_on(), and whenever it has stopped, all of its CPUs do.
"""
import socket
import struct

from machine import LIMIT_S


class StubError(Exception):
    pass


def attach(limit_s=LIMIT_S):
    """(stub, QEMU's options): the machine gets one end of a pair of sockets."""
    ours, theirs = socket.socketpair()
    ours.settimeout(limit_s)
    stub = Stub(ours, theirs)
    return stub, ["-S", "-chardev", f"socket,id=gdb,fd={theirs.fileno()}", "-gdb", "chardev:gdb"]


class Stub:
    def __init__(self, ours, theirs):
        self.socket, self.theirs, self.input = ours, theirs, b""
        self.pass_fds = [theirs.fileno()]

    def begin(self):
        """After the start of QEMU: from here on its end is the only one of its kind, so that its death is seen."""
        self.theirs.close()
        self.ask("QStartNoAckMode")
        self.socket.sendall(b"+")

    def ask(self, question):
        """The answer to a packet."""
        try:
            self.socket.sendall(f"${question}#{sum(question.encode()) & 0xff:02x}".encode())
            while (end := self.input.find(b"#")) < 0 or len(self.input) < end + 3:
                more = self.socket.recv(4096)
                if not more:
                    raise StubError("the machine has gone")
                self.input += more
        except TimeoutError as error:
            raise StubError(f"no answer to {question} within {self.socket.gettimeout():.0f} s") from error
        answer, self.input = self.input[self.input.find(b"$") + 1:end].decode(), self.input[end + 3:]
        if answer.startswith("E"):
            raise StubError(f"{question} was answered by {answer}")
        return answer

    def stopped(self, answer):
        """The thread that a stop is about; None when the machine has ended."""
        if answer.startswith("W"):
            return None
        if not answer.startswith("T05thread:"):
            raise StubError(f"the machine stopped in a way that nobody expected: {answer}")
        return answer[len("T05thread:"):].split(";")[0]

    def set_breakpoint(self, address):
        self.ask(f"Z0,{address:x},4")

    def go_on(self):
        """Lets all CPUs run up to the next breakpoint."""
        return self.stopped(self.ask("vCont;c"))

    def step(self, cpu):
        """Lets one CPU execute one instruction."""
        return self.stopped(self.ask(f"vCont;s:{cpu}"))

    def registers(self):
        """aarch64, of the CPU that has stopped: x0 to x30, sp, pc."""
        return struct.unpack("<33Q", bytes.fromhex(self.ask("g"))[:33 * 8])

    def read_word(self, address):
        return struct.unpack("<Q", bytes.fromhex(self.ask(f"m{address:x},8")))[0]
