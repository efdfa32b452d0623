"""What the pages ask of core: shared answers at once, or a place in the queue.

``RESULTS`` holds what all sessions share, keyed by content (hashes of weights and image, the crop, the target, the
method and its options), so a second person with the same question waits for nothing. What costs about a pass is
computed here and now; what costs more is a job.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from threading import Lock

import torch
from PIL import Image
from torch import Tensor

from core.data.datasets import FASHION_MNIST, registered_image
from core.data.images import image_hash, open_image
from core.data.preprocessing import Crop
from core.data.samples import SampleImage, sample_images
from core.errors import Cancelled
from core.methods import Method, Scores
from core.models.weights import download_weights, find_weights
from core.models.zoo import available_networks, load_network
from core.network import Network, Run
from core.pathways.fidelity import fate, probability_ratio, standing
from core.pathways.overlap import share_within
from core.pathways.ranking import Off, Pathway, rank
from core.pathways.restriction import restrict
from core.progress import Progress, silent
from core.strategy import ACTIVE, ORIGINAL, Strategy
from explorer.compute import malloc
from explorer.compute.cache import Results
from explorer.compute.jobs import Jobs, Status, best_key
from explorer.compute.scene import Answer, Reference, Scene, Scored, Selection, left_by
from explorer.state.knockout import KnockOut
from explorer.state.view import View

__all__ = [
    "ERRANDS",
    "INLINE_PASSES",
    "JOBS",
    "RESULTS",
    "answer",
    "ask_download",
    "ask_scores",
    "ask_who_left",
    "best_so_far",
    "forget_error",
    "knocked",
    "leave",
    "network",
    "network_labels",
    "ready_scores",
    "reference",
    "sample",
    "sample_facts",
    "scene",
    "scene_again",
    "scores_key",
    "selection_again",
    "warm",
]

# A thread that computes gives up Python's lock in each of thousands of tensor operations. A page that draws meanwhile
# would keep it for 5 ms every time, and a pass beside it take many times as long: python -m tests.benchmark --busy
SWITCH = 0.0002  # seconds for which a thread may keep the lock while another waits
sys.setswitchinterval(SWITCH)

RESULTS = Results(int(os.environ.get("PATHWAY_CACHE_MB", "544")) * 2**20)


JOBS = Jobs(RESULTS)
ERRANDS = Jobs(RESULTS)  # work of some passes, which need not wait behind that of a thousand
for _line in (JOBS, ERRANDS):
    atexit.register(_line.close)  # torch aborts the process if a thread is in it when Python goes
_SCORING = Lock()  # of millions of neurons scores and ranks take 200 MB while they are made: one page at a time
INLINE_PASSES = 2.0  # a method this cheap is not worth a place in the queue


def ask_who_left(connected: Callable[[str], bool]) -> None:
    """Let both queues ask whether the browser of someone who waits is still there."""
    for line in (JOBS, ERRANDS):
        line.connected = connected


@cache
def network_labels() -> dict[str, str]:
    """Return the zoo's networks with ReLUs, and how each is labelled."""
    entries = [entry for entry in available_networks() if entry.supported]
    return {e.name: f"{e.name} · {'embedded' if e.embedded else f'{e.megabytes:.0f} MB'}" for e in entries}


def network(name: str) -> Network:
    """Return a network of the zoo; see ``core.models.zoo.load_network`` for its errors."""
    return RESULTS.get(("network", name), lambda: load_network(name))


@lru_cache(maxsize=64)
def sample(name: str) -> Image.Image:
    """Return an embedded photo, or an image of a registered data set. All share it: draw on a copy.

    Raises:
        ImageError: its file is missing or damaged.
        KeyError: there is no such photo.
    """
    numbered = registered_image(name)
    return sample_images()[name].open() if numbered is None else open_image(numbered[0].read(numbered[1]))


