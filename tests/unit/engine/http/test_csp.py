"""Content Security Policy Level 3: parsing, what several policies let through together, and what weakens one."""

import pytest

from services.scanner.engine.parsers import csp


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        ("default-src 'self'", (("default-src", ("'self'",)),)),
        (" ;; Default-SRC  'self'\thttps://A.example\n;", (("default-src", ("'self'", "https://A.example")),)),
        ("img-src a.example; img-src *", (("img-src", ("a.example",)),)),
        ("script-src", (("script-src", ()),)),
        ("script-src b\xfccher.example; img-src *", (("img-src", ("*",)),)),  # a token that is not ASCII is passed over
        ("script-src a\x1fb", (("script-src", ("a\x1fb",)),)),  # no ASCII whitespace
        ("", None),
        (" ; ;", None),
    ],
)
def test_a_policy_is_parsed_as_written(text: str, directives: tuple[object, ...] | None) -> None:
    assert [policy.directives for policy in csp.parse([text])] == ([directives] if directives else [])


def test_a_policy_in_the_page_is_one_and_cannot_say_all() -> None:
    (policy,) = csp.parse_meta(
        ["img-src a, frame-ancestors 'none'; sandbox; report-uri /r; FRAME-ancestors x; base-uri 'none'"]
    )
    assert policy.directives == (("img-src", ("a,", "frame-ancestors", "'none'")), ("base-uri", ("'none'",)))
    assert csp.parse_meta(["frame-ancestors 'none'", ""]) == ()


@pytest.mark.parametrize(
    ("policy", "inline"),
    [
        ("script-src 'unsafe-inline' 'nonce-'", True),  # no nonce
        ("script-src 'unsafe-inline' 'nonce-a b'", True),
        ("script-src 'unsafe-inline' 'nonce-abc_-+/=='", False),
        ("script-src 'unsafe-inline' 'sha1-abc'", True),  # no hash that browsers know
        ("script-src 'unsafe-inline' 'sha512-abc'", False),
        ("script-src 'UNSAFE-inline'", True),
        ("script-src unsafe-inline", False),  # a host of that name
        ("script-src-elem 'nonce-abc'; script-src-attr 'none'; default-src 'unsafe-inline'", False),
        ("script-src-elem 'nonce-abc'; default-src 'unsafe-inline'", True),  # handlers fall back past -elem
        ("script-src 'none'; script-src-elem 'unsafe-inline'", True),
        ("style-src 'unsafe-inline'; default-src 'self'", False),
        ("sandbox", True),
    ],
)
def test_inline_scripts(policy: str, inline: bool) -> None:
    assert [parsed.allows_inline() for parsed in csp.parse([policy])] == [inline]


@pytest.mark.parametrize(
    ("policy", "evaluates"),
    [
        ("script-src 'unsafe-eval'", True),
        ("default-src 'unsafe-eval'", True),
        ("default-src 'unsafe-eval'; script-src 'self'", False),
        ("script-src 'wasm-unsafe-eval'", False),
        ("script-src-elem 'unsafe-eval'; script-src 'self'", False),
        ("script-src 'strict-dynamic' 'nonce-abcdefgh' 'unsafe-eval'", True),
        ("img-src 'none'", True),
    ],
)
def test_eval(policy: str, evaluates: bool) -> None:
    assert [parsed.allows_eval() for parsed in csp.parse([policy])] == [evaluates]


@pytest.mark.parametrize(
    ("policy", "broad"),
    [
        ("script-src www.google.com", ("www.google.com",)),  # JSONP
        ("script-src https://www.google.com/recaptcha/", ()),
        ("script-src *.googleapis.com", ("*.googleapis.com",)),
        ("script-src www.google-analytics.com", ()),  # its JSONP needs eval
        ("script-src www.google-analytics.com 'unsafe-eval'", ("www.google-analytics.com",)),
        ("script-src https://cdn.jsdelivr.net/npm/", ("https://cdn.jsdelivr.net/npm/",)),
        ("script-src https://cdn.jsdelivr.net/npm/vue@3.4.0/dist/vue.global.js", ()),
        ("script-src blob: filesystem:", ("blob:", "filesystem:")),
        ("script-src wss: ftp:", ()),  # no scripts come from there
        ("script-src http://*:* *:443", ("http://*:*", "*:443")),
        ("script-src 'self' https://*.example.co.uk", ()),
        ("script-src 192.0.2.1 [2001:db8::1]", ()),
        ("script-src 'none'", ()),
        ("script-src", ()),
        ("script-src-elem 'self'; script-src *", ()),
    ],
)
def test_sources_that_an_attacker_can_use(policy: str, broad: tuple[str, ...]) -> None:
    assert [parsed.broad_script_sources() for parsed in csp.parse([policy])] == [broad]


@pytest.mark.parametrize(
    ("policies", "broad"),
    [
        (("script-src https:", "script-src 'self'"), ()),
        (("script-src https:", "script-src *"), ("https:", "*")),
        (("script-src https:", "script-src cdnjs.cloudflare.com"), ("https:", "cdnjs.cloudflare.com")),
        (("script-src unpkg.com", "script-src cdnjs.cloudflare.com"), ()),
        (("script-src https: 'nonce-abcdefgh'", "script-src 'strict-dynamic' 'nonce-abcdefgh'"), ()),
        (("script-src data:", "script-src https:"), ()),
        (("img-src 'self'", "script-src *"), ("*",)),
        (("img-src 'self'", "style-src 'self'"), ("no script-src",)),
        (("img-src 'self'", "script-src 'self'"), ()),
        ((), ()),
    ],
)
def test_a_script_must_pass_every_policy(policies: tuple[str, ...], broad: tuple[str, ...]) -> None:
    assert csp.broad_script_sources(csp.parse(policies)) == broad


def test_what_is_worth_a_remark() -> None:
    (policy,) = csp.parse(
        [
            "script-src 'strict-dynamic' 'unsafe-hashes' 'wasm-unsafe-eval'; img-src http://a.example 192.0.2.1; "
            "referrer x"
        ]
    )
    assert list(policy.remarks()) == [
        "'strict-dynamic' without a nonce or hash blocks every script",
        "'unsafe-hashes' lets event handlers with these hashes run",
        "'wasm-unsafe-eval' lets WebAssembly be compiled",
        "img-src names sources of plain HTTP",
        "img-src names an IP address, which browsers ignore",
        "referrer is deprecated",
        "Trusted Types are not required",
    ]


def test_nonces_that_can_be_guessed() -> None:
    (policy,) = csp.parse(["script-src 'nonce-abc' 'nonce-dGhpcyBpcyBsb25nIGVub3VnaA=='"])
    assert policy.weak_nonces() == ("abc",)
    assert policy.nonces == {"abc", "dGhpcyBpcyBsb25nIGVub3VnaA=="}


@pytest.mark.parametrize("source", ["*", "https:", "HTTP:", "https://*", "*.com", "*:8080"])
def test_broad_sources(source: str) -> None:
    assert csp.is_broad(source)


@pytest.mark.parametrize(
    "source", ["'self'", "'none'", "example.com", "*.example.com", "https://*.example.com/x", "", "//"]
)
def test_narrow_sources(source: str) -> None:
    assert not csp.is_broad(source)
