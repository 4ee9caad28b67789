"""Text from models, plugins and data, made fit to show."""


def printable(text: str) -> str:
    """On one line, and without what a terminal obeys: a model may answer anything."""
    text = text.replace("\n", " ")
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
