"""What makes a load impossible."""


class LoadError(Exception):
    """The load could not begin, or measured nothing; the message says what to do."""
