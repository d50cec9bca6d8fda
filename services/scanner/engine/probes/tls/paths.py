"""Path building and validation (RFC 5280 section 6.1, RFC 4158): from a server's certificate to a root of the store.

Certificates may come in any order, twice, cross-signed, in circles or for nothing; the work is bounded whatever comes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from services.scanner.engine.probes.tls import constraints, policies
from services.scanner.engine.probes.tls.certificate import MALFORMED
from services.scanner.engine.probes.tls.link import Link, NameKey

MAX_CERTIFICATES = 10  # of a path, the leaf and the root included
MAX_SIGNATURES = 200  # verified for one leaf
MAX_STEPS = 3000  # certificates tried as the next of a path

Path = tuple[Link, ...]  # the leaf first


@dataclass(slots=True)
class Search:
    """One leaf's. `roots`: those of the store by name; `sent`: what the server sent along, and what was fetched."""

    sent: Sequence[Link]
    roots: Mapping[NameKey, Sequence[Link]]
    moment: datetime
    _signed: dict[tuple[int, int], bool | None] = field(default_factory=dict)
    _steps: int = 0

    def valid(self, leaf: Link) -> Path | None:
        """The first path that holds in every point but the leaf's own dates and names."""
        self._steps = 0
        if leaf.leaf_flaw() or leaf.signature_flaw():
            return None
        return self._climb((leaf,), valid=True)

    def any(self, leaf: Link) -> Path | None:
        """A path of signatures alone, to say why none is valid."""
        self._steps = 0
        return self._climb((leaf,), valid=False)

    def refusal(self, path: Path) -> str:
        """Why a path that leads to a root is not valid."""
        for found in self._refusals(path):
            return found
        return "it holds in no way that was tried"

    def followed(self, leaf: Link) -> Path:
        """As far as the signatures can be followed."""
        path: Path = (leaf,)
        while len(path) < MAX_CERTIFICATES:
            above = next((each for each in self._issuers(path) if self._signature(path[-1], each) is not False), None)
            if above is None:
                break
            path = (*path, above)
        return path

    def _climb(self, path: Path, *, valid: bool) -> Path | None:
        if len(path) >= MAX_CERTIFICATES:
            return None
        for issuer in self._issuers(path):
            self._steps += 1
            if self._steps > MAX_STEPS:
                return None
            longer = (*path, issuer)
            if valid and self._refused(longer):
                continue
            if self._signature(path[-1], issuer) not in ((True,) if valid else (True, None)):
                continue
            if not self._trusted(issuer):
                found = self._climb(longer, valid=valid)
            elif valid and self._policies(longer):
                found = None
            else:
                found = longer
            if found:
                return found
        return None

    def _issuers(self, path: Path) -> list[Link]:
        """Roots first, then those that the certificate points to by key, then those whose dates are right."""
        child = path[-1]
        if self._trusted(child):
            return []
        held = {(link.subject, link.public_key) for link in path}
        known = self.roots.get(child.issuer, ())
        candidates = [*known, *(link for link in self.sent if link.subject == child.issuer)]
        fresh = [link for link in candidates if (link.subject, link.public_key) not in held]

        def rank(link: Link) -> tuple[bool, bool, bool]:
            pointed = child.authority_key_id is not None and child.authority_key_id == link.key_id
            return not self._trusted(link), not pointed, not self._current(link)

        return sorted(fresh, key=rank)

    def _trusted(self, link: Link) -> bool:
        return any(root.certificate == link.certificate for root in self.roots.get(link.subject, ()))

    def _current(self, link: Link) -> bool:
        certificate = link.certificate
        return certificate.not_valid_before_utc <= self.moment <= certificate.not_valid_after_utc

    def _signature(self, child: Link, issuer: Link) -> bool | None:
        pair = (id(child), id(issuer))
        if pair not in self._signed:
            if len(self._signed) >= MAX_SIGNATURES:
                return False
            self._signed[pair] = child.signed_by(issuer)
        return self._signed[pair]

    def _refused(self, path: Path) -> str | None:
        """What its last certificate, new to the path, brings against it; the rest has been looked at."""
        *below, link = path
        trusted = self._trusted(link)
        try:
            flaw = link.authority_flaw(root=trusted) or (None if trusted else link.signature_flaw())
            if flaw:
                return f"{link.name} {flaw}"
            if not self._current(link):
                return f"{link.name} is valid only from {_day(link, 'before')} to {_day(link, 'after')}"
            between = sum(not each.self_issued for each in below[1:])
            if link.path_length is not None and between > link.path_length:
                return f"{link.name} allows {link.path_length} authorities below it, and there are {between}"
            names = link.extension(x509.NameConstraints)
            for each in below if names else ():
                if each is below[0] or not each.self_issued:
                    assert names is not None
                    if broken := constraints.violated(names, each):
                        return f"{each.name} {broken}"
        except MALFORMED as error:
            return f"{link.name} cannot be decoded: {error}"
        return None

    def _policies(self, path: Path) -> str | None:
        try:
            return policies.refusal(path)
        except MALFORMED as error:
            return f"its policies cannot be decoded: {error}"

    def _refusals(self, path: Path) -> Iterator[str]:
        leaf = path[0]
        if flaw := leaf.leaf_flaw() or leaf.signature_flaw():
            yield f"{leaf.name} {flaw}"
        for length in range(2, len(path) + 1):
            if refused := self._refused(path[:length]):
                yield refused
            if self._signature(path[length - 2], path[length - 1]) is None:
                yield f"the signature of {path[length - 2].name} is of a kind that is no longer verified"
        if refused := self._policies(path):
            yield refused


def index(links: Iterable[Link]) -> dict[NameKey, tuple[Link, ...]]:
    """By subject."""
    found: dict[NameKey, tuple[Link, ...]] = {}
    for link in links:
        found[link.subject] = (*found.get(link.subject, ()), link)
    return found


def _day(link: Link, end: str) -> str:
    return f"{getattr(link.certificate, f'not_valid_{end}_utc'):%Y-%m-%d}"
