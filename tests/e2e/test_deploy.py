"""The manifests hold: what they start, with the variables, mounts and probes that they give, lives the story."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.deployment.fleet import InCompose, InKubernetes, Manifested
from tests.support.lab import Lab
from tests.support.lab.world import everything
from tests.support.receiver import Receiver
from tests.support.story import WATCHED, Story, settings, watched
from tests.support.stripe import FakeStripe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


async def test_kubernetes() -> None:
    async with begun(InKubernetes) as (story, fleet):
        await story.tell()
        await ends_well(fleet)
        assert isinstance(fleet, InKubernetes)
        assert [mail for mail in fleet.mail.received if WATCHED in str(mail["Subject"])]


async def test_compose() -> None:
    async with begun(InCompose) as (story, fleet), story.customer() as customer:
        await story.sign_up(customer)
        await story.scan(customer)
        await story.buy(customer)
        await story.get_pdf(customer)
        await story.watch(customer)
        await ends_well(fleet)
        assert fleet.files_in("reports") and fleet.files_in("mail")


@asynccontextmanager
async def begun(form: type[Manifested]) -> AsyncIterator[tuple[Story, Manifested]]:
    async with Lab() as lab, FakeStripe() as stripe, Receiver() as receiver:
        await lab.serve(*everything(), watched())
        async with form(settings(lab, stripe)) as fleet:
            yield Story(fleet, lab, stripe, receiver), fleet


async def ends_well(fleet: Manifested) -> None:
    """Every probe passes, every process ends in its time when told to, and none wrote where nothing is mounted."""
    for pod in fleet.pods.values():
        for probe in pod.container.probes:
            assert await pod.passes(probe), f"{pod.container.name}: {probe}"
    assert await fleet.stop() == [0] * len(fleet.pods)
    assert {path for pod in fleet.pods.values() for path in pod.written()} == set()
    assert fleet.errors() == []
