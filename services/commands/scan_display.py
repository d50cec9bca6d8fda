"""A scan on the terminal: its modules as they finish, then the result."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from services.scanner.engine import catalog
from shared.contracts.report import Grade, Module, ModuleState, Report, Severity

_GRADE_STYLES: dict[Grade, str] = {"A": "green", "B": "green", "C": "yellow", "D": "red", "F": "bold red"}
_SEVERITY_STYLES: dict[Severity, str] = {
    "critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim",
}  # fmt: skip
_FINDINGS = 40  # in the table; the other formats have them all


class Display:
    """On standard error: live on a terminal, a line a finished module elsewhere, nothing when quiet."""

    def __init__(self, domain: str, modules: Sequence[Module], *, quiet: bool) -> None:
        self._domain = domain
        self._states: dict[Module, ModuleState] = dict.fromkeys(modules, "waiting")
        self._console = Console(stderr=True, quiet=quiet)
        self._titles = {module: row.title for module, row in catalog.load().modules.items()}
        self._live = Live(console=self._console, transient=True) if self._console.is_terminal else None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._console.print(f"Scanning {self._domain} ...", highlight=False)
        if self._live:
            self._stack.enter_context(self._live)
            self._live.update(self._table())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def update(self, states: Mapping[Module, ModuleState]) -> None:
        changed = {module: state for module, state in states.items() if self._states.get(module) != state}
        self._states.update(changed)
        if self._live:
            self._live.update(self._table())
            return
        for module, state in changed.items():
            if state in ("done", "not_tested"):
                self._console.print(f"  {self._titles[module]}: {state.replace('_', ' ')}", highlight=False)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for module, state in self._states.items():
            table.add_row(_mark(state), self._titles[module])
        return table


def _mark(state: ModuleState) -> str | Spinner:
    if state == "running":
        return Spinner("dots")
    return {"waiting": "[dim]·[/]", "done": "[green]✓[/]", "not_tested": "[yellow]?[/]"}[state]


def print_table(report: Report, output: Path | None) -> None:
    """The result for people, on standard output or in a file. OSError when the file cannot be written."""
    if output is None:
        _print(report, Console(file=sys.stdout, highlight=False))
        return
    with output.open("w", encoding="utf-8") as file:
        _print(report, Console(file=file, highlight=False, width=120))


def _print(report: Report, console: Console) -> None:
    style = _GRADE_STYLES[report.grade]
    console.print(f"\n[bold]{report.domain}[/]  grade [{style}]{report.grade}[/]  score [{style}]{report.score}[/]/100")
    reason = "; less than half could be seen, so no better grade is given" if report.grade_reason else ""
    console.print(
        f"{report.risk_level} risk, {report.coverage:.0%} of the checks' weight seen{reason}, "
        f"{report.scan_duration_ms / 1000:.1f} s\n"
    )
    console.print(_modules(report))
    if report.issues:
        console.print(_findings(report))
        if len(report.issues) > _FINDINGS:
            console.print(f"[dim]and {len(report.issues) - _FINDINGS} more; --format json has them all[/]")
    if report.recommendations:
        console.print("\n[bold]What to do first[/]")
        for number, sentence in enumerate(report.recommendations, 1):
            console.print(f"{number}. {escape(sentence)}")


def _modules(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Module")
    table.add_column("Score", justify="right")
    table.add_column("Grade")
    table.add_column("Findings", justify="right")
    table.add_column("Not tested", justify="right")
    rows = catalog.load().modules
    for module, result in report.modules.items():
        grade = f"[{_GRADE_STYLES[result.grade]}]{result.grade}[/]" if result.grade else "-"
        score = "-" if result.score is None else str(result.score)
        untested = str(len({missing.id for missing in result.not_tested}) or "")
        table.add_row(rows[module].title, score, grade, str(len(result.issues) or ""), untested)
    return table


def _findings(report: Report) -> Table:
    table = Table(title="Findings", title_justify="left", title_style="bold", box=None, show_header=False)
    for issue in report.issues[:_FINDINGS]:
        table.add_row(
            f"[{_SEVERITY_STYLES[issue.severity]}]{issue.severity}[/]", escape(issue.finding), escape(issue.asset)
        )
    return table
