"""Two network namespaces of our own, joined by a wire of a chosen length: the scanner's, and the lab's."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from contextlib import AsyncExitStack
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.delay_line import DEVICE

NEAR, FAR = "198.18.0.1", "198.18.0.2"  # the ends of the wire (RFC 2544: addresses for benchmarks)


class NoNamespaces(Exception):
    """This machine lets us make none; the message says what is missing."""


class Wire:
    """As an async context manager: both namespaces and the wire, taken down at the end.

    `network` lives whole at the far end: every address of it can be bound there. `round_trip` is in seconds.
    """

    def __init__(self, network: IPv4Network, round_trip: float, resolver: IPv4Address | None = None) -> None:
        self._network = network
        self._round_trip = round_trip
        self._resolver = resolver
        name = secrets.token_hex(4)
        self.near, self.far = f"cl-{name}-near", f"cl-{name}-far"
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if os.geteuid() != 0:
            raise NoNamespaces("network namespaces need root")
        if not shutil.which("ip"):
            raise NoNamespaces("`ip` is missing: apt-get install iproute2")
        try:
            for namespace in (self.near, self.far):
                _ip("netns", "add", namespace)
                self._stack.callback(_ip, "netns", "del", namespace)
                _ip("-n", namespace, "link", "set", "lo", "up")
            await (self._stretch() if self._round_trip else self._join())
            self._address()
            if self._resolver:
                self._point_at(self._resolver)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def near_command(self, *command: str) -> list[str]:
        """The command, to be run at the scanner's end."""
        return ["ip", "netns", "exec", self.near, *command]

    def far_command(self, *command: str) -> list[str]:
        """The command, to be run at the lab's end."""
        return ["ip", "netns", "exec", self.far, *command]

    async def _join(self) -> None:
        _ip("-n", self.near, "link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", self.far)

    async def _stretch(self) -> None:
        for namespace in (self.near, self.far):
            _ip("-n", namespace, "tuntap", "add", DEVICE, "mode", "tun")
        line = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.delay_line", self.near, self.far, str(self._round_trip / 2)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._stack.push_async_callback(_ended, line)
        assert line.stdout is not None
        if await line.stdout.readline() != b"ready\n":
            raise NoNamespaces("the delay line did not start: its reason stands above")

    def _address(self) -> None:
        for namespace, own, peer in ((self.near, NEAR, FAR), (self.far, FAR, NEAR)):
            _ip("-n", namespace, "addr", "add", own, "peer", peer, "dev", DEVICE)
            _ip("-n", namespace, "link", "set", DEVICE, "up", "txqueuelen", "10000")
        _ip("-n", self.near, "route", "add", str(self._network), "via", FAR)
        _ip("-n", self.far, "route", "add", "local", str(self._network), "dev", "lo")

    def _point_at(self, resolver: IPv4Address) -> None:
        """What runs at the near end by `ip netns exec` finds this as its resolv.conf."""
        folder = Path("/etc/netns") / self.near
        folder.mkdir(parents=True)
        self._stack.callback(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text(f"nameserver {resolver}\n")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise NoNamespaces(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


async def _ended(line: asyncio.subprocess.Process) -> None:
    assert line.stdin is not None
    line.stdin.close()
    await line.wait()
