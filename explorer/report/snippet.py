"""A Python snippet that computes a view's numbers and maps again, with ``core`` alone; and its output.

The lines that it prints and those in a report share one pair of formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from textwrap import fill

from core.data.datasets import FASHION_MNIST, registered_image
from explorer import ui
from explorer.compute import Scene, catalogue, comparison, export
from explorer.state import View
from explorer.views.columns import Column, ready

__all__ = ["prints", "snippet", "uploaded"]

FOUND = (
    "{method}: sparsity {found.sparsity:.6g}, p ratio {found.p_ratio:.6g}, "
    "dead share {found.dead_share:.6g}, prediction kept: {found.prediction_kept}"
)
COMMON = "{first} and {second}: overlap {common:.6g}, {chance:.6g} by chance"


def uploaded(view: View) -> bool:
    """Return whether the view shows an uploaded picture or network."""
    return catalogue.sample_facts(view.image) is None or view.network.startswith(ui.session.CHECKPOINT)


SNIPPET = Template('''\
"""Computes a report of Pathway Explorer again: run it in the repository's root. Maps are saved as .npy files there."""

$imports
$constants
CROP = Crop(x=$x, y=$y, zoom=$zoom)
TARGET = $target  # $name
SPARSITY = $sparsity
OFF = $off  # how neurons off the pathway are held
METHODS_SHOWN = $methods

torch.set_num_threads($threads)  # rounding of sums depends on it
$load
if (network.weights_hash, image_hash(photo)) != $hashes:
    print("These are other weights or another picture than the report's: its numbers will differ.")

image = network.preprocess(photo, CROP)
original = pathway_gradient(network, image, TARGET)
np.save("plain gradient.npy", saliency_map(original).cpu().numpy())
print(f"target {TARGET}, probability {float(network.run(image).logits.softmax(1)[0, TARGET]):.6g}")

pathways = {}
for method, options in METHODS_SHOWN.items():
    pathway = rank(METHODS[method](network, image, TARGET, **options)).pathway(SPARSITY)
    found = fidelity(network, image, TARGET, pathway, off=OFF)
    print(f"$found")
    gradient = pathway_gradient(network, image, TARGET, pathway, off=OFF)
    np.save(f"{method}.npy", saliency_map(gradient).cpu().numpy())
    pathways[method] = pathway

for first, second in combinations(pathways, 2):
    one, other = pathways[first], pathways[second]
    common, chance = overlap(one, other), chance_overlap(1 - one.sparsity, 1 - other.sparsity)
    print(f"$common")
