"""Pure parsers of what targets say: text in, frozen data out. No I/O, bounded, linear in the input."""
