import re

import pytest

from harness_plugins.tasks.ruler.matching import share_found

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
