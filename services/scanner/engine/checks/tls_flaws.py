"""Checks of flaws in implementations of TLS: intrusive, and only where they are asked for."""

from collections.abc import Iterator, Sequence
from shlex import quote

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.checks.tls_attacks import CONFIRMED
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.tls_flaws import Flaw, TlsFlaws, TriedEndpoint

_CVES: dict[Flaw, str] = {
    "heartbleed": "CVE-2014-0160",
    "ccs_injection": "CVE-2014-0224",
    "robot": "CVE-2017-13099",
}
_NAMES: dict[Flaw, str] = {"heartbleed": "Heartbleed", "ccs_injection": "CCS injection", "robot": "ROBOT"}


def _judged(flaws: TlsFlaws, asked: Sequence[Flaw]) -> Iterator[Verdict]:
    if not flaws.endpoints:
        yield not_applicable(flaws.domain, "no service of it speaks TLS")
    yield from merged(verdict for endpoint in flaws.endpoints for verdict in _of(endpoint, asked))


def _of(endpoint: TriedEndpoint, asked: Sequence[Flaw]) -> Iterator[Verdict]:
    """A failure for each flaw that is there; else one verdict over all of them."""
    tried = {flaw: endpoint.flaws[flaw] for flaw in asked}
    answers = {_NAMES[flaw]: each.answer for flaw, each in tried.items() if not isinstance(each, Unseen)}
    present = [flaw for flaw, each in tried.items() if not isinstance(each, Unseen) and each.present]
    unseen = [each for each in tried.values() if isinstance(each, Unseen)]
    if present:
        for flaw in present:
            yield failed(
                endpoint.asset,
                f"{_NAMES[flaw]}: {answers[_NAMES[flaw]]}",
                reproduce=_command(endpoint, flaw),
                subject=flaw if len(asked) > 1 else "",
                address=endpoint.address,
                answer=answers[_NAMES[flaw]],
                attacks=[{"name": _NAMES[flaw], "cve": _CVES[flaw], "basis": CONFIRMED}],
            )
    elif unseen:
        yield not_tested(endpoint.asset, unseen[0])
    elif all(not isinstance(each, Unseen) and each.present is None for each in tried.values()):
        yield not_applicable(endpoint.asset, next(iter(answers.values())))
    else:
        yield passed(endpoint.asset, address=endpoint.address, answers=answers)


def _command(endpoint: TriedEndpoint, flaw: Flaw) -> str:
    if flaw == "robot":
        return f"testssl.sh --robot {quote(endpoint.asset)}"
    script = "ssl-heartbleed" if flaw == "heartbleed" else "ssl-ccs-injection"
    return f"nmap -Pn -p {endpoint.port} --script {script} {quote(endpoint.host)}"


@check("ssl_heartbleed")
def heartbleed(flaws: TlsFlaws) -> Iterator[Verdict]:
    return _judged(flaws, ("heartbleed",))


@check("ssl_implementation_flaw")
def implementation_flaw(flaws: TlsFlaws) -> Iterator[Verdict]:
    return _judged(flaws, ("ccs_injection", "robot"))
