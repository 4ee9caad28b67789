"""Conditions that fail a comparison."""

import pytest

from harness.report.compare import compare_study
from harness.report.gate import Condition, broken, enforce, read
from harness.spec.errors import RegressionError, UsageError


@pytest.fixture
def report(make):
    """xkv loses 4.2 points at 0.75 and nothing at 0.5, knorm 62.5; the baseline scores 95.8 %."""
    return compare_study(make.usual(make.STANDARD, processes=3))


def names(text, report):
    return [line.partition(":")[0] for line in broken(read(text), report)]


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("quality<-1%", Condition("quality", "<", -1.0, True)),
        (" latency >= 5 % ", Condition("latency", ">=", 5.0, True)),
        ("first token>.5", Condition("first token", ">", 0.5, False)),
        ("cache_bytes<=1e6", Condition("cache_bytes", "<=", 1e6, False)),
    ],
)
def test_a_condition_is_a_name_a_sign_and_a_number(text, condition):
    assert read(text) == condition


@pytest.mark.parametrize(
    "text", ["quality", "quality=1", "<1", "quality<", "quality<1 MiB", "a<b<1", "quality<1%%", "quality<nan"]
)
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="such as 'quality<-1%'"):
        read(text)


def test_a_share_of_the_baseline_and_points_are_two_things(report):
    assert names("quality<-60", report) == ["knorm"]
    assert names("quality<-65%", report) == ["knorm"]  # 62.5 of 95.8 points are 65.2 %
    assert names("quality<-65.3%", report) == []
    assert names("string_match<0", report) == ["xkv (compression_ratio 0.75)", "knorm"]


def test_controls_do_not_count(report):
    assert "random_eviction" not in " ".join(names("quality<-1%", report))


def test_costs_go_by_their_column_their_reading_or_what_they_mean(report):
    slow = ["xkv (compression_ratio 0.75)", "xkv (compression_ratio 0.5)"]

    assert names("ttft_s>5%", report) == names("first token>5%", report) == names("ttft>5%", report) == slow
    assert names("memory>-60%", report) == ["xkv (compression_ratio 0.5)", "knorm"]
    assert names("cache_bytes>=-16384000", report) == ["knorm"]  # 500 of 1,000 parts of 32,768 bytes


def test_the_number_as_shown_decides_and_its_interval_is_told(report):
    (line,) = broken(read("quality<-4"), report)[:1]

    assert line.startswith("xkv (compression_ratio 0.75): string_match -4.167 points [")
    assert "reaches beyond the bound" in line
    assert "reaches beyond" not in broken(read("quality<-4"), report)[1]


def test_a_number_that_is_unknown_fails_with_its_reason(report):
    lines = broken(read("energy>5%"), report)

    assert len(lines) == 3
    assert all("no counter here" in line for line in lines)


def test_a_run_that_failed_can_not_pass(make):
    view = make.study([make.run(1), make.run(2, "xkv", status="failed", reason="out of memory")])

    with pytest.raises(RegressionError, match="is unknown, so quality<-1% can't be checked: it is failed"):
        enforce([read("quality<-1%")], compare_study(view))


def test_all_that_is_broken_is_told_at_once(report):
    with pytest.raises(RegressionError) as caught:
        enforce([read("quality<-50%"), read("ttft>5%")], report)

    assert str(caught.value).count("\n") == 3
    assert caught.value.exit_code == 3


def test_nothing_to_fail_is_no_success(make, report):
    enforce([read("quality<-99%")], report)
    with pytest.raises(UsageError, match="did you mean quality"):
        enforce([read("qualty<-1%")], report)
    with pytest.raises(UsageError, match="nothing here is compared"):
        enforce([read("quality<-1%")], compare_study(make.study([make.run(1)])))
