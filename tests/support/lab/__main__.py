"""`make lab`: serves the named sites in the foreground, and prints how to scan them."""

import argparse
import asyncio
import json
import shlex
import signal
from ipaddress import IPv4Network
from pathlib import Path
from pkgutil import resolve_name

from tests.support.lab import Lab, Site
from tests.support.lab.world import NOWHERE, everything


async def main(sites: tuple[Site, ...], network: IPv4Network | None, settings_file: Path | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Lab(network) as lab:
        await lab.serve(*sites)
        print(_introduction(lab, sites), flush=True)
        if settings_file:
            written = settings_file.with_suffix(".part")
            written.write_text(json.dumps(lab.settings()))
            written.rename(settings_file)  # whole, or not there
        await stopped.wait()


def _introduction(lab: Lab, sites: tuple[Site, ...]) -> str:
    settings = lab.settings()
    return "\n".join(
        (
            f"Sites       {', '.join(site.name for site in sites)}; {NOWHERE} does not resolve",
            f"DNS server  {settings['CL_DNS_SERVERS']}",
            f"CA          {settings['CL_TRUST_CA_FILE']}",
            "",
            "To scan them, in another terminal:",
            "",
            *(f"export {name}={shlex.quote(value)}" for name, value in settings.items()),
            ".venv/bin/compliancelayer scan hardened.test",
            "",
            "Ctrl-C stops the lab.",
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.support.lab", description=__doc__)
    parser.add_argument(
        "--network", type=IPv4Network, help="a /23 of a namespace of the lab's own, with its real ports"
    )
    parser.add_argument("--settings", type=Path, help="a file for the settings to scan with, as JSON")
    parser.add_argument("--sites", type=resolve_name, default=everything, help="another function that gives the sites")
    given = parser.parse_args()
    asyncio.run(main(given.sites(), given.network, given.settings))
