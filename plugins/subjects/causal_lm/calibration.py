"""Texts on their way through a model's blocks, one block at a time, for methods that change blocks in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Sees = Callable[[str, Tensor], None]  # a layer's name, what it was given [tokens, inputs]


class Walk:
    """Where texts stand before a block. `run` shows a block what reaches it; `advance` takes them past it."""

    @torch.no_grad()
    def __init__(self, subject: Any, texts: Sequence[Sequence[int]], progress: Callable[[], None]) -> None:
        self._blocks, self._progress = subject.blocks.modules, progress
        self._hidden: list[Tensor] = []  # of each text, before the block that is next
        self._words: list[list[dict[str, Any]]] = []  # of each text, what each block is given beside it
        with ExitStack() as hooks:
            for block in self._blocks:
                hooks.callback(block.register_forward_pre_hook(self._keep, with_kwargs=True).remove)
            for ids in texts:
                self._words.append([])
                subject.model(input_ids=torch.tensor([list(ids)], device=subject.device), use_cache=False)
                progress()

    def _keep(self, block: nn.Module, given: tuple[Any, ...], words: dict[str, Any]) -> None:
        if not self._words[-1]:
            self._hidden.append(given[0])
        self._words[-1].append(dict(words))

    @torch.no_grad()
    def run(self, index: int) -> list[Tensor]:
        """What the block makes of each text as it is now."""
        made = []
        for hidden, words in zip(self._hidden, self._words, strict=True):
            made.append(self._blocks[index](hidden, **words[index]))
            self._progress()
        return made

    def advance(self, index: int) -> None:
        self._hidden = self.run(index)


@contextmanager
def inputs_seen(layers: dict[str, nn.Module], action: Sees) -> Iterator[None]:
    """Has `action` called with what each of these layers is given."""
    with ExitStack() as hooks:
        for name, layer in layers.items():

            def see(module: nn.Module, given: tuple[Any, ...], name: str = name) -> None:
                action(name, given[0].flatten(0, -2))

            hooks.callback(layer.register_forward_pre_hook(see).remove)
        yield