''')

USED = "METHODS", "Crop", "chance_overlap", "fidelity", "overlap", "pathway_gradient", "rank", "saliency_map"


def prints(scene: Scene, view: View, columns: Sequence[Column]) -> str:
    """Return the expected output of the snippet, from the report's own numbers."""
    shown = ready(columns)
    probability = float(scene.original.logits.softmax(1)[0, scene.target])
    lines = [f"target {scene.target}, probability {probability:.6g}"]
    lines += [FOUND.format(method=column.strategy.name, found=column.answer) for column in shown]
    if len(shown) == 2:
        first, second = (column.strategy.name for column in shown)
        common, chance = comparison.overlap(scene, [column.selection for column in shown], view.sparsity)
        lines.append(COMMON.format(first=first, second=second, common=common, chance=chance))
    return "\n".join(lines)


def snippet(scene: Scene, view: View, columns: Sequence[Column]) -> str:
    """Return Python that computes numbers and maps again with ``core`` alone.

    Names given by users appear in it only as literals. Uploaded files are read from paths at its top.
    """
    photo, network = _photo_source(view), _network_source(scene, view)
    values = {
        "imports": _imports(photo, network),
        "constants": f"{network.constants}\n{photo.constants}",
        "x": view.x,
        "y": view.y,
        "zoom": view.zoom,
        "target": scene.target,
        "name": repr(scene.network.class_names[scene.target]),
        "sparsity": view.sparsity,
        "off": repr(view.off),
        "methods": repr({column.strategy.name: column.strategy.chosen for column in ready(columns)}),
        "threads": export.provenance(scene, view).facts["threads"],
        "load": f"{network.code}\n{photo.code}",
        "hashes": repr((scene.network.weights_hash, str(scene.key[3]))),
        "found": FOUND,
        "common": COMMON,
    }
    return SNIPPET.substitute(values)


@dataclass(frozen=True)
class _Source:
    """How the snippet loads the network or the photo: lines at its top, lines that load, and their imports."""

    constants: str
    code: str
    core: tuple[str, ...]
    images: tuple[str, ...] = ()
    standard: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def _network_source(scene: Scene, view: View) -> _Source:
    if not view.network.startswith(ui.session.CHECKPOINT):
        name = f"NETWORK = {view.network!r}"
        return _Source(name, "network = load_network(NETWORK)", ("load_network",))
    path = repr(f"{scene.network.name}.safetensors")
    constants = (
        f"CHECKPOINT_PATH = {path}  # put the uploaded weights there, or name where they are\n"
        'ARCHITECTURE = ""  # name the one that was chosen for them, such as "resnet18"'
    )
    code = "network = load_checkpoint(Path(CHECKPOINT_PATH).read_bytes(), ARCHITECTURE)"
    return _Source(constants, code, ("load_checkpoint",), standard=("from pathlib import Path",))


def _photo_source(view: View) -> _Source:
    numbered = registered_image(view.image)
    if numbered:
        constants = f"DATASET, NUMBER = {numbered[0].name!r}, {numbered[1]}"
        if numbered[0].name != FASHION_MNIST:
            constants += "  # replace DATASET by the folder of the data set with this name in the app"
        code = "photo = open_image(open_dataset(DATASET).read(NUMBER))"
        return _Source(constants, code, ("open_dataset", "open_image"))
    if catalogue.sample_facts(view.image):
        name = f"PHOTO = {view.image!r}"
        return _Source(name, "photo = sample_images()[PHOTO].open()", ("sample_images",))
    opened = ui.uploads.opened(view.image)
    levels = f", Levels({opened.levels.low!r}, {opened.levels.high!r})" if opened and opened.levels else ""
    constants = 'PHOTO_PATH = "photo.jpg"  # put the uploaded picture there, or name where it is'
    code = f"""\
kept = io.BytesIO()  # the app keeps an upload as JPEG, at most {ui.uploads.LONGEST} pixels per side
picture = downscale(open_image(Path(PHOTO_PATH).read_bytes(){levels}), {ui.uploads.LONGEST})
picture.save(kept, "JPEG", quality=95, subsampling=0)
photo = Image.open(kept)"""
    standard, images = ("import io", "from pathlib import Path"), ("downscale", *(["Levels"] if levels else []))
    return _Source(constants, code, ("open_image",), images, standard, ("from PIL import Image",))


def _imports(*sources: _Source) -> str:
    core = ", ".join(sorted({*USED, *(name for source in sources for name in source.core)}, key=_import_order))
    images = ", ".join(sorted({"image_hash", *(name for source in sources for name in source.images)}))
    standard = {"from itertools import combinations", *(line for source in sources for line in source.standard)}
    others = {"import numpy as np", "import torch", *(line for source in sources for line in source.others)}
    wrapped = fill(core, 100, initial_indent="    ", subsequent_indent="    ")
    own = (f"from core import (\n{wrapped},\n)", f"from core.data.images import {images}")
    return "\n\n".join("\n".join(sorted(lines, key=_plain_first)) for lines in (standard, others, own)) + "\n"


def _import_order(name: str) -> tuple[bool, bool, str]:
    """Return a sort key: constants, then classes, then functions, as formatters sort imports."""
    return not name.isupper(), name.islower(), name


def _plain_first(line: str) -> tuple[bool, str]:
    return line.startswith("from"), line
