"""The places at one address: counted, fair, and given back."""

import asyncio
import errno

import pytest

from services.scanner.engine.network import fault_of
from services.scanner.engine.places import Hosts, NoPlace, Places


async def test_no_more_at_once_than_there_are() -> None:
    places, now, most = Places(3), 0, 0

    async def visit(wanted: int) -> None:
        nonlocal now, most
        async with places.hold(wanted):
            now += wanted
            most = max(most, now)
            await asyncio.sleep(0)
            now -= wanted

    async with asyncio.timeout(5):
        await asyncio.gather(*(visit(wanted) for wanted in (1, 2, 3, 2, 1, 3, 1)))
    assert most == 3


async def test_takers_of_several_do_not_block_each_other() -> None:
    places = Places(4)

    async def take() -> None:
        async with places.hold(3):
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(take() for _ in range(8)))


async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    places = Places(2)
    async with places.hold():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), places.hold(2):
                raise AssertionError
    async with asyncio.timeout(5), places.hold(2):
        pass


async def test_waiting_for_a_place_ends() -> None:
    places = Places(1, patience=0.01)
    async with places.hold():
        with pytest.raises(NoPlace):
            async with places.hold():
                raise AssertionError
    async with places.hold():
        pass


async def test_more_than_all_is_all() -> None:
    async with asyncio.timeout(5), Places(2).hold(9):
        pass


def test_an_address_has_one_set_of_places_while_in_use() -> None:
    hosts = Hosts(1, 1)
    host = hosts.at("192.0.2.1")
    assert hosts.at("192.0.2.1") is host
    assert hosts.at("192.0.2.2") is not host


async def test_all_addresses_together_have_a_bound_that_is_ours() -> None:
    hosts = Hosts(2, 2, total=3)
    one, other = hosts.at("192.0.2.1"), hosts.at("192.0.2.2")
    async with one.established.hold(2), other.established.hold():
        with pytest.raises(NoPlace):
            async with other.established.hold(waiting=False):
                raise AssertionError
    async with other.established.hold(2, waiting=False):
        pass


async def test_who_gets_none_of_the_total_in_time_is_told_that_it_is_our_doing() -> None:
    total = Places(1, patience=0.01, lacking=lambda: OSError(errno.EMFILE, "too many"))
    async with total.hold():
        with pytest.raises(OSError, match="too many") as raised:
            async with Places(5, within=total).hold():
                raise AssertionError
    assert fault_of(raised.value) == "ours"
