"""The linear layers of a language model's blocks, where methods act on weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from harness.api import IncompatibleError, Layers


class Linears:
    def __init__(self, model: nn.Module, blocks: Sequence[nn.Module]) -> None:
        self._model, self._blocks = model, blocks
        self._full: list[int] = []  # bytes of the model's weights before each action

    @contextmanager
    def at(self, action: Callable[[Layers], None]) -> Iterator[None]:
        """Calls the action at once with the layers; leaving puts back what was there."""
        layers = Layers(self._model, [name for names in self.by_block() for name in names])
        self._full.append(stored_bytes(self._model))
        try:
            action(layers)
            yield
        finally:
            layers.restore()
            self._full.pop()

    def observed(self) -> dict[str, float]:
        """What the model's weights take, all of them, and took, where something acts on them."""
        if not self._full:
            return {}
        return {"weight_resident_bytes": float(stored_bytes(self._model)), "weight_full_bytes": float(self._full[0])}

    def by_block(self) -> list[list[str]]:
        """Names of the linear layers of each block, first block first. Embeddings and the head are in none.

        Raises:
            IncompatibleError: a block has none.
        """
        places = {module: name for name, module in self._model.named_modules()}
        found = []
        for block in self._blocks:
            linears = [f"{places[block]}.{n}" for n, one in block.named_modules() if isinstance(one, nn.Linear)]
            if not linears:
                raise IncompatibleError(
                    f"{places[block]} of {type(self._model).__name__} has no torch.nn.Linear, the only kind of layer "
                    "whose weights methods act on here; choose a Llama-like model"
                )
            found.append(linears)
        return found


def stored_bytes(model: nn.Module) -> int:
    """Of the storage behind parameters and buffers, what is shared counted once."""
    storages = {
        one.untyped_storage().data_ptr(): one.untyped_storage().nbytes()
        for one in (*model.parameters(), *model.buffers())
    }
    return sum(storages.values())
