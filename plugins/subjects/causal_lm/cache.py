"""The cache of one sequence: layers that methods may shrink or store otherwise.

Shapes carry no batch dimension: keys and values are [heads, tokens, size].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, Protocol

import torch
from torch import Tensor

from .plugin import Capture, LastQueries
from .rotation import Rotation

Positions = range | Tensor | None  # of each row; None: rows of different heads are different tokens


class Storage(Protocol):
    """How a layer keeps its keys and values."""

    length: int  # rows
    positions: Positions

    def append(self, keys: Tensor, values: Tensor, positions: range) -> None:
        """Adds decoded tokens; keys come rotated."""
        ...

    def read(self) -> tuple[Tensor, Tensor]:
        """Rotated keys and values of every row."""
        ...

    def reserve(self, tokens: int) -> None:
        """Makes room for this many more tokens at once."""
        ...

    def make_room(self, tokens: int) -> None:
        """Called before `tokens` tokens are fed: the place to evict while decoding, whatever they attend to."""
        ...

    def attended(self, queries: Tensor) -> None:
        """Called with rotated queries that just attended to all rows, [query heads, tokens, size]: to evict by that."""
        ...

    def tensors(self) -> Iterable[Tensor]:
        """Everything resident."""
        ...


class Dense:
    """Keys and values as the model made them."""

    def __init__(self, keys: Tensor, values: Tensor, positions: Positions) -> None:
        self._keys, self._values = owned(keys), owned(values)
        self.length = keys.shape[-2]
        self.positions = positions

    def append(self, keys: Tensor, values: Tensor, positions: range) -> None:
        end = self.length + keys.shape[-2]
        if end > self._keys.shape[-2]:
            self.reserve(keys.shape[-2])
        self._keys[:, self.length : end] = keys
        self._values[:, self.length : end] = values
        self.positions = joined(self.positions, positions)
        self.length = end

    def read(self) -> tuple[Tensor, Tensor]:
        return self._keys[:, : self.length], self._values[:, : self.length]

    def reserve(self, tokens: int) -> None:
        if self.length + tokens > self._keys.shape[-2]:
            self._keys = self._grown(self._keys, tokens)
            self._values = self._grown(self._values, tokens)

    def _grown(self, tensor: Tensor, tokens: int) -> Tensor:
        grown = tensor.new_empty(tensor.shape[0], self.length + tokens, tensor.shape[2])
        grown[:, : self.length] = tensor[:, : self.length]
        return grown

    def make_room(self, tokens: int) -> None:
        pass

    def attended(self, queries: Tensor) -> None:
        pass

    @property
    def append_only(self) -> bool:
        """Whether tokens fed at once leave what they leave one by one. A storage that does not say so gets them so."""
        mine = type(self)
        return mine.make_room is Dense.make_room and mine.attended is Dense.attended

    def keep(self, rows: Tensor) -> None:
        """Drops all other rows: [kept] for every head alike, or [heads, kept]."""
        keys, values = self.read()
        known, self.positions = self.positions, None
        if rows.dim() == 1:
            table = torch.arange(known.start, known.stop, device=rows.device) if isinstance(known, range) else known
            self.positions = None if table is None else table[rows].to(torch.int32)
            rows = rows.expand(keys.shape[0], -1)
        index = rows.unsqueeze(-1)
        self._keys = keys.gather(1, index.expand(-1, -1, keys.shape[-1]))
        self._values = values.gather(1, index.expand(-1, -1, values.shape[-1]))
        self.length = rows.shape[-1]

    def tensors(self) -> Iterable[Tensor]:
        tables = [self.positions] if isinstance(self.positions, Tensor) else []
        return [self._keys, self._values, *tables]

    def branch(self) -> Dense:
        """The same rows, shared until the branch appends."""
        assert self.length == self._keys.shape[-2], "only a cache that nothing was appended to can be branched"
        return Dense(self._keys, self._values, self.positions)


class Layer:
    """One layer's place in a cache. Methods read it, shrink it with `keep`, or give it another storage."""

    def __init__(self, index: int, rotation: Rotation | None) -> None:
        self.index = index
        self.rotation = rotation
        self.scaling = 1.0  # what products of queries and keys are multiplied by, known once it was attended to
        self.storage: Storage | None = None
        self.expected = 0  # tokens to make room for as soon as one comes
        self._captured: dict[Capture, Any] = {}

    @property
    def keys(self) -> Tensor:
        """Rotated, [heads, tokens, size]."""
        return self.storage.read()[0]

    @property
    def values(self) -> Tensor:
        """[heads, tokens, size]."""
        return self.storage.read()[1]

    def append(self, keys: Tensor, values: Tensor, positions: range) -> None:
        if self.storage is None:
            self.storage = Dense(keys, values, positions)
            return
        if self.expected:
            self.storage.reserve(self.expected)
            self.expected = 0
        self.storage.append(keys, values, positions)

    def unrotated_keys(self) -> Tensor:
        """Keys before rotary embedding, float32, [heads, tokens, size]."""
        return self.rotation.undo(self.keys.float(), self.storage.positions)

    def queries(self, window: int) -> Tensor:
        """Rotated queries of the last `window` prefilled tokens, [query heads, window, size]."""
        return self._captured[LastQueries(window)]

    def captured(self, need: Capture) -> Any:
        """What `need` took while the context was prefilled."""
        return self._captured[need]

    def capture(self, need: Capture, queries: Tensor) -> None:
        self._captured[need] = need.take(self, queries)

    def forget(self) -> None:
        self._captured = {}

    def keep(self, rows: Tensor) -> None:
        """Drops all other rows: [kept] for every head alike, or [heads, kept]."""
        kept = Dense(*self.storage.read(), self.storage.positions)
        kept.keep(rows)
        self.storage = kept

    def branch(self) -> Layer:
        twin = Layer(self.index, self.rotation)
        twin.storage = None if self.storage is None else self.storage.branch()
        twin.scaling, twin._captured = self.scaling, self._captured
        return twin


