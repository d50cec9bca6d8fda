"""Measurements of what the project promises to be quick and small; see docs/performance.md."""
