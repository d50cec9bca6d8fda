"""The one public door: it knows who is calling, counts, and passes on."""
