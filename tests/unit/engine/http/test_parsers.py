"""What the parsers of web answers make of well-formed, malformed and hostile text."""

from datetime import UTC, datetime

import pytest

from services.scanner.engine.parsers import cookies, csp, hsts, html, pages, secrets, security_txt, thirdparties

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("max-age=31536000", hsts.Hsts(31536000, False)),
        ('MAX-AGE="60" ; IncludeSubDomains;preload', hsts.Hsts(60, True)),
        ("max-age=0", hsts.Hsts(0, False)),
        ("max-age=1; unknown=2;;", hsts.Hsts(1, False)),
        ("includeSubDomains", None),
        ("max-age=1; max-age=2", None),
        ("max-age=-1", None),
        ("max-age=²", None),
        ("", None),
    ],
)
def test_hsts(header: str, expected: hsts.Hsts | None) -> None:
    assert hsts.parse(header) == expected


@pytest.mark.parametrize(
    ("policy", "inline"),
    [
        ("script-src 'self' 'unsafe-inline'", True),
        ("script-src 'unsafe-inline' 'nonce-abc'", False),
        ("script-src 'unsafe-inline' 'SHA256-abc='", False),
        ("script-src 'unsafe-inline' 'strict-dynamic'", False),
        ("default-src 'unsafe-inline'", True),
        ("default-src 'unsafe-inline'; script-src 'self'", False),
        ("script-src 'self'; script-src 'unsafe-inline'", False),  # the first counts
        ("script-src 'self'; script-src-attr 'unsafe-inline'", True),
        ("script-src-elem 'self'; script-src 'unsafe-inline'", True),  # handlers fall back to script-src
        ("img-src 'self'", True),  # scripts are not restricted at all
        ("default-src 'none'", False),
    ],
)
def test_csp_says_whether_inline_scripts_run(policy: str, inline: bool) -> None:
    assert [parsed.allows_inline() for parsed in csp.parse([policy])] == [inline]


@pytest.mark.parametrize(
    ("policy", "broad"),
    [
        ("script-src *", ("*",)),
        ("script-src https: 'self'", ("https:",)),
        ("script-src data:", ("data:",)),
        ("script-src https: 'strict-dynamic' 'nonce-a'", ()),
        ("script-src *.com https://*", ("*.com", "https://*")),
        ("script-src *.example.com", ()),
        ("script-src cdnjs.cloudflare.com", ("cdnjs.cloudflare.com",)),
        ("script-src https://cdnjs.cloudflare.com/ajax/libs/x.js", ()),
        ("script-src *.github.io", ("*.github.io",)),
        ("img-src *", ("no script-src",)),
        ("default-src 'self'", ()),
    ],
)
def test_csp_names_sources_that_anyone_can_publish_on(policy: str, broad: tuple[str, ...]) -> None:
    assert [parsed.broad_script_sources() for parsed in csp.parse([policy])] == [broad]


def test_csp_splits_policies_at_commas_and_drops_empty_ones() -> None:
    parsed = csp.parse(["default-src 'self', script-src *", " ; ,", ""])
    assert [policy.directives for policy in parsed] == [
        (("default-src", ("'self'",)),),
        (("script-src", ("*",)),),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sid=1; Secure; HttpOnly; SameSite=Lax; Path=/", ("sid", True, True, "lax", "", "/", False)),
        (
            "a=b; domain=.Example.COM; SameSite=None; samesite=strict",
            ("a", False, False, "strict", "example.com", "", False),
        ),
        ("a=; Max-Age=0", ("a", False, False, "", "", "", True)),
        ("a=; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ("a", False, False, "", "", "", False)),
        ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ("a", False, False, "", "", "", True)),
        ("just a value", ("", False, False, "", "", "", False)),
    ],
)
def test_cookies(line: str, expected: tuple[object, ...]) -> None:
    cookie = cookies.parse(line)
    assert cookie is not None
    assert (
        cookie.name, cookie.secure, cookie.http_only, cookie.same_site, cookie.domain, cookie.path, cookie.deleted
    ) == expected  # fmt: skip


def test_a_cookie_without_name_and_value_is_dropped() -> None:
    assert cookies.parse(" = ; Secure") is None


@pytest.mark.parametrize(
    ("name", "session"),
    [("PHPSESSID", True), ("connect.sid", True), ("auth_token", True), ("csrftoken", False), ("theme", False)],
)
def test_session_cookies_are_told_by_name(name: str, session: bool) -> None:
    cookie = cookies.parse(f"{name}=1")
    assert cookie is not None
    assert cookie.session_like is session


@pytest.mark.parametrize(
    ("line", "scheme", "violated"),
    [
        ("__Host-a=1; Secure; Path=/", "https", False),
        ("__Host-a=1; Secure; Path=/; Domain=example.com", "https", True),
        ("__Host-a=1; Secure; Path=/x", "https", True),
        ("__host-a=1; Secure; Path=/", "http", True),
        ("__Secure-a=1", "https", True),
        ("__Secure-a=1; Secure; Domain=example.com", "https", False),
        ("a=1", "http", False),
    ],
)
def test_cookie_prefixes(line: str, scheme: str, violated: bool) -> None:
    cookie = cookies.parse(line)
    assert cookie is not None
    assert bool(cookie.prefix_violation(scheme)) is violated


