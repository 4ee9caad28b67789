import os
import zipfile
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.api import Device, IncompatibleError, KnobError, SourceError, UsageError
from harness_plugins.models.torchvision.plugin import TorchVision
from harness_plugins.subjects.image_classifier.crop import Crop
from harness_plugins.tasks.imagenet.plugin import ImageNet

DATA = Path(os.environ.get("HARNESS_TEST_DATA", "/nowhere"))


def photograph(number, size=(6, 4)):
    held = BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)).save(held, "PNG")
    return held.getvalue()


def folder(tmp_path, classes=1000):
    for number in range(classes):
        (tmp_path / f"n{number:04d}").mkdir()
        (tmp_path / f"n{number:04d}" / "a.png").write_bytes(photograph(number))
    return str(tmp_path)


def test_class_folders_are_numbered_in_the_order_of_their_names(tmp_path):
    task = ImageNet(path=folder(tmp_path), cropped=True, samples=900)
    samples = task.make_samples(None, 0)

    assert task.sources()[0].count == 1000
    assert task.sources()[0].note.startswith("not the 50,000 of the validation split")
    assert len(samples) == 900
    for sample in (samples[0], samples[899]):
        number = sample.target
        assert (sample.stratum, sample.prompt) == (f"n{number:04d}", f"n{number:04d}/a.png")
        stored = np.asarray(Image.open(BytesIO(photograph(number))))
        assert b64decode(sample.request["image"]) == stored.tobytes()
        assert sample.request["size"] == [4, 6]


def test_an_archive_of_named_files_is_the_same_and_a_file_of_labels_goes_before_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for number in range(1000):
            archive.writestr(f"n{number:04d}_thing.png", photograph(number))
    (tmp_path / "labels.txt").write_text("".join(f"n{number:04d}_thing.png {999 - number}\n" for number in range(1000)))
    by_name, by_file = (
        ImageNet(path=str(tmp_path / "images.zip"), labels=labels, cropped=True).make_samples(None, 0)[0]
        for labels in (None, str(tmp_path / "labels.txt"))
    )

    assert by_name.stratum == f"n{by_name.target:04d}"
    assert by_file.target == 999 - by_name.target


def test_whoever_decodes_them_samples_are_the_same_in_the_same_order(tmp_path):
    path = folder(tmp_path)
    alone, ahead = (ImageNet(path=path, cropped=True, samples=40, loaders=n).make_samples(None, 0) for n in (0, 3))

    assert list(ahead) == list(alone)
    assert [ahead[number] for number in (30, 5, 39, 0)] == [alone[number] for number in (30, 5, 39, 0)]
    assert ahead.ahead == 12
    assert len(ahead.coming) <= 13


def test_an_image_that_cannot_be_decoded_stops_its_own_sample_alone(tmp_path):
    path = folder(tmp_path)
    samples = ImageNet(path=path, cropped=True, samples=20, loaders=2).make_samples(None, 0)
    (tmp_path / samples.images.names[samples.order[7]]).write_bytes(b"no image")

    assert [samples[number].number for number in range(7)] == list(range(7))
    with pytest.raises(SourceError, match="can't be decoded"):
        samples[7]
    assert samples[8].number == 8


