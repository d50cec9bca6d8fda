"""Files, interfaces and secrets that should not be public. Only content proves one; a status never does."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, failed, merged, not_applicable, not_tested, passed
from services.scanner.engine.checks.web import curl, on_pages
from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.exposure import Exposure, ScriptReply, Scripts
from services.scanner.engine.evidence.http import Http, Page
from services.scanner.engine.parsers.exposures import Kind
from services.scanner.engine.parsers.secrets import Secret


@check("exposed_git_repository")
def exposed_git_repository(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "git")


@check("exposed_vcs_or_editor_metadata")
def exposed_vcs_or_editor_metadata(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "metadata")


@check("exposed_env_file")
def exposed_env_file(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "env")


@check("exposed_config_file")
def exposed_config_file(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "config")


@check("exposed_backup_or_dump")
def exposed_backup_or_dump(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "backup")


@check("exposed_private_key")
def exposed_private_key(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "private_key")


@check("exposed_log_file")
def exposed_log_file(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "log")


@check("exposed_debug_interface")
def exposed_debug_interface(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "debug")


@check("exposed_phpinfo_or_status")
def exposed_phpinfo_or_status(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "status")


@check("exposed_admin_panel")
def exposed_admin_panel(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "admin")


@check("exposed_api_documentation")
def exposed_api_documentation(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "api")


@check("exposed_package_manifest")
def exposed_package_manifest(exposure: Exposure) -> Iterator[Verdict]:
    return _paths(exposure, "manifest")


@check("exposed_secret_in_javascript")
def exposed_secret_in_javascript(http: Http, scripts: Scripts) -> Iterator[Verdict]:
    """In the scripts of the page's own hosts, and in the page itself."""

    def judge(page: Page) -> Iterator[Verdict]:
        loaded = scripts.of(page.asset)
        own = (ScriptReply(page.response.url, page.response.status, page.secrets),) if page.secrets else ()
        for script in (*own, *loaded):
            if script.secrets:
                yield failed(
                    page.asset,
                    f"{script.url} holds: {', '.join(sorted({secret.name for secret in script.secrets}))}",
                    reproduce=curl(script.url),
                    subject=script.url,
                    url=script.url,
                    secrets=_named(script.secrets),
                )
        yield _scripts_otherwise(page, loaded)

    return on_pages(http, judge)


@check("exposed_source_map")
def exposed_source_map(http: Http, scripts: Scripts) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        loaded = scripts.of(page.asset)
        for script in loaded:
            if script.source_map:
                yield failed(
                    page.asset,
                    f"the source map of {script.url} is served",
                    reproduce=curl(script.source_map, "-r", "0-300"),
                    subject=script.source_map,
                    url=script.source_map,
                )
        yield _scripts_otherwise(page, loaded)

    return on_pages(http, judge)


@check("robots_txt_reveals_paths")
def robots_txt_reveals_paths(exposure: Exposure) -> Iterator[Verdict]:
    """Anyone may read robots.txt (RFC 9309, section 3); what it forbids robots, it shows people."""

    def verdicts() -> Iterator[Verdict]:
        yield from _unseen(exposure)
        for surface in exposure.surfaces:
            url = f"{surface.origin}/robots.txt"
            if surface.robots is None:
                yield not_applicable(surface.asset, surface.sparse)
            elif isinstance(surface.robots.answer, Unseen):
                yield not_tested(surface.asset, surface.robots.answer)
            elif surface.robots.telling:
                paths = surface.robots.telling
                reason = f"robots.txt names {len(paths)} paths that sound sensitive, such as {paths[0]}"
                yield failed(surface.asset, reason, reproduce=curl(url), confidence="inferred", paths=list(paths))
            else:
                yield passed(surface.asset, status=surface.robots.answer)

    return merged(verdicts())


@check("public_cloud_bucket_listing")
def public_cloud_bucket_listing(http: Http) -> Iterator[Verdict]:
    def judge(page: Page) -> Iterator[Verdict]:
        if page.lists_bucket:
            reason = "the host is an object store that lists its objects to anyone"
            yield failed(page.asset, reason, reproduce=curl(page.response.url), url=page.response.url)
        else:
            yield passed(page.asset)

    return on_pages(http, judge)


def _paths(exposure: Exposure, kind: Kind) -> Iterator[Verdict]:
    def verdicts() -> Iterator[Verdict]:
        yield from _unseen(exposure)
        for surface in exposure.surfaces:
            asked = [reply for reply in surface.paths if reply.kind == kind]
            for reply in asked:
                if reply.proof:
                    url = surface.origin + reply.path
                    yield failed(
                        surface.asset,
                        f"{reply.path} is public: {reply.proof.what}",
                        reproduce=curl(url, "-r", "0-500"),
                        subject=reply.path,
                        url=url,
                        status=reply.answer if isinstance(reply.answer, int) else None,
                        recognised=reply.proof.what,
                        secrets=_named(reply.proof.secrets),
                    )
            hidden = [reply.answer for reply in asked if isinstance(reply.answer, Unseen)]
            if hidden:
                yield not_tested(surface.asset, hidden[0])
            elif asked:
                yield passed(surface.asset, surface.sparse, paths={reply.path: reply.answer for reply in asked})
            else:
                yield not_applicable(surface.asset, surface.sparse)

    return merged(verdicts())


def _unseen(exposure: Exposure) -> Iterator[Verdict]:
    for origin in exposure.unseen:
        yield not_tested(origin.asset, origin.reason)
    if not exposure.surfaces and not exposure.unseen:
        yield not_applicable(exposure.domain, "it has no web service")


def _scripts_otherwise(page: Page, loaded: tuple[ScriptReply, ...]) -> Verdict:
    hidden = [script.answer for script in loaded if isinstance(script.answer, Unseen)]
    if hidden:
        return not_tested(page.asset, hidden[0])
    if not loaded:
        return not_applicable(page.asset, "the page loads no script from the domain's own hosts")
    return passed(page.asset, scripts=[script.url for script in loaded])


def _named(found: tuple[Secret, ...]) -> list[dict[str, str]]:
    return [{"name": secret.name, "sha256_prefix": secret.sha256} for secret in found]
