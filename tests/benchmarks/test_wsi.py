"""Tiles cut by the harness against a bare loop of reads, on one slide in one process: `make bench` prints it."""

from __future__ import annotations

import statistics
import time

import pytest

from harness_plugins.tasks.wsi import extract, slides
from harness_plugins.tasks.wsi.tests.test_slides import cmu

__all__ = ["cmu"]  # CMU-1-Small-Region, out of a wheel

ROUNDS = 9


@pytest.mark.parametrize("resolution", [0.499, 0.998])  # as stored; half as fine, which is read and made smaller
def test_tiling_against_a_bare_loop_of_reads(benchmark, cmu, resolution):
    openslide = pytest.importorskip("openslide")
    rates = {"tiling": [], "bare": []}
    with slides.opened(cmu) as slide:
        of = slides.grid(slide, cmu, resolution, 256, None)
    corners = of.corners()

    def tiling():
        with slides.opened(cmu) as slide:
            return sum(len(batch) for batch in extract.batches(slide, of, corners))

    def bare():
        with openslide.OpenSlide(str(cmu)) as slide:
            return len([slide.read_region(corner, of.level, (of.read, of.read)).convert("RGB") for corner in corners])

    def rounds():
        for name, which in (("tiling", tiling), ("bare", bare)):
            started = time.perf_counter()
            assert which() == len(corners)
            rates[name].append(len(corners) / (time.perf_counter() - started))

    benchmark.pedantic(rounds, rounds=ROUNDS, warmup_rounds=1)
    ours, theirs = (statistics.median(rates[name]) for name in ("tiling", "bare"))
    benchmark.extra_info["ratio"] = round(ours / theirs, 3)
    print(f"\n{resolution} µm: {ours:.0f} tiles/s; / a bare loop of reads: {ours / theirs:.3f} (aim: at least 0.8)")
