"""Checks for authors of plugins."""

from harness.testing.contract import Toy, contract, toy_of

__all__ = ["Toy", "contract", "toy_of"]
