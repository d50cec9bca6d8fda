"""`compliancelayer recompute FILE`: a report's score worked out again from the report alone."""

import sys
from pathlib import Path

from pydantic import ValidationError

from services.scanner.engine.recompute import Unknown, differences
from shared.contracts.report import Report

EQUAL, DIFFERS, NOT_A_REPORT = 0, 1, 2  # exit codes


def run(file: Path) -> int:
    """Print whether score, grade and module scores follow from the report's verdicts, and return the exit code."""
    try:
        report = Report.model_validate_json(file.read_bytes())
        found = differences(report)
    except OSError as error:
        sys.stderr.write(f"{file} cannot be read: {error.strerror}.\n")
        return NOT_A_REPORT
    except ValidationError:
        sys.stderr.write(f"{file} is not a report in JSON; save one with `compliancelayer scan --format json`.\n")
        return NOT_A_REPORT
    except Unknown as error:
        sys.stderr.write(f"{file} cannot be recomputed: {error}.\n")
        return NOT_A_REPORT
    if found:
        print(f"DIFFERS  {file}")
        print("\n".join(f"  {difference}" for difference in found))
        return DIFFERS
    print(f"EQUAL  {file}\n  {report.domain}: score {report.score}, grade {report.grade}, as the report says")
    return EQUAL
