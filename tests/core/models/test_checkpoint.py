"""Checkpoints as training leaves them: where the weights are, which of them, what is left out, and why not."""

from __future__ import annotations

import argparse
import io
import json
import pathlib
import pickle
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save as save_safetensors
from torch.optim.swa_utils import AveragedModel

from core.errors import PathwayError, SeveralWeights
from core.models.architectures import architectures, build, canonical, outline
from core.models.checkpoint import checkpoint_candidates, load_checkpoint, read_checkpoint
from core.models.small_vgg import SmallVGG
from tests.hostile import watched

TINY = "fashion_vgg"


def tiny(seed: int = 0, classes: int = 3) -> SmallVGG:
    torch.manual_seed(seed)
    return SmallVGG(classes).eval()


MODEL = tiny()
STATE = MODEL.state_dict()
LAST = list(STATE)[-2]
IMAGE = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
HALF = {key: value / 2 if value.is_floating_point() else value for key, value in STATE.items()}


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def opened(content: Any, architecture: str = TINY, **options: Any) -> Any:
    data = content if isinstance(content, bytes) else saved(content)
    return read_checkpoint(data, architecture, device="cpu", **options)


def weights_of(checkpoint: Any) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = checkpoint.network.program.model.state_dict()
    return found


def assert_holds(checkpoint: Any, state: Mapping[str, torch.Tensor] = STATE) -> None:
    found = weights_of(checkpoint)
    assert all(torch.equal(found[key], value) for key, value in state.items() if "num_batches" not in key)


def after(prefix: str, state: Mapping[str, torch.Tensor] = STATE) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def hollow(architecture: str, classes: int = 5, **changed: Any) -> dict[str, torch.Tensor]:
    """All weights of a torchvision network, small ones that take no room, some of another shape or not there (None)."""
    shapes = {key: value.shape for key, value in build(architecture, classes).state_dict().items()}
    shapes.update({key.replace("__", "."): shape for key, shape in changed.items()})
    return {key: torch.tensor(0.01).expand(shape) for key, shape in shapes.items() if shape is not None}


# ------------------------------------------------------------------------------------------- where the weights are


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "net.module.", "backbone.", "a.b.c.", "student_net."],
)
@pytest.mark.parametrize("beside", [{}, {"criterion.pos_weight": torch.ones(3), "total_ops": torch.zeros(1)}])
def test_the_prefix_is_the_one_under_which_the_weights_are(prefix: str, beside: dict[str, torch.Tensor]) -> None:
    for data in (saved({**beside, **after(prefix)}), save_safetensors({**beside, **after(prefix)})):
        checkpoint = opened(data)
        assert_holds(checkpoint)
        assert set(checkpoint.left_out) == set(beside)


def test_what_was_left_out_is_listed_as_the_file_calls_it() -> None:
    beside = {
        "criterion.pos_weight": torch.ones(3),
        "model.aux_loss.scale": torch.ones(2),
        "center\nloss": torch.ones(2),
    }
    assert opened({**after("model."), **beside}).left_out == (
        "criterion.pos_weight",
        "model.aux_loss.scale",
        "center loss",
    )


def test_a_profilers_counters_in_every_layer_are_left_out() -> None:
    """What thop registers in each module: total_ops and total_params, float64 of one value."""
    layers = {key.rpartition(".")[0] for key in STATE}
    counters = {
        f"{layer}.{what}": torch.zeros(1).double() for layer in layers for what in ("total_ops", "total_params")
    }
    checkpoint = opened({**STATE, **counters, "total_ops": torch.zeros(1)})
    assert_holds(checkpoint)
    assert set(checkpoint.left_out) == {*counters, "total_ops"}


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
def test_wrappers_inside_the_network(wrapper: str) -> None:
    """As in PyTorch's ImageNet example: model.features = DataParallel(model.features)."""
    assert_holds(opened({key.replace("features.", f"features.{wrapper}", 1): value for key, value in STATE.items()}))


def test_no_architecture_has_a_layer_that_is_called_like_a_wrapper() -> None:
    for name in architectures():
        assert all(canonical(key) == key for key in outline(name)), name


