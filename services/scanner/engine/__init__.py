"""The scan itself: no database, no bus, no web server."""
