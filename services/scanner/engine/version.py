"""The engine's version, as reports and the User-Agent name it."""

from importlib.metadata import PackageNotFoundError, version


def engine_version() -> str:
    try:
        return version("compliancelayer-server")
    except PackageNotFoundError:  # run from the sources, not installed
        return "0.0.0"
