"""The checks of names below the domain, by hand-made evidence."""

from collections.abc import Iterable
from datetime import UTC, datetime

from services.scanner.engine.check import Verdict
from services.scanner.engine.checks import subdomains as checks
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.subdomains import Claim, Destination, Subdomain, Subdomains

APEX = Subdomain("example.com", ("zone",), addresses=("192.0.2.1",))
GONE = Destination("x.gone.test", missing="x.gone.test", registrable="gone.test", unregistered=True)
SILENT = Unseen("no answer", "target")


def seen(*found: Subdomain, logged: Unseen | None = None) -> Subdomains:
    return Subdomains(
        domain="example.com",
        registrable="example.com",
        found=(APEX, *found),
        looked=60,
        wildcard=False,
        certificate=None,
        logged=logged or (),
        more=0,
        seen_at=datetime(2026, 11, 24, tzinfo=UTC),
    )


def statuses(verdicts: Iterable[Verdict]) -> list[tuple[str, str]]:
    return [(verdict.status, verdict.asset) for verdict in verdicts]


def test_an_alias_that_dangles_is_told_with_what_may_be_registered() -> None:
    (verdict,) = checks.dangling_cname(seen(Subdomain("a.example.com", ("guess",), alias=GONE)))
    assert verdict.status == "fail"
    assert "gone.test is not registered" in verdict.reason
    assert verdict.reproduce == "dig a.example.com CNAME; dig x.gone.test A"


def test_an_alias_without_an_answer_is_not_tested() -> None:
    silent = Subdomain("a.example.com", ("guess",), alias=Destination("x.test", unseen=SILENT))
    assert statuses(checks.dangling_cname(seen(silent))) == [("not_tested", "a.example.com"), ("pass", "example.com")]


def test_many_names_without_an_answer_are_told_in_few_words() -> None:
    silent = [Subdomain(f"a{number}.example.com", ("guess",), unseen=SILENT) for number in range(50)]
    assert len(statuses(checks.dangling_cname(seen(*silent)))) == 5


def test_a_mail_host_missing_in_the_domain_itself_is_no_way_in() -> None:
    own = Destination("mx.example.com", missing="mx.example.com", registrable="example.com")
    found = Subdomain("a.example.com", ("guess",), mail=(own,))
    assert statuses(checks.dangling_mx(seen(found))) == [("pass", "example.com")]


def test_one_of_two_name_servers_missing_is_a_finding() -> None:
    servers = (Destination("ns1.example.net", addresses=("192.0.2.9",)), GONE)
    found = Subdomain("a.example.com", ("guess",), nameservers=servers, unseen=SILENT)
    assert statuses(checks.dangling_ns(seen(found))) == [("fail", "a.example.com")]


def test_a_provider_that_may_ask_for_proof_is_no_certain_take_over() -> None:
    alias = Destination("acme.github.io", addresses=("192.0.2.9",))
    for edge_case, confidence in ((True, "inferred"), (False, "confirmed")):
        claim = Claim("Provider", edge_case, "http://a.example.com/", "It's nobody's")
        (verdict,) = checks.subdomain_takeover_possible(
            seen(Subdomain("a.example.com", ("guess",), alias=alias, claim=claim))
        )
        assert (verdict.status, verdict.confidence) == ("fail", confidence)
        assert """grep 'It'"'"'s nobody'"'"'s'""" in verdict.reproduce


def test_a_page_not_seen_is_not_tested() -> None:
    alias = Destination("acme.github.io", addresses=("192.0.2.9",))
    claim = Claim("Provider", False, "http://a.example.com/", SILENT)
    found = Subdomain("a.example.com", ("guess",), alias=alias, claim=claim)
    assert statuses(checks.subdomain_takeover_possible(seen(found)))[0] == ("not_tested", "a.example.com")


def test_a_search_out_of_reach_is_the_sources_doing() -> None:
    verdicts = list(checks.dangling_ns(seen(logged=Unseen("down", "source"))))
    assert [(verdict.status, verdict.fault) for verdict in verdicts] == [("pass", None), ("not_tested", "source")]
