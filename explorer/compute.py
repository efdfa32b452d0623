"""What the pages ask of core: shared answers at once, or a place in the queue.

``RESULTS`` holds what all sessions share, keyed by content (hashes of weights and image, the crop, the target, the
method and its options), so a second person with the same question waits for nothing. What costs about a pass is
computed here and now; what costs more is a job.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.errors import Cancelled
from core.gradient import Restricted, restrict, saliency_map
from core.images import Crop, SampleImage, image_hash, sample_images
from core.methods import METHODS, Scores, Step
from core.metrics import chance_overlap, overlap, probability_ratio, share_within
from core.network import Network
from core.pathway import Off, Pathway, Ranking, rank
from core.progress import Progress, silent
from core.receptive_field import receptive_field
from core.weights import download_weights, find_weights
from core.zoo import available_networks, load_network
from explorer.jobs import Jobs, Status, best_key
from explorer.results import Results
from explorer.view import View

__all__ = [
    "JOBS",
    "RESULTS",
    "Answer",
    "Comparison",
    "NeuronRow",
    "Scene",
    "Scored",
    "SitePlanes",
    "all_masks",
    "answer",
    "ask_download",
    "ask_scores",
    "best_so_far",
    "channel_activation",
    "compare",
    "network",
    "network_labels",
    "neuron_row",
    "saliency",
    "sample",
    "sample_facts",
    "scene",
    "scores_key",
    "sees",
    "site_planes",
    "top_neurons",
    "warm",
]

RESULTS = Results(int(os.environ.get("PATHWAY_CACHE_MB", "1024")) * 2**20)
JOBS = Jobs(RESULTS)
atexit.register(JOBS.close)  # torch aborts the process if a thread is in it when Python goes
INLINE_PASSES = 2.0  # a method this cheap is not worth a place in the queue


@dataclass(frozen=True)
class Scene:
    """One image in one network with one target: everything that no selection changes.

    Attributes:
        key: what it was made from, by content.
        picture: the square of the photo that the network sees.
        image: (1, 3, H, W), as the network takes it.
        original: logits and gradient of the original network.
        activations: one a site, (1, *site.shape).
        seconds: what making it took.
        network_bytes: of a network that is not the zoo's: a scene may outlive the session it came from.
    """

    key: tuple[Hashable, ...]
    network: Network
    picture: Image.Image
    image: Tensor
    target: int
    original: Restricted
    activations: tuple[Tensor, ...]
    seconds: float
    network_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds: a byte a neuron for ``dead``, and the network where no other entry holds it."""
        held = sum(a.nbytes for a in self.activations) + self.image.nbytes + self.original.gradient.nbytes
        return held + self.network.neurons + self.network_bytes

    @property
    def prediction(self) -> int:
        """Return the class the original network predicts."""
        return int(self.original.logits.argmax())

    @cached_property
    def dead(self) -> tuple[Tensor, ...]:
        """Return which neurons are dead for this image, one mask a site."""
        return tuple(activation[0] == 0 for activation in self.activations)

    @cached_property
    def dead_share(self) -> float:
        """Return the network's own dead share for this image."""
        return sum(int(mask.count_nonzero()) for mask in self.dead) / self.network.neurons


@dataclass(frozen=True)
class Scored:
    """A method's ranking of a scene's neurons.

    Attributes:
        key: what it was made from, by content.
        method, options: what made it.
        ranking: of all neurons.
        trajectory: what the method went through.
        seconds: what making it took.
        complete: False for the best that cancelled work had found.
    """

    key: tuple[Hashable, ...]
    method: str
    options: dict[str, int]
    ranking: Ranking
    trajectory: tuple[Step, ...]
    seconds: float
    complete: bool = True

    @property
    def ordinal(self) -> bool:
        """Return whether scores are places, which say no more than the ranks; such methods give them in float64."""
        return self.ranking.scores.dtype == torch.float64

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds."""
        return self.ranking.nbytes


@dataclass(frozen=True)
class Answer:
    """A scene restricted to one pathway.

    Attributes:
        restricted: logits and pathway gradient.
        sparsity: as achieved.
        sizes: neurons on the pathway, one number a site.
        ties, ties_kept: neurons sharing the score at which the ranking was cut, and those of them on the pathway.
        p_ratio: the target's probability over its original one.
        prediction_kept: whether the restricted network predicts what the original one does.
        dead_share: of the pathway.
        seconds: what it took.
    """

    restricted: Restricted
    sparsity: float
    sizes: tuple[int, ...]
    ties: int
    ties_kept: int
    p_ratio: float
    prediction_kept: bool
    dead_share: float
    seconds: float

    @property
    def nbytes(self) -> int:
        """Return the bytes it holds."""
        return self.restricted.logits.nbytes + self.restricted.gradient.nbytes


@dataclass(frozen=True)
class Comparison:
    """How alike two pathways are: their overlap, and what chance would give."""

    overlap: float
    chance: float
    nbytes: int = 1024


@cache
def network_labels() -> dict[str, str]:
    """Return the zoo's networks with ReLUs, and how each is labelled."""
    entries = [entry for entry in available_networks() if entry.supported]
    return {e.name: f"{e.name} · {'embedded' if e.embedded else f'{e.megabytes:.0f} MB'}" for e in entries}


