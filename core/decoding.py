"""Path decoding: an image painted from nothing that maximises a restricted network's logit, or one of its neurons.

    decoded = decode(network, target, pathway)                                   # decoded.image, (1, 3, H, W)
    decoded = decode_neuron(network, site, position, whole=True, recipe=PLAIN)   # the mean of the neuron's channel

Adam climbs a parameter θ that is mapped to an image x of valid colours, from a start that is the same for equal seeds
whatever the pathway:

    x = (sigmoid(c) - mean) / std,    c = θ, or 𝓕⁻¹(θ / max(f, f₁)) / 4,    θ climbs objective(roll(x)) - weight · TV(c)

Without regularisers θ are the pixels; the Fourier parametrisation takes equal steps in an image's frequencies f (in
cycles a pixel; f₁ is one cycle an image) weighed as those of photos are, and with it come colours that are decorrelated
as those of photos are. Where a network has no preprocessing, x = 3 tanh(c / 3), its values lie within [-3, 3].

The weight of the total variation TV is a share of the objective's own slope: the logits of restricted networks differ
by factors of thousands, so no fixed weight would do for the original network and for its pathways. It is that of c: in
colours x an image gets even by turning all dark or all light.

A pathway keeps neurons at places, so jitter (``roll``) moves the image under its masks: it blurs where things are by as
many pixels. A pixel that no kept neuron looks at has no gradient, and so keeps its colour where pixels are painted;
under the Fourier parametrisation every frequency spreads over the whole image. Where the restricted network is dead at
the start nothing is climbed: the objective stays as it was, the image is the start, or what blurring left of it.

Adam moves every value at much the same pace, but not those whose slopes are small beside its ε = 1e-8, which is torch's
and the released code's. Of a pathway's plain pixels with a slope this holds back many: three quarters of them lie below
1e-7 on SqueezeNet's NeuronMCT pathway of a cat at 98 %, which is part of why so much of such images stays empty.

The released code of [Khakzar21] paints logits without regularisers (``PAPER``), 128 x 128 pixels enlarged to the
network's 224, and top neurons as means of their channels in the original network, with Lucent's regularisers, of which
random scaling and rotation are not offered here. It takes the channel behind the max-pool; here it is the mean of
pre-activations, which have a gradient where the neuron is still silent.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Olah17] Olah, Mordvintsev, Schubert, Feature Visualization, Distill 2017; constants from their library Lucid and
        its translation to PyTorch, Lucent.
    [Mordvintsev15] Mordvintsev, Olah, Tyka, Inceptionism: Going Deeper into Neural Networks, 2015 (jitter).
    [Yosinski15] Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015 (blur).
    [Mahendran15] Mahendran, Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015 (TV).
    [Kingma15] Kingma, Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from core.errors import Cancelled, PathwayError
from core.network import Edit, Network, Site
from core.pathways.ranking import Off, Pathway, check_off, check_pathway, restriction
from core.pathways.restriction import restricting
from core.progress import Progress, silent

__all__ = ["PAPER", "PLAIN", "Decoded", "Recipe", "Shown", "decode", "decode_neuron"]

BETA, BETA_SQUARED, EPSILON = 0.9, 0.999, 1e-8  # Adam's
REACH = 3.0  # of inputs that are not photos
SPREAD = 4.0  # Lucid's divisor of images made from frequencies; keeps their colours from saturating
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Root of the correlation of red, green and blue in ImageNet photos, a column for each decorrelated colour. [Olah17]"""

_WHOLE = (
    ("steps", 1, 100_000),
    ("jitter", 0, 1000),
    ("blur_every", 1, 100_000),
    ("side", 0, 2048),
    ("seed", 0, 2**63 - 1),
)
_REAL = (("rate", 100), ("noise", 100), ("blur", 100), ("total_variation", 100))

Shown = Callable[[int, Tensor], None]
"""Given the steps done and the image there, (1, *network.input_shape), a copy of its own."""


