"""The report as one self-contained HTML document: no script, no address to fetch, nothing of it trusted."""

import base64
import hashlib
from importlib.resources import files
from typing import Literal, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.reports.qr import qr_svg
from services.reports.view import GRADES, SEVERITIES, Issuance, build_view
from shared.contracts.report import Report

Paper = Literal["a4", "letter"]
PAPERS: tuple[Paper, ...] = get_args(Paper)


class Documents:
    """Renders the templates. Safe to share; holds no state but the compiled templates."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("services.reports"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["prose"] = prose

    def report(self, report: Report, issuance: Issuance | None = None, paper: Paper = "a4") -> str:
        """`report` as HTML. With `issuance` it carries its report id and QR code, as the PDF is printed from it."""
        footer = report.domain if issuance is None else f"{report.domain} \u00b7 {issuance.report_id}"
        page = f'@page {{ size: {paper} }}\n@page {{ @bottom-left {{ content: "{css_string(footer)}" }} }}\n'
        return self.page(
            "report.html",
            page + static("report.css"),
            view=build_view(report, issuance),
            qr=Markup(qr_svg(issuance.verify_url)) if issuance else None,  # noqa: S704  our own SVG, its text escaped
            severities=SEVERITIES,
            grades=GRADES,
        )

    def page(self, template: str, style: str, script: str = "", **values: object) -> str:
        """A page with its style and script inline, and a policy that lets nothing else in."""
        inline = {"style-src": style, "script-src": script}
        sources = "; ".join(f"{directive} '{source_hash(text)}'" for directive, text in inline.items() if text)
        return self._templates.get_template(template).render(
            style=Markup(style),  # noqa: S704  shipped with the service
            script=Markup(script),  # noqa: S704  shipped with the service
            policy=f"default-src 'none'; base-uri 'none'; {sources}",
            **values,
        )


def prose(text: str) -> Markup:
    """`text` escaped, with what stands between backticks set as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # an odd backtick is only a backtick
        return escape(text)
    coded = (
        Markup('<span class="code">{}</span>').format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
    return Markup("").join(coded)


def static(name: str) -> str:
    """The text of a file in `static/`."""
    return files("services.reports").joinpath("static", name).read_text("utf-8")


def source_hash(text: str) -> str:
    """The CSP Level 3 hash source of an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def css_string(text: str) -> str:
    """`text` for use between the quotes of a CSS string, all but letters and digits escaped (CSS Syntax 3, 4.3.7)."""
    return "".join(char if char.isascii() and char.isalnum() else f"\\{ord(char):x} " for char in text)
