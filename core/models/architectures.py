"""The classifiers as models without weights, and how weights get into them.

Three architectures come with weights; the others are torchvision's classifiers, by torchvision's names. A model is
built without memory for its weights, which are then assigned, not copied: initialising VGG-16 only to overwrite it
takes longer than loading it.
"""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from core.data.datasets import FASHION_CLASSES
from core.data.preprocessing import Preprocessing
from core.errors import PathwayError
from core.models.efficientnet_lite import EfficientNetLite0
from core.models.small_vgg import SmallVGG

__all__ = [
    "AUXILIARY",
    "EMBEDDED",
    "TRANSFORMING",
    "WRAPPERS",
    "architectures",
    "build",
    "canonical",
    "check_name",
    "class_names_of",
    "fill",
    "head",
    "is_required",
    "outline",
    "preprocessing_of",
]

EMBEDDED = ("squeezenet1_1", "efficientnet_lite0", "fashion_vgg")

_OURS: dict[str, tuple[type[nn.Module], Preprocessing]] = {  # not in torchvision
    "efficientnet_lite0": (EfficientNetLite0, Preprocessing(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)),
    "fashion_vgg": (SmallVGG, Preprocessing(28, 28, mean=(0.2860,) * 3, std=(0.3530,) * 3)),
}
AUXILIARY = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}
WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # torch's, around layers
_WRAPPED = re.compile(rf"(?:^|(?<=\.))(?:{'|'.join(map(re.escape, WRAPPERS))})+")
TRANSFORMING = ("googlenet", "inception_v3")  # that re-scale their input, if they are told to
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\..+)")  # norm.1 is norm1 now


@cache
def architectures() -> tuple[str, ...]:
    """Return the names of all architectures, those that come with weights first."""
    listed = torchvision.models.list_models(module=torchvision.models)
    return (*EMBEDDED, *(name for name in listed if name not in EMBEDDED))


def check_name(name: str) -> str:
    """Return the name, or raise PathwayError with the nearest names when there is no such architecture."""
    if name in architectures():
        return name
    near = difflib.get_close_matches(str(name).lower().replace("-", "_"), architectures(), n=3, cutoff=0.5)
    near = near or [*EMBEDDED, "resnet18"]
    raise PathwayError(f"There is no network called {name!r}. Did you mean {' or '.join(near)}?")


def build(name: str, num_classes: int | None = None, *, transform_input: bool = True) -> nn.Module:
    """Return a model without values, in evaluation mode; ``fill`` gives it some.

    Args:
        name: of the architecture.
        num_classes: default those of its published weights.
        transform_input: of GoogLeNet and Inception v3, whether they re-scale their input, as they do for theirs.
    """
    num_classes = num_classes or len(class_names_of(name))
    if check_name(name) in _OURS:
        with torch.device("meta"):
            return _OURS[name][0](num_classes).eval()
    builder, options = torchvision.models.get_model_builder(name), _options(name, transform_input)
    try:
        with torch.device("meta"):
            model: nn.Module = builder(weights=None, num_classes=num_classes, **options)
    except (NotImplementedError, RuntimeError):  # RegNet computes its widths with tensors that need values
        with _EmptyOnMeta():
            model = builder(weights=None, num_classes=num_classes, **options)
    return model.eval()


