"""Decoding by transformers alone, to test methods that evict while they decode."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .toy import model


class Reference:
    """The toy's model under eager attention, whose cache is cut after every feed to the rows that `choose` names.

    `choose(layer, attention [query heads, new tokens, rows])` → rows that stay, [heads, kept].
    """

    def __init__(self, choose: Callable[[int, Tensor], Tensor]) -> None:
        from transformers import DynamicCache

        self.model, self.choose = model().eval(), choose
        self.model.set_attn_implementation("eager")
        words = inspect.signature(self.model.forward).parameters
        self.cache, self._word = DynamicCache(), "cache" if "cache" in words else "past_key_values"
        self._position = 0

    @torch.no_grad()
    def feed(self, ids: list[int]) -> Tensor:
        past, new = self.cache.get_seq_length(), len(ids)
        output = self.model(
            input_ids=torch.tensor([ids]),
            position_ids=torch.arange(self._position, self._position + new)[None],
            attention_mask=torch.full((new, past + new), torch.finfo(torch.float32).min).triu(past + 1)[None, None],
            output_attentions=True,
            use_cache=True,
            **{self._word: self.cache},
        )
        self._position += new
        for index, (layer, attention) in enumerate(zip(self.cache.layers, output.attentions, strict=True)):
            rows = self.choose(index, attention[0])[None, ..., None].expand(-1, -1, -1, layer.keys.shape[-1])
            layer.keys, layer.values = layer.keys.gather(2, rows), layer.values.gather(2, rows)
        return output.logits[0, -1]

    def decode(self, request: dict[str, Any]) -> list[int]:
        """Greedily, `new_tokens` tokens."""
        self.feed(request["context"])
        logits, tokens = self.feed(request["question"]), []
        while True:
            tokens.append(int(logits.argmax()))
            if len(tokens) == request["new_tokens"]:
                return tokens
            logits = self.feed(tokens[-1:])
