"""Each check of exposed files and interfaces, fired by one file; and sites that answer everything raise none."""

from dataclasses import replace
from hashlib import sha256

import pytest

from services.scanner.engine.network import Network, World
from services.scanner.engine.probes.addresses import addresses
from services.scanner.engine.probes.exposure import exposure
from services.scanner.engine.target import parse
from shared.contracts.report import Profile
from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import Lab, hardened
from tests.support.lab.web import PAGE, Reply

HTML = "text/html"
SECRET = f"sk_live_{'lab0' * 6}"
KEY = f"-----BEGIN PRIVATE KEY-----\n{'A' * 64}\n-----END PRIVATE KEY-----\n"
CASES: list[tuple[str, str, str | bytes, str]] = [
    ("exposed_git_repository", "/.git/HEAD", "ref: refs/heads/main\n", "text/plain"),
    ("exposed_vcs_or_editor_metadata", "/.svn/wc.db", b"SQLite format 3\0" + bytes(64), "application/octet-stream"),
    ("exposed_env_file", "/.env", "APP_ENV=production\nDB_PASSWORD=hunter2-lab\n", "text/plain"),
    ("exposed_config_file", "/wp-config.php.bak", "<?php\ndefine('DB_PASSWORD', 'hunter2-lab');\n", "text/plain"),
    ("exposed_backup_or_dump", "/backup.zip", b"PK\x03\x04" + bytes(40_000), "application/zip"),
    ("exposed_private_key", "/server.key", KEY, "text/plain"),
    (
        "exposed_log_file",
        "/access.log",
        '192.0.2.7 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5\n',
        "text/plain",
    ),
    ("exposed_debug_interface", "/actuator/env", '{"activeProfiles": ["prod"]}', "application/json"),
    ("exposed_phpinfo_or_status", "/server-status", "<title>Apache Status</title>", HTML),
    ("exposed_admin_panel", "/phpmyadmin/", "<title>phpMyAdmin</title>", HTML),
    ("exposed_api_documentation", "/openapi.json", '{"openapi": "3.1.0", "paths": {}}', "application/json"),
    ("exposed_package_manifest", "/package.json", '{"dependencies": {"left-pad": "1.0.0"}}', "application/json"),
    ("exposed_secret_in_javascript", "/assets/app.js", f"pay('{SECRET}')", "text/javascript"),
]


@pytest.mark.parametrize(("fires", "path", "content", "media_type"), CASES)
async def test_one_file_changes_one_verdict(
    baseline: Scan, fires: str, path: str, content: str | bytes, media_type: str
) -> None:
    site = hardened("hardened.test")
    assert site.web
    changed = replace(site, web=site.web.serve(path, content, media_type))
    verdict = await expect_only(baseline, changed, fires=fires)
    assert verdict.evidence["url"] == f"https://hardened.test{path}"
    assert not any(secret in str(verdict) for secret in ("hunter2-lab", SECRET)), "a secret's value is never kept"


