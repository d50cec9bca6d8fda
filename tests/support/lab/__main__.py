"""`make lab`: serves the named sites in the foreground, and prints how to scan them."""

import asyncio
import shlex
import signal

from tests.support.lab import Lab
from tests.support.lab.world import NOWHERE, everything


async def main() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Lab() as lab:
        await lab.serve(*everything())
        print(_introduction(lab), flush=True)
        await stopped.wait()


def _introduction(lab: Lab) -> str:
    settings = lab.settings()
    return "\n".join(
        (
            f"Sites       {', '.join(site.name for site in everything())}; {NOWHERE} does not resolve",
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
    asyncio.run(main())
