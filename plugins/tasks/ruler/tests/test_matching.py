import re

import pytest

from harness_plugins.tasks.ruler.matching import any_found, share_found

CASES = [
    ("1234567.", ["1234567"], 1.0),
    (" are 11, 22 and 33", ["11", "22", "33", "44"], 0.75),
    ("THE CAT", ["the cat"], 1.0),
    ("", ["7"], 0.0),
    ("12\x0034", ["1234"], 0.0),
    ("a\tb", ["a\nb"], 1.0),
]


@pytest.mark.parametrize(("answer", "references", "expected"), CASES)
def test_scores_the_share_of_references_found_as_lm_eval_does(answer, references, expected, lm_eval):
    theirs = lm_eval.take("common_utils", "postprocess_pred", "string_match_all", re=re)

    assert share_found(answer, references) == expected
    assert theirs.string_match_all(theirs.postprocess_pred([answer]), [references]) == expected


def string_match_part(preds: list[str], refs: list[list[str]]) -> float:
    """RULER's, as published in its scripts/eval/synthetic/constants.py."""
    pairs = zip(preds, refs, strict=True)
    return sum([max([1.0 if r.lower() in pred.lower() else 0.0 for r in ref]) for pred, ref in pairs]) / len(preds)


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("In 1066, I think.", ["1066", "in the year 1066", "the eleventh century"], 1.0),
        ("THE ELEVENTH century", ["1066", "the eleventh century"], 1.0),
        ("1067", ["1066"], 0.0),
        ("", ["1066"], 0.0),
    ],
)
def test_one_reference_is_enough_in_part_as_rulers_formula_says(answer, references, expected):
    assert any_found(answer, references) == expected
    assert string_match_part([answer], [references]) == expected


def test_lm_evals_part_is_another_number(lm_eval):
    theirs = lm_eval.take("common_utils", "string_match_part")
    answer, references = "in 1066", ["1066", "1067", "1068"]

    assert theirs.string_match_part([answer], [references]) == pytest.approx(1 / 3)
    assert any_found(answer, references) == 1.0
