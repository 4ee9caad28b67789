"""lm-eval's own task objects, by name."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from harness.api import UsageError, nearest

LINE = re.compile(r"""^["']?(task|group|tag)["']?:[ \t]*["']?([^\s"'#\[]+)["']?[ \t]*$""", re.MULTILINE)
SEEDS = (0, 1234)  # of Python's and numpy's generators, as lm-eval sets them before it loads tasks


@contextmanager
def quiet() -> Iterator[None]:
    """Without lm-eval's progress bars and advice, and from the random state that it begins with itself."""
    import numpy as np

    loggers = [logging.getLogger(name) for name in ("lm_eval", "datasets")]
    levels, states = [logger.level for logger in loggers], (random.getstate(), np.random.get_state())
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    random.seed(SEEDS[0])
    np.random.seed(SEEDS[1])
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        random.setstate(states[0])
        np.random.set_state(states[1])


def find(names: Sequence[str], include_path: str | None) -> dict[str, Any]:
    """The tasks that these names of tasks, groups, tags or files stand for, each once.

    Raises:
        UsageError: there is no such name, or a task can't be loaded.
    """
    if include_path is not None and not Path(include_path).is_dir():
        raise UsageError(f"task.include_path={include_path} is no folder; name one that holds task YAML files")
    found: dict[str, Any] = {}
    manager, specs = indexed(names, include_path)
    for name, spec in zip(names, specs, strict=True):
        for task_name, task in loaded(manager, name, spec).items():
            if task_name in found:
                raise UsageError(f"task.tasks names {task_name} twice; remove one")
            found[task_name] = task
    return found


def loaded(manager: Any, name: str, spec: str) -> dict[str, Any]:
    try:
        return dict(manager.load([spec])["tasks"])
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"lm-eval can't load its task {name}: {reason}. Data that are not in its YAML's folder come from the "
            "Hugging Face hub: connect once to have them cached, or name a folder of tasks with local data in "
            "task.include_path"
        ) from error


def indexed(names: Sequence[str], include_path: str | None) -> tuple[Any, list[str]]:
    """A task manager, and what it knows each name by.

    lm-eval's own index of its 14,000 files takes 9 s; it is built for groups and tags alone.
    """
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=include_path, include_defaults=False)
    known = {name: name for name in manager.task_index} | {name: name for name in names if Path(name).is_file()}
    if not set(names) <= set(known):
        texts = written()
        known = {**alone(texts), **known}
        for name in names:
            if name not in known and not any(name in text for text in texts.values()):
                raise UsageError(
                    f"lm-eval has no task {name!r}{nearest(name, known) or '.'} `lm_eval ls tasks` lists what it has, "
                    "task.include_path=FOLDER adds your own"
                )
    if set(names) <= set(known):
        return manager, [known[name] for name in names]
    return TaskManager(include_path=include_path), list(names)


def written() -> dict[str, str]:
    """lm-eval's task files."""
    import lm_eval.tasks

    files = sorted(Path(lm_eval.tasks.__file__).parent.rglob("*.yaml"))
    return {str(file): file.read_text(errors="replace") for file in files}


def alone(texts: dict[str, str]) -> dict[str, str]:
    """The file of each task that has a file to itself, and whose name no group or tag has."""
    tasks: dict[str, str] = {}
    doubtful: set[str] = set()
    for file, text in texts.items():
        found = LINE.findall(text)
        doubtful |= {name for key, name in found if key != "task"}
        for name in [name for key, name in found if key == "task"]:
            if name in tasks or any(key == "group" for key, _ in found):
                doubtful.add(name)
            tasks[name] = file
    return {name: file for name, file in tasks.items() if name not in doubtful}