@dataclass(frozen=True)
class Recipe:
    """How to paint.

    Attributes:
        steps: of Adam, 1 or more.
        rate: Adam's, how far a step may move each value of the parameter.
        noise: standard deviation of the Gaussian start; 0 starts at mid grey.
        fourier: paint frequencies, not pixels.
        decorrelate: paint in colours that are decorrelated as those of photos; where colours are not, no difference.
        jitter: pixels of the painting by which every step rolls it at most, drawn anew for both axes.
        blur: standard deviation of the Gaussian that blurs it now and then, pixels of the painting; 0 for none.
        blur_every: steps from one blur to the next.
        total_variation: how strongly neighbours are pulled together, as a share of the objective's own pull; 0 for
            not, 1 for as strongly.
        side: longer side of the painting, pixels, before it is enlarged to what the network takes; 0 for its own size.
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
            raise PathwayError("Got rate 0, with which nothing moves; wanted a number above 0, such as 0.05.")

    @property
    def for_planes(self) -> bool:
        """Return whether it asks for anything that only (C, H, W) inputs have."""
        return self.fourier or bool(self.jitter or self.blur or self.total_variation or self.side)


PLAIN = Recipe(fourier=False, decorrelate=False, jitter=0, blur=0, total_variation=0)
"""No regulariser at all: pixels of the network's own size."""

PAPER = replace(PLAIN, steps=512, side=128)
"""What the paper's released code paints logits with. [Khakzar21]"""


@dataclass(frozen=True)
class Decoded:
    """A painting.

    Attributes:
        image: (1, *network.input_shape), as the network takes it, colours in range.
        value: the objective of this very image.
        objective: before each step, of the image as jittered there; without regularisers.
        complete: whether all steps were done.
    """

    image: Tensor
    value: float
    objective: tuple[float, ...]
    complete: bool

    @property
    def steps(self) -> int:
        """Return how many steps were done."""
        return len(self.objective)


def decode(
    network: Network,
    target: int,
    pathway: Pathway | None = None,
    *,
    recipe: Recipe = Recipe(),
    off: Off = "zero",
    reference: Tensor | None = None,
    progress: Progress = silent,
    shown: Shown | None = None,
    every: int = 16,
) -> Decoded:
    """Return an image that maximises the target's logit in the network restricted to a pathway. [Khakzar21]

    Cost is a forward and a backward pass a step.

    Args:
        network: takes (C, H, W) images, or vectors with a recipe such as ``PLAIN``.
        target: class index.
        pathway: None for the original network.
        recipe: how to paint.
        off: how neurons off the pathway are held.
        reference: the image whose activations are held under "frozen", (1, *network.input_shape).
        progress: told the objective after each step.
        shown: given the start, and the image after every so many steps.
        every: so many.

    Raises:
        PathwayError: the target, the pathway, ``off``, the reference or the recipe does not fit the network.
        Cancelled: as ``progress`` or ``shown`` raised it, with what was painted so far, a Decoded, in ``best``.
    """
    network.check_target(target)
    edit = _edit(network, pathway, off, reference)
    climb = _Climb(network, recipe, lambda image: network.run(image, edit).logits[0, target])
    return _climbed(climb, "logit", progress, shown, every)


def decode_neuron(
    network: Network,
    site: Site,
    position: int,
    pathway: Pathway | None = None,
    *,
    whole: bool = False,
    recipe: Recipe = Recipe(),
    off: Off = "zero",
    reference: Tensor | None = None,
    progress: Progress = silent,
    shown: Shown | None = None,
    every: int = 16,
) -> Decoded:
    """Return an image that maximises a neuron's pre-activation, or its channel's mean one, in a restricted network.

    The pre-activation, since the activation of a silent neuron has no gradient to climb and that of a ReLU6 ends at 6.
    Only what comes before the site matters, so a neuron need not be on the pathway itself. [Olah17]

    Args:
        network: as for ``decode``.
        site: one of ``network.sites``.
        position: of the neuron, flat index into the site's activation.
        pathway: as for ``decode``.
        whole: maximise the mean over all places of the neuron's channel.
        recipe, off, reference, progress, shown, every: as for ``decode``.

    Raises:
        PathwayError: the network has no such site or neuron, or as for ``decode``.
        Cancelled: as for ``decode``.
    """
    network.check_neuron(site, position)
    edit = _edit(network, pathway, off, reference)
    channel = site.place(position)[0]

    def objective(image: Tensor) -> Tensor:
        before = network.run(image, edit, record=True).pre_activations[site.index][0]
        return before[channel].mean() if whole else before.flatten()[position]

    return _climbed(_Climb(network, recipe, objective), "mean" if whole else "neuron", progress, shown, every)


