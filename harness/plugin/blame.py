"""Whose fault an error is: what a plugin's code raises is said in one sentence that names the plugin."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.plugin.contracts import Method, Model, Task
from harness.spec.errors import HarnessError, PluginError

DEBUG = "HARNESS_DEBUG"
CALLED = ((Method, "method"), (Task, "task"), (Model, "model"))


@contextmanager
def blaming(plugin: Method | Task | Model, what: str) -> Iterator[None]:
    """An error in a plugin's code is said to be one; the error itself stays as the cause.

    Raises:
        PluginError: the plugin could not do `what`, and where it went wrong.
    """
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{called(plugin)} can't {what}: {sentence(error, folder_of(plugin))}") from error


def called(plugin: Method | Task | Model) -> str:
    """`method xkv`."""
    return next(f"{word} {plugin.name}" for base, word in CALLED if isinstance(plugin, base))


def sentence(error: BaseException, inside: Path | None = None) -> str:
    """One line: what happened, and where: the last line of the code below `inside`, else the last of all.

    What a plugin wrote for people is said as it wrote it.
    """
    if isinstance(error, HarnessError):
        return str(error)
    message = (str(error).strip() or type(error).__name__).splitlines()[0]
    memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    said = f"{'out of memory: ' if memory else ''}{type(error).__name__}: {message}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if inside and Path(frame.filename).is_relative_to(inside)]
    place = next(reversed(own or frames), None)
    return f"{said} ({place.filename}:{place.lineno})" if place else said


def folder_of(plugin: object) -> Path | None:
    """Where the code of its class lies."""
    module: Any = sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    return Path(file).parent if file else None


def debugging() -> bool:
    """Whether tracebacks are wanted: HARNESS_DEBUG=1."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
