import numpy as np
import pytest
import torch

from harness.api import Preparation
from harness.testing import answered, contract
from harness_plugins.quantization.int8_static.exporting import clipped, rounded
from harness_plugins.quantization.int8_static.plugin import Int8Static, OnnxFloat32
from harness_plugins.quantization.int8_static.session import Executed
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier

pytest.importorskip("onnxruntime")
test_contract = contract(Int8Static(images=4), OnnxFloat32())

CONVOLUTIONS = 1 + 3 * 2  # of the toy, a ResNet-8


def logits(method):
    toy = ImageClassifier.toy()
    if method is None:
        return torch.tensor(answered(None, toy).response.output["logits"])
    return torch.tensor(answered(method, toy).response.output["logits"])


def test_every_convolution_and_product_runs_in_int8_by_the_profiler():
    toy = ImageClassifier.toy()
    quantized, plain = answered(Int8Static(images=4), toy).evidence, answered(OnnxFloat32(), toy).evidence

    assert (quantized["int8_nodes"], quantized["float_nodes"]) == (CONVOLUTIONS + 1, 0)
    assert (plain["int8_nodes"], plain["float_nodes"]) == (0, CONVOLUTIONS + 1)
    assert quantized["model_bytes"] < 0.5 * plain["model_bytes"]


def test_the_runtime_in_float_gives_torch_s_logits():
    assert torch.allclose(logits(OnnxFloat32()), logits(None), atol=1e-4)


def test_a_batch_gives_the_logits_of_its_images(tmp_path):
    toy = ImageClassifier.toy()
    method = Int8Static(images=4)
    method.prepare(Preparation(toy.subject, 0, tmp_path, {}, training=toy.training))
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    run = Executed(tmp_path / "model.onnx")

    assert torch.allclose(run(images), torch.cat([run(one[None]) for one in images]), atol=1e-6)


@pytest.mark.parametrize("calibration", ["minmax", "percentile", "mse"])
def test_int8_stays_near_float(calibration):
    plain, quantized = logits(None), logits(Int8Static(calibration=calibration, images=16))

    assert 0 < (quantized - plain).abs().max() < 0.15 * (plain.max() - plain.min())


def test_a_scale_for_each_channel_is_nearer_than_one_for_all():
    toy = ImageClassifier.toy()
    with torch.no_grad():  # channels of very different size, as depthwise convolutions have
        toy.subject.network.conv1.weight *= torch.logspace(-2, 0, 16)[:, None, None, None]
    plain = torch.tensor(answered(None, toy).response.output["logits"])
    each, all_ = (
        (torch.tensor(answered(Int8Static(per_channel=one), toy).response.output["logits"]) - plain).abs().mean()
        for one in (True, False)
    )

    assert each < all_


VALUES = np.concatenate([np.random.default_rng(0).normal(size=10_000), [50.0]]).astype(np.float32)


def test_zero_stays_zero_and_nothing_inside_the_range_moves_by_more_than_half_a_step():
    low, high = -1.0, 3.0
    inside = np.linspace(low, high, 1000)
    step = (high - low) / 255

    assert rounded(np.array([0.0]), low, high)[0] == 0.0
    assert np.abs(rounded(inside, low, high) - inside).max() <= step / 2 + step / 2 + 1e-9  # zero's own rounding
    assert len(np.unique(rounded(inside, low, high))) <= 256


def test_an_outlier_is_clipped_by_percentile_and_where_that_lowers_the_error():
    error = {
        name: np.square(rounded(VALUES, *found) - VALUES).mean()
        for name, found in {
            "minmax": (float(VALUES.min()), 50.0),
            "mse": clipped(VALUES, None),
        }.items()
    }

    assert clipped(VALUES, 99.9)[1] < 5
    assert error["mse"] <= error["minmax"]


def test_ranges_hold_zero():
    assert clipped(np.array([2.0, 3.0], np.float32), 99.0)[0] == 0.0
    assert clipped(np.array([-3.0, -2.0], np.float32), None)[1] == 0.0


def test_what_was_exported_is_gone(tmp_path):
    toy = ImageClassifier.toy()
    Int8Static(images=4).prepare(Preparation(toy.subject, 0, tmp_path, {}, training=toy.training))

    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
