"""Which tokens kvpress keeps. Runs in an environment of its own, with nothing of the harness in it.

Reads from standard input: {"model": folder, "texts": [[token ids]], "presses": [[class, settings]]}.
Prints: for each press and text, the kept positions of each layer and head, ascending.
"""

import json
import sys

import kvpress
import torch
from transformers import AutoModelForCausalLM, DynamicCache


def main():
    asked = json.load(sys.stdin)
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).eval()
    presses = [getattr(kvpress, name)(**settings) for name, settings in asked["presses"]]
    with torch.inference_mode():
        json.dump([[kept(model, text, press) for text in asked["texts"]] for press in presses], sys.stdout)


def kept(model, text, press):
    ids, full, cut = torch.tensor([text]), DynamicCache(), DynamicCache()
    model(ids, past_key_values=full)
    with press(model):
        model(ids, past_key_values=cut)
    return [
        [places(*heads) for heads in zip(before.keys[0], after.keys[0], strict=True)]
        for before, after in zip(full.layers, cut.layers, strict=True)
    ]


def places(every, some):
    """Where the rows of `some` stand in `every`, by their content."""
    same = (some.unsqueeze(1) == every.unsqueeze(0)).all(-1)
    assert same.sum(1).tolist() == [1] * len(some), "a kept key is not one of the full cache's"
    return sorted(same.int().argmax(1).tolist())


main()
