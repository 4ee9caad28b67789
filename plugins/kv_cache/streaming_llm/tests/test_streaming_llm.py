import torch

from harness.testing import contract, toy_of
from harness.testing.contract import answered
from harness_plugins.kv_cache.streaming_llm.algorithm import kept_rows
from harness_plugins.kv_cache.streaming_llm.plugin import StreamingLLM

test_contract = contract(StreamingLLM(), StreamingLLM(compression_ratio=0.8, sinks=2), StreamingLLM(rerotate=False))


def test_keeps_the_sinks_and_the_most_recent():
    assert kept_rows(seen=10, kept=5, sinks=2).tolist() == [0, 1, 7, 8, 9]


def test_keeps_only_the_first_where_even_the_sinks_do_not_fit():
    assert kept_rows(seen=10, kept=3, sinks=4).tolist() == [0, 1, 2]


def test_answers_as_a_short_text_would_where_nothing_depends_on_what_was_dropped():
    """In the first layer keys and values depend on their own token alone, so a rolled cache there equals that of
    the kept tokens read as a text of their own."""
    toy = toy_of("causal-lm")
    method = StreamingLLM(compression_ratio=0.5, sinks=4)
    rows = kept_rows(96, 48, 4).tolist()
    found = {}

    def look(cache):
        found["rolled"] = cache.layers[0].storage.read()
        found["next"] = cache.positions(1)

    with torch.inference_mode():
        short = toy.subject.prefill({"context": [toy.request["context"][row] for row in rows]}, frozenset())
        with method.apply(toy.subject), toy.subject.at("after_prefill", look):
            toy.subject.respond(toy.request, frozenset())
    keys, values = short.cache.layers[0].storage.read()

    assert torch.allclose(found["rolled"][0], keys, atol=1e-4)
    assert torch.allclose(found["rolled"][1], values, atol=1e-5)
    assert found["next"] == range(47, 48)  # one row made room for it


def test_rolls_on_while_decoding_so_that_its_size_holds():
    toy = toy_of("causal-lm")
    rolling = answered(StreamingLLM(compression_ratio=0.5), toy).response.observed
    still = answered(StreamingLLM(compression_ratio=0.5, rerotate=False), toy).response.observed

    assert rolling["end_resident_bytes"] == rolling["resident_bytes"]
    assert still["end_resident_bytes"] > still["resident_bytes"]
