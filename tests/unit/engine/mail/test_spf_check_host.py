"""check_host(): one case for each sentence of RFC 7208 that decides something."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import MailType
from services.scanner.engine.parsers import spf_macros
from services.scanner.engine.parsers.spf_check_host import Lookup, Result, check_host

IP = "192.0.2.3"
IP6 = "2001:db8::cb01"
SENDER = "strong-bad@email.example.com"
SILENT = Unseen("no answer", "target")
Zone = Mapping[tuple[str, MailType], tuple[str, ...] | Unseen]


def world(zone: Zone) -> Lookup:
    """Nothing else exists."""
    return lambda name, record_type: zone.get((name, record_type), ())


def check(record: str, zone: Zone | None = None, *, ip: str = IP, sender: str = "x@a.example") -> Result:
    whole = {("a.example", "TXT"): (record,), **(zone or {})}
    return check_host(ip, "a.example", sender, "helo.example", world(whole))


@pytest.mark.parametrize(
    ("macro", "expansion"),
    [
        ("%{s}", SENDER),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d00127}", "email.example.com"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)
def test_expansions_of_section_7_4(macro: str, expansion: str) -> None:
    values = {
        "s": SENDER,
        "l": "strong-bad",
        "o": "email.example.com",
        "d": "email.example.com",
        "i": IP,
        "v": "in-addr",
    }
    assert spf_macros.expand(macro, values) == expansion


def test_an_ipv6_client_is_spelt_in_nibbles() -> None:
    name = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.a.example"
    assert check("v=spf1 exists:%{ir}.%{v}._spf.%{d} -all", {(name, "A"): ("127.0.0.2",)}, ip=IP6).result == "pass"


@pytest.mark.parametrize(
    ("domain", "texts", "result"),
    [
        ("a.example", (), "none"),
        ("a.example", ("hello", "v=spf10 -all", "v=spf1-all", " v=spf1 -all"), "none"),
        ("a.example", ("V=SPF1 -ALL",), "fail"),
        ("a.example", ("v=spf1",), "neutral"),
        ("a.example", ("v=spf1 -all", "v=spf1 -all"), "permerror"),
        ("a.example", ("v=spf1 -all", "other"), "fail"),
        ("a.example.", ("v=spf1 -all",), "fail"),
        ("example", ("v=spf1 -all",), "none"),
        ("a..example", ("v=spf1 -all",), "none"),
        (f"{'a' * 64}.example", ("v=spf1 -all",), "none"),
        ("[192.0.2.3]", ("v=spf1 -all",), "none"),
        ("", ("v=spf1 -all",), "none"),
    ],
)
def test_selection_of_a_record(domain: str, texts: tuple[str, ...], result: str) -> None:
    """Sections 4.3 and 4.5."""
    assert (
        check_host(IP, domain, f"x@{domain}", "h", lambda name, kind: texts if kind == "TXT" else ()).result == result
    )


def test_no_answer_is_a_temporary_error() -> None:
    zone: Zone = {("a.example", "TXT"): SILENT}
    assert check_host(IP, "a.example", "x@a.example", "h", world(zone)).result == "temperror"
    for record, kind in (("mx", "MX"), ("a", "A"), ("exists:a.example", "A"), ("include:b.example", "TXT")):
        name = "b.example" if record.startswith("include") else "a.example"
        broken: Zone = {(name, kind): SILENT}  # type: ignore[dict-item]  # a literal in a tuple of literals
        assert check(f"v=spf1 {record} -all", broken).result == "temperror", record


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 ip4:192.0.2.3 -all", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.3.0/24 -all", "fail"),
        ("v=spf1 ip4:192.0.3.0/23 -all", "pass"),
        ("v=spf1 ?ip4:192.0.2.3 -all", "neutral"),
        ("v=spf1 ~ip4:192.0.2.3 -all", "softfail"),
        ("v=spf1 ip6:::ffff:192.0.2.3 -all", "fail"),
        ("v=spf1 -all ip4:192.0.2.3", "fail"),
        ("v=spf1 -all redirect=b.example", "fail"),
        ("v=spf1 redirect=b.example -all", "fail"),
        ("v=spf1 moo.cow-far_out=man:dog/cat -all", "fail"),
        ("v=spf1 default=x default=y -all", "fail"),
        ("v=spf1   -all  ", "fail"),
    ],
)
def test_networks_qualifiers_and_modifiers(record: str, result: str) -> None:
    assert check(record).result == result


def test_an_ipv4_client_of_an_ipv6_server_is_an_ipv4_client() -> None:
    assert check("v=spf1 ip4:192.0.2.3 -all", ip="::ffff:192.0.2.3").result == "pass"
    assert check("v=spf1 ip6:::/0 -all", ip="::ffff:192.0.2.3").result == "fail"


@pytest.mark.parametrize(
    "term",
    [
        *(
            "-al",
            "all:b.example",
            "all/8",
            "-all.",
            "=all",
            "a=%abc",
            "-a=b",
            "ipv4:192.0.2.1",
            "\tall",
            "redirect:b.example",
        ),
        *(
            "a:",
            "a:example",
            "a:example.com:8080",
            "a:111.222.33.44",
            "a:b.example/",
            "a:b.example/x",
            "a:caf\u00e9.example",
        ),
        *(
            "a/33",
            "a/033",
            "a//129",
            "a///24",
            "a:%{d}x",
            "a:%{d0}",
            "a:%{z}.b.example",
            "a:%b.example",
            "a:b.-example",
        ),
        *(
            "mx:",
            "mx/",
            "ptr:",
            "ptr/24",
            "include",
            "include:",
            "include:b.example/24",
            "exists",
            "exists:",
            "exists:%{t}.b.test",
        ),
        *(
            "ip4",
            "ip4:",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/032",
            "ip4:01.2.3.4",
            "ip4:1.2.3.4/32/",
            "ip4:::1",
        ),
        *(
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "ip6:fe80::1%1",
            "ip6:::1/",
            "redirect=",
            "exp=",
            "exp=%{r}.b.example",
            "exp=b.c exp=b.c",
        ),
    ],
)
def test_an_error_anywhere_voids_the_record(term: str) -> None:
    assert check(f"v=spf1 +all {term}").result == "permerror"


@pytest.mark.parametrize(
    "term",
    [
        *(
            "a:foo:bar/baz.b.example",
            "a:b.example.",
            "a:b.xn--zckzah",
            "a:b.foo-bar",
            "a:%{d}/24//64",
            "a:x%%",
            "a/0//0",
        ),
        *(
            "mx/32//128",
            "mx:b.example//64",
            "ptr:%{d}",
            "exists:%{i}.%{h}.b.example",
            "exists:%{l1r+-}.%{d2}",
            "A:B.EXAMPLE",
        ),
        *("ip6:2001:DB8::/32", "ip6:::ffff:1.2.3.4", "ip4:0.0.0.0/0", "unknown=%{c}%{r}%{t}", "x-1_2.y=", "a:.example"),
    ],
)
def test_what_the_syntax_allows(term: str) -> None:
    assert check(f"v=spf1 -all {term}").result == "fail"


A: Zone = {("a.example", "A"): ("192.0.2.9", "198.51.100.7"), ("a.example", "AAAA"): ("2001:db8::1",)}


@pytest.mark.parametrize(
    ("term", "ip", "result"),
    [
        ("a", "192.0.2.9", "pass"),
        ("a", "192.0.2.8", "fail"),
        ("a/24", "192.0.2.8", "pass"),
        ("a//24", "192.0.2.8", "fail"),
        ("a/24", "2001:db8::2", "fail"),
        ("a//64", "2001:db8::2", "pass"),
        ("a/0", "203.0.113.1", "pass"),
        ("a:b.example", "192.0.2.9", "fail"),
        ("exists:%{d}", "2001:db8::99", "pass"),
    ],
)
def test_addresses(term: str, ip: str, result: str) -> None:
    assert check(f"v=spf1 {term} -all", A, ip=ip).result == result


def test_mail_hosts() -> None:
    zone: Zone = {
        ("a.example", "MX"): ("10 m1.b.example.", "20 M2.b.example.", "0 ."),
        ("m1.b.example", "A"): ("198.51.100.1",),
        ("m2.b.example", "A"): ("192.0.2.3",),
    }
    assert check("v=spf1 mx -all", zone).result == "pass"
    assert check("v=spf1 mx -all", zone, ip=IP6).result == "fail"
    assert check("v=spf1 mx -all", A, ip="192.0.2.9").result == "fail", "no implicit MX (section 5.4)"


def test_more_than_ten_mail_hosts_are_an_error() -> None:
    hosts = tuple(f"10 m{number}.b.example." for number in range(11))
    zone: Zone = {("a.example", "MX"): hosts, ("m0.b.example", "A"): (IP,)}
    assert check("v=spf1 mx -all", zone).result == "permerror"
    assert check("v=spf1 mx -all", {**zone, ("a.example", "MX"): hosts[:10]}).result == "pass"


POINTER = "3.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("zone", "result"),
    [
        ({(POINTER, "PTR"): ("mail.a.example.",), ("mail.a.example", "A"): (IP,)}, "pass"),
        ({(POINTER, "PTR"): ("a.example.",), ("a.example", "A"): (IP,)}, "pass"),
        ({(POINTER, "PTR"): ("mail.a.example.",), ("mail.a.example", "A"): ("192.0.2.4",)}, "fail"),
        ({(POINTER, "PTR"): ("bad-a.example.",), ("bad-a.example", "A"): (IP,)}, "fail"),
        ({(POINTER, "PTR"): SILENT}, "fail"),
        (
            {
                (POINTER, "PTR"): ("x.a.example.", "y.a.example."),
                ("x.a.example", "A"): SILENT,
                ("y.a.example", "A"): (IP,),
            },
            "pass",
        ),
        (
            {(POINTER, "PTR"): (*(f"n{n}.b.example." for n in range(10)), "a.example."), ("a.example", "A"): (IP,)},
            "fail",
        ),
    ],
)
def test_the_names_of_the_client(zone: Zone, result: str) -> None:
    """Section 5.5: errors match nothing, and names after the tenth are ignored."""
    assert check("v=spf1 ptr -all", zone).result == result


@pytest.mark.parametrize(
    ("included", "result"),
    [
        ("v=spf1 +all", "pass"),
        ("v=spf1 -all", "softfail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1", "softfail"),
        ("v=spf1 nonsense", "permerror"),
        ("v=spf1 a:c.example -all", "temperror"),
        ("hello", "permerror"),
    ],
)
def test_include(included: str, result: str) -> None:
    zone: Zone = {("b.example", "TXT"): (included,), ("c.example", "A"): SILENT}
    assert check("v=spf1 include:b.example ~all", zone).result == result
    assert check("v=spf1 -include:b.example ~all", zone).result == ("fail" if result == "pass" else result)


@pytest.mark.parametrize(
    ("target", "result"),
    [("v=spf1 -all", "fail"), ("v=spf1", "neutral"), ("hello", "permerror"), ("v=spf1 redirect=c.example", "pass")],
)
def test_redirect(target: str, result: str) -> None:
    zone: Zone = {("b.example", "TXT"): (target,), ("c.example", "TXT"): ("v=spf1 a:%{d} +all",)}
    assert check("v=spf1 redirect=b.example", zone).result == result
    assert check("v=spf1 ip4:192.0.2.3 redirect=b.example", zone).result == "pass"


def test_a_redirect_to_no_name_is_an_error() -> None:
    assert check("v=spf1 redirect=%{l}..example", sender="x@a.example").result == "permerror"


def test_ten_terms_may_look_something_up() -> None:
    found: Zone = {("b.example", "A"): ("198.51.100.1",)}
    assert check("v=spf1 " + "a:b.example " * 10 + "-all", found) == Result(
        "fail", "-all at a.example matches", lookups=10
    )
    assert check("v=spf1 " + "a:b.example " * 11 + "-all", found).result == "permerror"
    assert check("v=spf1 " + "a:b.example " * 11 + "-all", found, ip="198.51.100.1").result == "pass"
    loop: Zone = {("b.example", "TXT"): ("v=spf1 include:a.example",)}
    assert check("v=spf1 include:b.example -all", loop).result == "permerror"
    assert check("v=spf1 redirect=a.example").result == "permerror"


def test_two_terms_may_find_nothing() -> None:
    assert check("v=spf1 a:b.example mx:b.example -all").result == "fail"
    assert check("v=spf1 a:b.example mx:b.example exists:b.example -all").result == "permerror"


WHY = "v=spf1 -all exp=why.%{d}"


@pytest.mark.parametrize(
    ("texts", "explanation"),
    [
        (("%{i} may not send as %{s}.",), "192.0.2.3 may not send as x@a.example."),
        (("See http://%{d}/why?s=%{S}&i=%{I}",), "See http://a.example/why?s=x%40a.example&i=192.0.2.3"),
        (("%{c} %{r} %{t} %{h} %{p}",), "192.0.2.3 unknown 86400 helo.example unknown"),
        (("one", "two"), ""),
        ((), ""),
        (("%(i)",), ""),
        (("caf\u00e9",), ""),
        (SILENT, ""),
    ],
)
def test_explanations(texts: tuple[str, ...] | Unseen, explanation: str) -> None:
    """Section 6.2."""
    zone: Zone = {("a.example", "TXT"): (WHY,), ("why.a.example", "TXT"): texts}
    now = datetime(1970, 1, 2, tzinfo=UTC)
    found = check_host(IP, "a.example", "x@a.example", "helo.example", world(zone), now=now)
    assert (found.result, found.explanation) == ("fail", explanation)


def test_whose_explanation_it_is() -> None:
    theirs: Zone = {
        ("b.example", "TXT"): ("v=spf1 -all exp=why.b.example",),
        ("why.b.example", "TXT"): ("theirs",),
        ("why.a.example", "TXT"): ("ours",),
    }
    assert check("v=spf1 include:b.example -all exp=why.a.example", theirs).explanation == "ours"
    assert check("v=spf1 include:b.example -all", theirs).explanation == ""
    assert check("v=spf1 redirect=b.example exp=why.a.example", theirs).explanation == "theirs"


def test_a_sender_without_a_local_part_is_the_postmaster() -> None:
    zone: Zone = {("postmaster.a.example", "A"): ("127.0.0.2",)}
    for sender in ("", "a.example", "@a.example"):
        assert check("v=spf1 exists:%{l}.%{o} -all", zone, sender=sender).result == "pass", sender


def test_a_name_that_is_too_long_loses_labels_on_its_left() -> None:
    long = ".".join(["x" * 60] * 5)
    zone: Zone = {(".".join(["x" * 60] * 4), "A"): ("127.0.0.2",)}
    assert spf_macros.target_name(f"{long}.") == ".".join(["x" * 60] * 4)
    assert check("v=spf1 exists:%{l}.b.example -all", zone, sender=f"{'y' * 64}@a.example").result == "fail"


def test_the_validated_name_of_the_client() -> None:
    zone: Zone = {
        (POINTER, "PTR"): ("z.test.", "mail.a.example."),
        ("z.test", "A"): (IP,),
        ("mail.a.example", "A"): (IP,),
        ("mail.a.example.ok.example", "A"): ("127.0.0.2",),
    }
    assert check("v=spf1 exists:%{p}.ok.example -all", zone).result == "pass"


def test_what_was_not_looked_up_is_wanted_wave_by_wave() -> None:
    zone: Zone = {
        ("a.example", "TXT"): ("v=spf1 mx -all exp=why.a.example",),
        ("a.example", "MX"): ("10 m1.a.example.", "20 m2.a.example."),
        ("why.a.example", "TXT"): ("no",),
    }
    known: dict[tuple[str, MailType], tuple[str, ...] | Unseen] = {}
    waves = []

    def lookup(name: str, kind: MailType) -> tuple[str, ...] | Unseen | None:
        return known.get((name, kind))

    while True:
        found = check_host(IP, "a.example", "x@a.example", "h", lookup)
        if not found.wanted:
            break
        waves.append(len(found.wanted))
        known |= {question: zone.get(question, ()) for question in found.wanted}
    assert waves == [1, 1, 2, 1]
    assert (found.result, found.explanation) == ("fail", "no")


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=st.sampled_from("%{}dlsiohvprct0129-+,/_=.: ae~?"), max_size=80), st.ip_addresses(v=6))
def test_whatever_is_published_there_is_a_result(text: str, ip: object) -> None:
    for record in (f"v=spf1 {text}", f"v=spf1 exists:{text}.example exp={text}.example -all"):
        check(record, {("a.example", "A"): ("not an address",), ("a.example", "MX"): ("10 a.example.",)}, ip=str(ip))
