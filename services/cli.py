"""The command line. Each command imports what it needs when it is called, so that `--help` is quick."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="compliancelayer",
    help="See a domain as an attacker and an auditor see it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point of `compliancelayer`."""
    if sys.argv[1:2] in (["admin"], ["--help"], []):
        from services.commands.admin import admin

        app.add_typer(admin)
    app()


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="the port to listen on; 0 takes a free one")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="the folder for all data")] = None,
) -> None:
    """Run the whole fleet in this process, in the foreground, until Ctrl-C."""
    from services.__main__ import run

    for name, value in (("CL_PORT", port), ("CL_DATA_DIR", data_dir)):
        if value is not None:
            os.environ[name] = str(value)
    run()


@app.command()
def scan(
    domain: Annotated[str, typer.Argument(help="the domain to scan")],
    form: Annotated[str, typer.Option("--format", help="table, json, csv, html or pdf")] = "table",
    output: Annotated[Path | None, typer.Option(help="the file to write to, in place of the terminal")] = None,
    include_raw: Annotated[bool, typer.Option("--include-raw", help="add the evidence to the report")] = False,
    fail_under: Annotated[str | None, typer.Option(help="exit with 1 under this score or grade")] = None,
    modules: Annotated[str | None, typer.Option(help="the modules to run, comma-separated (default: all)")] = None,
    profile: Annotated[str, typer.Option(help="standard, or full: more ports and paths")] = "standard",
    intrusive: Annotated[
        bool, typer.Option("--intrusive", help="with probes beyond what an ordinary client does")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="show no progress")] = False,
) -> None:
    """Scan a domain with no server at all. Exit 0: fine, 1: under the bar, 2: usage, 3: not scanned."""
    from services.commands.scan import run

    sys.exit(
        run(
            domain,
            form=form,
            output=output,
            include_raw=include_raw,
            fail_under=fail_under,
            modules=modules,
            profile=profile,
            intrusive=intrusive,
            quiet=quiet,
        )
    )


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="the PDF")],
    certificate: Annotated[
        Path | None, typer.Option(help="the issuer's certificate (default: compliancelayer-ca.pem beside it or here)")
    ] = None,
) -> None:
    """Check offline that a PDF report is genuine and unchanged. Exit 0: genuine, 1: not, 2: usage."""
    from services.commands.verify import USAGE, run
    from shared.settings import ServiceSettings, SettingError, load

    try:
        keys_dir = load(ServiceSettings, os.environ).keys_path
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(USAGE)
    sys.exit(run(file, certificate, keys_dir))


@app.command()
def recompute(file: Annotated[Path, typer.Argument(help="a report in JSON")]) -> None:
    """Work a report's score out again from the report alone. Exit 0: equal, 1: differs, 2: no report."""
    from services.commands.recompute import run

    sys.exit(run(file))


feeds = typer.Typer(help="The tables of facts that verdicts on software rest on.", no_args_is_help=True)
app.add_typer(feeds, name="feeds")


@feeds.command("update")
def feeds_update() -> None:
    """Fetch newer tables from CL_FEEDS_URL. Exit 0: all are up to date, 1: one is not, 2: usage."""
    from services.commands.feeds import update

    sys.exit(update())


@feeds.command("show")
def feeds_show() -> None:
    """Which tables are in use, of which day and from where."""
    from services.commands.feeds import show

    sys.exit(show())


@app.command(hidden=True)
def documents(
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if one is out of date")] = False,
) -> None:
    """Write what is made from the code: the OpenAPI document and docs/events.md."""
    from services.commands.documents import write

    sys.exit(write(check=check))


if __name__ == "__main__":
    main()
