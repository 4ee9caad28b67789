from types import SimpleNamespace

import pytest

from harness.api import IncompatibleError
from harness_plugins.tasks.ruler.prompts import Prompt, Reader

PROMPT = Prompt(
    context="Make sure to memorize it.\nOne day the train was late.\n",
    question="What is the special magic number for it?",
    prefix="The special magic number is",
    references=("1234567",),
)
RAW = (
    "Make sure to memorize it.\nOne day the train was late.\n"
    "What is the special magic number for it? The special magic number is"
)


def test_raw_text_is_joined_as_in_lm_eval(lm_eval):
    settings = (lm_eval.folder / "niah_single_1.yaml").read_text()

    assert 'target_delimiter: " "\n' in settings
    assert 'gen_prefix: "{{gen_prefix}}"\n' in settings
    assert Reader(None, chat=False).text(PROMPT).whole == RAW


def test_the_parts_are_the_models_own_tokens_of_the_whole(processor):
    tokens = Reader(processor, chat=False).tokens(PROMPT)

    assert tokens.context + tokens.question == processor.encode(RAW)
    assert processor.decode(tokens.context) == PROMPT.context
    assert processor.decode(tokens.question).startswith("What is")


def test_a_token_across_the_boundary_belongs_to_the_question(merging_processor):
    tokens = Reader(merging_processor, chat=False).tokens(PROMPT)

    assert tokens.context + tokens.question == merging_processor.encode(RAW)
    assert PROMPT.context.startswith(merging_processor.decode(tokens.context))
    assert merging_processor.decode(tokens.question).endswith(f"{PROMPT.question} {PROMPT.prefix}")
    assert len(merging_processor.decode(tokens.context)) < len(PROMPT.context)


def test_tokens_that_begin_every_text_come_first_and_count(processor):
    starting = SimpleNamespace(**vars(processor), start_ids=[9])

    reader = Reader(starting, chat=False)

    assert reader.tokens(PROMPT).context == [9, *Reader(processor, chat=False).tokens(PROMPT).context]
    assert reader.size(PROMPT) == len(processor.encode(RAW)) + 1
    assert Reader(starting, chat=True).tokens(PROMPT) == Reader(processor, chat=True).tokens(PROMPT)


def test_the_chat_template_wraps_the_question_and_the_prefix_begins_the_answer(processor):
    reader = Reader(processor, chat=True)

    text = reader.text(PROMPT)

    assert text.whole == f"<|user|>\n{PROMPT.context}{PROMPT.question}<|end|>\n<|assistant|>\n{PROMPT.prefix}"
    tokens = reader.tokens(PROMPT)
    assert tokens.context + tokens.question == processor.encode(text.whole)
    assert processor.decode(tokens.context) == f"\n{PROMPT.context}"


def test_a_template_that_rewrites_the_question_is_refused():
    shouting = SimpleNamespace(chat=str.upper)

    with pytest.raises(IncompatibleError, match="chat template rewrites the question"):
        Reader(shouting, chat=True).text(PROMPT)
