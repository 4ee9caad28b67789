from types import SimpleNamespace

import pytest

from harness.api import IncompatibleError
from harness_plugins.tasks.longbench.datasets import DATASETS
from harness_plugins.tasks.longbench.prompts import Prompt, Reader, filled


@pytest.fixture
def reader(processor) -> Reader:
    return Reader(processor, chat=False)


def official_cut(prompt: str, max_length: int, tokenizer: SimpleNamespace) -> str:
    """What LongBench's pred.py makes of a prompt, for a tokenizer that adds nothing."""
    tokenized = tokenizer.encode(prompt)
    if len(tokenized) > max_length:
        half = int(max_length / 2)
        prompt = tokenizer.decode(tokenized[:half]) + tokenizer.decode(tokenized[-half:])
    return prompt


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("room", [41, 180, 600, 100_000])
def test_long_prompts_are_cut_as_in_the_official_code(name, room, parsed, reader, processor):
    prompt = filled(DATASETS[name], parsed(name, words=400))

    shortened = reader.shortened(prompt, room)

    assert shortened.context + shortened.question == official_cut(prompt.context + prompt.question, room, processor)


@pytest.mark.parametrize("name", DATASETS)
def test_the_question_is_what_the_template_says_after_the_document(name, parsed, reader, processor):
    record = parsed(name, words=400)
    prompt = filled(DATASETS[name], record)

    fitted = reader.fitted(prompt, 700)

    assert fitted.tokens.size <= 700
    assert fitted.tokens.context + fitted.tokens.question == processor.encode(fitted.text)
    assert processor.decode(fitted.tokens.question).endswith(prompt.question)
    assert len(processor.decode(fitted.tokens.question)) < len(prompt.question) + 10
    assert "word0 word1" in processor.decode(fitted.tokens.context)
    assert "word200" not in fitted.text


def test_a_prompt_that_fits_is_left_alone(parsed, reader, processor):
    prompt = filled(DATASETS["hotpotqa"], parsed("hotpotqa"))
    size = len(processor.encode(prompt.context + prompt.question))

    assert reader.fitted(prompt, size).text == prompt.context + prompt.question
    assert reader.fitted(prompt, size - 1).text != prompt.context + prompt.question


def test_a_question_longer_than_its_half_is_cut_too(reader):
    prompt = Prompt("word0 word1 word2 ", "Question: " + "why " * 300 + "\nAnswer:")

    shortened = reader.shortened(prompt, 60)

    assert shortened.context.startswith("word0 word1 word2 Question: why why")
    assert shortened.question.endswith("why why \nAnswer:")
    assert len(shortened.question) < 60


@pytest.mark.parametrize("room", [60, 61, 200, 399])
def test_what_a_chat_template_adds_is_made_room_for(room, parsed, processor):
    chat = Reader(processor, chat=True)
    prompt = filled(DATASETS["hotpotqa"], parsed("hotpotqa", words=400))

    fitted = chat.fitted(prompt, room)

    assert room - 2 <= fitted.tokens.size <= room
    assert fitted.text.startswith("<|user|>\nAnswer the question")
    assert fitted.text.endswith("Answer:<|end|>\n<|assistant|>\n")
    assert fitted.tokens.context + fitted.tokens.question == processor.encode(fitted.text)


def test_tokens_that_begin_every_text_come_first_and_count(parsed, processor):
    starting = Reader(SimpleNamespace(**vars(processor), start_ids=[9]), chat=False)
    prompt = filled(DATASETS["hotpotqa"], parsed("hotpotqa", words=400))

    fitted = starting.fitted(prompt, 200)

    assert fitted.tokens.context[0] == 9
    assert fitted.tokens.size == 199  # the halves hold it too, and decoding leaves it out of the text


def test_what_can_not_fit_is_none(reader):
    assert reader.fitted(Prompt("word0", " why"), 1) is None


def test_a_template_that_rewrites_the_question_is_refused():
    shouting = SimpleNamespace(chat=str.upper, encode=list, decode="".join)

    with pytest.raises(IncompatibleError, match="chat template rewrites the question"):
        Reader(shouting, chat=True).fitted(Prompt("word0", " why"), 100)


def test_a_model_without_a_chat_template_is_refused_with_what_to_do():
    def chat(text: str) -> str:
        raise ValueError("tokenizer.chat_template is not set\nmore")

    plain = SimpleNamespace(chat=chat, encode=list, decode="".join)

    with pytest.raises(IncompatibleError, match=r"template is not set\); set task.chat_template=false"):
        Reader(plain, chat=True).fitted(Prompt("word0", " why"), 100)
