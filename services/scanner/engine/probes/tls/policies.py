"""Certificate policies along a path: RFC 5280 section 6.1 for a client that asks for no policy of its own.

What is left of the policy tree then is one question: where an authority requires an explicit policy, does one hold for
the whole path? Each level of the tree is kept as the policies that are valid there, with what they expect below.
"""

from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from services.scanner.engine.probes.tls import der
from services.scanner.engine.probes.tls.link import Link

_ANY = x509.ObjectIdentifier("2.5.29.32.0")
_MAX_POLICIES = 256  # of one certificate

Level = Mapping[x509.ObjectIdentifier, frozenset[x509.ObjectIdentifier]]


def refusal(path: Sequence[Link]) -> str | None:
    """`path`: the leaf first, the root last, which takes no part. None where the path holds."""
    below = list(reversed(path[:-1]))
    explicit = mapping = any_policy = len(below) + 1
    level: Level = {_ANY: frozenset({_ANY})}
    for index, link in enumerate(below):
        last = index == len(below) - 1
        level = _descend(level, link, any_holds=any_policy > 0 or (not last and link.self_issued))
        if len(level) > _MAX_POLICIES:
            return f"{link.name} has more policies than are followed"
        if not explicit and not level:
            return f"{link.name} holds under no policy that its authorities require (RFC 5280 section 6.1.3 (f))"
        demands = link.extension(x509.PolicyConstraints)
        if last:
            if explicit:
                explicit -= 1
            if demands and demands.require_explicit_policy == 0:
                explicit = 0
            break
        mapped = _mappings(link)
        if any(_ANY in pair for pair in mapped):
            return f"{link.name} maps anyPolicy (RFC 5280 section 6.1.4 (a))"
        level = _mapped(level, mapped, allowed=mapping > 0)
        if not link.self_issued:
            explicit, mapping, any_policy = max(0, explicit - 1), max(0, mapping - 1), max(0, any_policy - 1)
        if demands and demands.require_explicit_policy is not None:
            explicit = min(explicit, demands.require_explicit_policy)
        if demands and demands.inhibit_policy_mapping is not None:
            mapping = min(mapping, demands.inhibit_policy_mapping)
        inhibited = link.extension(x509.InhibitAnyPolicy)
        if inhibited is not None:
            any_policy = min(any_policy, inhibited.skip_certs)
    if not explicit and not level:
        return f"{path[0].name} holds under no policy that its authorities require (RFC 5280 section 6.1.5 (g))"
    return None


def _descend(level: Level, link: Link, *, any_holds: bool) -> Level:
    """Section 6.1.3 (d): the policies of this certificate that follow from those above."""
    held = link.extension(x509.CertificatePolicies)
    if held is None or not level:
        return {}
    expected = frozenset[x509.ObjectIdentifier]().union(*level.values())
    policies = [policy.policy_identifier for policy in held]
    found = {
        policy: frozenset({policy}) for policy in policies if policy != _ANY and (policy in expected or _ANY in level)
    }
    if _ANY in policies and any_holds:
        found |= {policy: frozenset({policy}) for policy in expected if policy not in found}
    return found


def _mappings(link: Link) -> list[tuple[x509.ObjectIdentifier, x509.ObjectIdentifier]]:
    """(issuer's policy, subject's policy). One of MALFORMED."""
    for found in link.certificate.extensions:
        if found.oid == ExtensionOID.POLICY_MAPPINGS:
            return _pairs(found.value)
    return []


def _pairs(value: x509.ExtensionType) -> list[tuple[x509.ObjectIdentifier, x509.ObjectIdentifier]]:
    pairs = []
    for _, content, _ in der.fields(value.public_bytes()):
        one, other = der.elements(content)
        pairs.append((_oid(one[1]), _oid(other[1])))
    return pairs


def _oid(content: bytes) -> x509.ObjectIdentifier:
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return x509.ObjectIdentifier(".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:]))))


def _mapped(
    level: Level, pairs: Sequence[tuple[x509.ObjectIdentifier, x509.ObjectIdentifier]], *, allowed: bool
) -> Level:
    """Section 6.1.4 (b)."""
    changed = dict(level)
    for policy in {upper for upper, _ in pairs}:
        lower = frozenset(below for upper, below in pairs if upper == policy)
        if allowed and (policy in level or _ANY in level):
            changed[policy] = lower
        elif not allowed:
            changed.pop(policy, None)
    return changed
