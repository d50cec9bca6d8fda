"""API keys."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth import api_keys
from shared.contracts.principal import Scope

ALPHABET = string.digits + string.ascii_letters
RANDOM = st.binary(min_size=api_keys.RANDOM_BYTES, max_size=api_keys.RANDOM_BYTES)


@given(RANDOM)
def test_a_minted_key_is_well_formed(random: bytes) -> None:
    key = api_keys.mint(random)
    assert len(key) == 39
    assert key.isascii()
    assert key[3:].isalnum()
    assert api_keys.well_formed(key)


@given(RANDOM, st.integers(0, 38), st.sampled_from(ALPHABET + "_- é"))
def test_one_wrong_character_is_seen_without_the_database(random: bytes, place: int, character: str) -> None:
    key = api_keys.mint(random)
    typo = key[:place] + character + key[place + 1 :]
    assert api_keys.well_formed(typo) == (typo == key)


@pytest.mark.parametrize(
    "text", ["", "cl_", "cl_" + "0" * 36, "cl_YOUR_API_KEY", "eyJhbGciOiJFZERTQSJ9.e30.", "cl_" + "a" * 5000]
)
def test_what_is_no_key(text: str) -> None:
    assert not api_keys.well_formed(text)


def test_the_digest_depends_on_the_pepper_and_the_hint_hides_the_key() -> None:
    key = api_keys.mint(b"\x07" * api_keys.RANDOM_BYTES)
    assert api_keys.digest(key, b"one") != api_keys.digest(key, b"two")
    hint = api_keys.hint(key)
    assert hint.startswith(key[:7])
    assert hint.endswith(key[-4:])
    assert key[7:-4] not in hint


def test_a_key_may_do_no_more_than_its_maker() -> None:
    maker = frozenset({Scope.SCAN_READ, Scope.ACCOUNT_WRITE})
    assert api_keys.granted(None, frozenset(Scope)) == frozenset(Scope) - {Scope.ACCOUNT_WRITE}
    assert api_keys.granted(None, maker) == {Scope.SCAN_READ}
    assert api_keys.granted([Scope.ACCOUNT_WRITE], maker) == {Scope.ACCOUNT_WRITE}
    with pytest.raises(api_keys.ScopesExceeded, match="scan:write"):
        api_keys.granted([Scope.SCAN_READ, Scope.SCAN_WRITE], maker)
