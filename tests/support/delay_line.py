"""Carries packets between the `wire` of two network namespaces, each after a delay: `python -m ... NEAR FAR SECONDS`.

Stands in for netem, which not every kernel has. Prints "ready" once both ends are open; ends with its input.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from pathlib import Path

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_PACKET = 65536
DEVICE = "wire"


def main(near: str, far: str, delay: float) -> None:
    ends = [_open(near), _open(far)]
    ended = sys.stdin.fileno()
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting: deque[tuple[float, int, bytes]] = deque()  # due in order, since the delay is the same for all
    print("ready", flush=True)
    while True:
        pause = max(waiting[0][0] - time.monotonic(), 0.0) if waiting else None
        ready, _, _ = select.select([*ends, ended], [], [], pause)
        if ended in ready:
            return
        for end in ready:
            due = time.monotonic() + delay
            waiting.extend((due, other[end], packet) for packet in _packets(end))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, end, packet = waiting.popleft()
            os.write(end, packet)


def _packets(end: int) -> list[bytes]:
    found: list[bytes] = []
    try:
        while len(found) < 64:
            found.append(os.read(end, _PACKET))
    except BlockingIOError:
        pass
    return found


def _open(namespace: str) -> int:
    """The file of a TUN device that was made in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(f"/run/netns/{namespace}").open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"no way into the namespace {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH", DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    return end


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
