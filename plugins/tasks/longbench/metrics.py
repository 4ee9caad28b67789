"""LongBench's metrics: how far an answer agrees with one reference, 0 to 1; a test compares with lm-eval's."""

from __future__ import annotations

import logging
import re
import string
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import SequenceMatcher
from functools import cache
from typing import Any, NamedTuple

from harness.api import cache_folder

ARTICLES = re.compile(r"\b(a|an|the)\b")
MARKS = frozenset(
    string.punctuation + "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃"
    "》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)


class Metric(NamedTuple):
    label: str
    score: Callable[[str, str, Sequence[str]], float]  # answer, reference, the dataset's classes
    libraries: frozenset[str] = frozenset()  # beyond what the harness itself depends on
    reference: str = ""  # what every reference must hold, a regular expression
    strips: bool = True  # white space around an answer is no part of it


def best(name: str, answer: str, references: Sequence[str], classes: Sequence[str] = ()) -> float:
    """The score against the reference that agrees most."""
    metric = METRICS[name]
    said = answer.strip() if metric.strips else answer
    return max(metric.score(said, reference, classes) for reference in references)


def qa_f1(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    return f1(plain(answer).split(), plain(reference).split())


def qa_f1_zh(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    return f1(plain_zh(answer), plain_zh(reference))


def f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    common = sum((Counter(said) & Counter(wanted)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def plain(text: str) -> str:
    """Lower case, without punctuation and articles."""
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return ARTICLES.sub(" ", bare)


def plain_zh(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    words = ("".join(letter for letter in word.lower() if letter not in MARKS) for word in words_zh(text))
    return [bare for bare in ("".join(word.split()) for word in words) if bare]


def rouge(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    """F of ROUGE-L, on the summary's level."""
    with room_for(answer, reference):
        try:
            return float(_rouge().get_scores(answer, reference)[0]["rouge-l"]["f"])
        except ValueError:  # one of them has no word
            return 0.0


def rouge_zh(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    return rouge(" ".join(words_zh(answer)), " ".join(words_zh(reference)))


def classification(answer: str, reference: str, classes: Sequence[str]) -> float:
    """1 where the right class is the only one named. A class that is part of the right one's name is not held
    against the answer, but for one that stands right behind such a class: LongBench skips it, and so its scores do.
    """
    named = [one for one in classes if one in answer]
    for one in named:
        if one in reference and one != reference:
            named.remove(one)  # while iterating, as LongBench does
    return 1.0 / len(named) if reference in named else 0.0


def count(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    """The share of the numbers in the answer that are the right one."""
    numbers = re.findall(r"\d+", answer)
    return numbers.count(reference) / len(numbers) if numbers else 0.0


def retrieval(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    return count(answer, re.findall(r"Paragraph (\d+)", reference)[0])


def retrieval_zh(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    return count(answer, re.findall(r"段落(\d+)", reference)[0])


def code_sim(answer: str, reference: str, classes: Sequence[str] = ()) -> float:
    """Edit similarity of the first line of code, in whole percent: fuzzywuzzy's ratio where it has no Levenshtein."""
    lines = (line for line in answer.split("\n") if line.strip() and not re.search("`|#|//", line))
    return round(100 * SequenceMatcher(None, next(lines, ""), reference).ratio()) / 100


def words_zh(text: str) -> list[str]:
    return list(_jieba().cut(text, cut_all=False))


@contextmanager
def room_for(*texts: str) -> Iterator[None]:
    """Enough stack for rouge, which recurses once a word: where it has too little, LongBench's score is 0."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + sum(len(text.split()) for text in texts))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@cache
def _rouge() -> Any:
    from rouge import Rouge

    return Rouge(metrics=["rouge-l"], stats=["f"])


@cache
def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own syntax, when Python compiles it
        import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(cache_folder())  # by default it reads whatever lies in a folder open to all
    return tokenizer


METRICS: Mapping[str, Metric] = {
    "qa_f1": Metric("F1 of words", qa_f1),
    "qa_f1_zh": Metric("F1 of words", qa_f1_zh, frozenset({"jieba"})),
    "rouge": Metric("ROUGE-L", rouge, frozenset({"rouge"})),
    "rouge_zh": Metric("ROUGE-L", rouge_zh, frozenset({"rouge", "jieba"})),
    "classification": Metric("accuracy", classification),
    "count": Metric("accuracy", count),
    "retrieval": Metric("accuracy", retrieval, reference=r"Paragraph \d+"),
    "retrieval_zh": Metric("accuracy", retrieval_zh, reference=r"段落\d+"),
    "code_sim": Metric("edit similarity", code_sim, strips=False),
}