def _edit(network: Network, pathway: Pathway | None, off: Off, reference: Tensor | None) -> Edit | None:
    check_off(off)
    if pathway is None:
        return None
    check_pathway(network, pathway)
    if reference is not None:
        return restricting(network, reference, pathway, off, reference)
    if off == "frozen":
        raise PathwayError(
            'Got off="frozen" without an image whose activations to hold; give reference=image, or choose off="zero".'
        )
    return restriction(pathway, off)


class _Canvas:
    """How a parameter becomes an image; all it holds depends on network and recipe alone."""

    def __init__(self, network: Network, recipe: Recipe) -> None:
        if len(network.input_shape) != 3 and recipe.for_planes:
            raise PathwayError(
                f"Got a recipe for images and {network.name}, which takes inputs of shape {network.input_shape}; "
                "these have no pixels to blur, roll or enlarge: paint them with recipe=PLAIN."
            )
        self._recipe, self._like = recipe, torch.empty(0, dtype=network.dtype, device=network.device)
        self._taken, self.shape = network.input_shape, _painted(network.input_shape, recipe.side)
        self._frequencies = self._to(_frequencies(self.shape[1:]))
        lowest = 1 / max(self.shape[1:], default=1)
        self._weights = 1 / (self._frequencies.clamp(min=lowest) * SPREAD)
        self._is_photo, self._turn = network.preprocessing is not None, None
        if network.preprocessing is not None:
            mean, std = network.preprocessing.mean, network.preprocessing.std
            self._mean, self._std = (self._to(torch.tensor(v))[:, None, None] for v in (mean, std))
            colours = self._to(torch.tensor(COLOURS))
            self._turn = colours / colours.norm(dim=0).max() if recipe.decorrelate else None

    def start(self, generator: torch.Generator) -> Tensor:
        """Return the parameter before the first step."""
        shape = self.shape
        if self._recipe.fourier:
            shape = (shape[0], *self._frequencies.shape, 2)
        return self._to(torch.randn(1, *shape, generator=generator) * self._recipe.noise)

    def painting(self, parameter: Tensor) -> Tensor:
        """Return what is squashed into colours, (1, *shape), without bounds; 0 is mid grey."""
        free = parameter
        if self._recipe.fourier:
            spectrum = torch.view_as_complex(parameter * self._weights[..., None])
            free = torch.fft.irfft2(spectrum, s=self.shape[1:], norm="ortho")
        return free if self._turn is None else torch.einsum("rc,nchw->nrhw", self._turn, free)

    def image(self, painting: Tensor) -> Tensor:
        """Return a painting as the network takes it, (1, *network.input_shape)."""
        colours = torch.sigmoid(painting) if self._is_photo else REACH * torch.tanh(painting / REACH)
        if colours.shape[1:] != self._taken:
            colours = F.interpolate(colours, self._taken[1:], mode="bilinear", align_corners=True)
        return (colours - self._mean) / self._std if self._is_photo else colours

    def blurred(self, parameter: Tensor) -> Tensor:
        """Return the parameter of the painting convolved with a Gaussian that wraps around at its borders."""
        kept = torch.exp(-2 * (pi * self._recipe.blur * self._frequencies) ** 2)
        if self._recipe.fourier:
            return parameter * kept[..., None]
        pixels: Tensor = torch.fft.irfft2(torch.fft.rfft2(parameter) * kept, s=self.shape[1:])
        return pixels

    def _to(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._like)


