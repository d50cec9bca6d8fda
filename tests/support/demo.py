"""`make demo` and `make fleet`: the customer's story on a lab of local targets, shown step by step."""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from services.reports.renderer import RendererUnavailable, locate
from tests.support import story
from tests.support.fleet import ROOT, Crossed, Embedded, Separate, StartFailed
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.receiver import Receiver
from tests.support.services import Missing
from tests.support.stripe import FakeStripe

OUT = ROOT / "out"
FAILED, NO_BROWSER = 1, 3  # exit codes
SHOWN = 8  # findings


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--fleet", action="store_true", help="six processes over RabbitMQ, Redis and PostgreSQL")
    try:
        return asyncio.run(demo(fleet=parser.parse_args().fleet))
    except (story.Unexpected, StartFailed, Missing) as error:
        print(f"\nThe demo failed. {error}", file=sys.stderr)
        return FAILED


async def demo(*, fleet: bool) -> int:
    started = time.monotonic()
    browser = await has_browser()
    async with Lab() as lab, FakeStripe() as stripe, Receiver() as receiver:
        await lab.serve(*everything(), story.watched())
        settings = story.settings(lab, stripe)
        async with Separate(settings) if fleet else Embedded(settings) as running:
            say(f"The fleet is ready at {running.url} after {time.monotonic() - started:.1f} s")
            try:
                told = await story.Story(
                    running, lab, stripe, receiver, say, with_pdf=browser, with_faults=fleet
                ).tell()
            except Exception:
                print(*running.errors(), sep="\n", file=sys.stderr)
                raise
            crossed = await running.crossed() if isinstance(running, Separate) else None
    show_report(told.bad_report)
    save(told)
    if browser:
        await check_offline(told)
    if crossed is not None:
        show_crossed(crossed)
    say(f"Done in {time.monotonic() - started:.1f} s; the reports are in {OUT.name}/")
    if not browser:
        say("No Chromium: all but the PDF was shown. Get one (Debian: apt-get install chromium) and run this again.")
        return NO_BROWSER
    return 0


async def has_browser() -> bool:
    setting = os.environ.get("CL_CHROMIUM_PATH")
    try:
        await locate(Path(setting) if setting else None)
    except RendererUnavailable:
        return False
    return True


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def show_report(report: dict[str, Any]) -> None:
    print(f"\n{report['domain']}: grade {report['grade']}, score {report['score']}/100, risk {report['risk_level']}")
    for name, module in report["modules"].items():
        bar = "█" * round((module["score"] or 0) / 5)
        print(f"  {name:15} {bar:20} {'-' if module['score'] is None else module['score']}")
    assets: dict[tuple[str, str], list[str]] = {}
    for issue in report["issues"]:  # most severe first
        assets.setdefault((issue["severity"], issue["finding"]), []).append(issue["asset"])
    for (severity, finding), seen_at in list(assets.items())[:SHOWN]:
        more = f" and {len(seen_at) - 1} more" if len(seen_at) > 1 else ""
        print(f"  {severity:8} {finding} ({seen_at[0]}{more})")
    print(f"  and {len(assets) - SHOWN} more findings\n" if len(assets) > SHOWN else "")


def save(told: story.Told) -> None:
    shutil.rmtree(OUT, ignore_errors=True)  # without a browser no PDF of an earlier run is to be left
    OUT.mkdir()
    (OUT / "report.json").write_text(json.dumps(told.bad_report, indent=2))
    (OUT / "report.html").write_bytes(told.html)
    if told.pdf:
        (OUT / "report.pdf").write_bytes(told.pdf)
        (OUT / "compliancelayer-ca.pem").write_bytes(told.certificate)


async def check_offline(told: story.Told) -> None:
    """`compliancelayer verify`, in an empty folder with the PDF and the certificate alone; the fleet is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="cl-verify-"))
    try:
        (folder / "compliancelayer-ca.pem").write_bytes(told.certificate)
        (folder / "report.pdf").write_bytes(told.pdf)
        (folder / "tampered.pdf").write_bytes(story.tamper(told.pdf))
        genuine, tampered = await asyncio.gather(*(_verify(folder, name) for name in ("report.pdf", "tampered.pdf")))
    finally:
        shutil.rmtree(folder)
    if genuine != 0 or tampered != 1:
        raise story.Unexpected(f"verify: exit {genuine} for the original, {tampered} for the tampered copy")
    say("Offline, the PDF verified as genuine; a copy with one changed byte was refused")


async def _verify(folder: Path, name: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "verify", name, cwd=folder, env={"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await process.wait()


def show_crossed(crossed: Crossed) -> None:
    """What went over the broker, by its own counters. Unexpected unless every consumer had of every event."""
    print("\nOver the broker, as it counted: events acknowledged, by event and service")
    for event, consumers in crossed.items():
        print(f"  {event:26} " + ", ".join(f"{consumer} {count}" for consumer, count in consumers.items()))
    missed = [event for event, consumers in crossed.items() if not all(consumers.values())]
    if missed:
        raise story.Unexpected(f"did not cross the broker to every consumer: {', '.join(missed)}")
    print()


if __name__ == "__main__":
    sys.exit(main())
