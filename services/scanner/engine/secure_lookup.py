"""Lookups that DNSSEC vouches for, or not: the resolvers' raw answers, validated from the trust anchor down."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from services.scanner.engine.dnssec import anchors
from services.scanner.engine.dnssec.answers import Judgement, judged
from services.scanner.engine.dnssec.chain import Zone, anchored, descended
from services.scanner.engine.dnssec.signatures import Effort, text
from services.scanner.engine.evidence.base import Fault, Unseen
from services.scanner.engine.evidence.dnssec import Signature, Status, ZoneTrust
from services.scanner.engine.network import Network

MAX_ALIASES = 8
_WORST: tuple[Status, ...] = ("bogus", "indeterminate", "insecure", "secure")


@dataclass(frozen=True, slots=True)
class SecureAnswer:
    """`records`: of the asked type in presentation form, whatever the status; () with "secure" is a proved absence.

    `rcode`: NOERROR or NXDOMAIN, or that of a failure; "" without an answer. `fault`: of an indeterminate one.
    """

    name: str
    type: str
    status: Status
    reason: str
    records: tuple[str, ...] = ()
    rcode: str = ""
    aliases: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    fault: Fault | None = None


async def secure_lookup(network: Network, name: str, record_type: str) -> SecureAnswer:
    """Ask, follow aliases, and validate each step. Never raises for what was answered; a few seconds at the worst."""
    return await Validator.of(network).lookup(name, record_type)


class Validator:
    """One scan's chains of trust: each zone is validated once, whoever needs it."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._zones: dict[dns.name.Name, asyncio.Task[Zone | Unseen]] = {}
        self.effort = Effort()
        self.now: datetime = network.now()

    @classmethod
    def of(cls, network: Network) -> "Validator":
        if cls not in network.kept:
            network.kept[cls] = cls(network)
        found: Validator = network.kept[cls]
        return found

    async def chain(self, name: dns.name.Name) -> list[Zone] | Unseen:
        """The zones from the trust anchor down to that of the name, which is the last. All questions go out at once."""
        anchor = self._anchor(name)
        if isinstance(anchor, Unseen):
            return anchor
        tops = _ancestors(name, anchor.zone)
        await asyncio.gather(*(self._ask(top, kind) for top in tops for kind in ("DS", "DNSKEY")))
        found: list[Zone] = []
        for top in reversed(tops):
            zone = await self.zone(top)
            if isinstance(zone, Unseen):
                return zone
            if not found or zone is not found[-1]:
                found.append(zone)
        return found

    async def zone(self, name: dns.name.Name) -> Zone | Unseen:
        """The zone that the name belongs to, as far as it can be trusted; below an unsigned one, that one."""
        if name not in self._zones:
            self._zones[name] = asyncio.create_task(self._zone(name))
        return await asyncio.shield(self._zones[name])

    async def lookup(self, name: str, record_type: str) -> SecureAnswer:
        try:
            at, kind = dns.name.from_text(name), dns.rdatatype.from_text(record_type)
        except (dns.exception.DNSException, ValueError) as error:
            return SecureAnswer(name, record_type, "indeterminate", f"{error}", fault="target")
        steps: list[Judgement] = []
        aliases: list[str] = []
        while True:
            answer = await self._answer(at, kind)
            step = await self.judge(answer, at, kind)
            steps.append(step)
            if step.alias is None:
                break
            at = step.alias
            aliases.append(text(at))
            if len(aliases) > MAX_ALIASES:
                steps.append(Judgement("indeterminate", f"more than {MAX_ALIASES} aliases", fault="target"))
                break
        worst = min(steps, key=lambda one: _WORST.index(one.status))
        return SecureAnswer(
            name,
            record_type,
            worst.status,
            worst.reason,
            records=steps[-1].records,
            rcode="" if isinstance(answer, Unseen) else dns.rcode.to_text(answer.rcode()),
            aliases=tuple(aliases),
            signatures=tuple(signature for one in steps for signature in one.signatures),
            fault=worst.fault,
        )

    async def judge(
        self, answer: dns.message.Message | Unseen, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> Judgement:
        """What the chain of trust makes of an answer about the name."""
        above = name.parent() if kind == dns.rdatatype.DS and name != dns.name.root else name
        zone = await self.zone(_signer(answer, above) or above)
        if isinstance(zone, Unseen):
            zone = Zone(above, ZoneTrust(text(above), "indeterminate", zone.reason, fault=zone.fault))
        return judged(answer, name, kind, zone, self.now, self.effort)

    async def _answer(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.message.Message | Unseen:
        """With the questions about all zones above the name asked at the same time.

        Labels such as `_tcp` are seldom zones: they are asked about only where the answer does not name its signer.
        """
        anchor = self._anchor(name)
        tops = [] if isinstance(anchor, Unseen) else _ancestors(name, anchor.zone)
        questions = [(top, asked) for top in tops if not top.labels[0].startswith(b"_") for asked in ("DS", "DNSKEY")]
        answer, *_ = await asyncio.gather(
            self._network.query(name.to_text(), dns.rdatatype.to_text(kind)), *(self._ask(*one) for one in questions)
        )
        return answer

    async def _zone(self, name: dns.name.Name) -> Zone | Unseen:
        anchor = self._anchor(name)
        if isinstance(anchor, Unseen):
            return anchor
        if name == anchor.zone:
            return anchored(anchor, await self._ask(name, "DNSKEY"), self.now, self.effort)
        parent = await self.zone(name.parent())
        if isinstance(parent, Unseen) or not parent.secure:
            return parent
        ds, keys = await asyncio.gather(self._ask(name, "DS"), self._ask(name, "DNSKEY"))
        return descended(parent, name, ds, keys, self.now, self.effort)

    async def _ask(self, name: dns.name.Name, kind: str) -> dns.message.Message | Unseen:
        return await self._network.query(name.to_text(), kind)

    def _anchor(self, name: dns.name.Name) -> anchors.Anchor | Unseen:
        try:
            known = anchors.load(self._network.settings.dnssec_trust_anchor_file)
        except (OSError, ValueError) as error:
            return Unseen(f"the DNSSEC trust anchors cannot be read: {error}", "ours")
        return anchors.closest(known, name) or Unseen(f"no DNSSEC trust anchor is above {text(name)}", "source")


def _ancestors(name: dns.name.Name, top: dns.name.Name) -> list[dns.name.Name]:
    """The name and all above it, to `top`."""
    found = [name]
    while found[-1] != top:
        found.append(found[-1].parent())
    return found


def _signer(answer: dns.message.Message | Unseen, name: dns.name.Name) -> dns.name.Name | None:
    """The zone nearest to the name that says it signed the answer. A false one proves nothing: its keys do not fit."""
    if isinstance(answer, Unseen):
        return None
    signed = (rrset for rrset in (*answer.answer, *answer.authority) if rrset.rdtype == dns.rdatatype.RRSIG)
    signers = [rrset[0].signer for rrset in signed if name.is_subdomain(rrset[0].signer)]
    return max(signers, key=len, default=None)
