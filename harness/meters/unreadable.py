"""Why an instrument can't be read."""


class Unreadable(Exception):
    """Its message becomes a reading's reason; a user never sees it raised."""
