import inspect

import pytest
import torch
from transformers import DynamicCache

from harness.plugin.contracts import Stack
from harness.plugin.discovery import load
from harness.spec.errors import IncompatibleError
from harness.testing import contract
from harness_plugins.layers.contiguous_drop.plugin import ContiguousDrop
from harness_plugins.layers.unified_layer_skipping.algorithm import kept_layers
from harness_plugins.layers.unified_layer_skipping.plugin import UnifiedLayerSkipping
from harness_plugins.subjects.causal_lm.toy import make, model

test_contract = contract(UnifiedLayerSkipping(), UnifiedLayerSkipping(skip_prefill=True))

# What the authors' code gives for 30 layers.
PUBLISHED = {
    2: [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 29],
    3: [0, 3, 6, 9, 12, 15, 18, 21, 24, 29],
    5: [0, 6, 12, 18, 24, 29],
    10: [0, 15, 29],
}


def answered(method, toy):
    with Stack((method,)).apply(toy.subject) as (evidence,):
        return toy.subject.respond(toy.request, frozenset()), evidence.take()


@pytest.mark.parametrize(("speedup", "layers"), PUBLISHED.items())
def test_layers_are_those_of_the_authors_code(speedup, layers):
    method = UnifiedLayerSkipping(target_speedup=speedup)

    assert kept_layers(30, method.count(30)) == layers
    assert sorted(method.kept(30, None)) == layers


@pytest.mark.parametrize("layers", range(2, 50))
def test_every_target_keeps_as_many_layers_as_it_leaves_and_both_ends(layers):
    for kept in range(2, layers + 1):
        found = kept_layers(layers, kept)

        assert len(set(found)) == kept
        assert found == sorted(found)
        assert (found[0], found[-1]) == (0, layers - 1)


def test_whole_quotients_are_not_lost_to_rounding():
    assert UnifiedLayerSkipping(target_speedup=1.1).count(33) == 30
    assert UnifiedLayerSkipping(target_speedup=1.2).count(30) == 25


@pytest.mark.parametrize(("layers", "fits"), [(30, "15"), (5, "2.5")])
def test_a_target_that_leaves_fewer_than_two_layers_is_refused(layers, fits):
    with pytest.raises(IncompatibleError, match=rf"target_speedup=31 leaves 0 of {layers}.*set it to {fits} or less"):
        UnifiedLayerSkipping(target_speedup=31).check({"layers": layers})


def test_a_note_says_where_nothing_is_spread():
    (note,) = UnifiedLayerSkipping(target_speedup=1.5).notes({"layers": 30})

    assert "drops layers 19 to 28 of 30 in one piece" in note
    assert ContiguousDrop(target_speedup=1.5, where="top").kept(30, None) == {*range(19), 29}
    assert all(not UnifiedLayerSkipping(target_speedup=one).notes({"layers": 30}) for one in (1, 2, 3, 15))


@pytest.mark.parametrize("speedup", [4 / 3, 2])
def test_decoded_tokens_are_those_of_a_model_without_the_layers_that_goes_on_from_the_full_prompt(speedup):
    toy = make(question=1, new_tokens=12)
    prompt = toy.request["context"] + toy.request["question"]
    kept = sorted(UnifiedLayerSkipping(target_speedup=speedup).kept(4, None))

    assert answered(UnifiedLayerSkipping(target_speedup=speedup), toy)[0].output["tokens"] == shortened(
        prompt, kept, 12
    )


def word(reference, cache):
    name = "cache" if "cache" in inspect.signature(reference.forward).parameters else "past_key_values"
    return {name: cache, "use_cache": True, "logits_to_keep": 1}