def sample_facts(name: str) -> SampleImage | None:
    """Return title, author and licence of an embedded photo or a registered image, None for any other picture."""
    numbered = registered_image(name)
    if numbered is None:
        return sample_images().get(name)
    data, index = numbered
    label = data.labels[index]
    title = f"{data.name} {index}" + (f", {data.class_names[label]}" if label is not None else "")
    author, licence = ("Zalando Research", "MIT") if data.name == FASHION_MNIST else ("its data set's authors", "")
    return SampleImage(name, title, author, licence, data.name, f"Image {title}.", data.names[index])


def scene(network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    """Return a photo in a network; ``target=None`` is the predicted class.

    Raises:
        PathwayError: the network has no such class.
    """
    if target is not None:
        network.check_target(target)
    key = ("scene", network.name, network.weights_hash, image_hash(photo), crop, target)
    return RESULTS.get(_named(key, network), lambda: _scene(key, network, photo, crop, target))


def _named(key: tuple[Hashable, ...], network: Network) -> tuple[Hashable, ...]:
    """A scene's key among results: the same weights may come with other names in another session."""
    return (*key, network.class_names)


def _scene(key: tuple[Hashable, ...], network: Network, photo: Image.Image, crop: Crop, target: int | None) -> Scene:
    start = time.perf_counter()
    image = network.preprocess(photo, crop)
    run = _recorded(network, image)
    target = int(run.logits.argmax()) if target is None else target
    original = restrict(network, image, target)
    preprocessing = network.preprocessing
    own = 0 if RESULTS.peek(("network", network.name)) is network else network.nbytes
    picture = preprocessing.crop(photo, crop) if preprocessing else photo
    return Scene(key, network, picture, image, target, original, run.activations, time.perf_counter() - start, own)


def _recorded(network: Network, image: Tensor) -> Run:
    """Run the original network; its activations lie in one piece, which leaves no gaps in memory when it goes."""
    with torch.no_grad():
        run = network.run(image, record=True)
    whole = torch.empty(sum(a.numel() for a in run.activations), dtype=image.dtype, device=image.device)
    parts, start = [], 0
    for activation in run.activations:
        strides = torch.empty_like(activation, device="meta").stride()  # dense, in the order the network works in
        parts.append(whole.as_strided(activation.shape, strides, start).copy_(activation))
        start += activation.numel()
    return replace(run, activations=tuple(parts))


def scene_again(scene: Scene) -> Callable[[], Scene]:
    """Return a function that finds or remakes a scene; meanwhile it keeps no activations from being dropped.

    Buttons of every open page hold such functions, so these must not hold the activations themselves.
    """
    rest = replace(scene, activations=())

    def make() -> Scene:
        return replace(rest, activations=_recorded(rest.network, rest.image).activations)

    return lambda: RESULTS.get(_named(rest.key, rest.network), make)


def selection_again(selection: Selection) -> Callable[[Scene], Selection]:
    """Return a function that finds or remakes a scene's selection; meanwhile it keeps no ranking from being dropped.

    The best that a cancelled method had found stays, for nobody can make it again.
    """
    if isinstance(selection, Reference) or not selection.complete:
        return lambda _: selection
    strategy, method = selection.strategy, selection.strategy.method
    if method is None:
        raise TypeError(f"{strategy.name} has no method, and yet a ranking.")
    return lambda scene: _scored(scene, strategy, method)


def scores_key(scene: Scene, strategy: Strategy) -> tuple[Hashable, ...]:
    """Return under what a selection is shared; a target that is predicted and the same one named are one."""
    return ("scores", *scene.key[1:-1], scene.target if strategy.uses_target else None, strategy)


def ask_scores(scene: Scene, strategy: Strategy, waiter: str) -> Status:
    """Return where a strategy's selection stands; see ``Jobs.ask``. A cheap one is done when this returns."""
    method = strategy.method
    if method is None:
        return Status("done", reference(scene, strategy))
    ready = ready_scores(scene, strategy)
    if ready is not None:
        return Status("done", ready)
    key = scores_key(scene, strategy)
    return JOBS.ask(key, lambda progress: _score(scene, strategy, method, progress), waiter)


def ready_scores(scene: Scene, strategy: Strategy) -> Scored | None:
    """Return a method's ranking if it is there or quick to make; a costly one is not asked for."""
    method, ready = strategy.method, RESULTS.peek(scores_key(scene, strategy))
    if ready is None and method is not None and method.passes(scene.network, **strategy.chosen) <= INLINE_PASSES:
        with _SCORING:
            ready = _scored(scene, strategy, method)
    return ready


def _scored(scene: Scene, strategy: Strategy, method: Method) -> Scored:
    return RESULTS.get(scores_key(scene, strategy), lambda: _score(scene, strategy, method))


def leave(key: Hashable, waiter: str) -> None:
    """Stop waiting for a job, in whichever line it is."""
    JOBS.leave(key, waiter)
    ERRANDS.leave(key, waiter)


def forget_error(key: Hashable) -> None:
    """Let a job that failed be tried again."""
    JOBS.forget_error(key)
    ERRANDS.forget_error(key)


def reference(scene: Scene, strategy: Strategy) -> Reference:
    """Return the neurons of the original network or of its active subnet."""
    if strategy.name == ACTIVE:
        masks = tuple(~dead for dead in scene.dead)
    else:
        true = torch.ones((), dtype=torch.bool, device=scene.network.device)
        masks = tuple(true.expand(dead.shape) for dead in scene.dead)  # takes no room
    return Reference(scores_key(scene, strategy), strategy, Pathway(masks))


def knocked(scene: Scene, knock: KnockOut) -> Reference:
    """Return the neurons that a knock-out leaves."""
    key = ("knocked", *scene.key[1:-1], knock)
    return Reference(key, Strategy(ORIGINAL), left_by(knock, scene.network))


def _score(scene: Scene, strategy: Strategy, method: Method, progress: Progress = silent) -> Scored:
    key, start = scores_key(scene, strategy), time.perf_counter()
    try:
        scores = method(scene.network, scene.image, scene.target, progress=progress, **strategy.chosen)
    except Cancelled as stop:
        if isinstance(stop.best, Scores):
            partial = (*key, "cancelled", time.monotonic_ns())  # no two are alike
            seconds = time.perf_counter() - start
            stop.best = Scored(partial, strategy, rank(stop.best), (), seconds, complete=False)
        raise
    malloc.give_back()  # what the method took and left; ranking millions of neurons takes as much again
    return Scored(key, strategy, rank(scores), scores.trajectory, time.perf_counter() - start, sums=scores.sums)


def best_so_far(scene: Scene, strategy: Strategy) -> Scored | None:
    """Return the best that a cancelled method had found, None where it had nothing."""
    return RESULTS.peek(best_key(scores_key(scene, strategy)))


def answer(scene: Scene, selection: Selection, sparsity: float, off: Off) -> Answer:
    """Return the scene restricted to a pathway; one forward and one backward pass, shared.

    Sparsities that keep the same neurons have one answer.
    """
    key = ("answer", scene.target, selection.key, selection.size(sparsity), off)
    return RESULTS.get(key, lambda: _answer(scene, selection.pathway(sparsity), off))


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
        fate(restricted.logits, scene.original.logits),
        standing(scene.original.logits, scene.target),
        standing(restricted.logits, scene.target),
        share_within(pathway, scene.dead),
        time.perf_counter() - start,
    )


@dataclass(frozen=True)
class _Downloaded:
    path: str


def ask_download(name: str, waiter: str) -> Status:
    """Return where the download of a network's published weights stands; only ever called because a person asked."""
    key = ("download", name)
    if find_weights(name) is not None:
        return Status("done")
    RESULTS.drop(key)  # of a download whose file is gone since
    return JOBS.ask(key, lambda progress: _Downloaded(str(download_weights(name, progress=progress))), waiter)


def warm() -> None:
    """Make what the default view shows first, so that the first visitor finds it ready."""
    view = View()
    start = scene(network(view.network), sample(view.image), view.crop, view.target)
    scored = ask_scores(start, view.strategy(view.first), waiter="warm")
    answer(start, scored.result, view.sparsity, view.off)
