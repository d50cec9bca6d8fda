"""Each check of exposed files and interfaces, fired by one file; and sites that answer everything raise none."""

from dataclasses import replace
from hashlib import sha256

import pytest

from tests.integration.engine.harness import Scan, expect_only, scanned
from tests.support.lab import hardened
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
