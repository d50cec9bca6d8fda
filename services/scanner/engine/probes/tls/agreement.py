"""Our half of a key exchange of TLS 1.3 (RFC 8446 section 4.2.8.2, RFC 10024 section 3)."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.scanner.engine.probes.tls import suites


@dataclass(frozen=True, slots=True)
class Agreement:
    """`public` goes into the hello; `shared` takes the server's key. ValueError where that is none of the group."""

    group: int
    public: bytes
    shared: Callable[[bytes], bytes]


def agreement(group: int) -> Agreement | None:
    """None: it cannot be done here."""
    make = _MAKERS.get(group)
    return make() if make else None


def _x25519() -> Agreement:
    own = x25519.X25519PrivateKey.generate()

    def shared(peer: bytes) -> bytes:
        return own.exchange(x25519.X25519PublicKey.from_public_bytes(peer))

    return Agreement(suites.X25519, own.public_key().public_bytes_raw(), shared)


def _x448() -> Agreement:
    own = x448.X448PrivateKey.generate()

    def shared(peer: bytes) -> bytes:
        return own.exchange(x448.X448PublicKey.from_public_bytes(peer))

    return Agreement(0x001E, own.public_key().public_bytes_raw(), shared)


def _curve(group: int, curve: ec.EllipticCurve) -> Agreement:
    own = ec.generate_private_key(curve)

    def shared(peer: bytes) -> bytes:
        return own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, peer))

    return Agreement(group, own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), shared)


def _hybrid() -> Agreement:
    """X25519MLKEM768: ML-KEM comes first, in the shares and in the secret."""
    lattice, curve = mlkem.MLKEM768PrivateKey.generate(), _x25519()

    def shared(peer: bytes) -> bytes:
        return lattice.decapsulate(peer[:-32]) + curve.shared(peer[-32:])

    return Agreement(suites.X25519MLKEM768, lattice.public_key().public_bytes_raw() + curve.public, shared)


_MAKERS: dict[int, Callable[[], Agreement]] = {
    suites.X25519: _x25519,
    0x001E: _x448,
    suites.P256: lambda: _curve(suites.P256, ec.SECP256R1()),
    0x0018: lambda: _curve(0x0018, ec.SECP384R1()),
    0x0019: lambda: _curve(0x0019, ec.SECP521R1()),
    suites.X25519MLKEM768: _hybrid,
}
