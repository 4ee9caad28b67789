"""Runs in the environment `kvpress`: each press through the bridge, and through kvpress's own pipeline.

Prints, for each press: the tokens both answer with, the evidence, and which promises of a method it breaks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from types import MethodType, SimpleNamespace
from typing import Any

import torch

from harness.testing.checks import METHOD, Skipped, answered, words
from harness_plugins.bridges.kvpress.plugin import harness_methods
from harness_plugins.bridges.kvpress.pressing import built, delimited
from harness_plugins.subjects.causal_lm.subject import LoadedCausalLM
from harness_plugins.subjects.causal_lm.toy import make, model

SETTINGS = {  # those that act on a hundred tokens
    "window_size": 16,
    "window": 16,
    "compression_interval": 2,
    "target_size": 40,
    "sliding_window_size": 8,
    "threshold": -1.5,
    "lazy_threshold": 0.1,
    "n_recent": 32,
    "chunk_size": 32,
    "lag_size": 16,
    "compression_ratios": (0.1, 0.3, 0.5, 0.7),
}


# Keys are hidden from all queries fed at once, which eight numbers a head allow for few; and kvpress's pipeline
# can't feed several tokens where layers are of unequal length. Those get a question of one token.
UNEVEN = ("kvcompose", "per_layer_compression", "prefill_decoding", "pyramidkv", "simlayerkv")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(folder)
        # All loaded first, as in a worker: what kvpress does to attention functions comes when it is first used.
        methods = [acting(kind) for kind in harness_methods() if not kind.entry["reason"]]
        toys = [loaded(method, folder) for method in methods]
        told = {method.name: tell(method, toy, folder) for method, toy in zip(methods, toys, strict=True)}
    json.dump(told, sys.stdout)


def acting(kind: Any) -> Any:
    names = [one.name for one in kind.knobs()]
    given = {name: value for name, value in SETTINGS.items() if name in names}
    method = kind(**given)
    inside = [value for name, value in method.settings().items() if name.endswith("press") and value == "snapkv"]
    if inside or kind.name == "kvpress/composed":
        method = replace(method, inner=("snapkv.window_size:16",))
    return method


def loaded(method: Any, folder: str) -> Any:
    """A toy for one method."""
    plain = model()
    plain.config.name_or_path = folder
    subject = LoadedCausalLM(plain, kernel(method))
    toy = make(question=1 if method.traits.simulated or method.entry["name"] in UNEVEN else 5)
    return toy._replace(subject=subject, state=lambda: state(plain))


def kernel(method: Any) -> str:
    return "eager" if method.name == "kvpress/observed_attention" else "sdpa"


def tell(method: Any, toy: Any, folder: str) -> dict[str, Any]:
    answer = answered(method, toy)
    return {
        "ours": answer.response.output["tokens"],
        "theirs": theirs(method, toy.request, folder),
        "evidence": answer.evidence,
        "observed": answer.response.observed,
        "broken": [*broken(method, toy)],
    }


def broken(method: Any, toy: Any) -> Any:
    for check in METHOD:
        try:
            check(method, toy)
        except Skipped:
            pass
        except Exception as error:
            yield f"{words(check)}: {type(error).__name__}: {error}"


def state(plain: Any) -> object:
    """Everything a press might leave on a model."""
    return [
        (name, len(one._forward_hooks), len(one._forward_pre_hooks), sorted(vars(one)), sorted(one._modules))
        for name, one in plain.named_modules()
    ]


def theirs(method: Any, request: dict[str, Any], folder: str) -> list[int]:
    """What kvpress's pipeline answers, on a model of its own."""
    import kvpress

    plain = model().eval()
    plain.config.name_or_path = folder
    plain.set_attn_implementation(kernel(method))
    plain.generation_config.eos_token_id = None
    press, pipeline = built(method), kvpress.KVPressTextGenerationPipeline
    mine = SimpleNamespace(model=plain, tokenizer=SimpleNamespace(decode=lambda ids, **more: json.dumps(ids.tolist())))
    for name in ("generate_answer", "_remove_answer_from_cache"):
        setattr(mine, name, MethodType(getattr(pipeline, name), mine))
    context = torch.tensor([delimited(press, request["context"])])
    asked = {"context_ids": context, "questions_ids": [torch.tensor([request["question"]])]}
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(sum(request["context"]))
        (answer,) = pipeline._forward(mine, asked, max_new_tokens=request["new_tokens"], press=press)
    return list(json.loads(answer))


def write_tokenizer(folder: str) -> None:
    """KVzip reads the model's: a word a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.WordLevel({f"w{number}": number for number in range(97)}, unk_token="w0"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="w0").save_pretrained(folder)
    model().config.save_pretrained(folder)


main()
