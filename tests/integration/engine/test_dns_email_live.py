"""Each check of SPF, DMARC and DKIM, against live records that differ in one setting."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Site, hardened
from tests.support.lab.dns import ZoneSpec

SITE = hardened("hardened.test")
NO_RECORD = "there is no record left that it could judge"


def with_record(owner: str, record_type: str, *data: str, site: Site = SITE) -> Site:
    return replace(site, zone=site.zone.set(owner, record_type, *data))


def zone_only(name: str, *records: tuple[str, str, str]) -> Site:
    """Somebody else's domain that has nothing but DNS."""
    return Site(name, ZoneSpec(records), web=None, tls=None, mail=None)


async def test_spf_missing(baseline: Scan) -> None:
    also = dict.fromkeys(
        ("spf_multiple_records", "spf_invalid", "spf_permissive_all", "spf_softfail", "spf_too_many_lookups"), NO_RECORD
    )
    verdict = await expect_only(baseline, with_record("@", "TXT", "hello"), fires="spf_missing", also=also)
    assert verdict.evidence["records"] == []


async def test_spf_multiple_records(baseline: Scan) -> None:
    records = ["v=spf1 -all", "v=spf1 mx -all"]
    also = dict.fromkeys(("spf_invalid", "spf_permissive_all", "spf_softfail", "spf_too_many_lookups"), NO_RECORD)
    verdict = await expect_only(baseline, with_record("@", "TXT", *records), fires="spf_multiple_records", also=also)
    assert verdict.evidence["records"] == records


async def test_spf_invalid(baseline: Scan) -> None:
    also = {"spf_permissive_all": "a record in error lets nobody in and keeps nobody out"}
    verdict = await expect_only(baseline, with_record("@", "TXT", "v=spf1 mxx -all"), fires="spf_invalid", also=also)
    assert verdict.evidence["record"] == "v=spf1 mxx -all"
    assert "mxx" in verdict.reason


@pytest.mark.parametrize("record", ["v=spf1 mx +all", "v=spf1 mx ?all", "v=spf1 mx"])
async def test_spf_permissive_all(baseline: Scan, record: str) -> None:
    verdict = await expect_only(baseline, with_record("@", "TXT", record), fires="spf_permissive_all")
    assert verdict.evidence["record"] == record


async def test_spf_permissive_by_an_include(baseline: Scan) -> None:
    other = zone_only("sender.test", ("@", "TXT", "v=spf1 +all"))
    changed = with_record("@", "TXT", "v=spf1 include:sender.test -all")
    verdict = await expect_only(baseline, changed, other, fires="spf_permissive_all")
    assert verdict.evidence["stranger"] == "pass"


