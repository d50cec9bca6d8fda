"""The customer's story in both forms of the fleet, through a killed worker and a stopped broker, to a clean end."""

from pathlib import Path

import pytest

from shared.contracts.events import TOPOLOGY
from tests.conftest import absent
from tests.support import story
from tests.support.fleet import Embedded, Fleet, Separate
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.receiver import Receiver
from tests.support.services import Missing
from tests.support.stripe import FakeStripe

pytestmark = pytest.mark.slow


async def live_through(form: type[Fleet]) -> Fleet:
    """Tell the story to a fleet of this form and stop it; the fleet, to look at what it left."""
    async with Lab() as lab, FakeStripe() as stripe, Receiver() as receiver:
        await lab.serve(*everything(), story.watched())
        async with form(story.settings(lab, stripe)) as fleet:
            told = await story.Story(fleet, lab, stripe, receiver, with_faults=True).tell()
            assert (told.report["grade"], told.bad_report["grade"]) == ("A", "F")
            assert told.charged == told.accepted == 4
            assert told.pdf.startswith(b"%PDF-")
            if isinstance(fleet, Separate):
                crossed = await fleet.crossed()
                expected = {event.NAME: set(consumers) for event, (_, consumers) in TOPOLOGY.items() if consumers}
                assert {
                    event: {name for name, count in consumers.items() if count} for event, consumers in crossed.items()
                } == expected
            assert set(await fleet.stop()) == {0}
            assert fleet.errors() == []
    return fleet


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("embedded")
async def test_in_one_process() -> None:
    fleet = await live_through(Embedded)
    assert left_running(fleet.folder) == []


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("private_rabbitmq")
async def test_as_six_processes_over_a_broker() -> None:
    try:
        fleet = await live_through(Separate)
    except Missing as error:
        absent(error)
    assert left_running(fleet.folder) == []


def left_running(folder: Path) -> list[str]:
    """The command lines of processes that name `folder` in their arguments or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue  # it ended, or is somebody else's
        if str(folder).encode() in arguments + environment:
            found.append(arguments.replace(b"\0", b" ").decode(errors="replace"))
    return found
