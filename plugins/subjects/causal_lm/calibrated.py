"""What methods that calibrate on the essays have in common."""

from __future__ import annotations

from typing import Any

from harness.api import Method, Source


class OnEssays(Method):
    """Has `calibration_texts` windows of `calibration_tokens` tokens as its material `texts`."""

    def sources(self) -> list[Source]:
        from . import essays

        return [essays.source("calibration")]

    def materials(self, processor: Any, seed: int) -> dict[str, Any]:
        from . import essays

        return {"texts": essays.calibration(processor, self.calibration_texts, self.calibration_tokens, seed)}
