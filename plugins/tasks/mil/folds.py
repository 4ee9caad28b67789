"""Cross-validation: every bag is answered once a repeat, by what was trained on the other folds."""

from __future__ import annotations

from typing import Any

from harness.api import Sample

from .bags import Bag, read


def placed(task: Any, seed: int) -> list[tuple[str, Bag, str]]:
    """Each bag with its set and the fold that holds it, once a repeat."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    found = []
    for repeat in range(task.repeats):
        for name in task.sets:
            bags = read(name)
            labels = [one.label for one in bags]
            drawn = StratifiedKFold(task.splits, shuffle=True, random_state=(seed + 1_000_003 * repeat) % 2**32)
            fold = np.empty(len(bags), int)
            for number, (_, test) in enumerate(drawn.split(labels, labels)):
                fold[test] = number
            found += [(name, bag, f"{name}/{repeat}/{fold[place]}") for place, bag in enumerate(bags)]
    return found


def training(task: Any, seed: int) -> dict[str, Any]:
    """All bags once, and for each fold the numbers of those outside of it."""
    numbers = {bag: number for number, bag in enumerate(bag for name in task.sets for bag in read(name))}
    held = [(name, numbers[bag], fold) for name, bag, fold in placed(task, seed)]
    folds = dict.fromkeys(fold for _, _, fold in held)
    return {
        "bags": [bag.plain() for bag in numbers],
        "classes": 2,
        "folds": {fold: {"train": outside(fold, held)} for fold in folds},
        "epochs": task.epochs,
        "learning_rate": task.learning_rate,
        "weight_decay": task.weight_decay,
        "standardise": True,
    }


def outside(fold: str, held: list[tuple[str, int, str]]) -> list[int]:
    beside = fold.rpartition("/")[0]
    return [number for _, number, other in held if other != fold and other.rpartition("/")[0] == beside]


def samples(task: Any, seed: int) -> list[Sample]:
    return [
        Sample(
            number,
            name,
            {"file": bag.file, "rows": list(bag.rows), "sha256": bag.sha256, "classes": 2, "fold": fold},
            bag.label,
            f"{name}, rows {bag.rows[0]} to {bag.rows[1] - 1}",
            cluster=fold,
        )
        for number, (name, bag, fold) in enumerate(placed(task, seed))
    ]
