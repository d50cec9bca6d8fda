"""DNSSEC validated here, from a trust anchor down (RFC 4035, 5155, 6840, 9276): pure functions over messages."""
