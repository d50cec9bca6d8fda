"""The pipeline itself: order, budgets, faults, limits; with probes of the test's own making."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest

from services.scanner.engine import check as checking
from services.scanner.engine.check import Check, Verdict, passed
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.judging import Judged, verdicts_of
from services.scanner.engine.network import Network, World
from services.scanner.engine.probe import Probe
from services.scanner.engine.probing import Probing
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.streams import BudgetSpent
from services.scanner.engine.target import Target
from shared.contracts.report import Module, ModuleState, Profile
from tests.unit.engine.support import row

TARGET = Target("example.test", "example.test")


@dataclass(frozen=True)
class First:
    value: int


@dataclass(frozen=True)
class Second:
    value: int


def made(
    function: Callable[..., Awaitable[Any]], returns: type, *, budget: float = 5.0, **needs: type
) -> dict[type, Probe]:
    given = {"target": Target, "network": Network}
    return {returns: Probe(function.__name__, returns, given, needs, budget, function)}


@pytest.fixture
async def network() -> Any:
    network = Network(World.from_settings(EngineSettings(dns_servers=("127.0.0.1:1",)), "0"))
    yield network
    await network.close()


def probing(network: Network, probes: Mapping[type, Probe]) -> Probing:
    needs = {Module.DNS: (frozenset({First}),), Module.CSP: (frozenset({First, Second}),)}
    return Probing(TARGET, network, Profile.STANDARD, needs, probes)


async def first(target: Target, network: Network) -> First:
    return First(1)


async def second(target: Target, network: Network, first: First) -> Second:
    return Second(first.value + 1)


async def test_a_probe_gets_the_evidence_it_declares(network: Network) -> None:
    states: list[Mapping[Module, ModuleState]] = []
    run = probing(network, made(first, First) | made(second, Second, first=First))
    run.tell(states.append)
    await run.wait()
    assert await run.stop(9) == {First: First(1), Second: Second(2)}
    assert states[0] == {Module.DNS: "waiting", Module.CSP: "waiting"}
    assert states[1] == {Module.DNS: "running", Module.CSP: "running"}
    assert states[-1] == {Module.DNS: "done", Module.CSP: "done"}
    assert {Module.DNS: "done", Module.CSP: "running"} in states


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), EOFError(), TimeoutError(), BudgetSpent("spent")])
async def test_what_a_peer_does_is_the_targets_doing(network: Network, error: Exception) -> None:
    async def broken(target: Target, network: Network) -> First:
        raise error

    run = probing(network, made(broken, First) | made(second, Second, first=First))
    await run.wait()
    evidence = await run.stop(9)
    assert isinstance(evidence[First], Unseen)
    assert evidence[First].fault == "target"
    assert evidence[Second] == evidence[First]


async def test_a_bug_is_ours_and_logged(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(target: Target, network: Network) -> First:
        raise KeyError("oops")

    states: list[Mapping[Module, ModuleState]] = []
    run = probing(network, made(broken, First) | made(second, Second, first=First))
    await run.wait()
    run.tell(states.append)
    evidence = await run.stop(9)
    assert evidence[First].fault == "ours"
    assert "oops" in caplog.text
    assert states[-1] == {Module.DNS: "not_tested", Module.CSP: "not_tested"}


async def test_a_budget_is_enforced_from_outside(network: Network) -> None:
    async def endless(target: Target, network: Network) -> First:
        await asyncio.Event().wait()
        raise AssertionError

    run = probing(network, made(endless, First, budget=0.01) | made(second, Second, first=First))
    await run.wait()
    evidence = await run.stop(9)
    assert evidence[First] == Unseen("it took longer than the 0.01 s that the endless probe has", "target")


async def test_stopping_keeps_what_there_is(network: Network) -> None:
    cancelled = asyncio.Event()

    async def endless(target: Target, network: Network, first: First) -> Second:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    run = probing(network, made(first, First) | made(endless, Second, first=First))
    await run.see(First)
    await asyncio.sleep(0)
    evidence = await run.stop(3)
    assert evidence == {First: First(1), Second: Unseen("not seen within the scan's 3 s", "target")}


def verdicts(function: Callable[..., Iterator[Verdict]], evidence: Mapping[type, Any]) -> Judged:
    return Judged(row(), verdicts_of(Check("example_missing", {"first": First}, function), evidence, "example.test"))


def test_a_check_is_not_called_without_its_evidence() -> None:
    def never(first: First) -> Iterator[Verdict]:
        raise AssertionError

    unseen = verdicts(never, {First: Unseen("silent", "target")})
    assert (unseen.status, unseen.verdicts[0].reason, unseen.verdicts[0].fault) == ("not_tested", "silent", "target")
    assert verdicts(never, {}).verdicts[0].fault == "ours"


def test_an_exception_in_a_check_is_an_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    def broken(first: First) -> Iterator[Verdict]:
        yield passed("a")
        raise KeyError("oops")

    assert verdicts(broken, {First: First(1)}).status == "error"
    assert "oops" in caplog.text


def test_one_finding_is_told_once_and_a_flood_is_bounded() -> None:
    def repeating(first: First) -> Iterator[Verdict]:
        yield passed("a", "once")
        yield passed("a", "again")

    def flooding(first: First) -> Iterator[Verdict]:
        for number in range(10**6):
            yield passed(str(number))

    assert len(verdicts(repeating, {First: First(1)}).verdicts) == 1
    assert len(verdicts(flooding, {First: First(1)}).verdicts) == 100


def test_every_check_of_the_catalog_survives_having_no_evidence() -> None:
    from services.scanner.engine import checks

    checks.load()
    for one in checking.registered().values():
        assert [verdict.status for verdict in verdicts_of(one, {}, "example.test")] == ["not_tested"]


def test_the_door_is_shut_by_default() -> None:
    world = World.from_settings(EngineSettings(egress_allow=(ip_network("127.5.5.0/24"),)), "1.2")
    assert world.user_agent == "ComplianceLayer/1.2"
    world.egress.vet("127.5.5.1")
    with pytest.raises(Exception, match="not contacted"):
        world.egress.vet("10.0.0.1")
