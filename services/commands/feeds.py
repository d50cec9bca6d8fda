"""`compliancelayer feeds update|show`: the tables of facts that verdicts on software rest on."""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.facts import tables, validation
from services.scanner.engine.fetching import fetch
from services.scanner.engine.network import Network, World
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.version import engine_version
from services.scanner.settings import ScannerSettings
from shared.settings import SettingError, load

FINE, FAILED, USAGE = 0, 1, 2  # exit codes
_BYTES = 32 * 1024 * 1024
_TIMEOUT = 60.0


def update(environ: Mapping[str, str] = os.environ) -> int:
    """Fetch each table from CL_FEEDS_URL, check it and put it into the data folder; the exit code."""
    try:
        settings = load(ScannerSettings, environ)
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    if settings.feeds_url is None:
        sys.stderr.write("Nowhere to fetch from. Set CL_FEEDS_URL to a folder that holds the tables (docs/facts.md).\n")
        return USAGE
    world = World.from_settings(EngineSettings.of(settings), engine_version())
    return asyncio.run(_update(world, settings.feeds_url.rstrip("/"), settings.facts_dir))


async def _update(world: World, url: str, folder: Path) -> int:
    network = Network(world)
    try:
        outcomes = [await _one(network, name, f"{url}/{name}.json", folder) for name in tables.NAMES]
    finally:
        await network.close()
    return FINE if all(outcomes) else FAILED


async def _one(network: Network, name: tables.Name, url: str, folder: Path) -> bool:
    reply = await fetch(network, url, fault="source", redirects=3, limit=_BYTES, timeout=_TIMEOUT)
    if isinstance(reply, Unseen):
        return _refused(name, reply.reason)
    if reply.status != 200:
        return _refused(name, f"{url} answered with status {reply.status}")
    used = tables.load(name)
    try:
        table = validation.accepted(name, reply.body, network.now().date())
        if table.date == used.date:
            print(f"{name}: the one in use, of {used.date}, is as new")
            return True
        _keep(folder / f"{name}.json", reply.body)
    except tables.BadTable as error:
        return _refused(name, str(error))
    except OSError as error:
        return _refused(name, f"{folder} cannot be written: {error.strerror}")
    print(f"{name}: of {table.date}, {len(table.rows)} rows (before: of {used.date}, {len(used.rows)} rows)")
    return True


def _refused(name: str, reason: str) -> bool:
    sys.stderr.write(f"{name} stays as it is: {reason}.\n")
    return False


def _keep(file: Path, data: bytes) -> None:
    """Whole or not at all: scans may read it meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(data)
    part.replace(file)


def show(environ: Mapping[str, str] = os.environ) -> int:
    """Print which tables are in use; the exit code."""
    try:
        settings = load(ScannerSettings, environ)
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    tables.prefer(settings.facts_dir)
    for name in tables.NAMES:
        table = tables.load(name)
        origin = "fetched" if table.fetched else "shipped"
        print(f"{name:<16} {table.date}  {len(table.rows):>5} rows  {origin}{_age(table.date)}")
        print("".join(f"  {source}\n" for source in table.source), end="")
    return FINE


def _age(day: date) -> str:
    days = (date.today() - day).days
    return f", {days} days old" if days > 0 else ""
