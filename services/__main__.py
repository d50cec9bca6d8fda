"""The fleet: all services in one process; with `migrate`, the one-shot job that makes their schemas."""

import asyncio
import os
import shlex
import sys
from typing import Any

import aiohttp
import orjson

from shared.crypto import ASSERTION_HEADER, sign_assertion
from shared.migrations import MigrationError
from shared.runtime import CANNOT_START, GATEWAY, Process, apply_migrations, main
from shared.service import Service
from shared.settings import SettingError

_AUTH = "auth"


def fleet() -> tuple[Service[Any], ...]:
    """Every service, in the order of the way that a request and its events take."""
    from services.auth.app import service as auth
    from services.billing.app import service as billing
    from services.gateway.app import service as gateway
    from services.monitor.app import service as monitor
    from services.reports.app import service as reports
    from services.scanner.app import service as scanner

    return gateway, auth, billing, scanner, monitor, reports


def run() -> None:
    """Run the fleet in the foreground until Ctrl-C."""
    main(*fleet(), ready=_announce)


def migrate() -> None:
    """Exit code 2: not possible, with the reason."""
    try:
        asyncio.run(apply_migrations(fleet(), os.environ))
    except (SettingError, MigrationError) as error:
        sys.stderr.write(f"Cannot migrate. {error}\n")
        sys.exit(CANNOT_START)


async def _announce(process: Process) -> None:
    """Where everything is, and a command to begin with."""
    url = process.urls[GATEWAY]
    lines = [
        f"ComplianceLayer is ready at {url}",
        f"  page     {url}/",
        f"  API      {url}/docs",
        f"  metrics  {process.urls['internal']}/metrics",
        f"  data     {process.settings.data_dir}",
    ]
    account = await _first_account(process) if not process.settings.production else None
    if account is not None:
        password = f", password {account['password']}" if account["password"] else ""
        lines += [
            f"  account  {account['email']}{password}",
            "Try:",
            f"  curl -s {url}/v1/scan -H 'Authorization: Bearer {account['key']}'"
            f" -H 'Content-Type: application/json' -d {shlex.quote(orjson.dumps({'domain': 'example.com'}).decode())}",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


async def _first_account(process: Process) -> dict[str, Any] | None:
    """The local account with a new API key, from auth itself; None when it gives none."""
    assertion = sign_assertion(process.keys, audience=_AUTH, principal=None, client=None, now=process.clock.now())
    connector = aiohttp.UnixConnector(process.urls[_AUTH].removeprefix("unix://"))
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.post("http://auth/internal/bootstrap", headers={ASSERTION_HEADER: assertion}) as response,
    ):
        body: dict[str, Any] = orjson.loads(await response.read())
        return body if response.status == 200 else None


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        migrate()
    elif sys.argv[1:]:
        sys.exit(f"python -m services takes `migrate` or nothing, not {' '.join(sys.argv[1:])!r}.")
    else:
        run()
