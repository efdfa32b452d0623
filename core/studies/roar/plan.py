"""A plan of ROAR, as data: what is removed, and how many trainings there are."""

from __future__ import annotations

from dataclasses import dataclass

from core.attribution import BASELINES
from core.data.datasets import FASHION_MNIST
from core.errors import PathwayError
from core.methods import METHODS
from core.strategy import Strategy

__all__ = ["RANDOM", "Roar"]

RANDOM = "random pixels"


@dataclass(frozen=True)
class Roar:
    """A plan.

    Attributes:
        dataset: "fashion-mnist", "torchvision:NAME", or a folder with the sub-folders train and test.
        methods: strategies as ``Strategy.parse`` reads them, names of baselines, or ``RANDOM``.
        sparsity: of the strategies' pathways.
        fractions: of pixels removed, rising, in (0, 1].
        seeds: trainings of each kind; a single one has no spread.
        epochs: of a training.
        train: number of training images, a seeded choice.
        test: number of test images.
        seed: of the choice, the ties and the random pixels.
        root: folder of torchvision's data sets, or of Fashion-MNIST's training images.
    """

    dataset: str = FASHION_MNIST
    methods: tuple[str, ...] = ("NeuronMCT", "Gradient", RANDOM)
    sparsity: float = 0.9
    fractions: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    seeds: int = 3
    epochs: int = 6
    train: int = 20_000
    test: int = 5_000
    seed: int = 0
    root: str = ""

    def __post_init__(self) -> None:
        for method in self.methods:
            if method not in BASELINES and method != RANDOM and not Strategy.parse(method).method:
                raise PathwayError(f"{method} selects no neurons; wanted one of {', '.join(METHODS)}.")
        rising = all(a < b for a, b in zip((0.0, *self.fractions), self.fractions, strict=False))
        if not self.methods or not self.fractions or not rising or self.fractions[-1] > 1:
            raise PathwayError(
                f"Got fractions {self.fractions}, wanted rising shares of the pixels in (0, 1], and a method."
            )
        if min(self.seeds, self.epochs, self.train, self.test) < 1 or not 0 <= self.sparsity < 1:
            raise PathwayError("Wanted at least one seed, epoch, training and test image, and a sparsity in [0, 1).")

    @property
    def trainings(self) -> list[tuple[str, int, int]]:
        """Return (method, index of the fraction, seed) of every training; ("", -1, seed) for unchanged images."""
        kinds = [("", -1), *((method, place) for method in self.methods for place in range(len(self.fractions)))]
        return [(method, place, seed) for seed in range(self.seeds) for method, place in kinds]

    @property
    def strategies(self) -> list[str]:
        """Return the methods that are selection methods."""
        return [method for method in self.methods if method not in BASELINES and method != RANDOM]
