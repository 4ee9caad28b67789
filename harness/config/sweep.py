"""A command's words into its sweep: every run with all knobs filled in, expanded on plain data."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from harness.config import suggest
from harness.config.compose import OWN, Composer, Part
from harness.config.overrides import Word
from harness.config.words import DeviceRequest, Plain, Point, Protocol, Store, Sweep, Worker
from harness.plugin.blame import blaming
from harness.plugin.contracts import Task
from harness.plugin.discovery import Registry
from harness.plugin.knobs import Knobbed
from harness.spec.errors import KnobError, UsageError
from harness.spec.records import Measure, Setting

SWEPT = ("method", "task", "model", "device")
PLAIN = ("seed", "tags", "controls")
SEEDS = 3
HEADS = (*SWEPT, "measure", *PLAIN, "store", "worker")


Section = TypeVar("Section", bound=Knobbed)


@dataclass(frozen=True)
class Choice:
    """One value of a swept group: a stack of methods, or one task, model or device."""

    index: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Slot:
    """One part of a run, and the words that set its knobs."""

    part: Part
    words: dict[str, Word]

    def setting(self, picked: dict[str, int]) -> Setting:
        given = {
            knob: _as_typed(self.part.owner, knob, word.values[picked[word.key]]) for knob, word in self.words.items()
        }
        return Setting(self.part.owner.name, self.part.owner.build({**self.part.values, **given}).settings())


def make_sweep(
    words: Sequence[Word], registry: Registry, config_dirs: Iterable[Path] = (), composer: Composer | None = None
) -> Sweep:
    """The sweep that a command's words mean. For many commands, one `composer` composes each name once.

    Raises:
        UsageError: a word, name, setting or value that is not there or does not fit.
    """
    words = _named(words)
    _check_heads(words, registry)
    composer = composer or Composer(registry, config_dirs)
    names = _names(words, composer)
    choices = {group: _choices(group, names[group], composer) for group in SWEPT}
    _check_reach(words, choices, composer, registry)
    plain = {word.key: word for word in words if word.key in PLAIN}
    return Sweep(
        points=_points(words, choices) if "seed" in plain else _seeded(_points(words, choices), registry),
        measure=_measure(composer.part("measure", names["measure"][0][0]), words),
        tags=_plain("tags", plain["tags"].value).tags if "tags" in plain else (),
        store_url=_section(Store, words).url,
        worker_timeout_s=_section(Worker, words).timeout,
        controls=_plain("controls", plain["controls"].value).controls if "controls" in plain else True,
        command=shlex.join(["harness", "run", *(word.text for word in words)]),
    )


def _named(words: Sequence[Word]) -> list[Word]:
    """Beside `task=ruler` alone, `ruler.context=512` means `task.context=512`.

    Raises:
        UsageError: both are there.
    """
    typed = [str(value) for word in words if word.key == "task" for value in word.values]
    own = typed[0] if len(typed) == 1 and typed[0] not in HEADS else None
    named = [replace(word, key=f"task.{word.rest}") if word.head == own and word.rest else word for word in words]
    for word in named:
        twice = [other.text for other in named if other.key == word.key]
        if len(twice) > 1:
            raise UsageError(f"{word.key} is given twice, as {' and '.join(map(repr, twice))}; remove one")
    return named


def _check_heads(words: Iterable[Word], registry: Registry) -> None:
    for word in words:
        if word.head not in HEADS:
            raise suggest.unknown_word(word.head, HEADS, registry, Protocol)
        if word.head in PLAIN and word.rest:
            raise UsageError(f"{word.head} has no settings, got {word.text!r}; write {word.head}=...")
        for section in (Store, Worker):
            if word.key == section.name:
                raise UsageError(
                    f"{word.key} takes no value of its own; write {word.key}.{section.knobs()[0].name}=..."
                )


# Names


def _names(words: Iterable[Word], composer: Composer) -> dict[str, list[tuple[str, ...]]]:
    """For each group the choices in the order typed, each a stack of names; of one, but for methods."""
    typed = {word.key: _stacks(word) for word in words if word.key in (*SWEPT, "measure")}
    if "measure" in typed and len(typed["measure"]) > 1:
        raise UsageError("measure can't be swept; run the command once for each measure")
    defaults = composer.defaults({group: typed[group][0][0] for group in OWN if group in typed})
    if "task" not in typed and "task" not in defaults:
        raise UsageError(f"no task is given; add task=<name>. Tasks: {', '.join(composer.names('task')) or 'none'}")
    names = {group: typed.get(group) or [(defaults[group],)] for group in (*SWEPT, "measure")}
    if "model" not in typed:
        names["model"] = [(_model_for([name for (name,) in names["task"]], composer) or defaults["model"],)]
    for group, stacks in names.items():
        for name in dict.fromkeys(name for stack in stacks for name in stack):
            composer.check(group, name)
    return names


def _model_for(tasks: Iterable[str], composer: Composer) -> str | None:
    """The model that tasks are asked of where none is named, if they say so."""
    owners = [composer.part("task", name).owner for name in dict.fromkeys(tasks)]
    wanted = {owner.name: owner.model for owner in owners if issubclass(owner, Task)}
    if len(set(wanted.values())) > 1:
        raise UsageError(f"the tasks {' and '.join(wanted)} are asked of different models; add model=<name>")
    return next(iter(wanted.values()), None)


def _stacks(word: Word) -> list[tuple[str, ...]]:
    return [_stack(word, value) for value in word.values]


def _stack(word: Word, value: Any) -> tuple[str, ...]:
    members = value if isinstance(value, list) else [value]
    if isinstance(value, list) and word.key != "method":
        listed = ",".join(map(str, value))
        raise UsageError(f"{word.key} takes one name a run, got {word.text!r}; to sweep, write {word.key}={listed}")
    if not members or any(not isinstance(name, str | int) or name == "" for name in members):
        raise UsageError(f"{word.key} takes names, got {word.text!r}")
    return tuple(map(str, members))


def _choices(group: str, stacks: Sequence[tuple[str, ...]], composer: Composer) -> list[Choice]:
    choices = [Choice(index, tuple(composer.part(group, name) for name in stack)) for index, stack in enumerate(stacks)]
    for choice in choices:
        _check_repeats(choice)
    return choices


def _check_repeats(stack: Choice) -> None:
    names = [part.owner.name for part in stack.parts]
    for name in names:
        if names.count(name) > 1:
            listed = ",".join(part.label for part in stack.parts)
            raise UsageError(f"{name} stands twice in the stack [{listed}]; a method acts once in a stack")


# Settings


def _check_reach(
    words: Iterable[Word], choices: dict[str, list[Choice]], composer: Composer, registry: Registry
) -> None:
    """Every setting must reach something in the command."""
    for word in words:
        if word.head in SWEPT and word.rest:
            parts = [part for choice in choices[word.head] for part in choice.parts]
            if not any(_reached(word, part) for part in parts):
                raise _unreached(word, parts, composer, registry)


def _reached(word: Word, part: Part) -> str | None:
    """The knob of `part` that a setting sets, if any."""
    for prefix in (f"{part.label.replace('/', '.')}.", "all.") if word.head == "method" else ("",):
        knob = word.rest.removeprefix(prefix)
        if word.rest.startswith(prefix) and suggest.has(part.owner, knob):
            return knob
    return None


def _unreached(word: Word, parts: Sequence[Part], composer: Composer, registry: Registry) -> UsageError:
    if word.head == "device":
        return suggest.no_setting(word.rest, {"device": OWN["device"]})
    if word.head != "method":
        return suggest.no_setting(word.rest, {part.label: part.owner for part in parts})
    target, _, knob = word.rest.rpartition(".")
    owners = {part.label: part.owner for part in parts if target in ("all", part.label.replace("/", "."))}
    here = ", ".join(dict.fromkeys(part.label for part in parts))
    if owners:
        return suggest.no_setting(knob, owners)
    if not target:
        return UsageError(f"{word.key} does not say whose; write method.all.{knob} or method.<name>.{knob}")
    name = target.replace(".", "/")
    if name not in composer.names("method"):
        return registry.unknown("method", name, composer.names("method"))
    return UsageError(f"{word.key} reaches nothing: {name} is not in this command, which has {here}")


def _slot(group: str, part: Part, words: Iterable[Word]) -> Slot:
    """A method's own setting goes before one for all."""
    reaching = [(word, knob) for word in words if word.head == group and word.rest and (knob := _reached(word, part))]
    reaching.sort(key=lambda pair: not pair[0].rest.startswith("all."))
    return Slot(part, {knob: word for word, knob in reaching})