@pytest.mark.parametrize(
    "key", ["state_dict", "model_ema", "ema", "network", "params", "teacher", "anything at all", "ü"]
)
def test_the_weights_lie_under_any_key(key: str) -> None:
    assert_holds(opened({"epoch": 3, key: STATE}))
    assert_holds(opened({"run": {"best": {key: after("module.")}}}))
    assert_holds(opened([{"a": 1}, {key: STATE}]))
    assert opened({"run": {key: STATE}}).weights == f"run.{key}"


def test_an_averaged_model_of_torch() -> None:
    checkpoint = opened({"model_ema": AveragedModel(MODEL).state_dict()})
    assert_holds(checkpoint)
    assert (checkpoint.weights, checkpoint.left_out) == ("model_ema", ("n_averaged",))


def test_a_number_or_a_mapping_beside_the_weights() -> None:
    assert_holds(
        opened({**STATE, "epoch": 3, "arch": {"width": 2}, "acc": 0.5, "name": "x", "args": ["a"], "none": None})
    )


@pytest.mark.parametrize(
    "classes", [3, {"cat": 0, "cup": 1, "hat": 2}, torch.zeros(3), b"abc", {"a", "b"}, None, 10**30]
)
def test_what_is_no_list_is_no_list_of_class_names(classes: Any) -> None:
    assert opened({"model": STATE, "classes": classes}).network.class_names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_reference_checkpoint_of_torchvision_and_one_of_timm(zipped: bool) -> None:
    optimizer = torch.optim.SGD(MODEL.parameters(), momentum=0.9)
    content = {
        "model": STATE,
        "optimizer": optimizer.state_dict(),
        "args": argparse.Namespace(lr=0.1, output_dir=pathlib.PurePosixPath("/x")),
        "arch": "resnet18",
        "metric": np.float64(0.5),
        "history": defaultdict(list, a=[np.float32(1)]),
        "scaler": {"scale": 65536.0},
        "random": np.random.default_rng(0).bit_generator.state,
    }
    with watched():
        checkpoint = opened(saved(content, _use_new_zipfile_serialization=zipped))
    assert_holds(checkpoint)
    assert (checkpoint.weights, checkpoint.left_out) == ("model", ())
    image = torch.rand(1, *checkpoint.network.input_shape)
    with torch.no_grad():
        torch.testing.assert_close(checkpoint.network.run(image).logits, MODEL(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["x.ckpt", "x.pth.tar", "x.bin", "x.pkl", "x.weights", "x", "x.safetensors", "x.\udcff", "\udcff"]
)
def test_a_file_is_what_it_holds_and_not_what_it_is_called(name: str) -> None:
    network = load_checkpoint(saved(STATE), TINY, filename=name, device="cpu")
    assert network.classes == 3
    assert network.name.isprintable()
    with pytest.raises(PathwayError, match="damaged") as caught:
        opened(b"\x00" * 100, filename=name)
    assert str(caught.value).isprintable()


# ----------------------------------------------------------------------------------------- several that fit: ask


def test_where_several_sets_fit_a_person_is_asked() -> None:
    data = saved(
        {"model": STATE, "optimizer": {}, "model_ema": {"n_averaged": torch.tensor(1), **after("module.", HALF)}}
    )
    with pytest.raises(SeveralWeights) as caught:
        opened(data, filename="run.pth")
    assert list(caught.value.candidates) == ["model", "model_ema"]
    count, floats = len(STATE), sum(value.is_floating_point() for value in STATE.values())
    differing = sum(bool((HALF[key] != STATE[key]).any()) for key in STATE)
    assert caught.value.candidates == {
        "model": f"{count} tensors, 3 classes",
        "model_ema": f"{count} tensors, 3 classes, {differing} of them unlike those of model, by 50.00% of their norm",
    }
    assert 0 < differing <= floats
    assert str(caught.value).startswith("run.pth holds 2 sets of weights that fit: model (")
    assert str(caught.value).endswith("Choose one of them.")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.candidates) == (str(caught.value), caught.value.candidates)

    one, other = (opened(data, weights=name) for name in caught.value.candidates)
    assert_holds(one)
    assert_holds(other, HALF)
    assert (one.weights, other.weights, other.left_out) == ("model", "model_ema", ("n_averaged",))
    assert one.network.weights_hash != other.network.weights_hash
    with pytest.raises(PathwayError, match=r"has no weights called 'ema' that fit; it has 'model', 'model_ema'"):
        opened(data, weights="ema")


