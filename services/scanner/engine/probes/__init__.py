"""Probes do network I/O and return evidence; they never judge. One file a topic, each with one `@probe` function."""
