"""`compliancelayer scan DOMAIN`: a scan with no server at all."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from services.commands.scan_display import Display, print_table
from services.scanner.engine import scan as engine
from services.scanner.engine.network import World
from services.scanner.engine.settings import EngineSettings
from services.scanner.engine.target import InvalidDomain, Target, parse
from services.scanner.engine.version import engine_version
from services.scanner.settings import ScannerSettings
from shared.contracts.report import Grade, Module, Profile, Report
from shared.settings import SettingError, load
from shared.sockets import raise_descriptor_limit

FINE, UNDER_THE_BAR, USAGE, NOT_SCANNED = 0, 1, 2, 3  # exit codes

Format = Literal["table", "json", "csv", "html", "pdf"]
_FORMATS: tuple[Format, ...] = get_args(Format)
_GRADES: tuple[Grade, ...] = get_args(Grade)  # best first


@dataclass(frozen=True)
class _Request:
    target: Target
    options: engine.Options
    form: Format
    output: Path | None
    include_raw: bool
    passes: Callable[[Report], bool]
    quiet: bool


class _UsageError(Exception):
    """The command cannot be carried out; the message says what to do."""


def run(
    domain: str,
    *,
    form: str = "table",
    output: Path | None = None,
    include_raw: bool = False,
    fail_under: str | None = None,
    modules: str | None = None,
    profile: str = "standard",
    intrusive: bool = False,
    quiet: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Scan `domain`, write the report to `output` or the terminal, and return the exit code."""
    try:
        settings = load(ScannerSettings, environ)
        request = _Request(
            target=parse(domain),
            options=engine.Options(_modules(modules), _profile(profile), intrusive, settings.scan_timeout),
            form=_form(form),
            output=output,
            include_raw=include_raw,
            passes=_bar(fail_under),
            quiet=quiet,
        )
        if request.form == "pdf" and output is None:
            raise _UsageError("A PDF needs a file: add --output FILE.")
    except (InvalidDomain, SettingError, _UsageError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    raise_descriptor_limit()
    return asyncio.run(_scan(request, World.from_settings(EngineSettings.of(settings), engine_version())))


async def _scan(request: _Request, world: World) -> int:
    try:
        with Display(request.target.domain, request.options.modules, quiet=request.quiet) as display:
            scanned = await engine.run(request.target, request.options, world, display.update)
    except engine.ScanFailed as failure:
        sys.stderr.write(f"{request.target.domain} could not be scanned: {failure.reason}.\n")
        return NOT_SCANNED
    report = scanned.report
    if request.include_raw:
        report = report.model_copy(update={"raw_results": scanned.observations.dump()})
    try:
        await _write(report, request)
    except OSError as error:
        sys.stderr.write(f"{request.output} cannot be written: {error.strerror}.\n")
        return USAGE
    except _UsageError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    return FINE if request.passes(report) else UNDER_THE_BAR


async def _write(report: Report, request: _Request) -> None:
    if request.form == "table":
        print_table(report, request.output)
        return
    content = await _content(report, request.form)
    if request.output:
        request.output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)


async def _content(report: Report, form: Format) -> bytes:
    if form == "json":
        return f"{report.model_dump_json(indent=2)}\n".encode()
    if form == "csv":
        from services.scanner.export import csv

        return csv.render(report).encode()
    from services.reports.document import Documents  # needs jinja2: only where it is asked for

    html = Documents().report(report)
    return await _print(html) if form == "pdf" else html.encode()


async def _print(html: str) -> bytes:
    from services.reports.renderer import Renderer, RendererUnavailable
    from services.reports.settings import ReportsSettings

    renderer = Renderer(load(ReportsSettings, os.environ).chromium_path)
    try:
        return await renderer.pdf(html)
    except RendererUnavailable as error:
        raise _UsageError(str(error)) from error
    finally:
        await renderer.close()


def _form(text: str) -> Format:
    if text not in _FORMATS:
        raise _UsageError(f"--format takes {', '.join(_FORMATS)}; {text!r} is none of them.")
    return next(form for form in _FORMATS if form == text)


def _modules(text: str | None) -> tuple[Module, ...]:
    if text is None:
        return tuple(Module)
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names or not names <= set(Module):
        raise _UsageError(f"--modules takes names out of {', '.join(Module)}, comma-separated.")
    return tuple(module for module in Module if module in names)


def _profile(text: str) -> Profile:
    try:
        return Profile(text)
    except ValueError:
        raise _UsageError(f"--profile takes {' or '.join(Profile)}; {text!r} is neither.") from None


def _bar(text: str | None) -> Callable[[Report], bool]:
    """`--fail-under`: a score, or a grade."""
    if text is None:
        return lambda report: True
    grade = text.strip().upper()
    if grade in _GRADES:
        return lambda report: _GRADES.index(report.grade) <= _GRADES.index(grade)
    if text.isascii() and text.isdigit() and int(text) <= 100:
        return lambda report: report.score >= int(text)
    raise _UsageError("--fail-under takes a score from 0 to 100, or a grade from A to F.")
