"""What a parser raises, and nothing else."""


class ParseError(ValueError):
    """The message says what is wrong with the text, in words for its owner."""
