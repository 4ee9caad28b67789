import json
from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cosine_similarity

from harness.plugin.contracts import Preparation, Stack
from harness.testing import contract
from harness_plugins.layers.shortgpt.algorithm import influence, most_influential
from harness_plugins.layers.shortgpt.plugin import ShortGPT
from harness_plugins.subjects.causal_lm.toy import make, model

SMALL = {"calibration_texts": 3, "calibration_tokens": 32}

test_contract = contract(ShortGPT(**SMALL), ShortGPT(target_speedup=2, skip_prefill=False, **SMALL))


def test_influence_is_how_far_a_block_turns_its_input():
    given = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    made = torch.tensor([[[5.0, 0.0], [0.0, 3.0], [0.0, -1.0]]])

    assert influence(given, given) == pytest.approx(0)
    assert influence(given, made) == pytest.approx((0 + 1 + 2) / 3)


def test_the_least_influential_are_removed_whichever_they_are():
    assert most_influential([0.1, 0.5, 0.3, 0.2, 0.9], 3) == [1, 2, 4]
    assert most_influential([0.5, 0.1, 0.1, 0.1], 2) == [0, 3]


def test_the_papers_share_of_layers_is_removed_by_default():
    assert ShortGPT().count(32) == 32 - 9
    assert ShortGPT().count(30) == 30 - 9


def test_influences_are_those_of_transformers_hidden_states(tmp_path):
    toy, method = make(), ShortGPT(target_speedup=2)
    texts = [toy.request["context"][:40], toy.request["context"][40:80]]
    method.prepare(Preparation(toy.subject, 0, tmp_path, {"texts": texts}))

    # transformers' last hidden state is normed: the last block's own output is taken before that.
    bare, last = model().eval(), []
    bare.model.norm.register_forward_pre_hook(lambda module, given: last.append(given[0]))
    with torch.inference_mode():
        states = [bare(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in texts]
    expected = [0.0] * 4
    for given, end in zip(states, last, strict=True):
        for block, (before, after) in enumerate(pairwise([*given[:-1], end])):
            expected[block] += (1 - cosine_similarity(before, after, dim=-1)).mean().item() / len(texts)
    assert json.loads((tmp_path / "influence.json").read_text()) == pytest.approx(expected, abs=1e-6)


def test_answers_are_those_of_a_model_without_the_layers(tmp_path):
    toy, method = make(new_tokens=8), ShortGPT(target_speedup=2)
    method.prepare(Preparation(toy.subject, 0, tmp_path, {"texts": [toy.request["context"]]}))
    with Stack((method,)).apply(toy.subject, [tmp_path]) as (evidence,):
        response = toy.subject.respond(toy.request, frozenset())

    short = model().eval()
    short.model.layers = torch.nn.ModuleList(short.model.layers[one] for one in sorted(method.kept(4, tmp_path)))
    short.config.num_hidden_layers = 2
    ids = toy.request["context"] + toy.request["question"]
    with torch.inference_mode():
        for _ in range(8):
            ids.append(int(short(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    assert response.output["tokens"] == ids[-8:]
    assert evidence.take() == {"prefill_block_calls": 2, "decode_block_calls": 2}
