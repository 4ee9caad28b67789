import csv

import numpy as np
import pytest

from harness.api import SourceError, UsageError
from harness_plugins.subjects.bag_classifier import bags
from harness_plugins.tasks.mil import bags as classic
from harness_plugins.tasks.wsi import folders
from harness_plugins.tasks.wsi.plugin import WSI, studied

pytest.importorskip("h5py")


def forget():
    folders.study.cache_clear()
    studied.cache_clear()


def write_csv(path, rows):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def ucsb(tmp_path):
    """The 58 bags of UCSB in CLAM's layout, two images a patient, one split."""
    import h5py

    rows, parts = [["case_id", "slide_id", "label"]], {"train": [], "val": [], "test": []}
    for number, bag in enumerate(classic.read("ucsb")):
        features = bags.read(bag.file, list(bag.rows), bag.sha256)

        def save(file, features=features):
            with h5py.File(file, "w") as opened:
                opened["features"] = features

        bags.write(tmp_path / "h5_files" / f"s{number}.h5", save)
        rows.append([f"p{number // 2}", f"s{number}", "malignant" if bag.label else "benign"])
        part = ("train", "train", "train", "val", "test")[number // 2 % 5]
        parts[part].append(f"s{number}")
    write_csv(tmp_path / "labels.csv", rows)
    columns = [parts[name] + [""] * (len(parts["train"]) - len(parts[name])) for name in parts]
    write_csv(tmp_path / "splits" / "splits_0.csv", [["train", "val", "test"], *zip(*columns, strict=True)])
    forget()
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()


def test_a_folder_in_clams_layout_is_a_study(ucsb):
    task = WSI(bags=str(ucsb))
    study, samples, training = task.study(), task.make_samples(None, 0), task.training(None, 0)

    assert study.classes == ("benign", "malignant")
    assert study.features == 708
    assert task.planned() == len(samples) == 10
    assert samples[0].cluster == "p4"
    assert [metric.name for metric in task.metrics][:4] == ["auroc", "balanced_accuracy", "macro_f1", "quadratic_kappa"]
    assert bags.read(samples[0].request["file"], None, samples[0].request["sha256"]).shape[1] == 708
    trained = {training["bags"][one]["sha256"] for one in training["folds"]["0"]["train"]}
    assert not trained & {sample.request["sha256"] for sample in samples}


def test_a_patient_in_two_parts_is_refused_by_name(ucsb):
    edit(ucsb / "labels.csv", "p4,s8", "p0,s8")

    with pytest.raises(
        SourceError, match=r"splits_0.csv leaks: patient p0 is in train .slide s0. and in test .slide s8"
    ):
        WSI(bags=str(ucsb)).study()


def test_a_part_without_a_class_is_refused_by_name(ucsb):
    text = (ucsb / "labels.csv").read_text()
    (ucsb / "labels.csv").write_text(text.replace("malignant", "benign").replace("p0,s0,benign", "p0,s0,malignant"))
    forget()

    with pytest.raises(SourceError, match=r"splits_0.csv: val has no slide labelled malignant; draw the split again"):
        WSI(bags=str(ucsb)).study()


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("labels.csv", "p0,s0,", "p0,s0,\np9,t,", r"labels.csv, line 2: a label is missing"),
        ("labels.csv", "p0,s1,", "p0,s0,", r"labels.csv, line 3: s0 is there twice"),
        ("labels.csv", "slide_id", "slide", r"labels.csv has columns case_id, label, slide; known are CLAM: slide_id"),
        ("splits/splits_0.csv", "s0,", "s99,", r"splits_0.csv names slide s99, which .*labels.csv gives no label"),
        ("splits/splits_0.csv", "s1,", "s0,", r"splits_0.csv: slide s0 is in train twice"),
        ("splits/splits_0.csv", "train,", "training,", r"splits_0.csv has no column train"),
    ],
)
def test_what_is_wrong_with_labels_and_splits_is_said_with_file_and_line(ucsb, file, old, new, sentence):
    text = (ucsb / file).read_text()
    (ucsb / file).write_text(text.replace(old, new, 1))
    forget()

    with pytest.raises(SourceError, match=sentence):
        WSI(bags=str(ucsb)).study()


def test_a_bag_that_is_missing_truncated_or_of_another_width_is_named(ucsb):
    path = ucsb / "h5_files" / "s3.h5"
    whole = path.read_bytes()
    for damage, sentence in ((whole[: len(whole) // 2], "s3.h5 can't be read as a bag"), (None, "s3.h5 is not there")):
        path.unlink()
        if damage:
            path.write_bytes(damage)
        forget()
        with pytest.raises(SourceError, match=sentence):
            WSI(bags=str(ucsb)).study()

    import torch

    (ucsb / "pt_files").mkdir()
    torch.save(torch.ones(4, 700), ucsb / "pt_files" / "s3.pt")
    forget()
    with pytest.raises(SourceError, match=r"s3.pt has 700 features an instance, .*s0.h5 has 708"):
        WSI(bags=str(ucsb)).study()


def test_without_a_folder_it_says_what_to_give():
    with pytest.raises(UsageError, match=r"task=wsi needs task.bags="):
        WSI().planned()


def test_layouts_are_known_by_their_columns(tmp_path):
    for name, rows in {
        "PANDA": [["image_id", "data_provider", "isup_grade"], ["a", "x", "10"], ["b", "x", "2"]],
        "BRACS": [["WSI Filename", "Patient Id", "WSI label"], ["BRACS_1.svs", "7", "ADH"], ["BRACS_2.svs", "8", "N"]],
        "Camelyon16": [["image", "type"], ["test_001.tif", "Tumor"], ["test_002.tif", "Normal"]],
        "CLAM": [["slide_id", "label"], ["TCGA-AB-1234-01A-01-TS1", "LUAD"], ["TCGA-AB-1235-01A-01-TS1", "LUSC"]],
    }.items():
        write_csv(tmp_path / f"{name}.csv", rows)
        layout, found = folders.labelled(tmp_path / f"{name}.csv")
        assert layout == name
        if name == "PANDA":
            assert folders.ordered({label for _, label in found.values()}) == ("2", "10")
        if name == "BRACS":
            assert found["BRACS_1"] == ("7", "ADH")
        if name == "CLAM":
            assert found["TCGA-AB-1234-01A-01-TS1"] == ("TCGA-AB-1234", "LUAD")


def test_probabilities_are_scored_for_every_class(ucsb):
    task = WSI(bags=str(ucsb))
    sample = task.make_samples(None, 0)[0]
    scores = {one.metric: one.value for one in task.score(sample, {"probabilities": [0.3, 0.7]}, None)}

    assert scores == {"label": float(sample.target), "told": 1.0, "p0": 0.3, "p1": 0.7}
    assert np.isfinite(list(scores.values())).all()
