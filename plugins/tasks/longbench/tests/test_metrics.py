import sys
from random import Random

import pytest

from harness_plugins.tasks.longbench.datasets import DATASETS
from harness_plugins.tasks.longbench.metrics import METRICS, best, classification, code_sim, rouge, rouge_zh

WORDS = {
    "qa_f1": "Dr. Brown the guard said a train, was late! The doctor 's brother yes unanswerable Cardiff",
    "qa_f1_zh": "火车 星期一 晚点 ， 早上 八点 。 Train 的 \n 退票",
    "rouge": "The agency reviewed trains. It found leaves on the line .  late again. – \n They will sweep them.",
    "rouge_zh": "火车 晚点 可以 改签 ， 退票 。 会议 讨论 了 . Train 清扫 落叶",
    "classification": "Definition of something Time 交通 交通事故 体育 of \n thing",
    "count": "7 77 There are seven 17, unique paragraphs. 7.",
    "retrieval": "Paragraph 17 7 paragraph 3 The answer is 17.",
    "retrieval_zh": "段落3 段落17 3 答案是 。 ３",
    "code_sim": "return late \n # comment\n    return train.minutes > 5\n // \n ` \n\n   \n def late(train):",
}


@pytest.mark.parametrize("name", DATASETS)
def test_scores_are_lm_evals(name, made, lm_eval):
    metric, official, rng = DATASETS[name].metric, made(name), Random(name)
    words = WORDS[metric].split(" ")
    answers = ["", " ", ".", *official["answers"], f" {official['answers'][0]} or so"]
    answers += [" ".join(rng.choices(words, k=rng.randint(1, 30))) for _ in range(60)]

    ours = [best(metric, answer, official["answers"], official["all_classes"] or ()) for answer in answers]

    assert ours == pytest.approx([lm_eval.score(name, official, answer) for answer in answers], abs=1e-12)
    assert max(ours) > 0.99
    assert min(ours) < 0.2
    assert len({round(one, 3) for one in ours}) > 2


def test_the_reference_that_agrees_most_counts():
    assert best("qa_f1", "the doctor", ["Dr. Brown", "doctor"]) == 1.0


def test_other_classes_named_share_the_point():
    assert classification("Time or Place", "Time", ["Time", "Place", "Person"]) == 0.5


def test_a_class_within_the_right_ones_name_takes_nothing():
    assert classification("交通事故", "交通事故", ["交通", "体育", "交通事故"]) == 1.0


def test_code_is_compared_by_its_first_line_that_is_no_comment():
    assert code_sim("\n  \n# late?\n// no\n```\nreturn late\nreturn early", "return late") == 1.0


@pytest.mark.parametrize("score", [rouge, rouge_zh])
def test_long_texts_do_not_run_out_of_stack(score):
    limit = sys.getrecursionlimit()
    half = limit // 2
    said, wanted = (" ".join(["same", *(f"{one}{place}" for place in range(half - 1))]) for one in "ab")

    assert score(said, wanted) == pytest.approx(1 / half, rel=1e-5)
    assert sys.getrecursionlimit() == limit


def test_rouge_of_nothing_is_zero():
    assert rouge("", "The train was late.") == 0.0
    assert rouge("...", "The train was late.") == 0.0


def test_metrics_say_which_libraries_they_need():
    assert {name for name, metric in METRICS.items() if "jieba" in metric.libraries} == {"qa_f1_zh", "rouge_zh"}
    assert {name for name, metric in METRICS.items() if "rouge" in metric.libraries} == {"rouge", "rouge_zh"}
