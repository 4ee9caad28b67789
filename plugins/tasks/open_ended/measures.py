"""What is counted in continuations: of tokens, of their surprise in bits, of text."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean


def distinct(tokens: Sequence[int], n: int) -> float:
    """Share of n-grams that are not there already (distinct-n, Li et al. 2016); one less it is what repeats."""
    grams = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
    return len(set(grams)) / len(grams)


def off_target(surprises: Sequence[float], target: float) -> float:
    """How far a continuation's mean surprise lies from the target."""
    return abs(fmean(surprises) - target)


def trend(surprises: Sequence[float]) -> float:
    """Mean of the last quarter less that of the first."""
    quarter = len(surprises) // 4
    return fmean(surprises[-quarter:]) - fmean(surprises[:quarter])


def self_bleu(texts: Sequence[str]) -> tuple[float | None, str | None]:
    """BLEU of each text with the others as references, averaged (Zhu et al. 2018), 0 to 100; or why it is unknown."""
    if len(texts) < 2:
        return None, "self-BLEU compares continuations of one text; set task.continuations=2 or more"
    try:
        from sacrebleu.metrics import BLEU
    except ImportError:
        return None, "self-BLEU needs sacrebleu; pip install 'harness-ml[open_ended]'"
    bleu = BLEU(effective_order=True)
    others = ([*texts[:place], *texts[place + 1 :]] for place in range(len(texts)))
    return fmean(bleu.sentence_score(text, rest).score for text, rest in zip(texts, others, strict=True)), None
