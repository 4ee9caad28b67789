"""A network's layers with weights, as a method sees them at a seam `weights`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Layers(Mapping[str, Any]):
    """Layers of a torch network by name, in its order.

    A method changes one by putting another in its place, and never writes into what is there: so the
    network is given back by putting the layers back.
    """

    def __init__(self, network: Any, names: Iterable[str]) -> None:
        self._network, self._names = network, tuple(names)
        self._before: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._network.get_submodule(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def put(self, name: str, layer: Any) -> None:
        self._before.setdefault(name, self[name])
        self._network.set_submodule(name, layer)

    def restore(self) -> None:
        for name, layer in self._before.items():
            self._network.set_submodule(name, layer)
        self._before.clear()
