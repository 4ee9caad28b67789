"""What our evictors keep is what kvpress keeps, on the same weights and tokens in float32."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from harness.plugin.environments import named
from harness_plugins.kv_cache.expected_attention.plugin import ExpectedAttention
from harness_plugins.kv_cache.knorm.plugin import KNorm
from harness_plugins.kv_cache.snapkv.plugin import SnapKV
from harness_plugins.kv_cache.streaming_llm.plugin import StreamingLLM
from harness_plugins.kv_cache.tova.plugin import TOVA
from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM
from harness_plugins.subjects.causal_lm.toy import model

ENVIRONMENT = named("kvpress")
pytestmark = pytest.mark.skipif(ENVIRONMENT.trouble is not None, reason=str(ENVIRONMENT.trouble))

PAIRS = [
    (method(compression_ratio=ratio, **ours), press, {"compression_ratio": ratio, **theirs})
    for ratio in (0.25, 0.5, 0.75)
    for method, ours, press, theirs in (
        (KNorm, {}, "KnormPress", {}),
        (SnapKV, {"window": 16}, "SnapKVPress", {"window_size": 16}),
        (SnapKV, {"window": 8, "kernel": 3}, "SnapKVPress", {"window_size": 8, "kernel_size": 3}),
        (StreamingLLM, {"rerotate": False}, "StreamingLLMPress", {}),
        (StreamingLLM, {"rerotate": False, "sinks": 1}, "StreamingLLMPress", {"n_sink": 1}),
        (TOVA, {"while_decoding": False}, "TOVAPress", {}),
        (ExpectedAttention, {}, "ExpectedAttentionPress", {}),
        (
            ExpectedAttention,
            {"future": 64, "sinks": 2, "covariance": False, "epsilon": 0.01},
            "ExpectedAttentionPress",
            {"n_future_positions": 64, "n_sink": 2, "use_covariance": False, "epsilon": 0.01},
        ),
        (ExpectedAttention, {"value_norm": False}, "ExpectedAttentionPress", {"use_vnorm": False}),
    )
]
TEXTS = [
    torch.randint(3, 97, (tokens,), generator=torch.Generator().manual_seed(tokens)).tolist() for tokens in (96, 201)
]


@pytest.fixture(scope="module")
def weights():
    return model(layers=4, heads=8, kv_heads=2, seed=7)


@pytest.fixture(scope="module")
def theirs(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    weights.save_pretrained(folder)
    asked = {"model": str(folder), "texts": TEXTS, "presses": [[press, settings] for _, press, settings in PAIRS]}
    ended = subprocess.run(
        [ENVIRONMENT.python, str(Path(__file__).with_name("kvpress_kept.py"))],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def subject(weights, theirs):
    """After `theirs`, because loading routes the model's attention through the harness."""
    return LoadedCausalLM(weights, "sdpa")


@pytest.mark.parametrize("number", range(len(PAIRS)), ids=[str(ours) for ours, _, _ in PAIRS])
@pytest.mark.parametrize("text", range(len(TEXTS)), ids=[f"{len(text)} tokens" for text in TEXTS])
def test_kept_positions_equal_kvpress_s(subject, theirs, number, text):
    assert kept(subject, PAIRS[number][0], TEXTS[text]) == theirs[number][text]


def kept(subject, method, text):
    """Kept positions of each layer and head, ascending."""
    request = {"context": text, "question": [], "new_tokens": 1, "stop": []}
    keys = {}

    def look(name):
        return lambda cache: keys.__setitem__(name, [layer.keys.clone() for layer in cache.layers])

    with subject.at("after_prefill", look("full")), method.apply(subject), subject.at("after_prefill", look("cut")):
        subject.respond(request, method.needs())
    return [
        [places(*heads) for heads in zip(full, cut, strict=True)]
        for full, cut in zip(keys["full"], keys["cut"], strict=True)
    ]


def places(every, some):
    """Where the rows of `some` stand in `every`, by their content."""
    same = (some.unsqueeze(1) == every.unsqueeze(0)).all(-1)
    assert same.sum(1).tolist() == [1] * len(some)
    return sorted(same.int().argmax(1).tolist())