def test_html_finds_what_a_page_loads_and_submits() -> None:
    page = html.parse(
        """<!-- <script src=hidden.js></script> --><title> A &amp; B </title>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'"><base href="https://cdn.example/x/">
        <script src=a.js integrity="sha384-x"></script><script>var s = '<img src="http://in.script/">'</script>
        <LINK REL='StyleSheet' HREF='/s.css'><img srcset="1.png 1x, //i.example/2.png 2x"><iframe src="http://f.example">
        <form action=/login><input type=PASSWORD></form><input type="password"><button formaction="http://x.example/go">
        <meta http-equiv="content-security-policy" content="default-src 'self'"><meta name=referrer content=origin>""",
        "https://www.example.com/",
    )
    assert page.title == "A & B"
    assert [(resource.kind, resource.url, resource.integrity) for resource in page.resources] == [
        ("script", "https://cdn.example/x/a.js", "sha384-x"),
        ("style", "https://cdn.example/s.css", ""),
        ("image", "https://cdn.example/x/1.png", ""),
        ("image", "https://i.example/2.png", ""),
        ("frame", "http://f.example", ""),
    ]
    assert page.forms[0] == html.Form("https://cdn.example/login", password=True)
    assert html.Form("http://x.example/go", password=True) in page.forms
    assert page.policies == ("default-src 'none'",)
    assert page.referrer == "origin"


def test_html_of_style_sheets_and_scripts_in_the_page() -> None:
    page = html.parse(
        """<head><style>@import url("http://a.example/x.css"); b { background: URL( http://b.example/y.png ) }</style>
        <link rel=preload as=script href=/p.js><link rel=modulepreload href=/m.js>
        <link rel=preload as=font href=/f.woff><script>(function(){var j=d.createElement('script');j.src='https://www.googletagmanager.com/gtm.js?id='+i;
        k("https:\\/\\/escaped.example\\/x"); u = '//cdn.example/x'; // no host: a//b
        })()</script></head>
        <body background="/bg.png"><p style="background:url('/inline.png')"><iframe>
        <script src="http://as-text.example/"></script></iframe>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'">
        <form method=dialog action="http://dialog.example/"><input type=password></form>
        <form><button>""",
        "https://www.example.com/here",
    )
    assert [(resource.kind, resource.url) for resource in page.resources] == [
        ("style", "http://a.example/x.css"),
        ("image", "http://b.example/y.png"),
        ("script", "https://www.example.com/p.js"),
        ("script", "https://www.example.com/m.js"),
        ("image", "https://www.example.com/bg.png"),
        ("image", "https://www.example.com/inline.png"),
    ]
    assert page.named_hosts == ("www.googletagmanager.com", "escaped.example", "cdn.example")
    assert page.policies == (), "a policy outside the head does not count"
    assert page.forms == (
        html.Form("https://www.example.com/here", password=True),
        html.Form("https://www.example.com/here", password=False),
    )


def test_security_txt_of_rfc_9116() -> None:
    text = "# ours\nContact: mailto:a@example.com\nEXPIRES: 2027-01-01T00:00:00Z\nPreferred-Languages: en\n"
    assert security_txt.looks_like_one(text)
    assert security_txt.problems(security_txt.parse(text), NOW) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Expires: 2027-01-01T00:00:00Z", "it has no Contact"),
        ("Contact: us\nExpires: 2027-01-01T00:00:00Z", "no Contact is an https:, mailto: or tel: address"),
        ("Contact: tel:1", "it has no Expires"),
        ("Contact: tel:1\nExpires: 2026-01-01T00:00:00Z", "it expired on 2026-01-01"),
        ("Contact: tel:1\nExpires: soon", "Expires is no RFC 3339 time: soon"),
        (
            "Contact: tel:1\nExpires: 0001-01-01T00:00:00+14:00",
            "Expires is no RFC 3339 time: 0001-01-01T00:00:00+14:00",
        ),
        (
            "Contact: tel:1\nExpires: 2027-01-01T00:00:00Z\nExpires: 2027-01-01T00:00:00Z",
            "it has more than one Expires",
        ),
    ],
)
def test_what_is_wrong_with_a_security_txt(text: str, problem: str) -> None:
    assert security_txt.problems(security_txt.parse(text), NOW) == (problem,)


def test_a_page_is_no_security_txt() -> None:
    assert not security_txt.looks_like_one("<html><p>Contact: us</p>")


def test_secrets_are_named_and_hashed() -> None:
    text = f"a('sk_live_{'x1' * 12}'); b('pk_live_{'x1' * 12}'); c('ghp_{'a1' * 18}')"
    found = secrets.keys(text)
    assert [secret.name for secret in found] == ["GitHub token", "Stripe secret key"]
    assert all(len(secret.sha256) == 16 and secret.sha256 not in text for secret in found)


def test_dotenv_lines_count_only_with_a_secret_name_and_a_value() -> None:
    found = secrets.assignments("APP_NAME=shop\nexport API_KEY='k'\nDB_PASSWORD=\n# TOKEN=x\n")
    assert [secret.name for secret in found] == ["API_KEY"]


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("Traceback (most recent call last):", ("Python traceback",)),
        ("<b>Fatal error</b>: Uncaught Error in /var/www/x.php on line <b>3</b>", ("PHP error",)),
        ("java.lang.NullPointerException\n\tat com.example.App.run(App.java:12)", ("Java stack trace",)),
        ("Error: no such file<br> &nbsp; &nbsp;at Object.open (/srv/app/index.js:3:7)", ("Node.js stack trace",)),
        ("<h1>Server Error in '/' Application.</h1>", (".NET stack trace",)),
        ("<h1>Not found</h1> on line", ()),
    ],
)
def test_error_details_are_recognised(text: str, details: tuple[str, ...]) -> None:
    assert pages.error_details(text) == details


def test_third_parties_are_told_by_host_and_its_parents() -> None:
    assert thirdparties.payment_processor("https://www.paypal.com/sdk/js") == "PayPal"
    assert thirdparties.tracker("https://www.google-analytics.com/a.js") == "Google Analytics"
    assert thirdparties.tracker("https://notgoogle-analytics.com/a.js") == ""
