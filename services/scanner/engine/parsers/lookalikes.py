"""Names that a person may take for a domain's: what a typing slip, a similar letter or another ending makes of it."""

from collections.abc import Iterator
from itertools import chain, zip_longest

MAX = 45
# Letters that look alike in ASCII (Unicode UTS 39 lists these among its confusables).
_ALIKE = {
    "o": "0", "l": "1", "i": "1", "e": "3", "m": "rn", "w": "vv", "d": "cl", "rn": "m", "0": "o", "1": "l", "vv": "w",
}  # fmt: skip
_NEAR = {
    "q": "w", "w": "e", "e": "r", "r": "t", "t": "y", "y": "u", "u": "i", "i": "o", "o": "p", "p": "o", "a": "s",
    "s": "d", "d": "f", "f": "g", "g": "h", "h": "j", "j": "k", "k": "l", "l": "k", "z": "x", "x": "c", "c": "v",
    "v": "b", "b": "n", "n": "m", "m": "n",
}  # fmt: skip
# Cyrillic, written in an A-label (RFC 5890 section 2.3.2.1).
_FOREIGN = {
    "a": "\u0430",
    "e": "\u0435",
    "o": "\u043e",
    "p": "\u0440",
    "c": "\u0441",
}
_ENDINGS = ("com", "net", "org", "co", "info", "online")
_WORDS = ("login", "secure", "pay", "support")


def of(registrable: str) -> tuple[str, ...]:
    """At most `MAX`, the kinds taken in turn so that each has a share."""
    label, _, suffix = registrable.partition(".")
    kinds = (
        [f"{slip}.{suffix}" for slip in _alike(label)],
        [f"{slip}.{suffix}" for slip in _left_out(label)],
        [f"{label}.{ending}" for ending in _ENDINGS],
        [f"{slip}.{suffix}" for slip in _swapped(label)],
        [f"{slip}.{suffix}" for slip in _doubled(label)],
        [f"{label}-{word}.{suffix}" for word in _WORDS],
        [f"{slip}.{suffix}" for slip in _foreign(label)],
        [f"{slip}.{suffix}" for slip in _neighbours(label)],
    )
    in_turn = chain.from_iterable(zip_longest(*kinds))
    names = dict.fromkeys(name for name in in_turn if name and name != registrable and _valid(name))
    return tuple(names)[:MAX]


def _alike(label: str) -> Iterator[str]:
    for old, new in _ALIKE.items():
        position = label.find(old)
        if position >= 0:
            yield label[:position] + new + label[position + len(old) :]


def _foreign(label: str) -> Iterator[str]:
    for old, new in _FOREIGN.items():
        if old in label and not label.startswith("xn--"):
            yield "xn--" + label.replace(old, new).encode("punycode").decode()


def _left_out(label: str) -> Iterator[str]:
    if len(label) > 3:
        yield from (label[:position] + label[position + 1 :] for position in range(len(label)))


def _swapped(label: str) -> Iterator[str]:
    for position in range(len(label) - 1):
        yield label[:position] + label[position + 1] + label[position] + label[position + 2 :]


def _doubled(label: str) -> Iterator[str]:
    yield from (label[:position] + label[position] + label[position:] for position in range(len(label)))


def _neighbours(label: str) -> Iterator[str]:
    for position, letter in enumerate(label):
        if letter in _NEAR:
            yield label[:position] + _NEAR[letter] + label[position + 1 :]


def _valid(name: str) -> bool:
    label = name.partition(".")[0]
    well_formed = 1 < len(label) <= 63 and not label.startswith("-") and not label.endswith("-")
    return well_formed and (label[2:4] != "--" or label.startswith("xn--"))
