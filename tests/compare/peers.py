"""All of them, and how to have them look."""

import asyncio
from collections.abc import Sequence

from tests.compare import checkdmarc, csp_evaluator, delv, nmap, observatory, sslyze, testssl, zonemaster
from tests.compare.peer import Peer
from tests.support.far_lab import FarLab

ALL = (
    sslyze.WEB, sslyze.MAIL, checkdmarc.PEER, nmap.HOST, nmap.NAME_SERVERS, nmap.MAIL_HOST, csp_evaluator.PEER,
    observatory.PEER, zonemaster.PEER, delv.PEER,
)  # fmt: skip
SLOW = (testssl.PEER, nmap.FLAWS)  # a minute each
# What `make bench` times beside a scan: what people run today for TLS, mail and headers. More would only be slower.
TIMED = (sslyze.WEB, sslyze.MAIL, checkdmarc.PEER, observatory.PEER)


async def all_at_once(lab: FarLab, peers: Sequence[Peer], domain: str) -> dict[str, float]:
    """Seconds of each, all started together at the scanner's end."""
    ran = await asyncio.gather(*(lab.run(*peer.looks(domain, lab)) for peer in peers))
    return {peer.name: one.seconds for peer, one in zip(peers, ran, strict=True)}
