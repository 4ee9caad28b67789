import pytest

from harness.config.overrides import read
from harness.spec.errors import UsageError


def values(text):
    (word,) = read([text])
    return word.values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method=xkv", ("xkv",)),
        ("+method=xkv,snapkv", ("xkv", "snapkv")),
        ("+method=[a,b]", (["a", "b"],)),
        ("+method=[a,b],c", (["a", "b"], "c")),
        ("method=kvpress/snapkv", ("kvpress/snapkv",)),
        ("seed=0,1,2", (0, 1, 2)),
        ("seed=range(0,3)", (0, 1, 2)),
        ("task.ratio=0.25,1", (0.25, 1)),
        ("model.path=null", (None,)),
        ("controls=true", (True,)),
        ("model.path='a,b'", ("a,b",)),
        ("model.path='a','b'", ("a", "b")),
        ("tags=['a b',c]", (["a b", "c"],)),
        ("store.url=postgresql://me:secret@host/db", ("postgresql://me:secret@host/db",)),
    ],
)
def test_reads_values_as_hydra_does(text, expected):
    assert values(text) == expected


def test_splits_a_key_at_its_first_dot():
    (word,) = read(["method.kvpress.snapkv.window=64"])

    assert (word.head, word.rest) == ("method", "kvpress.snapkv.window")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("xkv", "can't read 'xkv': a word is key=value, as in task=ruler"),
        ("=xkv", "can't read '=xkv': nothing stands before the ="),
        (
            "+method=[streaming_llm,",
            "can't read '+method=[streaming_llm,': a bracket has no partner; "
            'quote lists, or the shell takes them apart: "+method=[a,b]"',
        ),
        (
            "xkv]",
            "can't read 'xkv]': a bracket has no partner; "
            'quote lists, or the shell takes them apart: "+method=[a,b]"',
        ),
        (
            "method=xkv,",
            "can't read 'method=xkv,': nothing follows the last comma; "
            'quote lists, or the shell takes them apart: "+method=[a,b]"',
        ),
        (
            "model.wheel=llm==1",
            "can't read 'model.wheel=llm==1': a value with signs such as = ~ , [ in it takes quotes of its own: "
            "'model.wheel=\"llm==1\"'",
        ),
        ("method.*.window=3", "can't read 'method.*.window=3': a key is words joined by dots, as in task.context=512"),
        ("~task", "can't take '~task' away; leave the word out of the command instead"),
        ("method@other=xkv", "can't read 'method@other=xkv': a key has no @; write method=..."),
        (
            "task=glob(*)",
            "'task=glob(*)' sweeps over nothing; write the values with commas, or a range such as range(0,3)",
        ),
        (
            "seed=interval(0,1)",
            "'seed=interval(0,1)' sweeps over nothing; write the values with commas, or a range such as range(0,3)",
        ),
        (
            "seed=range(3,0)",
            "'seed=range(3,0)' sweeps over nothing; write the values with commas, or a range such as range(0,3)",
        ),
    ],
)
def test_a_word_that_cannot_be_read_says_how_to_write_it(text, sentence):
    with pytest.raises(UsageError) as error:
        read([text])
    assert str(error.value) == sentence


def test_a_quoted_word_as_the_hint_writes_it_is_read():
    assert values('model.wheel="llm==1"') == ("llm==1",)


def test_a_key_given_twice_is_refused():
    with pytest.raises(UsageError) as error:
        read(["task=ruler", "+task=generation"])
    assert str(error.value) == (
        "task is given twice, as 'task=ruler' and '+task=generation'; to sweep, put commas between the values: task=a,b"
    )


def test_a_reference_to_nothing_is_refused():
    with pytest.raises(UsageError) as error:
        read(["model.path=${oc.env:NOT_SET_ANYWHERE}"])
    assert str(error.value) == (
        "can't resolve 'model.path=${oc.env:NOT_SET_ANYWHERE}': Environment variable 'NOT_SET_ANYWHERE' not found"
    )
