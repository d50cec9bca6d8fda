"""The trust of a chain, and where it breaks off."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.scanner.engine.probes.tls import certificate, trust
from tests.support.lab.ca import CertificateAuthority, CertificateSpec

HARDENED = CertificateSpec()


@pytest.mark.parametrize(
    ("spec", "status", "reason"),
    [
        (HARDENED, "trusted", ""),
        (replace(HARDENED, ends_in=timedelta(days=-1)), "trusted", ""),  # the dates have a check of their own
        (replace(HARDENED, names=("*.example.test",)), "trusted", ""),
        (replace(HARDENED, names=("192.0.2.1",)), "trusted", ""),
        (replace(HARDENED, sends_intermediate=False), "incomplete", "Lab Root Intermediate was not sent"),
        (replace(HARDENED, issuer="itself"), "untrusted", "self-signed"),
        (replace(HARDENED, issuer="stranger"), "untrusted", "Stranger Root is no root of the store"),
        (replace(HARDENED, signature="SHA1"), "untrusted", "leads to a root of the store, but"),
    ],
)
def test_trust(tmp_path: Path, spec: CertificateSpec, status: str, reason: str) -> None:
    authority = CertificateAuthority(tmp_path)
    chain = [certificate.decode(der) for der in authority.issue(("example.test",), spec).chain]

    judged = trust.judge(chain, trust.load(authority.file), datetime.now(UTC))

    assert judged.status == status
    assert reason in judged.reason
    assert judged.store.endswith("and 1 of the operator")


def test_without_the_operators_root_the_lab_is_untrusted(tmp_path: Path) -> None:
    issued = CertificateAuthority(tmp_path).issue(("example.test",), HARDENED)

    judged = trust.judge([certificate.decode(der) for der in issued.chain], trust.load(None), datetime.now(UTC))

    assert judged.status == "untrusted"
    assert judged.store.startswith("certifi ")
    assert "operator" not in judged.store


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[trust.TrustStore, tuple[bytes, ...]]:
    authority = CertificateAuthority(tmp_path_factory.mktemp("ca"))
    return trust.load(authority.file), authority.issue(("example.test",), HARDENED).chain


@given(at=st.integers(0, 400), value=st.integers(0, 255))
def test_a_broken_certificate_is_malformed_or_untrusted(
    issued: tuple[trust.TrustStore, tuple[bytes, ...]], at: int, value: int
) -> None:
    store, (leaf, intermediate) = issued
    at %= len(leaf)
    assume(leaf[at] != value)
    broken = leaf[:at] + bytes([value]) + leaf[at + 1 :]

    try:
        chain = [certificate.decode(broken), certificate.decode(intermediate)]
        certificate.describe(chain[0])
        judged = trust.judge(chain, store, datetime.now(UTC))
    except certificate.MALFORMED:
        return
    assert judged.status != "trusted"
