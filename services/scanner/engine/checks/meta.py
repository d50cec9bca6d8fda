"""Evidence for controls that ask for scanning itself; never an issue, never scored."""

from collections.abc import Iterator

from services.scanner.engine.check import Verdict, check, passed
from services.scanner.engine.evidence.addresses import Addresses


@check("external_scan_performed")
def external_scan_performed(addresses: Addresses) -> Iterator[Verdict]:
    yield passed(addresses.domain.name, "scanned from outside at the time shown, over the scope listed")