def _as_typed(owner: type[Knobbed], name: str, value: Any) -> Any:
    """Digits given to a knob of text are text: `model.revision=1234567`."""
    kind = next((one.type for one in owner.knobs() if one.name == name), Any)
    return _text(kind, value)


def _text(kind: Any, value: Any) -> Any:
    if isinstance(value, list) and get_origin(kind) is tuple:
        return [_text(get_args(kind)[0], member) for member in value]
    options = (kind, *get_args(kind))
    wants_text = str in options and int not in options and float not in options
    return str(value) if type(value) is int and wants_text else value


# Points


def _points(words: Sequence[Word], choices: dict[str, list[Choice]]) -> tuple[Point, ...]:
    """In the order typed; a setting multiplies only the runs it reaches."""
    placed = [
        pair for chosen in product(*choices.values()) for pair in _runs(words, dict(zip(choices, chosen, strict=True)))
    ]
    placed.sort(key=lambda pair: pair[0])
    return tuple({repr(point): point for _, point in placed}.values())


def _seeded(points: Sequence[Point], registry: Registry) -> tuple[Point, ...]:
    """Where no seed is given, what is trained or built is so on SEEDS of them: one says nothing of a technique."""

    def is_made(point: Point) -> bool:
        if registry.task(point.task.name).build(point.task.knobs).folds:
            return False  # each fold is trained
        if any(registry.method(one.name).traits.prepares in ("trains", "builds") for one in point.stack):
            return True
        model = registry.model(point.model.name).build(point.model.knobs)
        with blaming(model, "say whether it is trained"):
            return model.untrained

    made = {id(point): is_made(point) for point in points}
    return tuple(replace(point, seed=seed) for seed in range(SEEDS) for point in points if seed == 0 or made[id(point)])