class _Climb:
    """A parameter on its way up, with Adam's moments; [Kingma15], written out so that no optimiser is shared."""

    def __init__(self, network: Network, recipe: Recipe, objective: Callable[[Tensor], Tensor]) -> None:
        self.recipe, self._objective, self._canvas = recipe, objective, _Canvas(network, recipe)
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._parameter = self._canvas.start(self._generator)
        self._slope, self._square = torch.zeros_like(self._parameter), torch.zeros_like(self._parameter)
        self._values: list[float] = []

    def step(self) -> float:
        """Move the parameter once; return the objective it had before."""
        with torch.enable_grad():
            parameter = self._parameter.detach().requires_grad_()
            painting = self._canvas.painting(parameter)
            value = self._objective(self._canvas.image(self._rolled(painting)))
            (slope,) = torch.autograd.grad(value, painting)
            if self.recipe.total_variation:
                slope = slope - self.recipe.total_variation * slope.norm() * _roughening(painting)
            (slope,) = torch.autograd.grad(painting, parameter, slope)
        self._values.append(float(value.detach()))
        with torch.no_grad():
            self._ascend(slope)
            if self.recipe.blur and len(self._values) % self.recipe.blur_every == 0:
                self._parameter = self._canvas.blurred(self._parameter)
        return self._values[-1]

    def image(self) -> Tensor:
        """Return the image as it stands, not rolled."""
        with torch.no_grad():
            return self._canvas.image(self._canvas.painting(self._parameter))

    def decoded(self) -> Decoded:
        """Return what there is."""
        image = self.image()
        with torch.no_grad():
            value = float(self._objective(image))
        return Decoded(image, value, tuple(self._values), len(self._values) == self.recipe.steps)

    def _rolled(self, painting: Tensor) -> Tensor:
        jitter = self.recipe.jitter
        if not jitter:
            return painting
        down, right = torch.randint(-jitter, jitter + 1, (2,), generator=self._generator).tolist()
        return torch.roll(painting, (down, right), dims=(-2, -1))

    def _ascend(self, slope: Tensor) -> None:
        count = len(self._values)
        self._slope.lerp_(slope, 1 - BETA)
        self._square.mul_(BETA_SQUARED).addcmul_(slope, slope, value=1 - BETA_SQUARED)
        size = self._square.sqrt().div_(sqrt(1 - BETA_SQUARED**count)).add_(EPSILON)
        self._parameter = self._parameter.addcdiv(self._slope, size, value=self.recipe.rate / (1 - BETA**count))


def _climbed(climb: _Climb, what: str, progress: Progress, shown: Shown | None, every: int) -> Decoded:
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise PathwayError(f"Got every={every!r}, wanted a whole number of steps, 1 or more.")
    steps = climb.recipe.steps
    try:
        if shown is not None:
            shown(0, climb.image())
        for step in range(1, steps + 1):
            value = climb.step()
            if shown is not None and (step % every == 0 or step == steps):
                shown(step, climb.image())
            progress(step, steps, f"steps, {what} {value:.4g}")
    except Cancelled as stop:
        stop.best = climb.decoded()
        raise
    return climb.decoded()


def _painted(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """Return the shape of the painting: the network's, its longer side made as long as asked."""
    if not side:
        return shape
    return shape[0], *(max(1, round(length * side / max(shape[1:]))) for length in shape[1:])


def _frequencies(planes: tuple[int, ...]) -> Tensor:
    """Return the f of a real spectrum, (H, W // 2 + 1), cycles a pixel; none for inputs that are not planes."""
    if len(planes) != 2:
        return torch.empty(0)
    down, across = torch.fft.fftfreq(planes[0]), torch.fft.rfftfreq(planes[1])
    return torch.hypot(down[:, None], across)


def _roughening(painting: Tensor) -> Tensor:
    """Return the direction, of length 1, in which total variation grows fastest; 0 where all is even. [Mahendran15]"""
    leaf = painting.detach().requires_grad_()
    variation = leaf.diff(dim=-2).abs().sum() + leaf.diff(dim=-1).abs().sum()
    slope = torch.autograd.grad(variation, leaf)[0]
    unit: Tensor = slope / slope.norm().clamp(min=EPSILON)
    return unit
