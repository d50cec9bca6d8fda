"""The manifests hold: what they start, with the variables, mounts and probes that they give, lives the story."""

import pytest

from tests.support import story
from tests.support.deployment.fleet import InCompose, InKubernetes, Manifested
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.receiver import Receiver
from tests.support.stripe import FakeStripe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_kubernetes() -> None:
    async with Lab() as lab, FakeStripe() as stripe, Receiver() as receiver:
        await lab.serve(*everything(), story.watched())
        async with InKubernetes(story.settings(lab, stripe)) as fleet:
            told = await story.Story(fleet, lab, stripe, receiver).tell()
            await all_is_well(fleet)
        assert told.alert is not None
        assert any("watched.test" in str(mail["Subject"]) for mail in fleet.mail.received)


async def test_compose() -> None:
    async with Lab() as lab, FakeStripe() as stripe, Receiver() as receiver:
        await lab.serve(*everything(), story.watched())
        async with InCompose(story.settings(lab, stripe)) as fleet:
            chapter = story.Story(fleet, lab, stripe, receiver)
            async with chapter.customer() as customer:
                await chapter.sign_up(customer)
                await chapter.scan(customer)
                await chapter.buy(customer)
                await chapter.get_pdf(customer)
            await all_is_well(fleet)
        assert len(list((fleet.folder / "volumes").iterdir())) == 0


async def all_is_well(fleet: Manifested) -> None:
    """Every probe passes, every process ends in its time when told to, and none wrote where nothing is mounted."""
    for pod in fleet.pods.values():
        for probe in pod.container.probes:
            assert await pod.passes(probe), f"{pod.container.name}: {probe} at the end"
    assert await fleet.stop() == [0] * len(fleet.pods)
    assert {name: pod.written() for name, pod in fleet.pods.items() if pod.written()} == {}
    assert fleet.errors() == []
