"""WSI: whole-slide images as bags of tiles, in CLAM's layout, by splits that keep patients apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from harness.api import Metric, Sample, SampleEvent, Score, Source, Task, cache_folder, hookimpl, knob


@dataclass(frozen=True)
class WSI(Task):
    # What files hold is hashed as a source; where they lie changes nothing.
    bags: str | None = knob(None, hashed=False, help="folder with h5_files or pt_files; slides are made into it")
    slides: str | None = knob(None, hashed=False, help="folder of slides to make bags from where there are none")
    labels: str | None = knob(None, hashed=False, help="CSV of slide_id, case_id, label; null: <bags>/labels.csv")
    splits: str | None = knob(None, hashed=False, help="folder with splits_0.csv ...; null: <bags>/splits")
    heatmaps: str | None = knob(None, hashed=False, help="folder to draw attention over the tested slides into")
    resolution: float = knob(0.5, low=0.05, help="µm a pixel of a tile")
    tile: int = knob(256, low=16, help="pixels a side of a tile")
    tissue: float = knob(0.5, low=0.0, high=1.0, help="least share of tissue in a tile")
    mpp: float | None = knob(None, low=0.01, help="µm a pixel of the finest level, for slides that do not say")
    encoder: str = knob("torchvision:mobilenet_v2", help="torchvision:NAME or timm:NAME")
    weights: str | None = knob(None, help="its weights; null: ImageNet's of mobilenet_v2, from the package index")
    side: int = knob(224, low=16, help="pixels a side of what the encoder gets")
    epochs: int = knob(50, low=1, help="passes of a training over its bags")
    learning_rate: float = knob(1e-4, low=0.0, help="of AdamW, falling to 0 along a cosine")
    weight_decay: float = knob(1e-5, low=0.0, help="of AdamW")
    standardise: bool = knob(False, help="whether features are standardised over the training's instances")

    name = "wsi"
    model = "bag_mlp"
    subjects = frozenset({"bag-classifier"})

    @property
    def folder(self) -> str | None:
        """Where the bags lie."""
        if self.bags is not None or self.slides is None:
            return self.bags
        from hashlib import sha256

        from .extract import settings

        made = f"{Path(self.slides).expanduser().resolve()}|{settings(self)}"
        return str(cache_folder() / "wsi" / "bags" / sha256(made.encode()).hexdigest()[:16])

    def study(self) -> Any:
        """What there is to test, once every slide is a bag."""
        return studied(self)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        classes = len(self.study().classes) if self.folder else 2
        each = tuple(f"p{number}" for number in range(classes))

        def together(name: str, *told: str) -> Metric:
            unit, scale = ("", 1.0) if name == "quadratic_kappa" else ("%", 100.0)
            return Metric(name, unit, True, scale=scale, statistic=name, of=("label", *told), within="stratum")

        return (
            together("auroc", *each),
            *(together(name, "told") for name in ("balanced_accuracy", "macro_f1", "quadratic_kappa")),
            *(Metric(name, "", True) for name in ("label", "told", *each)),
        )

    @property
    def folds(self) -> int:
        return len(self.study().splits) if self.folder else 1

    def planned(self) -> int:
        return sum(len(split.test) for split in self.study().splits)

    def describe(self) -> dict[str, Any]:
        told = f"{self.epochs} epochs, AdamW, rate {self.learning_rate:g}, decay {self.weight_decay:g}"
        return {"classes": ", ".join(self.study().classes), "training": told}

    def sources(self) -> list[Source]:
        return [self.study().source()]

    def training(self, processor: Any, seed: int) -> dict[str, Any]:
        study = self.study()
        numbers = {name: number for number, name in enumerate(study.slides)}
        return {
            "bags": [{**one.bag, "label": one.label} for one in study.slides.values()],
            "classes": len(study.classes),
            "folds": {
                split.name: {
                    "train": [numbers[name] for name in split.train],
                    "validation": [numbers[name] for name in split.validation],
                }
                for split in study.splits
            },
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "standardise": self.standardise,
        }

    def make_samples(self, processor: Any, seed: int) -> Sequence[Sample]:
        study = self.study()
        tested = [(split.name, study.slides[name]) for split in study.splits for name in split.test]
        return [
            Sample(
                number,
                f"split {split}",
                {**slide.bag, "classes": len(study.classes), "fold": split, "attention": True},
                slide.label,
                slide.name,
                cluster=slide.patient,
            )
            for number, (split, slide) in enumerate(tested)
        ]

    def score(self, sample: Sample, output: dict[str, Any], processor: Any) -> list[Score]:
        probabilities = output["probabilities"]
        label = Score("label", float(sample.target))
        if not all(map(isfinite, probabilities)):
            unknown = "its probabilities are not all finite"
            names = ("told", *(f"p{number}" for number in range(len(probabilities))))
            return [label, *(Score(name, None, unknown) for name in names)]
        told = float(probabilities.index(max(probabilities)))
        each = [Score(f"p{number}", one) for number, one in enumerate(probabilities)]
        return [label, Score("told", told), *each]

    def answer_text(self, output: dict[str, Any], processor: Any) -> str:
        probabilities = output["probabilities"]
        told = probabilities.index(max(probabilities))
        return f"{self.study().classes[told]} with probability {probabilities[told]:.3f}"


@cache
def studied(task: WSI) -> Any:
    from .folders import study

    if task.slides is not None:
        from .extract import extract

        extract(task, Path(task.slides).expanduser(), Path(str(task.folder)).expanduser())
    return study(task.folder, task.labels, task.splits)


@hookimpl
def harness_tasks() -> list[type[Task]]:
    return [WSI]


@hookimpl
def harness_sample_finished(sample: SampleEvent) -> None:
    """Draws a heat map of each slide that is tested, where the task says into which folder."""
    knobs = sample.run.spec["task"]["knobs"] if sample.run.task == WSI.name else {}
    if knobs.get("heatmaps") and knobs.get("slides"):
        from .draw import heat_map
        from .extract import found_slides

        task = WSI.build(knobs)
        asked = task.make_samples(None, sample.run.seed)[sample.number]
        slide = found_slides(Path(knobs["slides"]).expanduser())[asked.prompt]
        into = Path(knobs["heatmaps"]).expanduser() / sample.run.label / f"{asked.prompt}-{asked.request['fold']}.png"
        heat_map(slide, Path(asked.request["file"]), sample.output["attention"], into)
