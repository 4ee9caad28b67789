import torch
from safetensors.torch import load_file

from harness.api import Preparation
from harness.testing import contract
from harness_plugins.baselines.finetune.plugin import Finetune
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier

test_contract = contract(Finetune())


def test_it_goes_on_from_where_the_network_is(tmp_path):
    toy = ImageClassifier.toy()
    still = {**toy.training, "finetune": {"steps": 2, "lr": 0.0}}
    Finetune().prepare(Preparation(toy.subject, 0, tmp_path, {}, training=still))
    trained = load_file(tmp_path / "weights.safetensors")

    assert all(torch.equal(trained[name], one) for name, one in toy.subject.network.named_parameters())
    with Finetune().apply(toy.subject, tmp_path) as evidence:
        assert evidence.take() == {"moved": 0.0}
