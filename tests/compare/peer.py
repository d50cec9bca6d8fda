"""Independent tools that look at what we look at. Each lives in an environment of its own and is never a dependency."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from services.scanner.engine.evidence.tls import Service, Tls
from services.scanner.engine.observations import Observations
from shared.contracts.report import Report
from tests.support.far_lab import FarLab

HOME = Path(__file__).parents[2] / ".cache/peers"
INSTALL_SECONDS = 600

Kind = TypeVar("Kind")
Said = bool | str | tuple[str, ...] | None  # None: it does not say


@dataclass(frozen=True)
class Ours:
    """Our scan of the same target."""

    report: Report
    observations: Observations

    def fails(self, check: str, asset: str = "") -> bool | None:
        """Whether the check found fault, with `asset` where that is given; None where it gave no verdict."""
        for module in self.report.modules.values():
            if (status := module.detail["checks"].get(check)) is not None:
                if status not in ("pass", "fail", "not_applicable"):
                    return None
                return any(issue.id == check and asset in issue.asset for issue in module.issues)
        return None

    def seen(self, kind: type[Kind]) -> Kind | None:
        """The evidence of that kind, where it could be gathered."""
        found = self.observations.evidence.get(kind)
        return found if isinstance(found, kind) else None

    @property
    def domain(self) -> str:
        return self.observations.circumstances.domain

    @property
    def web_tls(self) -> Service | None:
        """What the domain itself speaks on port 443."""
        tls = self.seen(Tls)
        found = [one.service for one in tls.endpoints if one.asset == f"{self.domain}:443"] if tls else []
        return next((one for one in found if isinstance(one, Service)), None)


@dataclass(frozen=True)
class Statement:
    """The same question, answered by both."""

    subject: str
    ours: Said
    theirs: Said

    @property
    def agree(self) -> bool | None:
        """None where one of them does not say."""
        return None if self.ours is None or self.theirs is None else self.ours == self.theirs


def withdrawn(first: Sequence[Statement], second: Sequence[Statement]) -> list[Statement]:
    """What a tool said, less the disagreements that its second look took back; its silence takes nothing back."""

    def taken_back(subject: str) -> bool:
        again = [one.agree for one in second if one.subject == subject]
        return bool(again) and all(again) and any(one.subject == subject and one.agree is False for one in first)

    kept = [one for one in first if not taken_back(one.subject)]
    return [*kept, *(one for one in second if taken_back(one.subject))]


@dataclass(frozen=True)
class Peer:
    name: str
    looks: Callable[[str, FarLab], Sequence[str]]  # the command that looks at a domain of the lab, and prints
    reads: Callable[[bytes, Ours], Iterable[Statement]]  # its output beside ours
    program: Callable[[], Path | None]  # where it is, if it is
    install: Callable[[], None]

    @property
    def installed(self) -> bool:
        return self.program() is not None


Places = tuple[Callable[[], Path | None], Callable[[], None]]  # where the program is, and how to get it


def python_tool(name: str, requirement: str) -> Places:
    """A tool from PyPI in a virtual environment of its own."""
    folder = HOME / name
    path = folder / "bin" / name

    def install() -> None:
        venv.create(folder, with_pip=True)
        _run(str(folder / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", requirement)

    return lambda: path if path.exists() else None, install


def npm_tool(name: str, requirement: str) -> Places:
    """A package from the npm registry in a folder of its own."""
    folder = HOME / name
    path = folder / "node_modules" / requirement.rpartition("@")[0]

    def install() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--silent", "--no-fund", "--no-audit", "--ignore-scripts")
        _run("npm", "install", *quiet, "--prefix", str(folder), requirement)

    return lambda: path if path.exists() and shutil.which("node") else None, install


def debian_tool(program: str, package: str) -> Places:
    """A program of the machine; installed where we are root on Debian."""

    def install() -> None:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            _run("apt-get", "install", "-y", "-q", package)

    return lambda: Path(found) if (found := shutil.which(program)) else None, install


def _run(*command: str) -> None:
    """What fails to install is missing, and the reason is on the terminal."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except OSError as error:
        print(f"  {command[0]}: {error.strerror}", file=sys.stderr)
        return
    if done.returncode:
        print(f"  {' '.join(command)}: {done.stderr.strip()[-400:]}", file=sys.stderr)