def _runs(words: Sequence[Word], chosen: dict[str, Choice]) -> Iterator[tuple[tuple[int, ...], Point]]:
    """Runs of one combination of names, each with its place: for every word, which of its values it has."""
    slots = {group: [_slot(group, part, words) for part in choice.parts] for group, choice in chosen.items()}
    reaching = {word.key for inner in slots.values() for slot in inner for word in slot.words.values()}
    varied = [word for word in words if word.key in reaching or word.key == "seed"]
    for indices in product(*(range(len(word.values)) for word in varied)):
        picked = dict(zip((word.key for word in varied), indices, strict=True))
        place = {**picked, **{group: choice.index for group, choice in chosen.items()}}
        seed = next((_plain("seed", word.values[picked["seed"]]).seed for word in words if word.key == "seed"), 0)
        yield tuple(place.get(word.key, -1) for word in words), _point(slots, picked, seed)


def _point(slots: dict[str, list[Slot]], picked: dict[str, int], seed: int) -> Point:
    stack, (task,), (model,), (device,) = (slots[group] for group in SWEPT)
    return Point(
        stack=tuple(slot.setting(picked) for slot in stack),
        task=task.setting(picked),
        model=model.setting(picked),
        model_name=model.part.label,
        seed=seed,
        device=DeviceRequest(**device.setting(picked).knobs),
    )


# Words without plugins


def _measure(part: Part, words: Iterable[Word]) -> Measure:
    """A changed preset says so in its name, so that its readings are not taken for the preset's."""
    given = {word.rest: word.value for word in words if word.head == "measure" and word.rest}
    preset, protocol = Protocol.build(part.values), Protocol.build({**part.values, **given})
    changed = [f"{name}={value}" for name, value in protocol.settings().items() if value != getattr(preset, name)]
    return Measure(f"{part.label}({','.join(changed)})" if changed else part.label, **protocol.settings())


def _section(section: type[Section], words: Iterable[Word]) -> Section:
    given = {word.rest: word.value for word in words if word.head == section.name}
    return section.build({name: _as_typed(section, name, value) for name, value in given.items()})


def _plain(name: str, value: Any) -> Plain:
    try:
        return Plain.build({name: _as_typed(Plain, name, value)})
    except KnobError as error:
        raise KnobError(str(error).removeprefix(".")) from error
