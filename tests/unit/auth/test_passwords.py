"""Password hashes."""

import asyncio

from services.auth.passwords import Overloaded, Passwords


async def test_only_the_right_password_matches() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct horsf")
    assert not await passwords.verify("garbage", "correct horse")


async def test_an_unknown_user_never_matches() -> None:
    assert not await Passwords().verify(None, "nobody has this password")


async def test_the_same_password_typed_as_other_code_points_matches() -> None:
    passwords = Passwords()
    assert await passwords.verify(await passwords.hash("caf\u00e9 au lait"), "cafe\u0301 au lait")


async def test_no_more_wait_than_there_is_room_for() -> None:
    passwords = Passwords(concurrency=1, waiting=1)
    outcomes = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, str, Overloaded]
    assert await passwords.hash("correct horse")  # the room is free again


async def test_hashing_leaves_the_loop_free() -> None:
    passwords = Passwords()
    work = asyncio.create_task(passwords.hash("correct horse"))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
