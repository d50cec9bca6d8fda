"""What probes saw: frozen dataclasses that serialise to JSON and back. One file a probe."""