async def test_robots_txt_is_read_for_what_it_gives_away(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    text = "User-agent: *\nDisallow: /wp-admin/\nDisallow: /old-backup/\nDisallow: /news/\n"
    changed = replace(site, web=site.web.serve("/robots.txt", text))
    verdict = await expect_only(baseline, changed, fires="robots_txt_reveals_paths")
    assert verdict.evidence == {"paths": ["/old-backup/"]}


async def test_a_graphql_schema_that_anyone_can_ask_for(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    answer = '{"data": {"__schema": {"queryType": {"name": "Query"}}}}'
    changed = replace(site, web=site.web.serve("/graphql", answer, "application/json"))
    verdict = await expect_only(baseline, changed, fires="exposed_api_documentation")
    assert verdict.evidence["recognised"] == "GraphQL introspection"


async def test_a_secret_in_the_page_itself(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    page = PAGE.replace("</body>", f"<script>pay('{SECRET}')</script></body>")
    verdict = await expect_only(
        baseline, replace(site, web=replace(site.web, page=page)), fires="exposed_secret_in_javascript"
    )
    assert verdict.evidence["url"] == "https://hardened.test/"


@pytest.mark.parametrize(
    ("path", "fires"),
    [
        ("/.env", "exposed_env_file"),
        ("/robots.txt", "robots_txt_reveals_paths"),
        ("/.git/HEAD", "exposed_git_repository"),
    ],
)
async def test_what_a_rate_limit_hides_is_not_tested(baseline: Scan, path: str, fires: str) -> None:
    site = hardened("hardened.test")
    assert site.web
    changed = replace(site, web=replace(site.web, refuses=(path,)))
    verdict = await expect_only(baseline, changed, fires=fires, becomes="not_tested")
    assert (verdict.fault, "429" in verdict.reason) == ("target", True)


async def test_scripts_that_are_withheld_are_not_tested(baseline: Scan) -> None:
    """An address that leads to the inside is not contacted."""
    site = hardened("hardened.test")
    assert site.web
    inside = PAGE.replace("/assets/app.js", "https://no-such-host.hardened.test/app.js")
    changed = replace(site, web=replace(site.web, page=inside))
    found = await scanned(changed)
    assert found.statuses["exposed_secret_in_javascript"] == "not_tested"
    assert found.statuses["exposed_source_map"] == "not_tested"


async def test_a_second_name_of_the_same_site_is_asked_for_the_gravest_alone(baseline: Scan) -> None:
    for check_id in ("exposed_env_file", "exposed_package_manifest"):
        by_asset = {verdict.asset: verdict for verdict in baseline.judged[check_id].verdicts}
        assert by_asset["hardened.test:443"].status == "pass"
        assert "answers as hardened.test:443" in by_asset["www.hardened.test:443"].reason
    asked = by_asset["hardened.test:443"].evidence["paths"]
    assert "/package.json" in asked


async def test_a_full_scan_asks_for_more() -> None:
    site = hardened("hardened.test")
    assert site.web
    served = site.web.serve("/hardened.sql.gz", b"\x1f\x8b\x08" + bytes(64)).serve("/.env.save", "API_KEY=abc123\n")
    async with Lab() as lab:
        await lab.serve(replace(site, web=served))
        network = Network(World.from_settings(lab.engine_settings(), "test"))
        target = parse("hardened.test")
        seen = await exposure(target, network, Profile.FULL, await addresses(target, network))
        await network.close()
    assert [reply.path for reply in seen.surfaces[0].paths if reply.proof] == ["/.env.save", "/hardened.sql.gz"]


async def test_a_secret_is_told_by_its_name_and_a_hash(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    changed = replace(site, web=site.web.serve("/.env", "APP_ENV=production\nDB_PASSWORD=hunter2-lab\n"))
    verdict = await expect_only(baseline, changed, fires="exposed_env_file")
    assert verdict.evidence["secrets"] == [
        {"name": "DB_PASSWORD", "sha256_prefix": sha256(b"hunter2-lab").hexdigest()[:16]}
    ]


async def test_a_served_source_map_is_found_from_its_script(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    web = site.web.serve("/assets/app.js", "go()\n//# sourceMappingURL=app.js.map\n", "text/javascript")
    web = web.serve("/assets/app.js.map", '{"version": 3, "sources": ["app.ts"], "mappings": "AAAA"}')
    verdict = await expect_only(baseline, replace(site, web=web), fires="exposed_source_map")
    assert verdict.evidence == {"url": "https://hardened.test/assets/app.js.map"}


@pytest.mark.parametrize("address", ["ftp://hardened.test/app.js.map", "https://hardened.test:99999/app.js.map"])
async def test_a_source_map_that_cannot_be_asked_for_is_not_served(baseline: Scan, address: str) -> None:
    site = hardened("hardened.test")
    assert site.web
    script = f"go()\n//# sourceMappingURL={address}\n"
    changed = await scanned(replace(site, web=site.web.serve("/assets/app.js", script, "text/javascript")))
    assert changed.statuses == baseline.statuses


async def test_an_object_store_that_lists_its_objects_is_seen_at_its_root(baseline: Scan) -> None:
    site = hardened("hardened.test")
    assert site.web
    listing = PAGE + "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
    changed = replace(site, web=replace(site.web, page=listing))
    await expect_only(baseline, changed, fires="public_cloud_bucket_listing")


@pytest.mark.parametrize(
    "everywhere",
    [
        Reply(PAGE.encode()),
        Reply(b"ref: refs/heads/main\n", "text/plain"),
        Reply(b"APP_SECRET=1234\n", "text/plain"),
        Reply(b"<title>phpMyAdmin</title><title>Apache Status</title>"),
        Reply(b"PK\x03\x04" + bytes(64), "application/zip"),
        Reply(b"User-agent: *\nDisallow: /x/\nopenapi: 3.0.0\nservices:\n[core]\npassword: hunter2\n", "text/plain"),
        Reply(b"<title>Sign in</title>", status=401),
        Reply(b'{"openapi": "3.1.0", "dependencies": {}, "activeProfiles": []}', "application/json"),
    ],
)
async def test_a_site_that_answers_every_path_alike_exposes_nothing(everywhere: Reply) -> None:
    site = hardened("hardened.test")
    assert site.web
    found = await scanned(replace(site, web=replace(site.web, missing=everywhere)))
    exposed = {
        check_id for check_id, status in found.statuses.items() if check_id.startswith("exposed") and status == "fail"
    }
    assert not exposed
