from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.api import Preparation
from harness.testing import contract, toy_of
from harness_plugins.pruning.wanda.algorithm import norms, scores
from harness_plugins.pruning.wanda.plugin import Wanda
from harness_plugins.subjects.causal_lm.calibration import Walk
from harness_plugins.subjects.causal_lm.masks import lowest_of_rows
from harness_plugins.subjects.causal_lm.toy import make

SMALL = Wanda(calibration_texts=3, calibration_tokens=24)

test_contract = contract(SMALL, replace(SMALL, pattern="2:4"))


def texts():
    return torch.randint(3, 97, (3, 24), generator=torch.Generator().manual_seed(2)).tolist()


def prepared(method, subject, folder):
    method.prepare(Preparation(subject, 0, folder, {"texts": texts()}))
    return folder


def test_the_score_is_magnitude_times_norm():
    weight, norm = torch.tensor([[1.0, -2.0], [3.0, 0.5]]), torch.tensor([4.0, 0.5])

    assert scores(weight, norm).tolist() == [[4.0, 1.0], [12.0, 0.25]]


def test_equal_norms_give_the_smallest_magnitudes_of_each_row():
    weight = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))

    same = lowest_of_rows(scores(weight, torch.full((16,), 3.0)), 0.5)
    assert torch.equal(same, lowest_of_rows(weight.abs(), 0.5))


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.77])
def test_each_row_loses_the_floor_of_its_share(sparsity, tmp_path):
    subject = toy_of("causal-lm").subject
    method = replace(SMALL, sparsity=sparsity)
    artifact = prepared(method, subject, tmp_path)
    with method.apply(subject, artifact):
        for module in subject.model.model.layers.modules():
            if isinstance(module, nn.Linear):
                gone = (module.weight == 0).sum(1)
                assert set(gone.tolist()) == {int(sparsity * module.in_features)}


def test_the_walk_ends_where_the_model_does():
    subject = toy_of("causal-lm").subject
    walk = Walk(subject, texts(), lambda: None)
    for block in range(4):
        walk.advance(block)
    with torch.no_grad():
        for ids, hidden in zip(texts(), walk._hidden, strict=True):
            theirs = subject.model.model(torch.tensor([ids]), use_cache=False).last_hidden_state
            torch.testing.assert_close(subject.model.model.norm(hidden), theirs)


def test_norms_are_of_what_the_pruned_blocks_before_make():
    """The same by hooks on whole passes of a model that is pruned block by block."""
    subject = make().subject  # one of its own, as it is written into
    found = norms(subject, texts(), SMALL.mask, lambda: None)
    layers = subject.model.model.layers
    for block in range(4):
        linears = {f"model.layers.{block}.{n}": m for n, m in layers[block].named_modules() if isinstance(m, nn.Linear)}
        seen = {name: [] for name in linears}
        hooks = [
            module.register_forward_pre_hook(lambda _, given, kept=seen[name]: kept.append(given[0][0]))
            for name, module in linears.items()
        ]
        with torch.no_grad():
            for ids in texts():
                subject.model(torch.tensor([ids]), use_cache=False)
        for hook in hooks:
            hook.remove()
        for name, module in linears.items():
            theirs = torch.cat(seen[name]).double().square().mean(0).sqrt().float()
            torch.testing.assert_close(found[name], theirs)
            module.weight.data *= SMALL.mask(module.weight.data, found[name])
    assert len(found) == 4 * 7


def test_preparing_gives_the_model_back(tmp_path):
    toy = toy_of("causal-lm")
    before = toy.state()
    prepared(SMALL, toy.subject, tmp_path)

    assert toy.state() == before
