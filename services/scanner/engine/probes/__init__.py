"""Probes do network I/O and return evidence; they never judge. One file a topic, each with one `@probe` function."""

import importlib
import pkgutil


def load() -> None:
    """Import every file of this package, so that `probe.registered()` is complete."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
