"""Checks for authors of plugins."""

from harness.testing.checks import Answer, Toy, answered
from harness.testing.contract import contract, toy_of

__all__ = ["Answer", "Toy", "answered", "contract", "toy_of"]
