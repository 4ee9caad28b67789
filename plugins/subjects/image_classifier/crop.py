"""Photographs as networks want them."""

from __future__ import annotations

from typing import Any, NamedTuple


class Crop(NamedTuple):
    """The shorter side resized, the centre cut out, as torchvision's presets for classification do."""

    resize: int
    crop: int
    interpolation: str

    def __call__(self, image: Any) -> Any:
        from PIL import Image

        width, height = image.size
        short = min(width, height)
        size = (self.resize * width // short, self.resize * height // short)
        how = Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC
        image = image.resize(size, how) if short != self.resize else image
        left, top = round((image.width - self.crop) / 2), round((image.height - self.crop) / 2)
        return image.crop((left, top, left + self.crop, top + self.crop))