def shortened(prompt, kept, count):
    """Greedy tokens by transformers alone: prefill with all layers, then with the kept ones and their caches."""
    whole, short, full, cache = model().eval(), model().eval(), DynamicCache(), DynamicCache()
    short.model.layers = torch.nn.ModuleList(short.model.layers[layer] for layer in kept)
    short.config.num_hidden_layers = len(kept)
    for place, layer in enumerate(short.model.layers):
        layer.self_attn.layer_idx = place
    with torch.inference_mode():
        logits = whole(input_ids=torch.tensor([prompt]), **word(whole, full)).logits[0, -1]
        for place, layer in enumerate(kept):
            cache.update(full.layers[layer].keys, full.layers[layer].values, place)
        tokens = [int(logits.argmax())]
        while len(tokens) < count:
            place = torch.tensor([[len(prompt) + len(tokens) - 1]])
            fed = short(input_ids=torch.tensor([tokens[-1:]]), position_ids=place, **word(short, cache))
            tokens.append(int(fed.logits[0, -1].argmax()))
    return tokens


def test_the_first_token_is_the_baselines_and_later_ones_pass_the_kept_blocks_alone():
    toy = make(new_tokens=12)
    alone = toy.subject.respond(toy.request, frozenset()).output["tokens"]

    response, evidence = answered(UnifiedLayerSkipping(), toy)

    assert response.output["tokens"][0] == alone[0]
    assert response.output["tokens"] != alone
    assert evidence == {"prefill_block_calls": 4, "decode_block_calls": 2}
    assert {name: response.observed[name] for name in evidence} == evidence


def test_the_cache_grows_in_kept_layers_alone():
    toy = make(context=96, question=5, new_tokens=12)
    size = toy.subject.model.config.head_dim * toy.subject.model.config.num_key_value_heads

    response, _ = answered(UnifiedLayerSkipping(), toy)

    # The last token is not fed; keys and values, four bytes a number.
    assert response.observed["end_resident_bytes"] == 2 * size * 4 * (4 * (96 + 5) + 2 * 12)


def test_a_prefill_of_kept_blocks_alone_leaves_the_others_without_a_cache():
    toy = make()

    response, evidence = answered(UnifiedLayerSkipping(skip_prefill=True), toy)

    assert evidence == {"prefill_block_calls": 2, "decode_block_calls": 2}
    assert response.observed["seen"] == response.observed["kept"] == 96
    assert response.observed["resident_bytes"] == response.observed["full_bytes"] / 2


def test_a_batch_decodes_as_its_rows_do_alone():
    toy, other = make(new_tokens=12), make(new_tokens=12)
    other.request["context"] = other.request["context"][::-1][:70]
    method = UnifiedLayerSkipping()
    alone = [answered(method, one)[0].output["tokens"] for one in (toy, other)]

    with torch.no_grad(), Stack((method,)).apply(toy.subject) as (evidence,):
        begun = [toy.subject.prefill(one.request, frozenset()) for one in (toy, other)]
        branches = [toy.subject.act(one.cache, one.logits) for one in begun]
        toy.subject.decode(branches, toy.request)

    assert [branch.tokens for branch in branches] == alone
    assert evidence.take()["decode_block_calls"] == toy.subject.blocks.observed()["decode_block_calls"] == 2


@pytest.mark.parametrize("skip_prefill", [False, True])
@pytest.mark.parametrize("name", ["knorm", "snapkv", "pyramidkv", "streaming_llm", "tova", "h2o", "xkv"])
def test_it_goes_together_with_methods_that_act_on_the_cache(name, skip_prefill):
    method = load().methods[name]
    small = {"window": 8, "group_size": 2} if name in ("snapkv", "pyramidkv", "xkv") else {}
    knobs = {knob: small[knob] for knob in small if knob in {one.name for one in method.knobs()}}
    toy, skipping = make(new_tokens=8), UnifiedLayerSkipping(skip_prefill=skip_prefill)

    for order in ((method.build(knobs), skipping), (skipping, method.build(knobs))):
        stack = Stack(order)
        with stack.apply(toy.subject) as evidences:
            response = toy.subject.respond(toy.request, stack.needs())

        evidence = stack.evidence(evidences)
        assert stack.missing(evidence) == []
        assert evidence["unified_layer_skipping.decode_block_calls"] == response.observed["decode_block_calls"] == 2
        assert response.observed["prefill_block_calls"] == (2 if skip_prefill else 4)
        assert len(response.output["tokens"]) == 8
