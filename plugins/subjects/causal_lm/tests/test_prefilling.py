"""Another library fills the cache, on the model as transformers loads it."""

from contextlib import contextmanager

import pytest
import torch
from transformers import DynamicCache

from harness.testing import toy_of
from harness_plugins.subjects.causal_lm.prefilling import Prefilled


@pytest.fixture
def toy():
    return toy_of("causal-lm")


def library(subject, rows=None):
    """Prefills in transformers' own cache, and keeps these rows of it."""

    def prefill(ids, last):
        cache = DynamicCache()
        with subject.unrouted():
            done = subject.model.model(input_ids=torch.tensor([ids]), **{subject._cache_word: cache})
        for layer in cache.layers if rows else ():
            layer.keys, layer.values = layer.keys[:, :, rows], layer.values[:, :, rows]
        return Prefilled(subject.model.lm_head(done.last_hidden_state[0, -last:]), cache)

    return prefill


def test_a_cache_filled_elsewhere_answers_as_the_subject_s_own(toy):
    alone = toy.subject.respond(toy.request, frozenset())
    with toy.subject.at("prefill", library(toy.subject)):
        found = toy.subject.respond(toy.request, frozenset())

    assert found == alone
    assert toy.subject.respond(toy.request, frozenset()) == alone


def test_rows_left_out_there_are_rows_evicted_here(toy):
    rows = list(range(4)) + list(range(52, 96))

    def evict(cache):
        for layer in cache.layers:
            layer.keep(torch.tensor(rows))

    with toy.subject.at("after_prefill", evict):
        wanted = toy.subject.respond(toy.request, frozenset())
    with toy.subject.at("prefill", library(toy.subject, rows)):
        found = toy.subject.respond(toy.request, frozenset())

    assert found.output == wanted.output
    assert (found.observed["seen"], found.observed["kept"]) == (96, 48)
    assert found.observed["resident_bytes"] / found.observed["full_bytes"] == 0.5


@contextmanager
def shortening(subject, rows):
    """Keeps the last rows of each layer whenever it has attended, as a library's hooks would."""

    def hook(module, given, named, output):
        layer = named[subject._cache_word].layers[module.layer_idx]
        layer.keys, layer.values = layer.keys[:, :, -rows:], layer.values[:, :, -rows:]

    hooks = [one.register_forward_hook(hook, with_kwargs=True) for one in subject.attentions]
    yield
    for one in hooks:
        one.remove()


def test_a_library_s_hooks_may_shorten_the_cache_while_tokens_are_decoded(toy):
    whole = toy.subject.respond(toy.request, frozenset()).observed["end_resident_bytes"]
    prefill = library(toy.subject)
    decoding = shortening(toy.subject, 20)

    def prefilled(ids, last):
        done = prefill(ids, last)
        decoding.__enter__()
        return done

    with toy.subject.at("prefill", prefilled):
        found = toy.subject.respond(toy.request, frozenset()).observed
    decoding.__exit__(None, None, None)

    assert found["kept"] == 96
    assert found["end_resident_bytes"] < whole / 4