def test_candidates_are_counted_and_measured() -> None:
    first, second = checkpoint_candidates(saved({"a": STATE, "b": HALF, "c": {"w": torch.ones(2)}}), TINY)
    assert (first.name, first.differing, first.distance, first.left_out) == ("a", 0, 0.0, ())
    assert (second.name, second.tensors, second.classes) == ("b", len(STATE), 3)
    assert second.distance == pytest.approx(0.5)  # |w/2 - w| / |w|


def test_student_and_teacher_in_one_dictionary() -> None:
    data = saved({"state_dict": {**after("student."), **after("teacher.", HALF), "t": torch.ones(2)}})
    with pytest.raises(SeveralWeights) as caught:
        opened(data)
    assert list(caught.value.candidates) == ["state_dict.student", "state_dict.teacher"]
    assert_holds(opened(data, weights="state_dict.teacher"), HALF)
    assert set(opened(data, weights="state_dict.teacher").left_out) == {*after("student."), "t"}


def test_names_of_sets_are_all_different() -> None:
    """Also where one has counters of batches and the other has none, and where keys look like a path."""
    uncounted = {key: value for key, value in HALF.items() if "num_batches" not in key}
    both = saved({"sd": {**after("a."), **after("b.", uncounted)}})
    assert [each.name for each in checkpoint_candidates(both, TINY)] == ["sd.a", "sd.b"]
    assert_holds(opened(both, weights="sd.b"), uncounted)
    alike = saved({"x.y": STATE, "x": {"y": HALF}})
    assert [each.name for each in checkpoint_candidates(alike, TINY)] == ["x.y", "x.y (2)"]
    assert_holds(opened(alike, weights="x.y (2)"), HALF)


def test_the_outermost_set_has_no_name() -> None:
    data = saved({**STATE, "ema": HALF})
    with pytest.raises(SeveralWeights, match="the outermost"):
        opened(data)
    assert_holds(opened(data, weights=""))
    assert_holds(opened(data, weights="ema"), HALF)


