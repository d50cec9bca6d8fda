"""A report in others' formats."""
