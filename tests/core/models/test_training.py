"""Training: seeded, learns what can be learned, and takes pictures as ``Preprocessing`` does."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from core import load_network
from core.data.datasets import Pictures, load_pictures, open_dataset
from core.data.preprocessing import Preprocessing
from core.errors import Cancelled
from core.models.architectures import preprocessing_of
from core.models.small_vgg import SmallVGG
from core.models.training import Recipe, _moved, accuracy, normalised, train

PLAIN = Preprocessing(8, 8, mean=(0.5,) * 3, std=(0.5,) * 3)
QUICK = Recipe(epochs=8, batch_size=16, shift=1)


def bright_or_dark(count: int = 64) -> Pictures:
    """Noise around two greys, 8 x 8 pixels, whose class is the grey."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 60, (count, 3, 8, 8), generator=generator)
    return Pictures((labels.view(-1, 1, 1, 1) * 150 + noise).to(torch.uint8), labels, ("dark", "bright"))


def test_it_learns_and_a_seed_is_a_network_of_its_own():
    pictures = bright_or_dark()
    build = partial(SmallVGG, 2, 8)
    state = torch.random.get_rng_state()
    first, again, other = (train(build, pictures, PLAIN, QUICK, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert accuracy(first, pictures, PLAIN) == 1.0
    assert not first.training
    assert all(map(torch.equal, first.state_dict().values(), again.state_dict().values()))
    assert not torch.equal(first.state_dict()["classifier.1.weight"], other.state_dict()["classifier.1.weight"])


def test_it_can_be_stopped_between_epochs():
    told = []

    def stop(done, total, note):
        told.append((done, total))
        if done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        train(partial(SmallVGG, 2, 8), bright_or_dark(), PLAIN, QUICK, progress=stop)
    assert told == [(1, 8), (2, 8)]


def test_pictures_are_normalised_as_preprocessing_does_it():
    pixels = torch.randint(0, 256, (2, 3, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    wanted = [PLAIN.tensor(Image.fromarray(each.permute(1, 2, 0).numpy())) for each in pixels]
    assert_close(normalised(pixels, PLAIN, "cpu").contiguous(), torch.cat(wanted))


def test_moved_pictures_are_the_same_moved_by_whole_pixels_or_mirrored():
    picture = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(1, 3, 8, 8)
    recipe = Recipe(shift=1)
    inner = picture[0, 0, 2:6, 2:6]
    views = [
        p[..., 2 + y : 6 + y, 2 + x : 6 + x] for p in (picture, picture.flip(3)) for y in (-1, 0, 1) for x in (-1, 0, 1)
    ]
    generator, seen = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        moved = _moved(picture, recipe, generator)[..., 2:6, 2:6]
        (which,) = [place for place, each in enumerate(views) if torch.equal(moved, each)]
        seen.add(which)
    assert seen == set(range(18))
    assert torch.equal(_moved(picture, Recipe(shift=0, mirror=False), generator)[0, 0, 2:6, 2:6], inner)


def test_the_embedded_network_is_as_good_as_its_listing_says():
    """93.2 % of 10,000 test images; here of the first 1,000, traced."""
    network = load_network("fashion_vgg", device="cpu")
    pictures = load_pictures(open_dataset("fashion-mnist"))
    images = normalised(pictures.pixels[:1000], preprocessing_of("fashion_vgg"), "cpu")
    right = (network.run(images).logits.argmax(1) == pictures.labels[:1000]).double().mean()
    assert right > 0.92
    assert (len(network.sites), network.neurons, network.classes) == (7, 43_968, 10)
