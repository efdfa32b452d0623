"""Train fashion_vgg, the small network for Fashion-MNIST that comes with the package.

    python assets/train.py             # 60,000 images, 20 epochs: about a quarter of an hour on one core

Writes assets/models/fashion_vgg.safetensors and its entry in models.json, with the accuracy on the 10,000 test images.
The training images come from Debian's package dataset-fashion-mnist, or from a folder: --root DIR.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.data.datasets import FASHION_MNIST, load_pictures, open_dataset
from core.models.architectures import preprocessing_of
from core.models.small_vgg import SmallVGG
from core.models.training import Recipe, accuracy, train

MODELS = Path(__file__).resolve().parent / "models"
NAME = "fashion_vgg"


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder that holds Fashion-MNIST's training images")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    pictures = load_pictures(open_dataset(f"{FASHION_MNIST}:train", root=chosen.root))
    test = load_pictures(open_dataset(FASHION_MNIST))
    preprocessing = preprocessing_of(NAME)
    with tqdm(total=chosen.epochs, unit="epoch") as bar:
        model = train(
            SmallVGG,
            pictures,
            preprocessing,
            Recipe(epochs=chosen.epochs),
            seed=chosen.seed,
            progress=lambda done, *_: bar.update(done - bar.n),
        )
    share = accuracy(model, test, preprocessing)
    print(f"{share:.2%} of the test images are right")
    write(model, share, f"python assets/train.py --epochs {chosen.epochs} --seed {chosen.seed}")


def write(model: torch.nn.Module, share: float, command: str) -> None:
    """Write the weights, and their entry in models.json."""
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    data = save(state, metadata={"about": f"{NAME}, Fashion-MNIST, MIT, {command}"})
    (MODELS / f"{NAME}.safetensors").write_bytes(data)
    listing = json.loads((MODELS / "models.json").read_text(encoding="utf-8"))
    listing[NAME] = {
        "file": f"{NAME}.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "megabytes": round(len(data) / 2**20, 1),
        "licence": "MIT",
        "command": command,
        "test_accuracy": round(share, 4),
    }
    (MODELS / "models.json").write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