def network(name: str) -> Network:
    """Return a network of the zoo; see ``core.zoo.load_network`` for its errors."""
    return RESULTS.get(("network", name), lambda: load_network(name))


@cache
def sample(name: str) -> Image.Image:
    """Return one of the embedded photos; nobody may draw on it, all share it."""
    return sample_images()[name].open()


def sample_facts(name: str) -> SampleImage | None:
    """Return title, author and licence of an embedded photo, None for any other picture."""
    return sample_images().get(name)


def scene(network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    """Return a photo in a network; ``target=None`` is the predicted class.

    Raises:
        PathwayError: the network has no such class.
    """
    if target is not None:
        network.check_target(target)
    key = ("scene", network.name, network.weights_hash, image_hash(photo), crop, target)
    named = (*key, network.class_names)  # the same weights may come with other names in another session
    return RESULTS.get(named, lambda: _scene(key, network, photo, crop, target))


def _scene(key: tuple[Hashable, ...], network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    start = time.perf_counter()
    image = network.preprocess(photo, crop)
    with torch.no_grad():
        run = network.run(image, record=True)
    target = int(run.logits.argmax()) if target is None else target
    original = restrict(network, image, target)
    preprocessing = network.preprocessing
    own = 0 if RESULTS.peek(("network", network.name)) is network else network.nbytes
    picture = preprocessing.crop(photo, crop) if preprocessing else photo
    return Scene(key, network, picture, image, target, original, run.activations, time.perf_counter() - start, own)


def scores_key(scene: Scene, method: str, options: dict[str, int]) -> tuple[Hashable, ...]:
    """Return under what a ranking is shared; a target that is predicted and the same one named are one."""
    target = scene.target if METHODS[method].uses_target else None
    return ("scores", *scene.key[1:-1], target, method, *sorted(options.items()))


def ask_scores(scene: Scene, method: str, options: dict[str, int], waiter: str) -> Status:
    """Return where a method's ranking of a scene stands; see ``Jobs.ask``. A cheap one is done when this returns."""
    key = scores_key(scene, method, options)
    if METHODS[method].passes(scene.network, **options) <= INLINE_PASSES:
        return Status("done", RESULTS.get(key, lambda: _score(scene, method, options)))
    return JOBS.ask(key, lambda progress: _score(scene, method, options, progress), waiter)


def _score(scene: Scene, method: str, options: dict[str, int], progress: Progress = silent) -> Scored:
    key, start = scores_key(scene, method, options), time.perf_counter()
    try:
        scores = METHODS[method](scene.network, scene.image, scene.target, progress=progress, **options)
    except Cancelled as stop:
        if isinstance(stop.best, Scores):
            partial = (*key, "cancelled", time.monotonic_ns())  # no two are alike
            seconds = time.perf_counter() - start
            stop.best = Scored(partial, method, options, rank(stop.best), (), seconds, complete=False)
        raise
    return Scored(key, method, options, rank(scores), scores.trajectory, time.perf_counter() - start)


def best_so_far(scene: Scene, method: str, options: dict[str, int]) -> Scored | None:
    """Return the best that a cancelled method had found, None where it had nothing."""
    return RESULTS.peek(best_key(scores_key(scene, method, options)))


def answer(scene: Scene, scored: Scored, sparsity: float, off: Off) -> Answer:
    """Return the scene restricted to a method's pathway at a sparsity; one forward and one backward pass, shared."""
    key = ("answer", scene.target, scored.key, sparsity, off)
    return RESULTS.get(key, lambda: _answer(scene, scored.ranking.pathway(sparsity), off))


def _answer(scene: Scene, pathway: Pathway, off: Off) -> Answer:
    start = time.perf_counter()
    restricted = restrict(scene.network, scene.image, scene.target, pathway, off=off)
    return Answer(
        restricted,
        pathway.sparsity,
        pathway.sizes,
        pathway.ties,
        pathway.ties_kept,
        probability_ratio(restricted.logits, scene.original.logits, scene.target),
        int(restricted.logits.argmax()) == scene.prediction,
        share_within(pathway, scene.dead),
        time.perf_counter() - start,
    )


def compare(first: Scored, second: Scored, sparsity: float) -> Comparison:
    """Return how alike the pathways of two methods are at a sparsity."""

    def make() -> Comparison:
        a, b = (scored.ranking.pathway(sparsity) for scored in (first, second))
        return Comparison(overlap(a, b), chance_overlap(1 - a.sparsity, 1 - b.sparsity))

    return RESULTS.get(("comparison", first.key, second.key, sparsity), make)


@dataclass(frozen=True)
class _Downloaded:
    path: str
    nbytes: int = 0


def ask_download(name: str, waiter: str) -> Status:
    """Return where the download of a network's published weights stands; only ever called because a person asked."""
    key = ("download", name)
    if find_weights(name) is not None:
        return Status("done")
    RESULTS.drop(key)  # of a download whose file is gone since
    return JOBS.ask(key, lambda progress: _Downloaded(str(download_weights(name, progress=progress))), waiter)


# --- numbers for pictures and tables --------------------------------------------------------------------------------


@dataclass(frozen=True)
class SitePlanes:
    """One site of a pathway, (C, H, W) each; a vector's channels are planes of one pixel."""

    mask: NDArray[np.bool_]
    dead: NDArray[np.bool_]


@dataclass(frozen=True)
class NeuronRow:
    """One neuron: where it is, what it does here, and its place under each method, None where its score is 0."""

    site: int
    position: int
    activation: float
    score: float
    ranks: tuple[int | None, ...]


def saliency(restricted: Restricted) -> NDArray[np.float32]:
    """Return the signed saliency map of a gradient, (H, W)."""
    return saliency_map(restricted.gradient).float().cpu().numpy()


def site_planes(scene: Scene, scored: Scored, sparsity: float, site: int) -> SitePlanes:
    """Return the mask and the dead neurons at one site."""
    size = scored.ranking.size(sparsity)
    planes = scene.network.sites[site].planes
    mask = (scored.ranking.ranks[site] < size).view(planes)
    return SitePlanes(mask.cpu().numpy(), scene.dead[site].view(planes).cpu().numpy())


def all_masks(scene: Scene, scored: Scored, sparsity: float) -> dict[str, NDArray[np.bool_]]:
    """Return a pathway's masks by the names of their sites, each shaped like the site's activation."""
    masks = scored.ranking.pathway(sparsity).masks
    return {site.name: mask.cpu().numpy() for site, mask in zip(scene.network.sites, masks, strict=True)}


def channel_activation(scene: Scene, neuron: tuple[int, int]) -> NDArray[np.float32]:
    """Return the activation of a neuron's channel over positions, (H, W)."""
    site = scene.network.sites[neuron[0]]
    activation = scene.activations[site.index][0].view(site.planes)
    return activation[site.place(neuron[1])[0]].float().cpu().numpy()


def sees(scene: Scene, neuron: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of pixels that a neuron can see: left, top, right, bottom."""
    return receptive_field(scene.network, scene.network.sites[neuron[0]], neuron[1])


def top_neurons(scene: Scene, by: Scored, others: Sequence[Scored], site: int | None, count: int) -> list[NeuronRow]:
    """Return the neurons that a method keeps longest, over all sites or at one.

    Args:
        scene: whose neurons.
        by: the method whose order it is.
        others: further methods whose ranks are wanted.
        site: index of the only site wanted.
        count: how many at most.
    """
    return [neuron_row(scene, by, others, neuron) for neuron in by.ranking.top(count, site)]


def neuron_row(scene: Scene, by: Scored, others: Sequence[Scored], neuron: tuple[int, int]) -> NeuronRow:
    """Return one neuron's row; see ``top_neurons``."""
    site, position = neuron
    activation = float(scene.activations[site].flatten()[position])
    ranks = tuple(_place(scored.ranking, neuron) for scored in (by, *others))
    return NeuronRow(site, position, activation, by.ranking.score(site, position), ranks)


def _place(ranking: Ranking, neuron: tuple[int, int]) -> int | None:
    place = int(ranking.ranks[neuron[0]].flatten()[neuron[1]])
    return place if place < len(ranking.scores) else None


def warm() -> None:
    """Make what the default view shows first, so that the first visitor finds it ready."""
    view = View()
    start = scene(network(view.network), sample(view.image), view.crop, view.target)
    scored = ask_scores(start, view.first, view.chosen_options(view.first), waiter="warm")
    answer(start, scored.result, view.sparsity, view.off)
