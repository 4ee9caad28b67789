"""A Llama of four layers with random weights: real code paths in milliseconds."""

from __future__ import annotations

import torch

from harness.testing import Toy

from .subject import LoadedCausalLM


def model(layers: int = 4, heads: int = 4, kv_heads: int = 2, seed: int = 0) -> torch.nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=8 * heads,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=512,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config)


class Characters:
    """The toy's tokenizer: a token is a printable ASCII character or a line's end, 0 ends a text."""

    letters = "\n" + "".join(map(chr, range(32, 127)))
    vocab_size = 1 + len(letters)
    stop_ids = (0,)
    start_ids = ()

    def encode(self, text: str) -> list[int]:
        return [1 + max(0, self.letters.find(letter)) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(self.letters[one - 1] for one in ids if one)

    def chat(self, text: str) -> str:
        return text


def make(context: int = 96, question: int = 5, new_tokens: int = 6) -> Toy:
    subject = LoadedCausalLM(model(), "sdpa")
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 97, (context + question,), generator=generator).tolist()
    request = {"context": ids[:context], "question": ids[context:], "new_tokens": new_tokens, "stop": []}

    def state() -> object:
        weights = [
            (name, float(one.detach().double().sum()), one._version) for name, one in subject.model.named_parameters()
        ]
        hooks = [
            (name, len(one._forward_hooks), len(one._forward_pre_hooks)) for name, one in subject.model.named_modules()
        ]
        hidden = [name for name, one in subject.model.named_modules() if "forward" in vars(one)]
        return weights, hooks, hidden, list(subject._after_prefill), list(subject._next_token), subject.marker

    return Toy(subject, request, state, Characters())
