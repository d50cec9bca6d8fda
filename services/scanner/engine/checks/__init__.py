"""The checks, one file a topic. Importing a file registers its checks."""

import importlib
import pkgutil

from services.scanner.engine import check


def load() -> None:
    """Import every file of this package, so that `check.registered()` is complete."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    assert check.registered()
