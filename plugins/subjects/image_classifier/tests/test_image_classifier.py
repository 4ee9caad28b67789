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


def test_what_a_method_puts_in_the_networks_place_answers_until_it_is_taken_back():
    toy = ImageClassifier.toy()
    before = toy.subject.respond(toy.request, frozenset())

    def emptied(network):
        network.linear = torch.nn.Linear(64, 3)
        return network

    with toy.subject.at("network", emptied):
        assert len(toy.subject.respond(toy.request, frozenset()).output["logits"]) == 3
    assert toy.subject.respond(toy.request, frozenset()) == before
