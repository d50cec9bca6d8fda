"""Whether the names of a certificate lie within the name constraints of an authority (RFC 5280 section 4.2.1.10)."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from services.scanner.engine.probes.tls.certificate import oddities_ignored
from services.scanner.engine.probes.tls.link import Link, name_key

_MAX_COMPARISONS = 250_000  # names times constraints of one authority; more is no constraint but a load
_KNOWN = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier, x509.DirectoryName)


def violated(constraints: x509.NameConstraints, link: Link) -> str | None:
    """The first name of `link` that they do not allow, in a clause; None where they allow all."""
    permitted, excluded = constraints.permitted_subtrees or (), constraints.excluded_subtrees or ()
    names = _names(link)
    if len(names) * (len(permitted) + len(excluded)) > _MAX_COMPARISONS:
        return "has more names than its authorities' constraints can be applied to"
    for name in names:
        kind = type(name)
        forbidding, allowing = _of_kind(kind, excluded), _of_kind(kind, permitted)
        if (forbidding or allowing) and kind not in _KNOWN:
            return f"holds a name of a kind that is constrained and not known here ({kind.__name__})"
        try:
            if any(_within(name, tree, excluding=True) for tree in forbidding):
                return f"holds {_shown(name)}, which its authorities' name constraints exclude"
            if allowing and not any(_within(name, tree, excluding=False) for tree in allowing):
                return f"holds {_shown(name)}, which its authorities' name constraints do not permit"
        except ValueError as error:
            return f"is under name constraints that cannot be applied: {error}"
    return None


def _names(link: Link) -> Sequence[x509.GeneralName]:
    """The subject and all alternative names; e-mail addresses of the subject where there are no alternative ones."""
    found = link.extension(x509.SubjectAlternativeName)
    names: list[x509.GeneralName] = list(found or ())
    with oddities_ignored():
        subject = link.certificate.subject
    if subject.rdns:
        names.append(x509.DirectoryName(subject))
    if not any(isinstance(name, x509.RFC822Name) for name in names):
        for part in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            names.append(x509.RFC822Name(str(part.value)))
    return names


def _of_kind(kind: type, trees: Iterable[x509.GeneralName]) -> list[x509.GeneralName]:
    return [tree for tree in trees if type(tree) is kind]


def _within(name: x509.GeneralName, tree: x509.GeneralName, *, excluding: bool) -> bool:
    """ValueError where one of the two is malformed: then nothing can be said."""
    match name, tree:
        case x509.DNSName(value=host), x509.DNSName(value=base):
            return _host_within(host, base, excluding=excluding)
        case x509.IPAddress(value=address), x509.IPAddress(value=network):
            if not isinstance(network, IPv4Network | IPv6Network):
                raise ValueError("an address without a mask")
            return _network(address).version == network.version and _network(address).subnet_of(network)  # type: ignore[arg-type]  # of one version
        case x509.RFC822Name(value=mailbox), x509.RFC822Name(value=base):
            return _mailbox_within(mailbox, base)
        case x509.UniformResourceIdentifier(value=address), x509.UniformResourceIdentifier(value=base):
            return _address_within(address, base)
        case x509.DirectoryName(value=full), x509.DirectoryName(value=start):
            upper = name_key(start)
            return name_key(full)[: len(upper)] == upper
    raise ValueError("names of different kinds")


def _host_within(host: str, base: str, *, excluding: bool) -> bool:
    """Any labels may stand before the base. A leading dot, which the syntax does not have, is widely read as "below".

    A wildcard name is excluded as soon as one of the names that it stands for is.
    """
    host, base = host.lower(), base.lower()
    if not base:
        return True
    if excluding and host.startswith("*."):
        label, dot, rest = base.partition(".")
        if dot and label and rest == host[2:]:
            return True
    if base.startswith("."):
        return host.endswith(base) or (excluding and host == base[1:])
    return host == base or host.endswith("." + base)


def _mailbox_within(mailbox: str, base: str) -> bool:
    """ "user@host" is one mailbox, "host" all at that host, ".host" all at hosts below."""
    local, _, host = mailbox.rpartition("@")
    if not local or not host:
        raise ValueError("a mailbox without a host")
    if "@" in base:
        wanted, _, at = base.rpartition("@")
        return local == wanted and host.lower() == at.lower()
    if base.startswith("."):
        return host.lower().endswith(base.lower())
    return not base or host.lower() == base.lower()


def _address_within(address: str, base: str) -> bool:
    """Only the host counts, and it must be a name."""
    host = (urlsplit(address).hostname or "").lower()
    if not host or host.replace(".", "").isdigit() or ":" in host:
        raise ValueError("a URI without a host name")
    return host.endswith(base.lower()) if base.startswith(".") else host == base.lower()


def _network(address: object) -> IPv4Network | IPv6Network:
    return ip_network(str(address))


def _shown(name: x509.GeneralName) -> str:
    value = name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else str(name.value)
    return value[:100]
