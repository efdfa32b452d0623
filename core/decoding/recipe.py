"""How to paint: the recipes, and the range of each setting."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import PathwayError

__all__ = ["PAPER", "PLAIN", "Recipe"]

_WHOLE = (
    ("steps", 1, 100_000),
    ("jitter", 0, 1000),
    ("blur_every", 1, 100_000),
    ("side", 0, 2048),
    ("seed", 0, 2**63 - 1),
)
_REAL = (("rate", 100), ("noise", 100), ("blur", 100), ("total_variation", 100))


@dataclass(frozen=True)
class Recipe:
    """How to paint.

    Attributes:
        steps: of Adam, 1 or more.
        rate: Adam's learning rate: how far a step may move each value of the parameter.
        noise: standard deviation of the Gaussian start; 0 starts at mid grey.
        fourier: paint frequencies, not pixels.
        decorrelate: paint in colours that are decorrelated as in photos; no effect on inputs without colours.
        jitter: the most pixels by which each step rolls the painting, drawn anew for both axes.
        blur: standard deviation of the Gaussian that blurs the painting at times, in its pixels; 0 for none.
        blur_every: steps from one blur to the next.
        total_variation: how strongly neighbours are pulled together, relative to the objective's own pull; 0 for not
            at all, 1 for equally strongly.
        side: longer side of the painting, pixels, before it is enlarged to the network's size; 0 for that size.
        seed: of start and jitter.
    """

    steps: int = 256
    rate: float = 0.05
    noise: float = 0.01
    fourier: bool = True
    decorrelate: bool = True
    jitter: int = 2
    blur: float = 0.5
    blur_every: int = 4
    total_variation: float = 0.1
    side: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in _WHOLE:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise PathwayError(f"Got {name} {value!r}, wanted a whole number from {least} to {most}.")
        for name, most in _REAL:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise PathwayError(f"Got {name} {value!r}, wanted a number from 0 to {most}.")
        if self.rate == 0:
            raise PathwayError("Got rate 0, which changes nothing; wanted a number above 0, such as 0.05.")

    @property
    def for_planes(self) -> bool:
        """Return whether a setting needs (C, H, W) inputs."""
        return self.fourier or bool(self.jitter or self.blur or self.total_variation or self.side)


PLAIN = Recipe(fourier=False, decorrelate=False, jitter=0, blur=0, total_variation=0)
"""Without regularisers: pixels at the network's own size."""

PAPER = replace(PLAIN, steps=512, side=128)
"""The recipe with which the paper's released code paints logits. [Khakzar21]"""
