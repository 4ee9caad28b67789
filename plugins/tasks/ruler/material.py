"""What samples are made of: words of essays, word lists, questions and their documents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from random import Random

from harness.api import Source, SourceError
from harness_plugins.subjects.causal_lm.essays import essays, source

from .documents import FILES, Collection, collect

TITLES = r"(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bvs\.)(?<!\b[A-Z]\.)"
SENTENCE_END = re.compile(rf"""(?:(?<=[.!?]){TITLES}|(?<=[.!?]["'”’)\]]))\s+(?=["'“‘(\[]?[A-Z0-9])""")


class Material:
    """Essays, words, questions and documents, read when first asked for."""

    def __init__(self, essays: str | None, paths: Mapping[str, str | None] | None = None) -> None:
        self.path = essays
        self.paths = paths or {}  # of the files that questions come from, by the names in `FILES`

    @cached_property
    def essays(self) -> list[str]:
        """Every word of the essays, in order."""
        texts = [one.text for one in essays()] if self.path is None else [_given(self.path)]
        return " ".join(texts).split()

    def sentences(self, units: int) -> list[str]:
        """The first `units` words as sentences; from the beginning again where the essays end."""
        return cut(" ".join(islice(cycle(self.essays), units)))

    def word(self, rng: Random) -> str:
        """An adjective and a noun: uniform over lm-eval's six million, without a list of them."""
        adjectives, nouns = _word_lists()
        return f"{rng.choice(adjectives)}-{rng.choice(nouns)}"

    @cached_property
    def vocabulary(self) -> list[str]:
        """All words, sorted."""
        return _vocabulary()

    def collection(self, name: str) -> Collection:
        """Questions and documents of "squad" or "hotpotqa"."""
        path = self.paths.get(name)
        if path is None:
            raise SourceError(f"ruler.{FILES[name].knob} is not set; {FILES[name].remedy}")
        return collect(name, Path(path).expanduser())

    def source(self, name: str) -> Source:
        """Where one of these comes from, made present if need be: essays, words, vocabulary, squad, hotpotqa."""
        if name == "words":
            return _listed(adjectives=_word_lists()[0], nouns=_word_lists()[1])
        if name == "vocabulary":
            return _listed(**{"nouns, adjectives and verbs": self.vocabulary})
        if name in FILES:
            questions, documents, sha256 = self.collection(name)
            file = f"{FILES[name].title}, {Path(str(self.paths[name])).name}"
            return Source(file, len(questions), sha256, note=f"questions, among {len(documents):,} documents")
        if self.path is None:
            return source()
        note = f"{len(self.essays):,} words"
        return Source(Path(self.path).name, 1, hashlib.sha256(_given(self.path).encode()).hexdigest(), note=note)


def cut(text: str) -> list[str]:
    """Sentences: they end with `.`, `!` or `?` and a closing quote or bracket, before a capital or a digit.

    Titles and initials end none. Where all white space is single spaces, joining them with one gives `text` again.
    """
    return SENTENCE_END.split(text.strip())


@cache
def _given(path: str) -> str:
    remedy = "give a text file in UTF-8, or remove it to use the 49 essays that the harness fetches"
    try:
        text = Path(path).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"ruler.essays={path} can't be read ({error}); {remedy}") from error
    if not text.strip():
        raise SourceError(f"ruler.essays={path} is empty; {remedy}")
    return text


@cache
def _word_lists() -> tuple[list[str], list[str]]:
    """Adjectives and nouns, sorted. No two pairs make the same word, so two even draws make one."""
    from wonderwords import RandomWord

    lists = RandomWord()._categories
    return sorted(set(lists["adjectives"])), sorted(set(lists["nouns"]))


@cache
def _vocabulary() -> list[str]:
    from wonderwords import RandomWord

    lists = RandomWord()._categories
    return sorted({word for kind in ("nouns", "adjectives", "verbs") for word in lists[kind]})


def _listed(**lists: list[str]) -> Source:
    sha256 = hashlib.sha256("\n\n".join("\n".join(words) for words in lists.values()).encode()).hexdigest()
    note = ", ".join(f"{len(words)} {kind}" for kind, words in lists.items())
    return Source(f"wonderwords {version('wonderwords')}", sum(map(len, lists.values())), sha256, note=note)
