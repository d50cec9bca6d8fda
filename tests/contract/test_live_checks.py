"""Every check is fired by a live target in the engine's integration tests; one without such a test fails here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.scanner.engine import catalog

LIVE = sorted((Path(__file__).parents[1] / "integration/engine").glob("test_*_live.py"))
NEVER_FAIL = {
    "dkim_not_found": "selectors cannot be listed: a key that was not found may be there",
    "waf_not_detected": "a protection that shows nothing may be there",
    "external_scan_performed": "where there are verdicts at all, a scan was made",
}


def fired_in(source: str) -> Iterator[str]:
    """The ids that `expect_only(..., fires=...)` is given, as a literal or through `parametrize`, to see them fail."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for function in (node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            if not (isinstance(call.func, ast.Name) and call.func.id == "expect_only") or "becomes" in given:
                continue
            match given["fires"]:
                case ast.Constant(value=str() as check_id):
                    yield check_id
                case ast.Name(id=name):
                    yield from _parametrized(function, name, constants)


def _parametrized(function: ast.AsyncFunctionDef, name: str, constants: dict[str, ast.expr | None]) -> Iterator[str]:
    for decorator in function.decorator_list:
        if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parametrize"):
            continue
        names, cases = ast.literal_eval(decorator.args[0]), decorator.args[1]
        if name not in names:
            continue
        rows = constants[cases.id] if isinstance(cases, ast.Name) else cases
        assert isinstance(rows, ast.List), "the cases are a list, in place or of this file"
        for row in rows.elts:
            assert isinstance(row, ast.Tuple)
            yield ast.literal_eval(row.elts[names.index(name)])


def test_every_check_fires_for_a_live_target() -> None:
    fired = {check_id for file in LIVE for check_id in fired_in(file.read_text("utf-8"))}
    assert fired <= set(catalog.load().checks), "these ids are no checks"
    assert set(catalog.load().checks) - fired == set(NEVER_FAIL)


@pytest.mark.parametrize(
    ("test", "ids"),
    [
        ('await expect_only(baseline, site, fires="a")', ["a"]),
        ('await expect_only(baseline, site, fires=fires, also={"c": "named, not fired"})', ["b"]),
        ('await expect_only(baseline, site, fires="a", becomes="not_tested")', []),
        ('await scanned(site, fires="a")', []),
    ],
)
def test_how_it_is_found_out(test: str, ids: list[str]) -> None:
    decorator = '@pytest.mark.parametrize(("port", "fires"), CASES)'
    assert list(fired_in(f'CASES = [(1, "b")]\n{decorator}\nasync def test_x():\n    {test}\n')) == ids