async def test_spf_softfail_counts_only_without_dmarc(baseline: Scan) -> None:
    soft = with_record("@", "TXT", "v=spf1 mx ~all")
    assert (await scanned(soft)).statuses == baseline.statuses
    monitored = await scanned(with_record("_dmarc", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@hardened.test"))
    changed = with_record("_dmarc", "TXT", "v=DMARC1; p=none; rua=mailto:dmarc@hardened.test", site=soft)
    verdict = await expect_only(monitored, changed, fires="spf_softfail")
    assert verdict.evidence["record"] == "v=spf1 mx ~all"


async def test_spf_too_many_lookups(baseline: Scan) -> None:
    others = [
        zone_only(f"s{number}.test", ("@", "TXT", "v=spf1 a -all"), ("@", "A", "192.0.2.1")) for number in range(6)
    ]
    includes = " ".join(f"include:s{number}.test" for number in range(6))
    changed = with_record("@", "TXT", f"v=spf1 {includes} -all")
    verdict = await expect_only(baseline, changed, *others, fires="spf_too_many_lookups")
    assert (verdict.evidence["lookups"], verdict.evidence["void"]) == (12, 0)


async def test_spf_void_lookups(baseline: Scan) -> None:
    changed = with_record("@", "TXT", "v=spf1 a:x1.hardened.test a:x2.hardened.test a:x3.hardened.test -all")
    verdict = await expect_only(baseline, changed, fires="spf_too_many_lookups")
    assert (verdict.evidence["lookups"], verdict.evidence["void"]) == (3, 3)


async def test_dmarc_missing(baseline: Scan) -> None:
    also = dict.fromkeys(
        (
            "dmarc_invalid",
            "dmarc_policy_none",
            "dmarc_subdomain_policy_weak",
            "dmarc_partial_enforcement",
            "dmarc_no_reporting",
        ),
        NO_RECORD,
    )
    verdict = await expect_only(baseline, with_record("_dmarc", "TXT"), fires="dmarc_missing", also=also)
    assert verdict.evidence["asked"] == ["_dmarc.hardened.test", "_dmarc.test"]


async def test_dmarc_policy_none(baseline: Scan) -> None:
    record = "v=DMARC1; p=none; rua=mailto:dmarc@hardened.test"
    also = {"dmarc_partial_enforcement": "nothing is enforced, in part or whole"}
    changed = with_record("_dmarc", "TXT", record)
    verdict = await expect_only(baseline, changed, fires="dmarc_policy_none", also=also)
    assert verdict.evidence["record"] == record


async def test_dmarc_invalid(baseline: Scan) -> None:
    record = "v=DMARC1; p=reject; adkim=strict; rua=mailto:dmarc@hardened.test"
    verdict = await expect_only(baseline, with_record("_dmarc", "TXT", record), fires="dmarc_invalid")
    assert verdict.evidence["records"] == [record]
    assert "adkim=strict" in verdict.reason


async def test_several_dmarc_records_are_void(baseline: Scan) -> None:
    records = ["v=DMARC1; p=none", "v=DMARC1; p=reject"]
    also = {
        "dmarc_missing": "there are records, but receivers use none of them",
        "dmarc_policy_none": "no policy holds",
        "dmarc_subdomain_policy_weak": NO_RECORD,
        "dmarc_partial_enforcement": NO_RECORD,
        "dmarc_no_reporting": NO_RECORD,
    }
    changed = with_record("_dmarc", "TXT", *records)
    verdict = await expect_only(baseline, changed, fires="dmarc_invalid", also=also)
    assert verdict.evidence["records"] == records


async def test_dmarc_no_reporting(baseline: Scan) -> None:
    verdict = await expect_only(
        baseline, with_record("_dmarc", "TXT", "v=DMARC1; p=reject"), fires="dmarc_no_reporting"
    )
    assert verdict.evidence["record"] == "v=DMARC1; p=reject"


async def test_dmarc_reports_to_a_domain_that_does_not_take_them(baseline: Scan) -> None:
    changed = with_record("_dmarc", "TXT", "v=DMARC1; p=reject; rua=mailto:x@reports.test")
    name = "hardened.test._report._dmarc"
    willing = zone_only("reports.test", (name, "TXT", "v=DMARC1"))
    assert (await scanned(changed, willing)).statuses == baseline.statuses
    unwilling = zone_only("reports.test", (name, "TXT", "something else"))
    verdict = await expect_only(baseline, changed, unwilling, fires="dmarc_no_reporting")
    assert verdict.evidence["not_authorised"] == {"x@reports.test": f"{name}.reports.test"}


async def test_dmarc_subdomain_policy_weak(baseline: Scan) -> None:
    record = "v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@hardened.test"
    verdict = await expect_only(baseline, with_record("_dmarc", "TXT", record), fires="dmarc_subdomain_policy_weak")
    assert (verdict.evidence["record"], verdict.evidence["weaker"]) == (record, {"sp": "none"})


@pytest.mark.parametrize("tag", ["t=y", "pct=50"])
async def test_dmarc_partial_enforcement(baseline: Scan, tag: str) -> None:
    record = f"v=DMARC1; p=reject; {tag}; rua=mailto:dmarc@hardened.test"
    verdict = await expect_only(baseline, with_record("_dmarc", "TXT", record), fires="dmarc_partial_enforcement")
    assert verdict.evidence["record"] == record


async def test_dkim_weak_key(baseline: Scan) -> None:
    key = rsa.generate_private_key(65537, 1024).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    record = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
    verdict = await expect_only(baseline, with_record("s1._domainkey", "TXT", record), fires="dkim_weak_key")
    assert (verdict.subject, verdict.evidence["bits"], verdict.evidence["record"]) == ("s1", 1024, record)


async def test_dkim_not_found_is_never_a_failure(baseline: Scan) -> None:
    changed = with_record("default._domainkey", "TXT")
    also = {"dkim_weak_key": "there is no key to judge"}
    verdict = await expect_only(baseline, changed, fires="dkim_not_found", becomes="not_tested", also=also)
    assert verdict.fault == "ours"


async def test_dkim_selector_of_the_provider_in_the_mx() -> None:
    key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    site = with_record("default._domainkey", "TXT", site=with_record("@", "MX", "10 in1-smtp.messagingengine.com."))
    (verdict,) = (await scanned(with_record("fm2._domainkey", "TXT", key, site=site))).judged["dkim_not_found"].verdicts
    assert (verdict.status, verdict.evidence["selectors"]) == ("pass", ["fm2"])


async def test_non_mail_domain_unprotected() -> None:
    """Of a domain whose null MX, SPF and DMARC say that it has no mail, and one that lacks each."""
    silent = with_record("@", "TXT", "v=spf1 -all", site=with_record("@", "MX", "0 ."))
    guarded = await scanned(silent)
    assert guarded.statuses["non_mail_domain_unprotected"] == "pass"
    verdict = await expect_only(guarded, with_record("@", "MX", site=silent), fires="non_mail_domain_unprotected")
    assert verdict.evidence["missing"] == ["a null MX"]
