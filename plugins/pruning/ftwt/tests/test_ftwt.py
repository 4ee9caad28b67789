import json
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.api import IncompatibleError, Preparation
from harness.testing import answered, contract
from harness_plugins.pruning.ftwt.algorithm import keep_largest, mask_loss, mass_target, shares, uniform_target
from harness_plugins.pruning.ftwt.gates import Drawn, Fixed, Gates, Predicted
from harness_plugins.pruning.ftwt.layout import classifier, shapes, units
from harness_plugins.pruning.ftwt.network import Gated, estimate, expected
from harness_plugins.pruning.ftwt.plugin import FTWT, RandomGates, UniformGates
from harness_plugins.pruning.ftwt.training import objective
from harness_plugins.subjects.image_classifier.mobilenet import MobileNetV1
from harness_plugins.subjects.image_classifier.plugin import ImageClassifier
from harness_plugins.subjects.image_classifier.resnet import ResNet
from harness_plugins.subjects.image_classifier.vgg import VGG16

JOINT = FTWT(mode="joint", pool="max", softmax=False, mass=0.6)
test_contract = contract(FTWT(), JOINT, FTWT(gt_type="uniform", ratio=0.3), UniformGates(), RandomGates(draw=1))

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(6)
CONV_MACS = 9 * (64 * (48 + 2 * 256) + 16 * (512 + 1024) + 4 * (2048 + 4096))  # of a ResNet-8 at 8 x 8


def network(depth=8):
    torch.manual_seed(0)
    made = ResNet(depth, 10)
    for _ in range(3):
        made(torch.randn(8, 3, 8, 8))
    return made.eval()


def predicted(made, mass=0.9, joint=False):
    torch.manual_seed(1)
    gates = Predicted(shapes(made), partial(mass_target, mass=mass), joint, softmax=False)
    for head in gates.heads:
        nn.init.normal_(head.weight, std=3.0)
    return Gated(made, gates).eval()


class Open(Gates):
    """Every channel of every unit."""

    def __init__(self, made):
        super().__init__()
        self.channels = [outputs for _, outputs in shapes(made)]

    def choose(self, unit, pooled):
        return torch.ones(len(pooled), self.channels[unit], dtype=torch.bool)


def output_with(*shares_of):
    return torch.tensor(shares_of).reshape(1, -1, 1, 1)


def test_the_poster_s_example_keeps_four_channels():
    wanted = mass_target(output_with(0.3, 0.3, 0.2, 0.1, 0.1, 0.03, 0.01), 0.95)

    assert wanted.tolist() == [[1, 1, 1, 1, 0, 0, 0]]


def test_more_mass_keeps_no_fewer_channels_and_never_holds_more_than_asked():
    o = torch.rand(32, 20, 3, 3, generator=torch.Generator().manual_seed(0))
    before = torch.zeros(32)
    for mass in (0.1, 0.3, 0.5, 0.9, 0.99):
        wanted = mass_target(o, mass)
        assert (wanted.sum(1) >= before).all()
        assert ((shares(o) * wanted).sum(1) <= mass + 1e-5).all()
        before = wanted.sum(1)


def test_all_of_the_mass_keeps_all_but_dead_channels():
    o = output_with(0.7, 0.0, 0.3)

    assert mass_target(o, 1.0).tolist() == [[1, 0, 1]]
    assert torch.equal(o * mass_target(o, 1.0)[:, :, None, None], o)


def test_a_uniform_target_drops_a_fixed_share_of_the_weakest_and_the_dead():
    assert uniform_target(output_with(0.4, 0.1, 0.3, 0.2, 0.0), 0.5).tolist() == [[1, 0, 1, 1, 0]]
    assert uniform_target(output_with(0.4, 0.1, 0.3, 0.0, 0.0), 0.2).tolist() == [[1, 1, 1, 0, 0]]
    assert uniform_target(output_with(0.4, 0.1, 0.3, 0.2), 0.0).tolist() == [[1, 1, 1, 1]]


def test_the_mask_loss_is_a_sum_over_channels_and_a_mean_over_images():
    assert mask_loss(torch.zeros(4, 3), torch.ones(4, 3)).item() == pytest.approx(3 * 0.6931, abs=1e-3)


