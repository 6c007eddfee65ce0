"""What is thread-local lies in every thread of a program, and is zeroed when one starts: no big
buffer may be. (One of 256 KB was: a third of the time that a command took to start, and as much
memory in each thread.)"""

import struct

import pytest

from harness import BIN, SANITIZED

BYTES_MAX = 1024
PT_TLS = 7


def thread_local_bytes(path):
    """The size of the segment PT_TLS: elf(5), 64 bits."""
    image = path.read_bytes()
    assert image[:5] == b"\x7fELF\x02"
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", image, offset + i * size) for i in range(count)]
    return sum(header[6] for header in headers if header[0] == PT_TLS)


@pytest.mark.skipif(SANITIZED, reason="sanitizers have thread-local data of their own")
@pytest.mark.parametrize("program", ["fproxy", "fproxy-worker", "fproxy-prober", "fproxy-probe",
                                     "fproxy-launch", "ftest"])
def test_little_is_thread_local(program):
    assert thread_local_bytes(BIN / program) <= BYTES_MAX
