"""Cipher suites, groups and signature schemes by IANA number, and the sets of them that hellos offer."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any


def _table(file: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(file).read_text("utf-8"))


def _numbered(*tables: Mapping[str, str]) -> Mapping[int, str]:
    return MappingProxyType({int(number, 16): text for table in tables for number, text in table.items()})


_suites, _groups = _table("cipher_suites.toml"), _table("groups.toml")
NAMES = _numbered(_suites["iana"], _suites["others"])
GROUP_NAMES = _numbered(_groups["groups"])
SIGNATURE_NAMES = _numbered(_groups["signatures"])
PRIMES: Mapping[str, str] = MappingProxyType(_table("dh_primes.toml")["primes"])
SSL2_KINDS: Mapping[int, str] = MappingProxyType(
    {
        0x010080: "SSL_CK_RC4_128_WITH_MD5",
        0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
        0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
        0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
        0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
        0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
        0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
    }
)
RENEGOTIATION_SCSV = 0x00FF  # RFC 5746 section 3.3
FALLBACK_SCSV = 0x5600  # RFC 7507 section 2


def name(number: int) -> str:
    return NAMES.get(number, f"0x{number:04X}")


def group_name(number: int) -> str:
    return GROUP_NAMES.get(number, f"group 0x{number:04X}")


def signature_name(number: int) -> str:
    return SIGNATURE_NAMES.get(number, f"scheme 0x{number:04X}")


def _holding(*parts: str) -> tuple[int, ...]:
    return tuple(number for number, text in NAMES.items() if any(part in text for part in parts))


def _without(numbers: tuple[int, ...], *others: tuple[int, ...]) -> tuple[int, ...]:
    left_out = {number for other in others for number in other}
    return tuple(number for number in numbers if number not in left_out)


# RFC 8446 appendix B.4, RFC 8998, RFC 9150, RFC 9367: suites that name no key exchange. The last two encrypt nothing.
TLS13_PLAIN = (0xC0B4, 0xC0B5)
TLS13 = (0x1302, 0x1301, 0x1303, 0x1304, 0x1305, 0x1306, 0x1307, 0x00C6, 0x00C7, *range(0xC103, 0xC107), *TLS13_PLAIN)
_OLDER = _without(tuple(NAMES), TLS13)
NULL_OR_ANONYMOUS = _without(_holding("_NULL_", "_anon_"), TLS13)
EXPORT_RC4_DES = _without(_holding("_EXPORT", "_RC4_", "_RC2_", "_DES_CBC_", "_DES40_"), NULL_OR_ANONYMOUS)
SMALL_BLOCK = _without(  # a 64-bit block
    _holding("_3DES_", "_IDEA_", "_28147_", "_MAGMA_"), NULL_OR_ANONYMOUS, EXPORT_RC4_DES, TLS13
)
WEAK = (*NULL_OR_ANONYMOUS, *EXPORT_RC4_DES, *SMALL_BLOCK)
_SOUND = _without(_OLDER, WEAK)
_FOREIGN = frozenset(_holding("_PSK_", "_KRB5_", "_SRP_", "_GOST", "_ECCPWD_", "_ECDH_", "_DH_", "_OLD"))
_AEAD = frozenset(_holding("_GCM", "_CCM", "_CHACHA20_"))
_EPHEMERAL = frozenset(_holding("_DHE_", "_ECDHE_"))


def _sound(*, ephemeral: str = "", aead: bool | None = None) -> tuple[int, ...]:
    """Those with a certificate, and the key exchange `ephemeral`, or none such where it is empty."""
    return tuple(
        number
        for number in _SOUND
        if number not in _FOREIGN
        and (ephemeral in NAMES[number] if ephemeral else number not in _EPHEMERAL)
        and (aead is None or (number in _AEAD) == aead)
    )


_ECDHE_AEAD = _sound(ephemeral="_ECDHE_", aead=True)
FORWARD_SECRET = (*_ECDHE_AEAD, *_sound(ephemeral="_DHE_"), *_sound(ephemeral="_ECDHE_", aead=False))
FINITE_FIELD_DH = (*_sound(ephemeral="_DHE_"), *(n for n in SMALL_BLOCK if "_DHE_" in NAMES[n] and n not in _FOREIGN))
AUTHENTICATED_ENCRYPTION = (*_ECDHE_AEAD, *_sound(ephemeral="_DHE_", aead=True), *_sound(aead=True))

# The sound suites up to TLS 1.2 in parts that a server can be asked for side by side, and that take few rounds each.
PARTS: tuple[tuple[int, ...], ...] = (
    tuple(n for n in _ECDHE_AEAD if "_256_" in NAMES[n]),
    tuple(n for n in _ECDHE_AEAD if "_256_" not in NAMES[n]),
    _sound(ephemeral="_ECDHE_", aead=False),
    _sound(ephemeral="_DHE_", aead=True),
    _sound(ephemeral="_DHE_", aead=False),
    _sound(aead=True),
    _sound(aead=False),
    tuple(n for n in _SOUND if n in _FOREIGN and "_PSK_" in NAMES[n]),
    tuple(n for n in _SOUND if n in _FOREIGN and "_PSK_" not in NAMES[n]),
)
WITH_CURVES = (*PARTS[0], *PARTS[1], *PARTS[2])
# The same of the versions before TLS 1.2, which have neither authenticated encryption nor other hashes (RFC 5246 1.2).
_CLASSIC = frozenset(n for n in _SOUND if n not in _AEAD and not NAMES[n].endswith(("_SHA256", "_SHA384")))
OLD_PARTS: tuple[tuple[int, ...], ...] = tuple(
    part for part in (tuple(n for n in part if n in _CLASSIC) for part in PARTS) if part
)


def _rank(number: int) -> tuple[bool, bool, bool, bool]:
    text = NAMES[number]
    common = "_AES_" in text or "_CHACHA20_" in text
    return ("_ECDHE_" not in text, "_DHE_" not in text, number not in _AEAD, not common)


# What clients have ever offered by default, but for the null and anonymous ones, the best first. At most 127: with more
# some servers give no answer.
ANY = (
    *(
        n
        for n in sorted(_SOUND, key=_rank)
        if n not in _FOREIGN and "_ARIA_" not in NAMES[n] and "_DSS_" not in NAMES[n]
    ),
    *(n for n in (*SMALL_BLOCK, *EXPORT_RC4_DES) if n < 0xFE00 and "_KRB5_" not in NAMES[n] and n not in _FOREIGN),
)
# What nearly every server shares at least one of, for those that give no answer to a long list.
COMMON = (
    *(0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC009, 0xC013, 0xC00A, 0xC014),
    *(0x009E, 0x0033, 0x0039, 0x009C, 0x009D, 0x003C, 0x002F, 0x0035, 0x000A, 0x0005),
)

X25519, P256, X25519MLKEM768 = 0x001D, 0x0017, 0x11EC
# Best first. The curves before the Brainpool ones of 2018 are of TLS up to 1.2, those from there on of TLS 1.3.
CURVES = (0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x001A, 0x001B, 0x001C, *range(0x0016, 0x0000, -1))
CURRENT_CURVES = CURVES[:5]
OLD_CURVES = CURVES[5:]
TLS13_CURVES = (0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x001F, 0x0020, 0x0021, *range(0x0022, 0x002A))
FINITE_FIELDS = (0x0100, 0x0101, 0x0102, 0x0103, 0x0104)
HYBRIDS = (0x11EC, 0x11EB, 0x11ED)  # RFC 10024: elliptic curve and ML-KEM
POST_QUANTUM = (*HYBRIDS, 0x11EE, 0x0201, 0x0202, 0x0200, 0x6399, 0x639A)
