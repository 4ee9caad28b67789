from base64 import b64encode

import pytest
import torch

from harness.testing import contract
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier

test_contract = contract(ImageClassifier)


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.73)])
def test_the_networks_have_as_many_parameters_as_the_papers(depth, millions):
    """Table 6 of arXiv:1512.03385 rounds to two digits, as 0.27M, and 1.7M for the deepest."""
    count = sum(parameter.numel() for parameter in ResNet(depth, 10).parameters())

    assert count / 1e6 == pytest.approx(millions, abs=0.006)


def test_pixels_are_normalised_by_channel_and_stay_where_they_were():
    class Seen(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)

    subject = LoadedImageClassifier(Seen(), (0.0, 0.5, 1.0), (1.0, 0.5, 0.25), "cpu")
    pixels = bytes([0, 0, 255, 255, 255, 255])  # two pixels, RGB by RGB
    response = subject.respond({"image": b64encode(pixels).decode(), "size": [1, 2]}, frozenset())

    assert response.output == {"logits": [0.0, 1.0, -1.0, 1.0, 0.0, 0.0]}


def test_a_batch_is_the_image_so_many_times_and_its_throughput_the_network_s_alone():
    seen = []

    class Seen(torch.nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape))
            return x.flatten(1)

    subject = LoadedImageClassifier(Seen(), (0.5,), (0.5,), "cpu")
    request = {"image": b64encode(bytes(4)).decode(), "size": [2, 2], "batches": [8, 32]}
    sizes = subject.batched(request)
    subject.respond(sizes[1], frozenset())
    (reading,) = subject.durations(0, [("input", 10_000_000), ("forward", 26_000_000)], 30_000_000)

    assert seen == [(32, 1, 2, 2)]
    assert (reading.metric, reading.value, reading.unit) == ("throughput_32", 2000.0, "image/s")
    subject.respond(request, frozenset())
    assert [one.metric for one in subject.durations(0, [("input", 1), ("forward", 2)], 3)] == [
        "latency_s",
        "input_s",
        "forward_s",
    ]


def test_bytes_of_weights_are_told_where_a_method_leaves_fewer():
    toy = ImageClassifier.toy()

    def emptied(network):
        network.linear = torch.nn.Linear(64, 3)
        return network

    assert toy.subject.respond(toy.request, frozenset()).observed == {}
    with toy.subject.at("network", emptied):
        sizes = toy.subject.respond(toy.request, frozenset()).observed
    assert sizes["weight_full_bytes"] - sizes["weight_resident_bytes"] == 4 * 7 * 65
    assert toy.subject.respond(toy.request, frozenset()).observed == {}


def test_what_a_method_puts_in_the_networks_place_answers_until_it_is_taken_back():
    toy = ImageClassifier.toy()
    before = toy.subject.respond(toy.request, frozenset())

    def emptied(network):
        network.linear = torch.nn.Linear(64, 3)
        return network

    with toy.subject.at("network", emptied):
        assert len(toy.subject.respond(toy.request, frozenset()).output["logits"]) == 3
    assert toy.subject.respond(toy.request, frozenset()) == before
