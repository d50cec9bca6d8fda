"""Keys that are weak although they are long enough: known faults of those who made them."""

from collections.abc import Iterator
from math import isqrt

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

_FERMAT_ROUNDS = 100  # Baseline Requirements section 6.1.1.3
_LARGEST = 16384  # bits that are looked into


def _primes(below: int) -> tuple[int, ...]:
    return tuple(n for n in range(3, below) if all(n % d for d in range(2, isqrt(n) + 1)))


_SMALL_PRIMES = _primes(752)  # Baseline Requirements section 6.1.6: a modulus should have no such factor
# CVE-2017-15361: the library's primes are powers of 65537 modulo each of these, and so are their products.
_ROCA_PRIMES = _primes(168)
_ROCA_RESIDUES = {prime: frozenset(pow(65537, power, prime) for power in range(prime)) for prime in _ROCA_PRIMES}


def flaws(certificate: x509.Certificate) -> tuple[str, ...]:
    """A clause each, such as "is one of those of CVE-2017-15361 (ROCA)"."""
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return ()
    if isinstance(key, dsa.DSAPublicKey):
        return ("is a DSA key, which FIPS 186-5 no longer approves for signatures",)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size <= _LARGEST:
        numbers = key.public_numbers()
        return tuple(_rsa_flaws(numbers.n, numbers.e))
    return ()


def _rsa_flaws(modulus: int, exponent: int) -> Iterator[str]:
    if exponent < 3 or exponent % 2 == 0:
        yield f"has the public exponent {exponent} (Baseline Requirements section 6.1.6)"
    if modulus % 2 == 0 or any(modulus % prime == 0 for prime in _SMALL_PRIMES):
        yield "has a small factor (Baseline Requirements section 6.1.6)"
    elif _close(modulus):
        yield "has two factors so close that Fermat's method finds them (CVE-2022-26320)"
    if all(modulus % prime in residues for prime, residues in _ROCA_RESIDUES.items()):
        yield "has the form of those that CVE-2017-15361 (ROCA) makes factorable"


def _close(modulus: int) -> bool:
    """Fermat's factorization, as many rounds as the Baseline Requirements ask of an authority."""
    middle = isqrt(modulus)
    if middle * middle < modulus:
        middle += 1
    square = middle * middle - modulus
    for _ in range(_FERMAT_ROUNDS):
        if square & 3 < 2 and isqrt(square) ** 2 == square:
            return True
        square += 2 * middle + 1
        middle += 1
    return False
