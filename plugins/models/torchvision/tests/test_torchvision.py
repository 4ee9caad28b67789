import pytest
import torch
from safetensors.torch import save_file

from harness.api import Device, SourceError, UsageError
from harness_plugins.models.torchvision.plugin import TorchVision

models = pytest.importorskip("torchvision.models")
CPU = Device("cpu", 1)


def test_weights_alone_make_the_network_and_preprocessing_is_told_with_it(tmp_path):
    torch.manual_seed(0)
    theirs = models.squeezenet1_1(num_classes=7).eval()
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    model = TorchVision(architecture="squeezenet1_1", classes=7, checkpoint=str(tmp_path / "net.safetensors"), crop=64)
    location = model.fetch()
    image = torch.randn(1, 3, 64, 64)

    with torch.inference_mode():
        assert torch.equal(model.load(location, CPU).network(image), theirs(image))
    assert model.facts(location) == {"classes": 7, "channels": 3, "crops": True}
    assert model.processor(location) == (256, 64, "bilinear")


def test_what_does_not_fit_is_said_in_a_sentence(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "net.safetensors")
    other = TorchVision(architecture="squeezenet1_1", checkpoint=str(tmp_path / "net.safetensors"))
    with pytest.raises(SourceError, match=r"does not hold a squeezenet1_1 with 1000 classes .Missing key"):
        other.load(other.fetch(), CPU)
    with pytest.raises(UsageError, match="no classifier 'squeezenet1'; did you mean squeezenet1_"):
        TorchVision(architecture="squeezenet1").load(other.fetch(), CPU)
    with pytest.raises(UsageError, match=r"needs model\.checkpoint"):
        TorchVision().fetch()
