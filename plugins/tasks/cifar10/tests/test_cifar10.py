import hashlib
import pickle
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.api import IncompatibleError, KnobError, SourceError, UsageError
from harness.testing import contract
from harness_plugins.tasks.cifar10.images import ARCHIVES, unpacked
from harness_plugins.tasks.cifar10.plugin import Cifar10, Cifar100

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
LABELS = [number % 10 for number in range(20)]


def official(folder: Path) -> Path:
    """Twenty images as the official archive stores them: channel by channel, bytes for keys, an older numpy's names."""
    batch = {b"data": PIXELS.transpose(0, 3, 1, 2).reshape(20, -1), b"labels": LABELS}
    (folder / "cifar-10-batches-py").mkdir()
    (folder / "cifar-10-batches-py" / "test_batch").write_bytes(
        pickle.dumps(batch, protocol=2).replace(b"numpy._core.", b"numpy.core.")
    )
    return folder


FOLDER = official(Path(tempfile.mkdtemp()))
test_contract = contract(Cifar10(path=str(FOLDER), samples=5))


def test_batches_and_strips_hold_the_same_images(tmp_path):
    Image.fromarray(PIXELS.reshape(20, 1024, 3)).save(tmp_path / "test_0.png")
    np.save(tmp_path / "labels_test.npy", np.array(LABELS, np.uint8))
    strips, batches = (Cifar10(path=str(one), samples=20) for one in (tmp_path, FOLDER))

    assert strips.make_samples(None, 3) == batches.make_samples(None, 3)
    assert strips.sources()[0].sha256 == batches.sources()[0].sha256
    assert strips.sources()[0].note == "20 of the 10,000 test images"


def packed(folder: Path, place: Path) -> str:
    with tarfile.open(place, "w:gz") as archive:
        archive.add(folder / "cifar-10-batches-py", "cifar-10-batches-py")
    return str(place)


def test_an_archive_holds_what_its_folder_holds_and_says_which_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    archive = packed(FOLDER, tmp_path / "cifar-10-python.tar.gz")
    md5 = hashlib.md5(Path(archive).read_bytes()).hexdigest()
    folder, own = (Cifar10(path=path, samples=20) for path in (str(FOLDER), archive))

    assert own.make_samples(None, 0) == folder.make_samples(None, 0)
    (source,) = own.sources()
    assert source.sha256 == folder.sources()[0].sha256
    assert source.note == f"20 of the 10,000 test images, cifar-10-python.tar.gz, md5 {md5}, not the official archive"


def test_commands_that_start_together_unpack_an_archive_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    archive = Path(packed(FOLDER, tmp_path / "cifar-10-python.tar.gz"))

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: unpacked.__wrapped__(archive, "cifar10"), range(8)))

    (place,) = found
    assert (place.folder / "test_batch").is_file()


def test_the_official_archive_is_known_by_the_checksum_that_torchvision_knows():
    datasets = pytest.importorskip("torchvision.datasets")

    for name, theirs in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        mine = ARCHIVES[name]
        assert (mine.file, mine.md5, mine.folder) == (theirs.filename, theirs.tgz_md5, theirs.base_folder)


def test_a_download_is_torchvision_s_and_one_that_fails_says_what_to_do(tmp_path, monkeypatch):
    utils = pytest.importorskip("torchvision.datasets.utils")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    asked = []

    def fetch(url, root, filename, md5):
        asked.append((url, md5))
        Path(root).mkdir(parents=True, exist_ok=True)
        packed(FOLDER, Path(root) / filename)

    monkeypatch.setattr(utils, "download_url", fetch)
    assert len(Cifar10(path="download", samples=20).make_samples(None, 0)) == 20
    assert asked[0] == ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a")

    def offline(*given):
        raise OSError("no route")

    monkeypatch.setattr(utils, "download_url", offline)
    with pytest.raises(SourceError, match=r"no route; fetch it elsewhere and give task\.path=<cifar-100-python"):
        Cifar100(path="download").sources()


def test_a_broken_archive_is_said_to_be_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    whole = Path(packed(FOLDER, tmp_path / "whole.tar.gz")).read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(SourceError, match=r"half.tar.gz can't be unpacked: .*; fetch cifar-10-python.tar.gz again"):
        Cifar10(path=str(tmp_path / "half.tar.gz")).sources()


