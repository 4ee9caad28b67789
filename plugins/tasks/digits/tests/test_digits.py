from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.api import IncompatibleError, KnobError
from harness.testing import contract
from harness.testing.checks import Toy
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.subjects.image_classifier.subject import LoadedImageClassifier
from harness_plugins.tasks.digits.plugin import Digits

grey = LoadedImageClassifier(ResNet(8, 10, 1), (0.5,), (0.25,), "cpu")
test_contract = contract(Digits(samples=5), toy=Toy(grey, {}, lambda: None))


def test_every_digit_is_tested_on_or_trained_on_and_none_twice():
    task = Digits()
    pixels = np.concatenate([task.test_images().pixels, task.train_images(0).pixels])[..., 0]
    given = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)

    assert len(task.test_images().labels) == 500
    assert sorted(one.tobytes() for one in pixels) == sorted(one.tobytes() for one in given)


def test_few_labels_are_as_many_of_each_digit_and_another_draw_for_each_seed():
    first, second = (Digits(labelled=50).train_images(seed) for seed in (0, 1))

    assert Counter(first.labels) == dict.fromkeys(range(10), 5)
    assert not np.array_equal(first.pixels, second.pixels)
    assert first.source.note == "50 of 1,297, another draw for each seed"


def test_what_cannot_be_asked_is_said_in_a_sentence():
    with pytest.raises(KnobError, match="has 500 test images"):
        Digits(samples=501).sources()
    with pytest.raises(IncompatibleError, match="digits has 1 channels, the model 3"):
        Digits().check({"classes": 10, "channels": 3})
