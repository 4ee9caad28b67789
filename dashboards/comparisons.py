"""Comparisons for pages: from the store where they were kept when a study ended; else computed once, beside the pages.

What is computed here is kept in memory and in the cache folder, never in the store, which is only read.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.plugin.sources import cache_folder
from harness.report import finish
from harness.report.kept import Finished, plain, read, version
from harness.report.load import defaults
from harness.spec.errors import HarnessError
from harness.spec.identity import digest
from harness.store import browse
from harness.store.writer import Store

if TYPE_CHECKING:
    from harness.plugin.discovery import Registry

MEMORY = 128  # results kept in memory
MOMENT_S = 0.1  # a page waits for no longer
REST_S = 10.0  # a study that runs is compared again no sooner

Found = tuple[Any, float]  # what was found, and when


class Comparisons:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._pool = ThreadPoolExecutor(32, "aside")  # most wait for their turn
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._short, self._long = threading.Lock(), threading.Lock()  # one of each at a time: pages need the processor
        self._found: OrderedDict[str, tuple[Any, Found]] = OrderedDict()  # by what, with the state it was made from
        self._asked: dict[str, Future[None]] = {}
        self._failed: dict[str, str] = {}
        self._plugins: Registry | None = None

    def plugins(self, wait_s: float = MOMENT_S) -> Registry | None:
        """Those installed; None while they are loaded, which takes seconds."""
        found: Registry | None = self.of("plugins", 0, self._load, wait_s, nullcontext())
        return found

    def _load(self) -> Registry:
        from harness.plugin.discovery import load

        with self._loading:
            self._plugins = self._plugins or load()
            return self._plugins

    def warm(self) -> None:
        """Loads what the first comparison takes, before anybody asks."""
        import markdown_it  # noqa: F401
        import pandas  # noqa: F401
        import scipy.optimize
        import scipy.stats  # noqa: F401

        self.plugins(60.0)

    def study(self, study_id: int, wait_s: float = MOMENT_S) -> Finished | None:
        """None while it is read or computed; an older one while a newer one is."""
        state = browse.study_changed(self.store, study_id)

        def make() -> Finished:
            with self._short:
                found = finish.kept(self.store, study_id)
            if found is not None:
                return found
            with self._long:
                return self.on_disk([study_id], state, study_id)

        found: Finished | None = self.of(f"study {study_id}", state, make, wait_s, nullcontext())
        return found

    def runs(self, run_ids: Sequence[int], wait_s: float = MOMENT_S) -> Finished | None:
        """Runs with the first of them; None while it is computed."""
        ids = list(run_ids)
        state = browse.runs_changed(self.store, ids)
        found: Finished | None = self.of(
            f"runs {ids}", state, lambda: self.on_disk(ids, state, ids), wait_s, self._long
        )
        return found

    def _keep(self, name: str, state: Any, found: Any, made: float) -> None:
        with self._lock:
            self._found[name] = (state, (found, made))
            while len(self._found) > MEMORY:
                self._found.popitem(last=False)

    def of(
        self,
        name: str,
        state: Any,
        make: Callable[[], Any],
        wait_s: float = MOMENT_S,
        alone: AbstractContextManager[Any] | None = None,
    ) -> Any:
        """What `make` gave for this state; None where that takes longer than a moment, until it is there.

        `alone`: what it is made inside of; else one that takes a second at most is made after another.

        Raises:
            HarnessError: it can't be made.
        """
        with self._lock:
            known = self._found.get(name)
            if known is not None:
                self._found.move_to_end(name)
                if known[0] == state or time.time() - known[1][1] < REST_S:
                    return known[1][0]
            if name in self._failed:
                raise HarnessError(self._failed.pop(name))
            if name not in self._asked:
                self._asked[name] = self._pool.submit(self._make, name, state, make, alone or self._short)
            asked = self._asked[name]
        if known is not None:
            return known[1][0]
        try:
            asked.result(wait_s)
        except TimeoutError:
            return None
        with self._lock:
            if name in self._failed:
                raise HarnessError(self._failed.pop(name))
            return self._found[name][1][0]

    def _make(self, name: str, state: Any, make: Callable[[], Any], alone: AbstractContextManager[Any]) -> None:
        started = time.time()
        try:
            with alone:
                found = make()
        except HarnessError as error:
            with self._lock:
                self._failed[name] = str(error)
        except Exception as error:
            logging.getLogger("harness.dashboard").exception("%s can't be compared", name)
            with self._lock:
                self._failed[name] = f"{name} can't be compared ({type(error).__name__}: {error})"
        else:
            self._keep(name, state, found, started)
        finally:
            with self._lock:
                self._asked.pop(name, None)

    def on_disk(self, named: Sequence[int], state: Any, what: int | Sequence[int]) -> Finished:
        """From the cache folder, or computed and put there."""
        kind = "study" if isinstance(what, int) else "runs"
        place = str(self.store.place)
        path = cache_folder() / "dashboard" / f"{digest([place, kind, list(named), state, version()])}.json"
        try:
            return read(json.loads(path.read_text()))
        except (OSError, ValueError):
            pass
        found = finish.computed(self.store, what, defaults(self._load()))
        put(path, json.dumps(plain(found)))
        return found

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def put(path: Path, text: str) -> None:
    """A cache that can't be written costs time and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        logging.getLogger("harness.dashboard").warning("can't keep %s: %s", path, error)
