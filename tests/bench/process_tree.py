"""What a process and all below it use, read from /proc."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12  # places in /proc/<pid>/stat after the name: proc(5), fields 4, 14, 15


def pss(root: int) -> int:
    """Bytes of proportional set size of the tree: memory that n processes share counts as 1/n for each."""
    return sum(_pss(pid) for pid in _tree(root))


def cpu_seconds(root: int) -> float:
    """User and system time of the processes of the tree that run."""
    return sum(_cpu(pid) for pid in _tree(root))


def _tree(root: int) -> Iterator[int]:
    children = defaultdict(list)
    for folder in PROC.glob("[0-9]*"):
        try:
            children[int(_stat(folder)[PARENT])].append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    pending = [root]
    while pending:
        pid = pending.pop()
        yield pid
        pending += children[pid]


def _stat(folder: Path) -> list[str]:
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _pss(pid: int) -> int:
    for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _cpu(pid: int) -> float:
    fields = _stat(PROC / str(pid))
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / os.sysconf("SC_CLK_TCK")
