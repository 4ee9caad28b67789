import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from harness.api import Device, SourceError, UsageError
from harness_plugins.models.timm.plugin import Timm

timm = pytest.importorskip("timm")
CPU = Device("cpu", 1)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return timm.create_model("test_efficientnet", num_classes=7).eval()


@pytest.fixture
def file(theirs, tmp_path):
    save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    return str(tmp_path / "net.safetensors")


@pytest.fixture
def folder(theirs, tmp_path):
    """As the hub has it, trained on images that were squashed to 96 x 80."""
    data = {**theirs.pretrained_cfg, "input_size": [3, 96, 80], "crop_mode": "squash", "mean": [0.5, 0.4, 0.3]}
    told = {"architecture": "test_efficientnet", "num_classes": 7, "pretrained_cfg": data}
    (tmp_path / "config.json").write_text(json.dumps(told))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    return tmp_path


def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (211, 300, 3), np.uint8))


def answered(model):
    """Our logits of the image, by the model's own processor and normalisation."""
    from base64 import b64encode

    location = model.fetch()
    pixels = np.asarray(model.processor(location)(image()))
    request = {"image": b64encode(pixels.tobytes()).decode(), "size": list(pixels.shape[:2])}
    return torch.tensor(model.load(location, CPU).respond(request, frozenset()).output["logits"])


def expected(theirs, config):
    data = timm.data.resolve_data_config(pretrained_cfg=config, args={})
    with torch.inference_mode():
        return theirs(timm.data.create_transform(**data, is_training=False)(image())[None])[0]


def test_a_file_is_asked_as_timm_itself_asks_that_architecture(theirs, file):
    model = Timm(architecture="test_efficientnet", checkpoint=file, classes=7)

    assert torch.allclose(answered(model), expected(theirs, theirs.pretrained_cfg), atol=1e-5)
    assert model.facts(model.fetch()) == {"classes": 7, "channels": 3, "crops": True}


def test_a_folder_of_the_hub_s_form_brings_architecture_and_preprocessing(theirs, folder):
    config = json.loads((folder / "config.json").read_text())["pretrained_cfg"]

    assert torch.allclose(answered(Timm(checkpoint=str(folder))), expected(theirs, config), atol=1e-5)


def test_another_preprocessing_is_another_model(folder):
    before = Timm(checkpoint=str(folder)).fetch()["revision"]
    told = json.loads((folder / "config.json").read_text())
    told["pretrained_cfg"]["crop_pct"] = 0.5
    (folder / "config.json").write_text(json.dumps(told))

    assert Timm(checkpoint=str(folder)).fetch()["revision"] != before


def test_from_the_hub_come_safetensors_alone(folder, monkeypatch):
    import huggingface_hub

    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **more: asked.update(more, name=name) or folder
    )
    Timm(architecture="test_efficientnet").fetch()

    assert asked == {"name": "timm/test_efficientnet.r160_in1k", "allow_patterns": ["config.json", "model.safetensors"]}


def test_what_cannot_be_had_is_said_in_a_sentence(file, tmp_path, monkeypatch):
    import huggingface_hub

    def offline(*names, **more):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    for model, error, told in (
        (Timm(), UsageError, r"needs model\.architecture"),
        (
            Timm(architecture="test_eficientnet"),
            UsageError,
            "no model 'test_eficientnet'; did you mean test_efficientnet",
        ),
        (Timm(architecture="test_efficientnet.nothing"), UsageError, "no weights"),
        (Timm(architecture="test_efficientnet"), SourceError, r"can't fetch timm/test_efficientnet.* from the hub"),
        (Timm(checkpoint=file), UsageError, r"add model\.architecture"),
        (Timm(checkpoint=str(tmp_path / "none"), architecture="test_efficientnet"), SourceError, "is no file"),
        (Timm(checkpoint=str(tmp_path)), SourceError, r"has no model\.safetensors with config\.json"),
    ):
        with pytest.raises(error, match=told):
            model.fetch()
    other = Timm(architecture="test_efficientnet", checkpoint=file)
    with pytest.raises(SourceError, match="does not hold a test_efficientnet with 1000 classes"):
        other.load(other.fetch(), CPU)