class _EmptyOnMeta(TorchFunctionMode):
    """A mode in which ``torch.empty``, which makes weights, takes no memory; other tensors have their values."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        place = {"device": "meta"} if func is torch.empty else {}
        return func(*args, **{**(kwargs or {}), **place})


def _options(name: str, transform_input: bool) -> dict[str, Any]:
    """Return the arguments that torchvision itself sets when it builds a model for its published weights."""
    if name in TRANSFORMING:
        return {"aux_logits": False, "transform_input": transform_input, "init_weights": False}
    return {"image_size": preprocessing_of(name).size} if name.startswith("vit_") else {}


def preprocessing_of(name: str) -> Preprocessing:
    """Return the preprocessing of the publishers of an architecture's weights."""
    if check_name(name) in _OURS:
        return _OURS[name][1]
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return Preprocessing(
        size=preset.crop_size[0],
        resize=preset.resize_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def class_names_of(name: str) -> tuple[str, ...]:
    """Return the class names of an architecture's own weights, in the order of the logits."""
    return FASHION_CLASSES if name == "fashion_vgg" else _imagenet_classes()


@cache
def _imagenet_classes() -> tuple[str, ...]:
    return tuple(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.meta["categories"])


@cache
def outline(name: str) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of an architecture's weights by name, for its own classes, in the order of its layers."""
    return MappingProxyType({key: tuple(value.shape) for key, value in build(name).state_dict().items()})


def head(name: str) -> str:
    """Return the name of the weight whose first axis is the classes: the last one of two axes or more."""
    return [key for key, shape in outline(name).items() if key.endswith(".weight") and len(shape) > 1][-1]


def canonical(key: str) -> str:
    """Return a weight's name without torch's wrappers around layers, and as DenseNet calls it today."""
    return _OLD_DENSENET.sub(r"\1\2", _WRAPPED.sub("", key))


def is_required(key: str) -> bool:
    """Whether a weight has to be there; a counter of batches, which old files do not have, need not."""
    return not key.endswith("num_batches_tracked")


def fill(name: str, model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Return the model with the given weights, as float32.

    Args:
        name: of the architecture.
        model: as ``build`` returns it.
        state: weights by name, each shaped like the model's own; auxiliary ones, used only in training, are ignored.

    Raises:
        PathwayError: weights are missing, of another shape or type, not finite, or of another architecture.
    """
    state = {canonical(key): value for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith(AUXILIARY.get(name, ()))}
    _check_fit(name, model.state_dict(), state)
    ordered = [(key, state[key]) for key in model.state_dict() if key in state]
    ready = OrderedDict((key, value.float() if value.is_floating_point() else value) for key, value in ordered)
    _check_finite(name, ready)
    ready._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]  # MNASNet needs one
    model.load_state_dict(ready, assign=True)
    return model


def _check_fit(name: str, wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    missing = [key for key in wanted if key not in got and is_required(key)]
    unknown = [key for key in got if key not in wanted]
    shapes = [
        f"{key} is {str(tuple(got[key].shape))[:80]}, wanted {tuple(wanted[key].shape)}"
        for key in wanted
        if key in got and got[key].shape != wanted[key].shape
    ]
    kinds = [key for key, value in wanted.items() if key in got and not _is_plain(got[key], value)]
    _refuse(
        name,
        {
            "missing": missing,
            "not part of it": unknown,
            "of another shape": shapes,
            "not plain real numbers": kinds,
        },
    )


def _check_finite(name: str, ready: Mapping[str, Tensor]) -> None:
    """Refuse what is no number as float32, in which a double of 1e300 is infinite."""
    bad = [key for key, value in ready.items() if not bool(value.isfinite().all())]
    if not bad:
        return
    values = ready[bad[0]]
    count = int((~values.isfinite()).sum())
    others = f", and so do {len(bad) - 1} more of the {len(ready)} tensors" if len(bad) > 1 else ""
    raise PathwayError(
        f"These weights are of {name}, but {bad[0]} holds values that are NaN or infinite as float32 ({count:,} of "
        f"{values.numel():,}){others}. A training that diverged leaves such weights: choose an earlier checkpoint."
    )


def _refuse(name: str, faults: Mapping[str, list[str]]) -> None:
    found = [f"{what}: {_some(keys)}" for what, keys in faults.items() if keys]
    if found:
        fix = "Choose the architecture that they were made for."
        raise PathwayError(f"These weights do not fit {name}. {'; '.join(found)}. {fix}")


def _is_plain(value: Tensor, wanted: Tensor) -> bool:
    """Return whether a value is a dense tensor of real numbers, floating if floats are wanted."""
    kinds = value.is_floating_point() or not (value.is_complex() or wanted.is_floating_point())
    return kinds and value.layout == torch.strided and not (value.is_quantized or value.is_meta)


def _some(keys: list[str], most: int = 5) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