class Cache:
    """The layers of one sequence, and the position its next token gets."""

    def __init__(self, layers: Sequence[Layer], text: int = 0) -> None:
        self._layers = list(layers)
        self.text = text  # a number that depends on the context's token ids alone, for methods that draw
        self.next_position = 0
        self.rolling = False  # new tokens get positions inside the cache, not in the text
        self.cut: tuple[float, float] | None = None  # tokens and their bytes, where prefilling itself left out some

    @property
    def layers(self) -> list[Layer]:
        """Those that hold rows: the layer of a block that was left out of the prefill holds none."""
        return [layer for layer in self._layers if layer.storage is not None]

    def layer(self, index: int) -> Layer:
        """Of the model's `index`-th block."""
        return self._layers[index]

    def positions(self, tokens: int) -> range:
        """Positions for the next `tokens` tokens, after making room for them."""
        for layer in self.layers:
            layer.storage.make_room(tokens)
        start = self.layers[0].storage.length if self.rolling else self.next_position
        self.next_position = start + tokens
        return range(start, start + tokens)

    def reserve(self, tokens: int) -> None:
        for layer in self.layers:
            layer.storage.reserve(tokens)

    def expect(self, tokens: int) -> None:
        """Reserves for each layer as soon as it gets any of them, and for none that does not."""
        for layer in self.layers:
            layer.expected = tokens

    def branch(self) -> Cache:
        twin = Cache([layer.branch() for layer in self._layers], self.text)
        twin.next_position = self.next_position
        return twin

    def copy(self) -> Cache:
        """The same rows however they are stored, nothing shared: any cache can be copied, at the price of its bytes."""
        return deepcopy(self, {id(layer.rotation): layer.rotation for layer in self._layers})

    def rows(self) -> float:
        """Mean over layers."""
        layers = self.layers
        return sum(layer.storage.length for layer in layers) / len(layers)

    def full_bytes(self) -> float:
        """What the model's blocks would hold together, each as much as those that hold rows do on average."""
        return self.resident_bytes() * len(self._layers) / len(self.layers)

    def resident_bytes(self) -> int:
        """Of all storage behind the cache, what layers share counted once."""
        storages = {}
        for layer in self.layers:
            for tensor in layer.storage.tensors():
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())


def owned(tensor: Tensor) -> Tensor:
    """The tensor itself, or a copy where it is a view: laid out as transformers would, keeping nothing else alive."""
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole and tensor.is_contiguous() else tensor.clone(memory_format=torch.contiguous_format)


def joined(old: Positions, new: range) -> Positions:
    if isinstance(old, range):
        return range(old.start, new.stop) if old.stop == new.start else None
    return None
