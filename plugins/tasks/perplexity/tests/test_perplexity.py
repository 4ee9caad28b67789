import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from harness.api import IncompatibleError, KnobError, SourceError
from harness.testing import contract, toy_of
from harness_plugins.subjects.causal_lm.documents import of_file
from harness_plugins.subjects.causal_lm.essays import essays
from harness_plugins.subjects.causal_lm.toy import model
from harness_plugins.tasks.perplexity.plugin import Perplexity
from harness_plugins.tasks.perplexity.texts import from_hub

SMALL = Perplexity(context=40, stride=8, samples=4)

test_contract = contract(SMALL, replace(SMALL, phase="prefill"))


def scored(task, number=0):
    toy = toy_of("causal-lm")
    sample = task.make_samples(toy.processor, 0)[number]
    output = toy.subject.respond(sample.request, frozenset()).output
    return sample, {one.metric: one.value for one in task.score(sample, output, toy.processor)}


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_the_loss_is_transformers_own(phase):
    """Transformers' loss with the context masked out, as its page on perplexity has it."""
    sample, scores = scored(replace(SMALL, phase=phase))

    (item,) = sample.request["score"]
    ids = torch.tensor([item["context"] + item["continuation"]])
    labels = torch.where(torch.arange(48) < 40, -100, ids)
    with torch.inference_mode():
        loss = float(model().eval()(input_ids=ids, labels=labels).loss)

    assert ids.shape == (1, 48)
    assert scores["loss"] == pytest.approx(loss, abs=1e-4)
    assert scores["bytes"] == 8  # a token of the toy's is a character
    assert scores["bits_per_byte"] == pytest.approx(loss / math.log(2), abs=1e-4)


def test_both_phases_score_the_same_tokens():
    toy = toy_of("causal-lm")
    decode = SMALL.make_samples(toy.processor, 0)
    prefill = replace(SMALL, phase="prefill").make_samples(toy.processor, 0)

    for one, other in zip(decode, prefill, strict=True):
        assert (one.target, one.prompt, one.cluster) == (other.target, other.prompt, other.cluster)
    losses = [scored(replace(SMALL, phase=phase))[1]["loss"] for phase in ("prefill", "decode")]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_windows_slide_over_every_document_and_overlap_in_no_scored_token(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abcdefghijklmnopqrstuvwxyz")
    task = Perplexity(context=4, stride=5, samples=4, text=str(path))

    samples = sorted(task.make_samples(toy_of("causal-lm").processor, 0), key=lambda one: one.target["token"])

    assert [one.prompt for one in samples] == ["abcd", "fghi", "klmn", "pqrs"]
    assert [one.target["text"] for one in samples] == ["efghi", "jklmn", "opqrs", "tuvwx"]
    assert {one.cluster for one in samples} == {None}


def test_the_default_is_the_test_part_of_the_essays_and_windows_of_one_essay_belong_together():
    samples = SMALL.make_samples(toy_of("causal-lm").processor, 0)

    names = {one.name for one in essays("test")}
    assert {one.cluster for one in samples} <= names
    assert SMALL.sources()[0].split == "test"
    other = replace(SMALL, part="calibration")
    assert not {one.cluster for one in other.make_samples(toy_of("causal-lm").processor, 0)} & names


def test_bytes_of_cut_characters_count_once(tmp_path):
    """Each token a byte, so windows end inside characters; all scored together are the text behind the context."""
    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    processor = SimpleNamespace(
        encode=lambda text: tokenizer.encode(text).ids, decode=lambda ids: tokenizer.decode(ids), start_ids=[]
    )
    path = tmp_path / "text.txt"
    path.write_text("é漢字☃ " * 7)  # 12 bytes each time
    task = Perplexity(context=4, stride=5, samples=16, text=str(path))

    sizes = [one.target["bytes"] for one in task.make_samples(processor, 0)]

    assert sum(sizes) == 82  # of 84: the first context of 4 bytes holds one whole character, of 2
    assert max(abs(size - 5) for size in sizes) <= 3


def test_a_timed_request_decodes_after_the_whole_context():
    toy = toy_of("causal-lm")
    sample = SMALL.make_samples(toy.processor, 0)[0]

    request = SMALL.timed(sample)

    (item,) = sample.request["score"]
    assert request["context"] == [*item["context"], item["continuation"][0]]
    assert (len(request["context"]), request["new_tokens"], request["stop"]) == (40, 16, [])


def test_seeds_draw_other_orders_of_the_same_windows():
    processor = toy_of("causal-lm").processor
    first, other = SMALL.make_samples(processor, 0), SMALL.make_samples(processor, 1)

    assert first.places != other.places
    assert sorted(first.places) == sorted(other.places)


def test_a_dataset_is_one_text(monkeypatch):
    rows = Dataset.from_dict({"text": ["One.", "", "Two."], "page": ["a", "b", "c"]})
    asked = []
    fake = SimpleNamespace(load_dataset=lambda *given, **named: asked.append((given, named)) or rows)
    monkeypatch.setitem(sys.modules, "datasets", fake)

    found = from_hub("some/corpus", "raw", "validation", "text")

    assert asked == [(("some/corpus", "raw"), {"split": "validation"})]
    assert found.texts == {"some/corpus, raw": "One.\n\n\n\nTwo."}
    assert (found.source.count, found.source.split, found.source.note) == (3, "validation", "12 bytes")
    with pytest.raises(SourceError, match=r"no column 'body', it has text, page; set task.column"):
        from_hub("some/corpus", "raw", "validation", "body")


def test_what_does_not_fit_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(KnobError, match="remove one of them"):
        Perplexity(text="a.txt", dataset="some/corpus")
    with pytest.raises(IncompatibleError, match="takes 576 tokens, the model takes 512; lower one"):
        Perplexity().check({"context_length": 512})
    with pytest.raises(SourceError, match=r"text=nowhere.txt can't be read .* remove it to use the essays"):
        of_file("nowhere.txt", "perplexity.text")
    short = tmp_path / "short.txt"
    short.write_text("Too short.")
    with pytest.raises(SourceError, match=r"short.txt holds 0 windows of 48 tokens, perplexity.samples is 4; lower it"):
        replace(SMALL, text=str(short)).make_samples(toy_of("causal-lm").processor, 0)
