"""Command-line words, read with Hydra's own parser into keys and the values each sweeps over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, Transformer, ValueType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.spec.errors import UsageError

SWEEPS = (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP, ValueType.RANGE_SWEEP)
KEY = re.compile(r"\+{0,2}[a-zA-Z_][\w-]*(\.[\w-]+)*")
QUOTING = 'quote lists, or the shell takes them apart: "+method=[a,b]"'


@dataclass(frozen=True)
class Word:
    """One `key=value` of a command; commas or a range give several values, in the order typed."""

    key: str
    values: tuple[Any, ...]
    text: str  # as typed

    @property
    def head(self) -> str:
        return self.key.partition(".")[0]

    @property
    def rest(self) -> str:
        return self.key.partition(".")[2]

    @property
    def value(self) -> Any:
        """The value of a word that takes no sweep.

        Raises:
            UsageError: it was given several.
        """
        if len(self.values) > 1:
            raise UsageError(f"{self.key} takes no sweep, got {self.text!r}; {self._instead}")
        return self.values[0]

    @property
    def _instead(self) -> str:
        listed = ",".join(map(str, self.values))
        return (
            f'a list takes brackets: "tags=[{listed}]"' if self.key == "tags" else "run the command once for each value"
        )


def read(texts: Iterable[str]) -> list[Word]:
    """Words of a command. `x=`, `+x=` and `++x=` mean the same.

    Raises:
        UsageError: a word can't be read, or a key is given twice.
    """
    words: dict[str, Word] = {}
    for word in map(_word, texts):
        if word.key in words:
            raise UsageError(
                f"{word.key} is given twice, as {words[word.key].text!r} and {word.text!r}; "
                f"to sweep, put commas between the values: {word.key}=a,b"
            )
        words[word.key] = word
    return list(words.values())


def _word(text: str) -> Word:
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UsageError(f"can't read {text!r}: {_remedy(text)}") from error
    if not override.key_or_group:
        raise UsageError(f"can't read {text!r}: nothing stands before the =")
    if override.type == OverrideType.DEL:
        raise UsageError(f"can't take {text!r} away; leave the word out of the command instead")
    if override.package is not None:
        raise UsageError(f"can't read {text!r}: a key has no @; write {override.key_or_group}=...")
    values = tuple(_plain(value, text) for value in _values(override))
    if not values:
        raise UsageError(f"{text!r} sweeps over nothing; write the values with commas, or a range such as range(0,3)")
    return Word(override.key_or_group, values, text)


def _values(override: Override) -> list[Any]:
    if not override.is_sweep_override():
        return [override.value()]
    return list(override.sweep_iterator(Transformer.identity)) if override.value_type in SWEEPS else []


def _plain(value: Any, text: str) -> Any:
    if isinstance(value, QuotedString):
        value = value.text
    if isinstance(value, list):
        return [_plain(member, text) for member in value]
    return _resolved(value, text) if isinstance(value, str) and "${" in value else value


def _resolved(value: str, text: str) -> Any:
    try:
        return OmegaConf.create({"value": value}).value
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].removeprefix("KeyError raised while resolving interpolation: ").strip('"')
        raise UsageError(f"can't resolve {text!r}: {reason}") from error


def _remedy(text: str) -> str:
    key, equals, value = text.partition("=")
    if any(text.count(left) != text.count(right) for left, right in ("[]", "{}", "()")):
        return f"a bracket has no partner; {QUOTING}"
    if not equals:
        return "a word is key=value, as in task=ruler"
    if not KEY.fullmatch(key):
        return "a key is words joined by dots, as in task.context=512"
    if value.endswith(","):
        return f"nothing follows the last comma; {QUOTING}"
    return f"a value with signs such as = ~ , [ in it takes quotes of its own: '{key}=\"{value}\"'"
