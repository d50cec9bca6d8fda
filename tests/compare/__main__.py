"""`make compare`: independent tools beside our scan, on the same targets; prints where they agree and where not.

In network namespaces of our own, with the lab on real ports. Fails on a disagreement that nobody has looked into yet,
and on one that was settled and is none any more.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from services.scanner.engine import observations
from shared.contracts.report import Report
from tests.compare import peers
from tests.compare.peer import Ours, Peer, Statement, withdrawn
from tests.compare.settled import SETTLED, reason
from tests.compare.world import sites
from tests.support.documents import replace_section
from tests.support.far_lab import FarLab
from tests.support.wire import NoNamespaces

DOCUMENT = Path(__file__).parents[2] / "docs/accuracy.md"
WORLD = "tests.compare.world:sites"
AT_ONCE = 5  # targets; each tool waits for answers most of its time
SLOW_TARGETS = ("neglected.test", "stapled.test", "flawed.test")
EVERY = (*peers.ALL, *peers.SLOW)

Compared = dict[tuple[str, str], list[tuple[str, Statement]]]  # (peer, subject) -> of each target


async def main() -> int:
    for peer in EVERY:
        if not peer.installed:
            print(f"installing {peer.name}...", flush=True)
            await asyncio.to_thread(peer.install)
    started = time.monotonic()
    try:
        compared = await _all()
    except NoNamespaces as missing:
        print(f"not compared: {missing}")
        return 1
    lines = _table(compared)
    print("\n".join(lines))
    replace_section(DOCUMENT, "agreement", "\n".join(lines))
    print(f"\n{len(sites())} targets in {time.monotonic() - started:.0f} s")
    wrong = [*_unexplained(compared), *_outdated(compared)]
    if wrong:
        print("\nTo be looked into:", *wrong, sep="\n  ")
    return 1 if wrong else 0


async def _all() -> Compared:
    turns = asyncio.Semaphore(AT_ONCE)
    async with FarLab(0.0, WORLD) as lab:
        names = sorted((site.name for site in sites()), key=lambda name: name not in SLOW_TARGETS)
        # First, while no other tool keeps the lab busy, which is one process.
        scans = [await _scan(lab, name) for name in names]
        async with asyncio.TaskGroup() as group:
            targets = [group.create_task(_target(lab, ours, turns)) for ours in scans]
        looks = [look for target in targets for look in target.result()]
        return _by_subject([await _again(lab, *look) for look in looks])


Look = tuple[Peer, Ours, list[Statement]]


async def _target(lab: FarLab, ours: Ours, turns: asyncio.Semaphore) -> list[Look]:
    async with asyncio.TaskGroup() as group, turns:
        slow = peers.SLOW if ours.domain in SLOW_TARGETS else ()
        late = [group.create_task(_look(lab, peer, ours)) for peer in slow if peer.installed]
        quick = [group.create_task(_look(lab, peer, ours)) for peer in peers.ALL if peer.installed]
        await asyncio.wait(quick)
    return [task.result() for task in (*quick, *late)]


async def _look(lab: FarLab, peer: Peer, ours: Ours) -> Look:
    ran = await lab.run(*peer.looks(ours.domain, lab))
    try:
        statements = list(peer.reads(ran.output, ours))
    except (ValueError, KeyError, TypeError) as error:
        print(f"{peer.name}: {error!r}: {ran.errors.strip()[-300:]}")
        statements = []
    if not statements:
        print(f"{peer.name} says nothing of {ours.domain}")
    return peer, ours, statements


async def _again(lab: FarLab, peer: Peer, ours: Ours, statements: list[Statement]) -> Look:
    """A tool that differs looks once more, alone: what it misses in a busy lab it takes for absent."""
    differing = {one.subject for one in statements if one.agree is False}
    if not any(reason(peer.name, subject, ours.domain) is None for subject in differing):
        return peer, ours, statements
    print(f"{peer.name} looks again at {ours.domain}: {', '.join(sorted(differing))}")
    _, _, second = await _look(lab, peer, ours)
    return peer, ours, withdrawn(statements, second)


def _by_subject(looks: list[Look]) -> Compared:
    compared: Compared = {}
    order = {peer.name: number for number, peer in enumerate(EVERY)}
    for peer, ours, statements in sorted(looks, key=lambda look: order[look[0].name]):
        for statement in statements:
            compared.setdefault((peer.name, statement.subject), []).append((ours.domain, statement))
    return compared


async def _scan(lab: FarLab, domain: str) -> Ours:
    settings = [f"{name}={value}" for name, value in lab.settings.items()]
    options = ("--include-raw", "--format", "json", "--quiet", "--intrusive")
    ran = await lab.run("env", *settings, sys.executable, "-m", "services.cli", "scan", domain, *options)
    if not ran.output:
        raise RuntimeError(f"{domain} could not be scanned: {ran.errors}")
    told = json.loads(ran.output)
    return Ours(Report.model_validate(told), observations.load(told["raw_results"]))


def _table(compared: Compared) -> list[str]:
    lines = ["| tool | subject | compared | agree | differ, settled |", "|---|---|---|---|---|"]
    for (peer, subject), statements in compared.items():
        counted = Counter(statement.agree for _, statement in statements)
        if both := counted[True] + counted[False]:
            lines.append(f"| {peer} | {subject} | {both} | {counted[True]} | {counted[False] or ''} |")
    lines += [f"| {peer.name} | not installed here | | | |" for peer in EVERY if not peer.installed]
    lines += ["", *(f"- **{one.peer}**, {', '.join(one.subjects)} ({', '.join(one.targets)}): {one.reason}"
                    for one in SETTLED)]  # fmt: skip
    return lines


def _unexplained(compared: Compared) -> Iterator[str]:
    for (peer, subject), statements in compared.items():
        for domain, statement in statements:
            if statement.agree is False and reason(peer, subject, domain) is None:
                yield f"{peer}, {subject}, {domain}: ours {statement.ours}, theirs {statement.theirs}"


def _outdated(compared: Compared) -> Iterator[str]:
    """A tool that is not there, or a target that it gave nothing on, proves nothing."""
    for one in SETTLED:
        for subject in one.subjects:
            found = compared.get((one.peer, subject), [])
            for domain in one.targets:
                agreed = [statement.agree for at, statement in found if at == domain]
                if True in agreed and False not in agreed:
                    yield f"{one.peer}, {subject}, {domain}: settled, but they agree"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