@pytest.mark.parametrize(
    "copy", [lambda v: v, lambda v: v.clone(), lambda v: v.double() if v.is_floating_point() else v]
)
def test_the_same_weights_under_two_names_are_no_question(copy: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert_holds(opened({"state_dict": STATE, "model": {key: copy(value) for key, value in STATE.items()}}))


def test_of_two_networks_the_one_that_fits_is_taken() -> None:
    assert opened({"teacher": hollow("resnet34"), "student": STATE}).weights == "student"
    sizes = {"small": hollow("shufflenet_v2_x0_5"), "large": hollow("shufflenet_v2_x1_0")}
    assert opened(sizes, "shufflenet_v2_x1_0").weights == "large"


def test_only_one_of_many_sets_that_is_whole() -> None:
    part = {key: value for key, value in STATE.items() if key != LAST}
    assert opened({"part": part, "whole": STATE}).weights == "whole"


# ---------------------------------------------------------------------------------------------- why it does not fit


@pytest.mark.parametrize(
    ("held", "wanted", "words"),
    [
        ("resnet34", "resnet18", r"not fit resnet18\. not part of it: layer1\.2\.conv1\.weight"),
        ("resnet101", "resnet50", r"not fit resnet50\. not part of it: layer3\.6\.conv1\.weight"),
        ("resnet18", "resnet34", r"not fit resnet34\. missing: layer1\.2\.conv1\.weight"),
        ("vgg16", "resnet18", r"no weight fc\.weight, the last layer of resnet18; it ends with .*classifier\.6\.bias"),
        ("resnet50", "resnext50_32x4d", r"of another shape: layer1\.0\.conv1\.weight is \(64, 64, 1, 1\)"),
    ],
)
def test_a_larger_network_of_the_same_family_is_no_smaller_one(held: str, wanted: str, words: str) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(hollow(held), wanted)


@pytest.mark.parametrize(
    ("architecture", "changes", "words"),
    [
        (
            "resnet18",
            {"fc__weight": None, "fc__bias": None, "fc__1__weight": (5, 512), "fc__1__bias": (5,)},
            r"fc\.1\.weight \(5, 512\), fc\.1\.bias \(5,\), wanted fc\.weight \(classes, 512\)\. It is one layer "
            r"inside a Sequential\. Dropout .* rename fc\.1\.\* to fc\.\* in the state dict",
        ),
        (
            "resnet18",
            {"fc__weight": None, "fc__bias": None, "fc__0__weight": (64, 512), "fc__2__weight": (5, 64)},
            r"another last layer: fc\.0\.weight .*A last layer of other make is another network",
        ),
        (
            "squeezenet1_1",
            {"classifier__1__weight": None, "classifier__1__bias": None, "classifier__weight": (5, 512, 1, 1)},
            r"classifier\.weight \(5, 512, 1, 1\), wanted classifier\.1\.weight \(classes, 512, 1, 1\)",
        ),
        (
            "vgg11",
            {
                "classifier__0__weight": (64, 25088),
                "classifier__0__bias": (64,),
                "classifier__6__weight": None,
                "classifier__3__weight": (5, 64),
                "classifier__3__bias": (5,),
                "classifier__6__bias": None,
            },
            r"has the weights of vgg11, but another last layer: classifier\.0\.weight \(64, 25088\).* another network",
        ),
    ],
)
def test_a_last_layer_of_another_make_is_explained(architecture: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(hollow(architecture, **changes), architecture)


def test_a_backbone_without_a_last_layer() -> None:
    backbone = {f"backbone.{key}": value for key, value in hollow("resnet18", fc__weight=None, fc__bias=None).items()}
    words = (
        r"has the weights of resnet18 but for the last layer, fc\.weight: a backbone, which tells no classes apart\. "
    )
    with pytest.raises(PathwayError, match=words + r"Train a last layer on it"):
        opened(backbone, "resnet18")
    with pytest.raises(PathwayError, match=words + r"If one of these is its last layer, .* name: head\.weight\."):
        opened({**backbone, "head.weight": torch.zeros(5, 512)}, "resnet18")


def test_a_network_for_grey_pictures_is_of_another_shape() -> None:
    with pytest.raises(PathwayError, match=r"shape: conv1\.weight is \(64, 1, 7, 7\), wanted \(64, 3, 7, 7\)"):
        opened(hollow("resnet18", conv1__weight=(64, 1, 7, 7)), "resnet18")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"weight_orig": (3, 64), "weight_mask": (3, 64)}, "is pruned by torch.nn.utils.prune"),
        ({"weight_g": (3, 1), "weight_v": (3, 64)}, "keeps weights in parts"),
        ({"parametrizations.weight.original0": (3, 1), "parametrizations.weight.original1": (3, 64)}, "in parts"),
    ],
)
def test_weights_that_are_kept_in_another_form(layer: dict[str, Any], words: str) -> None:
    own = {LAST.replace("weight", name): torch.ones(shape) for name, shape in layer.items()}
    with pytest.raises(PathwayError, match=words):
        opened({**{key: value for key, value in STATE.items() if key != LAST}, **own})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_tensor_that_is_no_number_is_named(bad: float) -> None:
    first, second = [key for key, value in STATE.items() if value.is_floating_point()][3:5]
    state = {key: value.clone() for key, value in STATE.items()}
    state[first].view(-1)[1:3] = bad
    state[second].view(-1)[0] = bad
    words = rf"{first} holds values that are NaN or infinite as float32 \(2 of {STATE[first].numel():,}\), and so do 1 more of the {len(STATE)} tensors"  # noqa: E501
    for data in (saved({"model": state}), save_safetensors(state)):
        with pytest.raises(PathwayError, match=words):
            opened(data)