def test_scores_of_a_known_answer():
    task = Cifar10(path=str(FOLDER), samples=20)
    sample = next(one for one in task.make_samples(None, 0) if one.target == 0)
    logits = [0.0, 1.0, 1.0, 1.0, 1.0, *[-1e9] * 5]  # four are more likely than the right one
    scores = {one.metric: one.value for one in task.score(sample, {"logits": logits}, None)}

    assert (scores["top1"], scores["top5"], scores["right"]) == (0.0, 1.0, 0.0)
    assert scores["loss"] == pytest.approx(np.log(1 + 4 * np.e))
    assert scores["confidence"] == pytest.approx(np.e / (1 + 4 * np.e))


def test_a_network_that_died_is_never_right():
    task = Cifar10(path=str(FOLDER), samples=1)
    (sample,) = task.make_samples(None, 0)
    ties = task.score(sample, {"logits": [0.5] * 10}, None)
    nothing = task.score(sample, {"logits": [float("nan")] * 10}, None)

    assert [score.value for score in ties[:2]] == [0.0, 0.0]
    values = {score.metric: score.value for score in nothing}
    assert values == {"top1": 0.0, "top5": 0.0, "right": 0.0, "label": sample.target, "loss": None, "confidence": None}


def test_what_cannot_be_asked_is_said_in_a_sentence():
    with pytest.raises(KnobError, match="has 20 test images"):
        Cifar10(path=str(FOLDER), samples=21).sources()
    with pytest.raises(UsageError, match="needs task"):
        Cifar10().sources()
    with pytest.raises(UsageError, match=r"task\.path=/nowhere is not there; give cifar-10-python\.tar\.gz"):
        Cifar10(path="/nowhere").sources()
    with pytest.raises(SourceError, match="neither test_batch nor"):
        Cifar10(path=tempfile.mkdtemp()).sources()
    with pytest.raises(IncompatibleError, match="cifar10 has 10 classes, the model 100"):
        Cifar10().check({"classes": 100, "channels": 3})


def test_training_images_are_there_where_they_lie_beside_the_test_images(tmp_path):
    folder = official(tmp_path)
    assert Cifar10(path=str(folder)).training(None, 0) == {}
    batch = {b"data": PIXELS.transpose(0, 3, 1, 2).reshape(20, -1), b"labels": LABELS}
    for number in (1, 2):
        (folder / "cifar-10-batches-py" / f"data_batch_{number}").write_bytes(pickle.dumps(batch, protocol=2))
    task = Cifar10(path=f"{folder}/", samples=20)

    with np.load(task.training(None, 0)["images"]) as held:
        assert np.array_equal(held["pixels"], np.concatenate([PIXELS, PIXELS]))
        assert held["labels"].tolist() == LABELS * 2
    assert [source.note for source in task.sources()] == [
        "20 of the 10,000 test images",
        "40 of the 50,000 training images",
    ]


def test_code_in_a_batch_is_refused_and_never_run(tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "test_batch").write_bytes(pickle.dumps(Code(), protocol=2))

    with pytest.raises(SourceError, match="not a batch of CIFAR-10"):
        Cifar10(path=str(tmp_path)).sources()
    assert not (tmp_path / "ran").exists()


def test_the_hundred_fine_labels_of_cifar_100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    labels = [number * 5 for number in range(20)]
    held = {b"data": PIXELS.transpose(0, 3, 1, 2).reshape(20, -1), b"fine_labels": labels, b"coarse_labels": [0] * 20}
    for name in ("test", "train"):
        (folder / name).write_bytes(pickle.dumps(held, protocol=2))
    task = Cifar100(path=str(tmp_path), samples=20)

    assert sorted(sample.target for sample in task.make_samples(None, 0)) == labels
    assert [source.name for source in task.sources()] == [
        "CIFAR-100, python batches",
        "CIFAR-100, python batches, training part",
    ]
    with pytest.raises(IncompatibleError, match="cifar100 has 100 classes, the model 10"):
        task.check({"classes": 10, "channels": 3})
    with pytest.raises(SourceError, match="neither test nor"):
        Cifar100(path=str(FOLDER)).sources()
