"""Keys that are long enough and weak all the same."""

from math import isqrt

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from services.scanner.engine.probes.tls import keys
from tests.unit.engine.tls.pki import authority, server


def next_prime(number: int) -> int:
    number |= 1
    while not all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7)):
        number += 2
    return number


P = next_prime(1 << 255 | 12345)
Q = next_prime(3 << 254 | 98765)


@pytest.mark.parametrize(
    ("modulus", "exponent", "flaw"),
    [
        (P * Q, 65537, None),
        (P * Q, 3, None),  # the Baseline Requirements allow it
        (P * Q, 1, "public exponent 1"),
        (P * Q, 65536, "public exponent 65536"),
        (P * next_prime(P + 2), 65537, "close"),
        (P * P, 65537, "close"),
        (P * 751, 65537, "small factor"),
        (P * Q * 2, 65537, "small factor"),
    ],
)
def test_moduli_and_exponents(modulus: int, exponent: int, flaw: str | None) -> None:
    found = list(keys._rsa_flaws(modulus, exponent))

    assert not found if flaw is None else any(flaw in each for each in found)


def test_the_form_of_roca() -> None:
    """A prime of the library: k * M + (65537 ** a mod M), with M the product of the first primes."""
    product = 2
    for prime in keys._ROCA_PRIMES:
        product *= prime
    powers = (pow(65537, 1234, product), pow(65537, 4321, product))
    modulus = (product * 7 + powers[0]) * (product * 9 + powers[1])

    assert any("ROCA" in each for each in keys._rsa_flaws(modulus, 65537))


def test_a_key_as_it_should_be() -> None:
    assert keys.flaws(server(authority("Root"), key_name="rsa-2048-fine")) == ()
    assert keys.flaws(server(authority("Root"))) == ()


def test_close_needs_no_square_root_of_a_float() -> None:
    key = rsa.generate_private_key(65537, 2048).public_key().public_numbers()

    assert isqrt(key.n) ** 2 != key.n
    assert not keys._close(key.n)
