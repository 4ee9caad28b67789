import json

import pytest
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from transformers import PreTrainedTokenizerFast

from harness.api import SourceError
from harness_plugins.models.hf.tokenizer import PROBE, Tokenizer


def make_folder(folder, start=False, decoder=True):
    """A byte-level tokenizer of 256 bytes and an end token, as a model folder carries it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if decoder:
        backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("<end>", special=True), AddedToken("<start>", special=True)])
    if start:
        backend.post_processor = processors.TemplateProcessing(single="<start> $A", special_tokens=[("<start>", 257)])
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>").save_pretrained(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_reads_the_plain_class_as_transformers_does(tmp_path):
    folder = make_folder(tmp_path)
    ours, theirs = Tokenizer(str(folder)), PreTrainedTokenizerFast.from_pretrained(folder)

    assert ours.encode(PROBE) == theirs(PROBE, add_special_tokens=False).input_ids
    assert ours.decode(ours.encode(PROBE)) == PROBE
    assert ours.vocab_size == len(theirs) == 258


def test_stop_ids_come_from_the_generation_config_before_the_tokenizer(tmp_path):
    folder = make_folder(tmp_path)
    assert Tokenizer(str(folder)).stop_ids == [256]

    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 3]}))
    assert Tokenizer(str(folder)).stop_ids == [3, 5]


def test_knows_what_the_tokenizer_puts_in_front_of_a_text(tmp_path):
    assert Tokenizer(str(make_folder(tmp_path, start=True))).start_ids == [257]


@pytest.mark.parametrize("kept_class", ["PreTrainedTokenizerFast", None], ids=["plain", "by transformers"])
def test_knows_special_tokens_and_limits_whoever_reads_it(tmp_path, kept_class):
    folder = make_folder(tmp_path, start=True)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": kept_class}))
    tokenizer = Tokenizer(str(folder))

    assert (tokenizer.bos, tokenizer.eos, tokenizer.id_of("<end>")) == (None, "<end>", 256)
    assert tokenizer.encode("a", special=True) == [257, *tokenizer.encode("a")]
    assert tokenizer.context_length is None
    (folder / "config.json").write_text(json.dumps({"text_config": {"max_position_embeddings": 77}}))
    assert tokenizer.context_length == 77


def test_a_tokenizer_that_loses_text_is_refused(tmp_path):
    with pytest.raises(SourceError, match="its scores would be wrong"):
        Tokenizer(str(make_folder(tmp_path, decoder=False)))