def test_the_flat_validation_folder_is_labelled_by_the_kit_or_by_a_table_of_class_names(tmp_path):
    """The kit numbers classes in an order of its own; the model's numbers follow from the names' order."""
    from scipy.io import savemat

    val, kit = tmp_path / "val", tmp_path / "kit"
    val.mkdir()
    (kit / "data").mkdir(parents=True)
    names = [f"n{(number * 7) % 1000:08d}" for number in range(1000)]  # of the kit's classes 1 to 1000
    kinds = np.zeros(1001, [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")])
    for number, name in enumerate(names):
        kinds[number] = (number + 1, name, "a thing", 0)
    kinds[1000] = (1001, "n99999999", "all things", 1000)
    savemat(kit / "data" / "meta.mat", {"synsets": kinds})
    truth = [1 + (place * 3) % 1000 for place in range(1000)]
    (kit / "data" / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{one}\n" for one in truth))
    rows = ["ImageId,PredictionString"]
    for place, one in enumerate(truth):
        (val / f"ILSVRC2012_val_{place + 1:08d}.png").write_bytes(photograph(place))
        rows.append(f"ILSVRC2012_val_{place + 1:08d},{names[one - 1]} 1 2 3 4")
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(rows))
    by_kit, by_table = (
        ImageNet(path=str(val), labels=str(labels), cropped=True, samples=900).make_samples(None, 0)
        for labels in (kit, tmp_path / "LOC_val_solution.csv")
    )

    wanted = [int(names[one - 1][1:]) for one in truth]  # names are their own numbers here
    assert [sample.target for sample in by_kit] == [wanted[index] for index in by_kit.order]
    assert list(by_kit) == list(by_table)
    (val / "ILSVRC2012_val_00000001.png").unlink()
    with pytest.raises(SourceError, match="tells of 1000 images, and there are 999"):
        ImageNet(path=str(val), labels=f"{kit}/").sources()


def test_what_calibrates_sees_images_that_are_never_tested(tmp_path):
    task = ImageNet(path=folder(tmp_path), cropped=True, samples=900, calibration=100)
    tested = {sample.request["image"] for sample in task.make_samples(None, 0)}
    with np.load(task.training(None, 0)["images"]) as held:
        seen = {one.tobytes() for one in held["pixels"]}

    assert len(seen) == 100
    assert not seen & {b64decode(one) for one in tested}


def test_the_shorter_side_is_resized_and_the_centre_cut_as_torchvision_does():
    transforms = pytest.importorskip("torchvision.transforms")
    theirs = transforms.Compose([transforms.Resize(30), transforms.CenterCrop(25)])
    for size in ((80, 47), (47, 80), (30, 64)):
        image = Image.open(BytesIO(photograph(1, size)))
        assert np.array_equal(np.asarray(Crop(30, 25, "bilinear")(image)), np.asarray(theirs(image)))


def test_what_cannot_be_asked_is_said_in_a_sentence(tmp_path):
    few = folder(tmp_path, classes=3)
    with pytest.raises(UsageError, match=r"needs task\.path"):
        ImageNet().sources()
    with pytest.raises(UsageError, match=r"task\.path=/nowhere is not there"):
        ImageNet(path="/nowhere").sources()
    with pytest.raises(SourceError, match="images of 3 classes by folder"):
        ImageNet(path=few).sources()
    (tmp_path / "labels.txt").write_text("n0000/a.png 7\nn0001/a.png 8\n")
    with pytest.raises(SourceError, match=r"to 1 images, n0002/a\.png first"):
        ImageNet(path=few, labels=str(tmp_path / "labels.txt")).sources()
    (tmp_path / "labels.txt").write_text("n0000/a.png 7\nn0001/a.png 8\nn0002/a.png 1000\n")
    with pytest.raises(SourceError, match="no class from 0 to 999"):
        ImageNet(path=few, labels=f"{tmp_path}/labels.txt").sources()
    (tmp_path / "three.txt").write_text("n0000/a.png 7\nn0001/a.png 8\nn0002/a.png 9\n")
    with pytest.raises(KnobError, match="ask for 1 at most"):
        ImageNet(path=few, labels=str(tmp_path / "three.txt"), samples=2, calibration=2).sources()
    with pytest.raises(IncompatibleError, match="resized and cropped"):
        ImageNet().check({"classes": 1000, "channels": 3})


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "imagenet1000").exists(), reason="HARNESS_TEST_DATA names no folder with photographs")
def test_mobilenet_v2_is_right_on_as_many_photographs_as_with_torchvision_alone():
    weights = os.environ.get("HARNESS_TEST_MOBILENET")
    if not weights:
        pytest.skip("HARNESS_TEST_MOBILENET names no checkpoint of MobileNetV2")
    path = str(DATA / "imagenet1000" / "images.zip")
    task = ImageNet(path=path, cropped=True, samples=1000, calibration=0)
    model = TorchVision(checkpoint=weights)
    subject = model.load(model.fetch(), Device("cpu", 1))
    scores = [
        task.score(sample, subject.respond(sample.request, frozenset()).output, None)
        for sample in task.make_samples(None, 0)
    ]

    assert [sum(one[place].value for one in scores) for place in (0, 1)] == [772, 941]