@pytest.mark.parametrize("gates", ["predicted", "fixed", "drawn"])
def test_channels_left_out_give_the_logits_of_channels_masked(gates):
    made = network(14)
    kept = [max(1, outputs // 3) for _, outputs in shapes(made)]
    gated = (
        predicted(made)
        if gates == "predicted"
        else Gated(
            made,
            Fixed([unit.conv for unit in units(made)], kept)
            if gates == "fixed"
            else Drawn([outputs for _, outputs in shapes(made)], kept, 5),
        ).eval()
    )
    told = []
    gated.tell = told.append
    with torch.inference_mode():
        for image in IMAGES:
            gated.gates.see(image[None])
            masked = gated.logits(image[None], alone=False)
            assert torch.allclose(gated(image[None]), masked, atol=1e-4)

    assert all(0 < one["active_channels"] < 1 for one in told)
    if gates == "predicted":
        assert len({one["macs"] for one in told}) > 1  # gates differ between images


SMALL = {"vgg": lambda: VGG16(10), "mobilenet": lambda: MobileNetV1(10)}


@pytest.mark.parametrize("name", SMALL)
def test_networks_without_shortcuts_are_gated_alike(name):
    """A depthwise channel whose input is closed is nothing before normalisation, and something after it."""
    torch.manual_seed(0)
    made = SMALL[name]()
    images = torch.randn(2, 3, 32, 32)
    made(images)
    drawn = Drawn([outputs for _, outputs in shapes(made)], [outputs // 2 for _, outputs in shapes(made)], 5)
    gated, told = Gated(made.eval(), drawn).eval(), []
    gated.tell = told.append
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        alone = gated(images[:1])
    with torch.inference_mode():
        gated.gates.see(images[:1])
        masked = gated.logits(images[:1], alone=False)
        open_ = Gated(made, Open(made)).eval()
        open_.tell = told.append
        assert torch.allclose(open_(images[:1]), made(images[:1]), atol=1e-4)

    head = classifier(made)
    assert torch.allclose(alone, masked, atol=1e-4)
    assert counted.get_total_flops() == 2 * (told[0]["macs"] + head.weight.numel())
    assert told[2]["macs"] == PAPER_MACS[name]
    depthwise = sum(unit.conv.out_channels for unit in units(made) if unit.depthwise)
    assert (told[0]["paper_macs"] < told[0]["macs"]) == bool(depthwise)  # the paper counts those as free


# Of the released code, less what it counts beside convolutions: biases and the classifier, pooling and the classifier.
PAPER_MACS = {"vgg": 313_478_144 - 276_480 - 5_120, "mobilenet": 46_355_456 - 1_024 - 10_240}


def test_what_gates_would_cost_without_shortcuts_is_what_they_do(tmp_path):
    for make in SMALL.values():
        torch.manual_seed(0)
        made = make()
        images = torch.randn(1, 3, 32, 32)
        made(torch.randn(4, 3, 32, 32))
        wanted = estimate(made.eval(), images, partial(uniform_target, ratio=0.5))

        class Wanted(Open):
            def choose(self, unit, pooled, wanted=wanted):
                return wanted[unit].bool()

        gated, told = Gated(made, Wanted(made)).eval(), []
        gated.tell = told.append
        with torch.inference_mode():
            gated(images)
        assert expected(made, wanted, 32) == pytest.approx(told[0])


def test_a_unit_without_any_channel_left_is_dead_and_not_an_error():
    made = network()
    none = Fixed([unit.conv for unit in units(made)], [0] * len(units(made)))
    gated = Gated(made, none).eval()

    with torch.inference_mode():
        assert torch.allclose(gated(IMAGES[:1]), gated.logits(IMAGES[:1], alone=False), atol=1e-6)


def test_open_gates_cost_what_the_convolutions_cost_and_answer_as_the_network_does():
    made = network()
    gated, told = Gated(made, Open(made)).eval(), []
    gated.tell = told.append
    with torch.inference_mode():
        assert torch.allclose(gated(IMAGES[:1]), made(IMAGES[:1]), atol=1e-5)

    assert told == [{"active_channels": 1.0, "macs": CONV_MACS, "paper_macs": CONV_MACS}]


def test_the_cost_that_is_told_is_what_a_counter_sees_executed():
    gated, told = predicted(network(14)), []
    gated.tell = told.append
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        gated(IMAGES[:1])
    classifier = 640

    assert counted.get_total_flops() == 2 * (told[0]["macs"] + classifier)


def test_a_batch_is_computed_densely_and_says_so():
    gated, told = predicted(network()), []
    gated.tell = told.append
    with torch.inference_mode(), FlopCounterMode(display=False) as counted:
        gated(IMAGES)
        for image in IMAGES:
            gated(image[None])

    batch, *alone = told
    heads = sum(gated.gates.head_macs)
    assert batch["macs"] == CONV_MACS + heads
    for name in ("active_channels", "paper_macs"):
        mean = sum(one[name] for one in alone) / len(alone)
        assert batch[name] == pytest.approx(mean, rel=0.05 if name == "paper_macs" else 1e-6)
    assert counted.get_total_flops() == 2 * (6 * (batch["macs"] + 640) + sum(one["macs"] + 640 for one in alone))


def gradients(gated, loss):
    gated.zero_grad()
    loss.backward()

    def moved(module):
        return any(one.grad is not None and one.grad.abs().sum() > 0 for one in module.parameters())

    return moved(gated.network), moved(gated.gates)


@pytest.mark.parametrize("joint", [False, True])
def test_the_task_moves_the_backbone_alone_and_the_masks_the_predictors(joint):
    gated = predicted(network(), joint=joint).train()

    _, terms = objective(0.5)(gated, IMAGES, LABELS, 0.0)
    assert gradients(gated, terms["cross_entropy"]) == (True, False)
    _, terms = objective(0.5)(gated, IMAGES, LABELS, 0.0)
    assert gradients(gated, terms["mask"]) == (joint, True)
    _, terms = objective(0.5)(gated, IMAGES, LABELS, 0.5)
    assert terms.keys() == {"cross_entropy", "_mask"}  # cooled down: recorded, not minimised


def test_the_estimate_is_what_gating_by_the_targets_themselves_would_cost():
    made = network()
    target = partial(mass_target, mass=0.8)
    wanted = estimate(made, IMAGES, target)
    with torch.no_grad():
        stem = target(torch.relu(made.bn1(made.conv1(IMAGES))))

    assert wanted[0].tolist() == stem.tolist()
    assert expected(made, [one * 0 + 1 for one in wanted], 8)["macs"] == CONV_MACS
    assert expected(made, wanted, 8)["macs"] < CONV_MACS


def test_gates_keep_the_largest():
    assert keep_largest(torch.tensor([[3.0, 1.0, 2.0]]), 2).tolist() == [[True, False, True]]


def test_controls_keep_as_many_channels_as_the_targets_do_on_average(tmp_path):
    toy = ImageClassifier.toy()
    for method in (FTWT(mass=0.7), UniformGates(mass=0.7), RandomGates(mass=0.7)):
        folder = tmp_path / method.name
        folder.mkdir()
        method.prepare(Preparation(toy.subject, 0, folder, {}, training=toy.training))
    plans = [
        json.loads((tmp_path / name / "plan.json").read_text()) for name in ("ftwt", "uniform_gates", "random_gates")
    ]
    cost = [answered(method, toy).evidence["macs"] for method in (UniformGates(mass=0.7), RandomGates(mass=0.7))]

    assert plans[0] == plans[1] == plans[2]
    assert cost[0] == cost[1] == pytest.approx(plans[0]["estimated_macs"], rel=0.1)
    assert plans[0]["dense_macs"] == CONV_MACS


def test_training_starts_from_the_network_as_it_is_and_leaves_it_alone(tmp_path):
    toy = ImageClassifier.toy()
    before = deepcopy(toy.subject.network.state_dict())
    still = {**toy.training, "finetune": {"steps": 1, "lr": 0.0}}
    FTWT(predictor_lr=0.0).prepare(Preparation(toy.subject, 0, tmp_path, {}, training=still))

    assert all(torch.equal(before[name], one) for name, one in toy.subject.network.state_dict().items())


def test_other_networks_are_refused():
    with pytest.raises(IncompatibleError, match="gates CIFAR ResNets"):
        units(nn.Linear(2, 2))
