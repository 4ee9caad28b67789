import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.api import Device, SourceError
from harness.testing import contract
from harness_plugins.models.cifar_resnet.plugin import CifarResNet
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.tasks.cifar10.plugin import Cifar10

CPU = Device("cpu", 1)
DATA = Path(os.environ.get("HARNESS_TEST_DATA", "/nowhere"))


test_contract = contract(CifarResNet(), CifarResNet(depth=56, mean=(0.5,), std=(0.5,)))


def loaded(path, **knobs):
    model = CifarResNet(checkpoint=str(path), **knobs)
    return model.load(model.fetch(), CPU)


def test_both_kinds_of_file_give_the_same_network(tmp_path):
    weights = ResNet(20, 10).state_dict()
    save_file(weights, tmp_path / "net.safetensors")
    torch.save({"state_dict": {f"module.{name}": one for name, one in weights.items()}}, tmp_path / "net.th")

    for name in ("net.safetensors", "net.th"):
        held = loaded(tmp_path / name).network.state_dict()
        assert all(torch.equal(held[key], one) for key, one in weights.items())


def test_a_checkpoint_of_another_depth_is_refused(tmp_path):
    save_file(ResNet(20, 10).state_dict(), tmp_path / "net.safetensors")

    with pytest.raises(
        SourceError, match=r"does not hold a ResNet-56 with 10 classes .Missing key.s. in state_dict: \S+.; set"
    ):
        loaded(tmp_path / "net.safetensors", depth=56)


def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path):
    class Code:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "net.th").write_bytes(pickle.dumps(Code(), protocol=2))

    with pytest.raises(SourceError, match="weights only"):
        loaded(tmp_path / "net.th")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_there_is_named():
    with pytest.raises(SourceError, match="no file"):
        CifarResNet(checkpoint="/nowhere/net.th").fetch()


@pytest.mark.skipif(not (DATA / "cifar10_resnet").exists(), reason="HARNESS_TEST_DATA names no folder with CIFAR-10")
@pytest.mark.parametrize(
    ("depth", "file", "count"), [(20, "resnet20-12fca82f.th", 915), (56, "resnet56-4bfd9763.th", 926)]
)
def test_published_weights_are_right_on_as_many_real_images_as_published_with_them(depth, file, count):
    task = Cifar10(path=str(DATA / "cifar10"), samples=1000)
    subject = loaded(DATA / "cifar10_resnet" / file, depth=depth)
    right = [
        task.score(sample, subject.respond(sample.request, frozenset()).output, None)[0].value
        for sample in task.make_samples(None, 0)
    ]

    assert sum(right) == count
