"""A network traced once and shared by all threads: every run owns its values, and nothing is hooked.

A *site* is a ReLU or ReLU6 call that depends on the image and reaches the logits, unless it is a map of classes (see
``core.network.class_maps``). This package intervenes in a network in one way, by a pure function ``edit(site,
activation) -> activation``, applied before the site's value is passed on:

    network = trace(model, (3, 224, 224))
    run = network.run(image, record=True)                     # run.logits, run.activations, run.pre_activations
    network.run(image, edit=lambda site, a: a * masks[site.index])

``resume`` starts at a site with another activation, often a larger batch, and takes all values that do not depend on
the site from a cached run; only the others are computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.fx.node import map_aggregate

from core.errors import PathwayError
from core.network.class_maps import class_maps
from core.network.finite import all_finite, origin, why_not_finite
from core.network.probe import traced_program
from core.network.program import Program, Values, call_name
from core.network.tracing import TRACE_LOCK, ceiling, check_modules

if TYPE_CHECKING:
    from PIL import Image

    from core.data.preprocessing import Crop, Preprocessing
from core.network.plan import Plan, plan_of, tail_plan
from core.network.sites import Cache, Edit, LeftOut, Run, Site

__all__ = ["Network", "trace"]


class Network:
    """A traced classifier; immutable, safe to share between threads. Made by ``trace``.

    Attributes:
        name: shown on screen and in files.
        sites: its ReLU calls in order, except those left out.
        left_out: ReLU calls that are not sites, each with the reason.
        input_shape: of one image, (3, H, W) for photos.
        classes: number of logits.
        class_names: one per class.
        preprocessing: how a photo becomes its input; None if it takes other inputs.
        weights_hash: of the file its weights came from.
        device, dtype: of its weights, and so of the images it takes.
    """

    def __init__(
        self,
        program: Program,
        *,
        name: str,
        preprocessing: Preprocessing | None = None,
        class_names: Sequence[str] | None = None,
        weights_hash: str = "",
        left_out: Sequence[LeftOut] = (),
    ) -> None:
        self.program, self.left_out = program, tuple(left_out)
        self.name, self.preprocessing, self.weights_hash = name, preprocessing, weights_hash
        self.input_shape = program.facts[program.input].shape
        self.classes = program.facts[program.output].shape[0]
        self.class_names = tuple(class_names or (f"class {i}" for i in range(self.classes)))
        self.device, self.dtype = program.parameter().device, program.parameter().dtype
        self.sites = _sites(program, {each.node for each in left_out})
        self._site_of = {site.node: site for site in self.sites}
        self._tails = [tail_plan(program, site.node) for site in self.sites]
        self._plan = plan_of(program.nodes)
        resumable = {node for tail in self._tails for node in tail.given} | set(self._site_of)
        self._caching_plan = plan_of(program.nodes, keep=resumable)

    def __repr__(self) -> str:
        return f"Network({self.name!r}, {len(self.sites)} sites, {self.neurons:,} neurons, {self.classes} classes)"

    @cached_property
    def neurons(self) -> int:
        """Return the number of neurons at all sites together."""
        return sum(site.neurons for site in self.sites)

    @property
    def relus(self) -> tuple[Site | LeftOut, ...]:
        """Return all ReLU calls that depend on the image, sites first."""
        return (*self.sites, *self.left_out)

    @cached_property
    def nbytes(self) -> int:
        """Return the bytes of its weights."""
        return sum(t.nbytes for t in (*self.program.model.parameters(), *self.program.model.buffers()))

    def preprocess(self, picture: Image.Image, crop: Crop | None = None) -> Tensor:
        """Return a photo as this network's input, (1, 3, H, W), on its device.

        Raises:
            PathwayError: the network has no preprocessing.
        """
        if self.preprocessing is None:
            raise PathwayError(f"{self.name} has no preprocessing; trace it with preprocessing=Preprocessing(...).")
        image = self.preprocessing(picture) if crop is None else self.preprocessing(picture, crop)
        return image.to(self.device, self.dtype)

    def check_target(self, target: int) -> int:
        """Return the class index, or raise PathwayError when the network has no such class."""
        if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < self.classes:
            raise PathwayError(
                f"Got target {target!r}, wanted an integer from 0 to {self.classes - 1}, a class of {self.name}; "
                "int(network.run(image).logits.argmax()) is the predicted one."
            )
        return target

    def check_image(self, image: Tensor, *, one: bool = False) -> Tensor:
        """Return the images, or raise PathwayError when they are not what the network takes.

        Args:
            image: (N, *input_shape), finite, of the network's dtype and on its device; neither made nor passed under
                torch.inference_mode, where nothing has a gradient.
            one: whether N must be 1.
        """
        shape = f"({'1' if one else 'N'}, {', '.join(map(str, self.input_shape))})"
        wanted = f"wanted {self.dtype} of shape {shape} on {self.device}"
        fix = "network.preprocess(picture) makes one." if self.preprocessing else "Reshape or convert it."
        if not isinstance(image, Tensor):
            raise PathwayError(f"Got an image of type {type(image).__name__}, {wanted}. {fix}")
        shaped = tuple(image.shape[1:]) == self.input_shape and (len(image) == 1 if one else len(image) > 0)
        if not shaped or image.dtype != self.dtype or image.device != self.device:
            got = f"{image.dtype} of shape {tuple(image.shape)} on {image.device}"
            raise PathwayError(f"Got an image of {got}, {wanted}. {fix}")
        if torch.is_inference_mode_enabled() or image.is_inference():
            raise PathwayError(
                "Got an image under torch.inference_mode or made under it, where nothing can have a gradient; make it "
                "and call outside that mode, or under torch.no_grad(), which gradients that are needed get through. "
                "Outside, image.clone() makes a usable one of one made there."
            )
        if not bool(torch.stack(image.aminmax()).isfinite().all()):  # 7 times as fast as checking each value
            raise PathwayError(f"Got an image with values that are NaN or infinite, wanted finite ones. {fix}")
        return image

    def check_neuron(self, site: Site, position: int) -> Site:
        """Return this network's own site, or raise PathwayError when it has no such site or no such neuron there.

        Args:
            site: one of ``self.sites``, or an equal one.
            position: flat, of the neuron in the site's activation.
        """
        if site not in self.sites:
            raise PathwayError(f"Got site {site.name!r}, wanted a site of {self.name}; take it from network.sites.")
        if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position < site.neurons:
            raise PathwayError(
                f"Got position {position!r} at site {site.name}, wanted an integer from 0 to {site.neurons - 1}; "
                "site.position(channel, row, column) is one."
            )
        return self.sites[site.index]

    def with_model(self, model: nn.Module, *, name: str = "", weights_hash: str = "") -> Network:
        """Return the same calls over another model of the same structure, such as a copy with other weights.

        Args:
            model: with the modules of ``self.program.model``; its tensors may differ.
            name: of the new network; default this one's.
            weights_hash: of its weights.
        """
        program = Program(model, self.program.nodes)
        program.facts = self.program.facts
        return Network(
            program,
            name=name or self.name,
            preprocessing=self.preprocessing,
            class_names=self.class_names,
            weights_hash=weights_hash,
            left_out=self.left_out,
        )

    def run(self, image: Tensor, edit: Edit | None = None, *, record: bool = False) -> Run:
        """Return the logits of a batch of images and, with ``record``, every site's values.

        Args:
            image: (N, *input_shape).
            edit: a function from each site and its activation to the activation that is passed on.
            record: keep activations (after the edit) and pre-activations.

        Raises:
            PathwayError: the image is not what the network takes, or its logits are NaN or infinite.
        """
        return self._evaluate(self._plan, {self.program.input: self.check_image(image)}, edit, record=record)

    def cache(self, image: Tensor) -> Cache:
        """Return the values that ``resume`` needs, from a run without gradients on images, (N, *input_shape)."""
        values = {self.program.input: self.check_image(image)}
        with torch.no_grad():
            logits = self._evaluate(self._caching_plan, values, None).logits
        return Cache(logits, tuple(values[site.node] for site in self.sites), values)

    def resume(self, cache: Cache, site: Site, activation: Tensor, edit: Edit | None = None) -> Run:
        """Return the logits of a run that starts at a site.

        Args:
            cache: of N images; values that do not depend on the site are taken from it.
            site: where to start.
            activation: (B, *site.shape), for the site; B any multiple of N, the N images repeated in their order.
            edit: applied at later sites only.

        Raises:
            PathwayError: the activation does not fit the site, or the logits are NaN or infinite.
        """
        if tuple(activation.shape[1:]) != site.shape or len(activation) % len(cache.logits):
            raise PathwayError(
                f"Got an activation of shape {tuple(activation.shape)} for site {site.name}, "
                f"wanted (B, {', '.join(map(str, site.shape))}), B a multiple of {len(cache.logits)}."
            )
        tail, times = self._tails[site.index], len(activation) // len(cache.logits)
        values = {node: self._repeat(node, cache.values[node], times) for node in tail.given}
        values[site.node] = activation
        return self._evaluate(tail, values, edit)

    def by_site(self, flat: Tensor) -> tuple[Tensor, ...]:
        """Return a tensor over all neurons, (N,), as one per site, each of the shape (*site.shape)."""
        parts = torch.split(flat, [site.neurons for site in self.sites])
        return tuple(part.view(site.shape) for part, site in zip(parts, self.sites, strict=True))

    def tail_bytes(self, site: Site) -> int:
        """Return the bytes of all values that resuming from a site computes for one image, to choose a batch size."""
        return sum(self.program.nbytes(node, self.dtype) for node in (site.node, *self._tails[site.index].nodes))

    def _repeat(self, node: Node, value: Any, times: int) -> Any:
        if not self.program.facts[node].batched:
            return value
        return map_aggregate(value, lambda v: _repeated(v, times) if isinstance(v, Tensor) else v)

    def _evaluate(self, plan: Plan, values: Values, edit: Edit | None, *, record: bool = False) -> Run:
        activations, pre_activations, given = [], [], dict(values)
        for node, forget in zip(plan.nodes, plan.forget, strict=True):
            value = self.program.call(node, values)
            site = self._site_of.get(node)
            if site is not None:
                value = edit(site, value) if edit else value
                if record:
                    activations.append(value)
                    pre_activations.append(values[node.all_input_nodes[0]])
            values[node] = value
            for old in forget:
                del values[old]
        logits = values[self.program.output]
        if not all_finite(logits):
            raise PathwayError(self._why_not_finite(plan, given, edit))
        return Run(logits, tuple(activations), tuple(pre_activations))

    @torch.no_grad()
    def _why_not_finite(self, plan: Plan, values: Values, edit: Edit | None) -> str:
        """Return in words where logits that are not finite began to be so, having computed them once more."""
        edited = set[Node]()
        for node in plan.nodes:
            values[node] = self.program.call(node, values)
            site = self._site_of.get(node)
            if edit and site is not None and all_finite(values[node]):
                values[node] = edit(site, values[node])
                if not all_finite(values[node]):
                    edited.add(node)
        node = origin(self.program, values)
        where = why_not_finite(self.program, node, values[node])
        if node in edited or node not in plan.nodes:
            where = f"they begin with the activation that site {self._site_of[node].name} was given"
        return f"Got logits from {self.name} that are NaN or infinite for this image, wanted finite ones: {where}."


def trace(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    name: str = "network",
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] | None = None,
    weights_hash: str = "",
    device: torch.device | str | None = None,
) -> Network:
    """Return a model as a Network: a frozen private copy, traced once and checked against the model on noise.

    Args:
        model: in evaluation mode; takes (N, *input_shape), any N, returns (N, classes).
        input_shape: of one image, without the batch axis.
        name: of the network.
        preprocessing: how a photo becomes its input.
        class_names: one per class; default "class 0", "class 1", ...
        weights_hash: of the file the weights came from.
        device: where the copy lives; default where the model is.

    Raises:
        PathwayError: the model is in training mode, cannot be copied or traced, has no ReLU that sees the image, is no
            classifier that treats every image by itself, or answers with NaN (see ``core.network.probe``).
    """
    check_modules(model, name)
    if any(module.training for module in model.modules()):
        raise PathwayError(f"{name} is in training mode, wanted evaluation mode; call model.eval() before tracing it.")
    with TRACE_LOCK, torch.inference_mode(False), torch.no_grad():
        program = traced_program(model, tuple(input_shape), name, device)
    make = partial(
        Network, program, name=name, preprocessing=preprocessing, class_names=class_names, weights_hash=weights_hash
    )
    network = make()
    maps = [LeftOut(s.name, s.shape, s.ceiling, s.node, _class_map(s)) for s in class_maps(network)]
    network = make(left_out=maps) if maps else network
    if not network.sites:
        raise PathwayError(
            f"{name} has no ReLU or ReLU6 call that depends on the image, so it has no neurons to select. "
            "Choose a network with ReLUs, such as squeezenet1_1 or resnet18."
        )
    for node in {node for tail in network._tails for node in tail.given}:
        if program.facts[node].sees_image and not program.facts[node].batched:
            raise PathwayError(
                f"Got {name}, in which {call_name(node)!r} bypasses a ReLU and its first axis is not the batch, "
                "wanted the batch first. Move it there in the model's forward method."
            )
    if len(network.class_names) != network.classes:
        raise PathwayError(f"Got {len(network.class_names)} class names for the {network.classes} classes of {name}.")
    return network


def _sites(program: Program, left_out: set[Node]) -> tuple[Site, ...]:
    ceilings = {n: ceiling(program.model, n) for n in program.nodes if program.facts[n].sees_image}
    relus = {node: top for node, top in ceilings.items() if top is not None}
    names = [call_name(node) for node in relus]
    total, seen, sites = Counter(names), Counter[str](), list[Site]()
    for node, name in zip(relus, names, strict=True):
        seen[name] += 1
        unique = f"{name}#{seen[name]}" if total[name] > 1 else name
        if node not in left_out:
            sites.append(Site(len(sites), unique, program.facts[node].shape, relus[node], node))
    return tuple(sites)


def _class_map(site: Site) -> str:
    return (
        f"a map of classes, {' × '.join(map(str, site.shape))}: each logit depends on only one channel of it, so a "
        "pathway through it would delete every other class"
    )


def _repeated(batch: Tensor, times: int) -> Tensor:
    """Repeat a batch; a batch of one image is expanded without a copy."""
    return batch.expand(times, *batch.shape[1:]) if len(batch) == 1 else batch.repeat(times, *[1] * (batch.ndim - 1))