def test_one_part_of_several_files_is_explained() -> None:
    half = dict(list(STATE.items())[: len(STATE) // 2])
    with pytest.raises(PathwayError, match=r"weights of fashion_vgg too few\. Its name says that it is part 1 of 2"):
        opened(save_safetensors(half), filename="model-00001-of-00002.safetensors")
    with pytest.raises(PathwayError, match=r"has no weights of fashion_vgg\. Its name says that it is part 2 of 3"):
        opened({"x": torch.ones(2)}, filename="pytorch_model-00002-of-00003.bin")
    assert opened(STATE, filename="model-00001-of-00001.bin").network.classes == 3


# ----------------------------------------------------------------------------------------------------- what it is


def scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def numpy_saved(save: Callable[..., None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, np.zeros(3))
    return buffer.getvalue()


INDEX = {
    "metadata": {"total_size": 9},
    "weight_map": {"a": "model-00001-of-00002.bin", "b": "model-00002-of-00002.bin"},
}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 46830571\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (scripted, r"is a TorchScript program \(torch\.jit\.save\)\. Save the weights of the model instead"),
        (lambda: b"\x08\x08\x12\x07pytorch\x1a\x051.8.0:\x10", "is an ONNX model. Go back to the PyTorch model"),
        (lambda: b"\x89HDF\r\n\x1a\n" + bytes(500), "is an HDF5 file, as Keras saves weights"),
        (lambda: zipped({"config.json": b"{}", "model.weights.h5": b""}), "is a Keras model"),
        (lambda: b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "is a web page, not the file behind the link"),
        (lambda: b"\xef\xbb\xbf<HTML>404</HTML>", "is a web page"),
        (lambda: b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "is an XML text"),
        (lambda: LFS, r"is a git-lfs pointer, a note of where the weights are\. Run git lfs pull"),
        (lambda: json.dumps(INDEX).encode(), "is an index: it says which of 2 files holds which of 2 weights"),
        (lambda: b'{"architectures": ["ResNet"]}', "is a JSON text, a model's settings perhaps"),
        (
            lambda: saved(tiny()),
            r"a whole model \(core\.models\.small_vgg\.SmallVGG\).*where that code is",
        ),
        (
            lambda: saved(tiny(), _use_new_zipfile_serialization=False),
            r"a whole model \(core\.models\.small_vgg\.SmallVGG\)",
        ),
        (lambda: saved({"epoch": 1, "model": tiny()}), r"holds a whole model \(core\.models\.small_vgg\.SmallVGG\)"),
        (
            lambda: saved(torchvision.models.squeezenet1_1()),
            r"whole model \(torchvision\.models\.squeezenet\.SqueezeNet\)",
        ),
        (lambda: pickle.dumps({"a": 1}), r"is a plain pickle, which pickle\.dump writes"),
        (lambda: saved({"w": np.zeros(3)}), "holds NumPy arrays in place of tensors"),
        (lambda: numpy_saved(np.save), "is a NumPy array"),
        (lambda: numpy_saved(np.savez), r"is a NumPy \.npz archive"),
        (lambda: zipped({"run/best.pth": b"x"}), r"is a zip archive with run/best\.pth in it\. Unpack it"),
        (lambda: zipped({"notes.txt": b"x"}), r"is a zip archive that torch\.save did not make"),
        (lambda: b"\x1f\x8b\x08" + bytes(50), "is a gzip archive, which may hold a checkpoint. Unpack it"),
        (lambda: bytes(257) + b"ustar\x0000" + bytes(300), "is a tar archive"),
        (lambda: b"\x1c\x00\x00\x00TFL3" + bytes(50), "is a TensorFlow Lite model"),
        (lambda: b"GGUF" + bytes(50), "is a GGUF file"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture"),
        (lambda: b"", r"is empty \(0 bytes\)"),
        (lambda: saved({"optimizer": {"state": {0: {"step": torch.ones(1)}}}}), "holds no weights"),
        (lambda: b"some words", "damaged, cut short or no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_called_by_its_name(make: Callable[[], bytes], words: str) -> None:
    data = make()
    with watched(), pytest.raises(PathwayError, match=words) as caught:
        opened(data, filename="it.pth")
    assert str(caught.value).startswith("it.pth ")


# -------------------------------------------------------------------------------------------- names that are no UTF-8


def test_names_inside_an_archive_that_are_no_utf_8() -> None:
    with zipfile.ZipFile(io.BytesIO(saved(STATE))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    renamed = zipped(
        {name.replace("archive/", "r\u00e9sum\u00e9/"): data for name, data in files.items()}, zipfile.ZIP_STORED
    )
    assert_holds(opened(renamed))
    latin = renamed.replace("r\u00e9sum\u00e9".encode(), b"r\xe9sum\xe9xx")  # said to be UTF-8, and is not
    with pytest.raises(PathwayError, match="damaged"):
        opened(latin)


def test_keys_that_are_no_utf_8() -> None:
    data = saved({**STATE, "clef": torch.ones(2)}).replace(b"clef", b"cl\xe9f")
    with pytest.raises(PathwayError, match="damaged"):
        opened(data)
    odd = opened({**STATE, "a\ud800b": torch.ones(2)})
    assert odd.left_out == ("a\ufffdb",)
