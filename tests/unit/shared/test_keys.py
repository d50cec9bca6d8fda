"""Keys in their folder: made once, kept to their owner, rotated over two generations."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.keys import Keys
from shared.settings import SettingError
from tests.support.clock import SetClock


def keys(path: Path, *, may_make: bool = True, clock: SetClock | None = None) -> Keys:
    return Keys(path, may_make=may_make, clock=clock or SetClock())


def test_missing_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first = keys(folder)
    assert (first.jwt.key_id, len(first.api_key_pepper)) == (keys(folder).jwt.key_id, 32)
    assert first.api_key_pepper == keys(folder).api_key_pepper
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_only_what_is_used_is_read(tmp_path: Path) -> None:
    verifier = keys(tmp_path)
    signer = keys(tmp_path)
    assert signer.assertion.find(signer.assertion.key_id) is not None
    (tmp_path / "assertion.pem").unlink()
    assert verifier.assertion.find(signer.assertion.key_id) is not None
    assert not (tmp_path / "assertion.pem").exists()
    assert not (tmp_path / "seal.key").exists()


def test_production_makes_none(tmp_path: Path) -> None:
    for use in (lambda k: k.jwt.private, lambda k: k.assertion.find("x"), lambda k: k.seal, lambda k: k.api_key_pepper):
        with pytest.raises(SettingError, match=r"CL_KEYS_DIR: .* is missing, and production makes no keys"):
            use(keys(tmp_path, may_make=False))
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    assert keys(tmp_path).api_key_pepper
    (tmp_path / "api-key-pepper.key").chmod(0o604)
    with pytest.raises(SettingError, match="chmod 600"):
        _ = keys(tmp_path).api_key_pepper


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: (lambda k: (k.jwt.key_id, k.api_key_pepper))(keys(tmp_path)), range(8)))
    assert len(set(made)) == 1


def test_two_generations_are_accepted_and_no_third(tmp_path: Path) -> None:
    first = keys(tmp_path)
    first_id, sealed, pepper = first.jwt.key_id, first.seal.seal(b"secret"), first.api_key_pepper
    keys(tmp_path).rotate()
    second = keys(tmp_path)
    assert second.jwt.key_id != first_id
    assert second.jwt.find(first_id) is not None
    assert second.seal.open(sealed) == b"secret"
    assert second.api_key_peppers[1] == pepper
    keys(tmp_path).rotate()
    third = keys(tmp_path)
    assert third.jwt.find(first_id) is None
    with pytest.raises(ValueError, match="CL_KEYS_DIR"):
        third.seal.open(sealed)
    assert pepper not in third.api_key_peppers


def test_a_running_process_learns_of_a_rotation(tmp_path: Path) -> None:
    clock = SetClock()
    running = keys(tmp_path, clock=clock)
    assert running.assertion.find(running.assertion.key_id) is not None
    keys(tmp_path).rotate()
    new = keys(tmp_path).assertion.key_id
    assert running.assertion.find(new) is None  # the files are read every few seconds at most
    clock.forward(5)
    assert running.assertion.find(new) is not None


def test_jwks_has_the_public_halves_alone(tmp_path: Path) -> None:
    made = keys(tmp_path)
    key_id = made.jwt.key_id
    keys(tmp_path).rotate()
    published = keys(tmp_path).jwt.jwks()["keys"]
    assert key_id in {key["kid"] for key in published}
    assert [sorted(key) for key in published] == [["alg", "crv", "kid", "kty", "use", "x"]] * 2


def test_files_that_belong_together_are_made_together(tmp_path: Path) -> None:
    names = ("report-certificate.pem", "report-key.pem")
    paths = keys(tmp_path).files(names, lambda: {names[0]: b"certificate", names[1]: b"key"})
    assert [paths[name].read_bytes() for name in names] == [b"certificate", b"key"]
    keys(tmp_path, may_make=False).files(names, lambda: pytest.fail("they are there"))


def test_sealed_secrets_differ_and_cannot_be_altered(tmp_path: Path) -> None:
    seal = keys(tmp_path).seal
    sealed = seal.seal(b"secret")
    assert sealed != seal.seal(b"secret")
    assert b"secret" not in sealed
    for altered in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:5], b""):
        with pytest.raises(ValueError, match="sealed"):
            seal.open(altered)
