from harness.testing import contract
from harness_plugins.mil.abmil.plugin import ABMIL
from harness_plugins.mil.max_pool.plugin import MaxPool
from harness_plugins.mil.mean_pool.plugin import MeanPool
from harness_plugins.models.bag_mlp.plugin import BagMLP
from harness_plugins.subjects.bag_classifier.plugin import BagClassifier
from harness_plugins.tasks.mil.plugin import MIL

test_contract = contract(BagClassifier, MeanPool(), MaxPool(), ABMIL(gated=False), ABMIL(), BagMLP(), MIL())
