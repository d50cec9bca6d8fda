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
    if "admin" in sys.argv[1:2]:
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


@app.command(hidden=True)
def documents(
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail if one is out of date")] = False,
) -> None:
    """Write what is made from the code: the OpenAPI document and docs/events.md."""
    from services.commands.documents import write

    sys.exit(write(check=check))


if __name__ == "__main__":
    main()
