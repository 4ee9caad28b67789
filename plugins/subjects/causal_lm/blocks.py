"""A model's decoder blocks: any of them may be left out of a pass, and those that run are counted.

A block left out hands on what it was given; it computes nothing, and its cache gets no rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from harness.api import IncompatibleError

Runs = Callable[[int, str, Tensor], bool]  # block, phase, what it is given [rows, tokens, size] → whether it runs
Sees = Callable[[int, Tensor, Tensor], None]  # block, what it was given, what it made of it


class Blocks:
    def __init__(self, model: nn.Module, attentions: Sequence[nn.Module]) -> None:
        self.modules = [block_of(model, attention) for attention in attentions]
        self.phase = "prefill"  # of the tokens that pass now: of the prompt, or of the answer ("decode")
        self._actions: list[Runs] = []
        self._tokens: Counter[str] = Counter()  # by phase
        self._calls: Counter[str] = Counter()  # of blocks, summed over these tokens

    def __len__(self) -> int:
        return len(self.modules)

    @property
    def steered(self) -> bool:
        return bool(self._actions)

    @contextmanager
    def at(self, action: Runs) -> Iterator[None]:
        """A block runs where every action says so."""
        if not self._actions:
            for index, module in enumerate(self.modules):
                module.forward = partial(self._pass, index, module.forward)  # hides the class's own until deleted
        self._actions.append(action)
        try:
            yield
        finally:
            self._actions.remove(action)
            if not self._actions:
                for module in self.modules:
                    del module.forward

    @contextmanager
    def watched(self, action: Sees) -> Iterator[None]:
        """Has `action` called with each block that has run."""
        with ExitStack() as hooks:
            for index, module in enumerate(self.modules):

                def see(module: nn.Module, given: tuple[Any, ...], made: Any, index: int = index) -> None:
                    action(index, given[0], self._checked(index, made))

                hooks.callback(module.register_forward_hook(see).remove)
            yield

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Tokens that pass meanwhile belong to the answer."""
        self.phase = "decode"
        try:
            yield
        finally:
            self.phase = "prefill"

    def observed(self) -> dict[str, float]:
        """Block calls for each token of a phase since last asked, where blocks are chosen at all."""
        found = {f"{phase}_block_calls": self._calls[phase] / tokens for phase, tokens in self._tokens.items()}
        self.forget()
        return found

    def forget(self) -> None:
        self._tokens.clear()
        self._calls.clear()

    def _pass(self, index: int, forward: Callable[..., Any], hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        tokens = hidden_states.shape[0] * hidden_states.shape[1]
        if index == 0:
            self._tokens[self.phase] += tokens
        said = [action(index, self.phase, hidden_states) for action in self._actions]  # all: each leaves its evidence
        if not all(said):
            return hidden_states
        self._calls[self.phase] += tokens
        return self._checked(index, forward(hidden_states, *args, **kwargs))

    def _checked(self, index: int, made: Any) -> Tensor:
        if not isinstance(made, Tensor):
            raise IncompatibleError(
                f"{type(self.modules[index]).__name__} returns more than hidden states, so what would stand in for "
                "one left out is not known; choose a model whose blocks return hidden states alone"
            )
        return made


def block_of(model: nn.Module, attention: nn.Module) -> nn.Module:
    """The block an attention module belongs to: what lies on the way to it in the model's list of blocks."""
    name = next(name for name, module in model.named_modules() if module is attention)
    parts = name.split(".")
    lists = [end for end in range(len(parts)) if isinstance(model.get_submodule(".".join(parts[:end])), nn.ModuleList)]
    assert lists, f"{name} lies in no list of blocks"
    return model.get_submodule(".".join(parts[: lists[-1] + 1]))
