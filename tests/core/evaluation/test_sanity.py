"""Parameter randomisation: what it changes and what it leaves alone, and the four similarities against slow ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from math import isnan

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.testing import assert_close

from core.attribution.attribution import Attribution
from core.data.samples import sample_images
from core.errors import Cancelled, PathwayError
from core.evaluation.sanity import ORIGINAL, Similarity, compare, layers, randomised, sanity_check
from core.models.zoo import load_network
from core.network import Network, trace
from core.pathways.restriction import pathway_gradient
from tests.networks import SHAPE, Straight, architecture, image_of, seeded, toy


def plain(network: Network, image: Tensor, target: int) -> Attribution:
    return Attribution(pathway_gradient(network, image, target), is_gradient=True)


def edges(network: Network, image: Tensor, target: int) -> Attribution:
    """A method that does not look at the network."""
    return Attribution(image[0], is_gradient=False)


def parameters(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.program.model.named_parameters()}


def changed(network: Network, other: Network) -> set[str]:
    after = parameters(other)
    return {name for name, value in parameters(network).items() if not value.equal(after[name])}


class Watched:
    """The plain gradient, keeping the networks and targets it was asked about."""

    def __init__(self) -> None:
        self.networks: list[Network] = []
        self.targets: list[int] = []

    def __call__(self, network: Network, image: Tensor, target: int) -> Attribution:
        self.networks.append(network)
        self.targets.append(target)
        return plain(network, image, target)


def noise(seed: int = 0, height: int = 64, width: int = 50) -> Tensor:
    return torch.randn(height, width, generator=torch.Generator().manual_seed(seed))


def test_layers_stand_in_the_order_of_their_calls_each_once():
    assert layers(toy("Straight")[1]) == ("conv", "next", "fc")
    assert layers(toy("Residual")[1]) == ("conv", "next", "fc")
    assert layers(toy("InPlaceFunctional")[1]) == ("conv", "next", "fc")  # conv is called twice
    assert set(layers(toy("Blind")[1])) == {"conv", "scale", "fc"}  # next reaches no logit, scale is no module
    resnet = layers(trace(architecture("resnet18"), (3, 32, 32)))
    assert len(resnet) == 20 + 1 + 20  # convolutions, the dense layer, batch norms
    assert (resnet[0], resnet[-1]) == ("conv1", "fc")
    assert resnet.index("layer2.0.conv2") < resnet.index("layer2.0.downsample.0") < resnet.index("layer2.1.conv1")
    model = load_network("squeezenet1_1").program.model
    wanted = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    assert list(layers(load_network("squeezenet1_1"))) == wanted


@pytest.mark.parametrize("name", ["Straight", "Residual", "Split", "Blind"])
def test_a_randomised_network_is_the_model_with_other_parameters(name):
    model, network = toy(name, double=True)
    before = parameters(network)
    other = randomised(network, ["conv", "fc"], seed=3)
    assert changed(network, other) == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert all(value.equal(before[key]) for key, value in parameters(network).items())
    copied = deepcopy(model)
    copied.load_state_dict(other.program.model.state_dict())
    image = image_of(network, batch=3)
    with torch.no_grad():
        assert_close(other.run(image).logits, copied(image.clone()))
    assert not other.run(image).logits.allclose(network.run(image).logits)
    assert len(other.sites) == len(network.sites)
    assert (other.dtype, other.classes, other.weights_hash) == (network.dtype, network.classes, "")


def test_parameters_read_outside_modules_are_randomised_too():
    network = toy("Blind")[1]
    assert changed(network, randomised(network, ["scale"])) == {"scale"}
    assert changed(network, randomised(network, layers(network))) == {n for n in parameters(network) if "next" not in n}
    image = image_of(network)
    assert not randomised(network, ["scale"]).run(image).logits.equal(network.run(image).logits)


NORMS = {
    "parametrised weight norm": parametrizations.weight_norm,
    "parametrised spectral norm": parametrizations.spectral_norm,
    "weight norm": nn.utils.weight_norm,
    "spectral norm": nn.utils.spectral_norm,
    "pruned": lambda module: prune.l1_unstructured(module, "weight", 0.3),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("name", NORMS)
def test_computed_weights_are_used_as_they_are_and_randomised_themselves(name):
    model = seeded(Straight())
    NORMS[name](model.next)
    network = trace(model.eval(), SHAPE)
    image = image_of(network, batch=2)
    with torch.no_grad():
        assert_close(network.run(image).logits, model(image))
        other = randomised(network, ["next"])
        weight, bias = other.program.model.next.weight, other.program.model.next.bias
        assert 0.08 < float(weight.std()) < 0.12
        wanted = model.fc(F.relu(F.conv2d(F.relu(model.conv(image)), weight, bias, padding=1)).flatten(1))
        assert_close(other.run(image).logits, wanted)
    assert layers(network) == ("conv", "next", "fc")
    assert hasattr(model.next, "parametrizations") or model.next._forward_pre_hooks  # the model is left as it was


class Tied(nn.Module):
    """The first and the third layer share their weight, not their bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.third.weight = self.first.weight
        self.fc = nn.Linear(3 * 64, 4)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.first, self.second, self.third):
            x = F.relu(conv(x))
        return self.fc(x.flatten(1))


@pytest.mark.parametrize("named", ["first", "third"])
def test_a_shared_weight_is_drawn_once_for_all_that_share_it(named):
    network = trace(seeded(Tied()), SHAPE)
    assert layers(network) == ("first", "second", "third", "fc")
    other, both = randomised(network, [named]), randomised(network, ["first", "third"])
    model, wanted = other.program.model, seeded(Tied())
    assert model.first.weight is model.third.weight
    assert torch.equal(model.third.weight, both.program.model.third.weight)
    assert changed(network, other) == {"first.weight", f"{named}.bias"}
    with torch.no_grad():
        wanted.third.weight.copy_(model.third.weight)
        getattr(wanted, named).bias.copy_(getattr(model, named).bias)
        image = image_of(network, batch=2)
        assert_close(other.run(image).logits, wanted(image))


def test_nothing_named_is_nothing_changed():
    network = toy("Residual")[1]
    other, image = randomised(network, []), image_of(network)
    assert other.run(image).logits.equal(network.run(image).logits)
    for mine, theirs in zip(network.program.model.parameters(), other.program.model.parameters(), strict=True):
        assert mine is theirs  # and costs no memory


def test_draws_have_mean_0_and_deviation_a_tenth_and_running_statistics_stay():
    network = trace(architecture("resnet18"), (3, 32, 32))
    other = randomised(network, layers(network))
    assert changed(network, other) == set(parameters(network))
    drawn = parameters(other)
    everything = torch.cat([value.flatten() for value in drawn.values()])
    assert float(everything.std()) == pytest.approx(0.1, rel=1e-3)
    assert abs(float(everything.mean())) < 1e-3
    norms = torch.cat([value for name, value in drawn.items() if "bn" in name])
    assert float(norms.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(norms.mean())) < 0.01
    mine, theirs = dict(network.program.model.named_buffers()), dict(other.program.model.named_buffers())
    assert any("running_var" in name for name in mine)
    assert all(mine[name].equal(theirs[name]) for name in mine)
    assert not any(value.requires_grad for value in other.program.model.parameters())


def test_draws_depend_on_name_and_seed_alone():
    network = toy("Straight")[1]
    one, all_of_them = parameters(randomised(network, ["fc"])), parameters(randomised(network, ["fc", "conv"]))
    assert one["fc.weight"].equal(all_of_them["fc.weight"])
    assert not one["fc.weight"].equal(parameters(randomised(network, ["fc"], seed=1))["fc.weight"])
    assert not one["fc.bias"].equal(one["fc.weight"].flatten()[:4])


@pytest.mark.thorough
def test_cascading_goes_down_and_leaves_earlier_layers_alone():
    network, watched = trace(architecture("resnet18"), (3, 32, 32)), Watched()
    before, names = parameters(network), layers(network)
    found = sanity_check(network, image_of(network), 3, watched)
    assert [stage.name for stage in found] == [ORIGINAL, *reversed(names)]
    assert watched.networks[0] is network
    previous: dict[str, Tensor] = {}
    for count, other in enumerate(watched.networks):
        after = parameters(other)
        done = set(names[len(names) - count :])
        touched = {name for name in after if name.rpartition(".")[0] in done}
        assert changed(network, other) == touched
        assert all(after[name].equal(previous[name]) for name in previous)  # what was drawn stays
        previous = {name: after[name] for name in touched}
    assert all(value.equal(before[name]) for name, value in parameters(network).items())
    assert set(watched.targets) == {3}
    assert len({float(stage.saliency.abs().sum()) for stage in found}) == len(found)


def test_independent_randomisation_takes_one_layer_at_a_time():
    network, watched = toy("Residual")[1], Watched()
    found = sanity_check(network, image_of(network), 0, watched, cascading=False)
    assert [stage.name for stage in found] == [ORIGINAL, "fc", "next", "conv"]
    touched = [changed(network, other) for other in watched.networks]
    assert touched == [set(), *({f"{name}.weight", f"{name}.bias"} for name in ("fc", "next", "conv"))]


def test_blocks_and_chosen_stages():
    """Cascading down to a stage randomises what lies above it, whether or not it is a stage itself."""
    network, watched = trace(architecture("resnet18"), (3, 32, 32)), Watched()
    sanity_check(network, image_of(network), 0, watched, stages=["layer4", "layer2.1", "conv1"])
    for other, kept in zip(
        watched.networks[1:],
        (("conv1", "bn1", "layer1", "layer2", "layer3"), ("conv1", "bn1", "layer1", "layer2.0"), ()),
        strict=True,
    ):
        untouched = {name for name in parameters(network) if name.startswith(tuple(f"{k}." for k in kept))}
        assert changed(network, other) == set(parameters(network)) - untouched
    watched = Watched()
    sanity_check(network, image_of(network), 0, watched, stages=["layer4.1"], cascading=False)
    assert {name.rpartition(".")[0] for name in changed(network, watched.networks[1])} == {
        *("layer4.1.conv1", "layer4.1.bn1", "layer4.1.conv2", "layer4.1.bn2"),
    }


def test_stages_hold_the_methods_own_maps_and_their_similarity():
    network = toy("Residual", double=True)[1]
    image = image_of(network)
    found = sanity_check(network, image, 1, plain, seed=5)
    for count, stage in enumerate(found):
        other = randomised(network, ("fc", "next", "conv")[:count], seed=5)
        assert_close(stage.saliency, plain(other, image, 1).saliency)
        assert_close(
            torch.tensor(list(vars(stage.similarity).values())),
            torch.tensor(list(vars(compare(found[0].saliency, stage.saliency)).values())),
        )
    assert found[0].similarity == Similarity(1, 1, pytest.approx(1), 1)
    assert max(abs(stage.similarity.spearman) for stage in found[1:]) < 0.9


def test_a_method_that_does_not_look_stays_at_one():
    network = toy("Residual")[1]
    for stage in sanity_check(network, image_of(network), 1, edges):
        assert stage.similarity == Similarity(1, 1, pytest.approx(1), 1)


def test_the_randomised_networks_own_class():
    network, watched = trace(seeded(deepcopy(toy("Straight")[0]), 2), SHAPE), Watched()
    image = image_of(network)
    found = sanity_check(network, image, 2, watched, own_target=True)
    predicted = [int(other.run(image).logits.argmax()) for other in watched.networks[1:]]
    assert watched.targets == [stage.target for stage in found] == [2, *predicted]


@pytest.mark.parametrize("shape", [(64, 50), (48, 48), (8, 8), (224, 224)])
def test_spearman_is_scipys(shape):
    a, b = noise(0, *shape), noise(0, *shape) + noise(1, *shape)
    found = compare(a, b)
    assert found.spearman == pytest.approx(spearmanr(a.flatten(), b.flatten()).statistic)
    assert found.spearman_abs == pytest.approx(spearmanr(a.abs().flatten(), b.abs().flatten()).statistic)
    coarse = a.round(), b.round()  # with ties
    assert compare(*coarse).spearman == pytest.approx(spearmanr(*(each.flatten() for each in coarse)).statistic)


def test_ssim_is_the_mean_over_windows_of_five():
    a, b = noise(0, 12, 9).double(), noise(1, 12, 9).double()
    scaled = [(each.abs() - each.abs().min()) / (each.abs().max() - each.abs().min()) for each in (a, b)]
    values = []
    for row in range(12 - 4):
        for column in range(9 - 4):
            x, y = (each[row : row + 5, column : column + 5].numpy().ravel() for each in scaled)
            covariance = np.cov(x, y)
            light = (2 * x.mean() * y.mean() + 1e-4) / (x.mean() ** 2 + y.mean() ** 2 + 1e-4)
            values.append(light * (2 * covariance[0, 1] + 9e-4) / (covariance[0, 0] + covariance[1, 1] + 9e-4))
    assert compare(a, b).ssim == pytest.approx(np.mean(values), rel=1e-9)


def gradients_by_hand(values: np.ndarray, cell: int) -> np.ndarray:
    """Dalal and Triggs: 9 unsigned orientations a cell, blocks of 3 x 3 cells, L2-Hys."""
    down, across = np.zeros_like(values), np.zeros_like(values)
    down[1:-1], across[:, 1:-1] = values[2:] - values[:-2], values[:, 2:] - values[:, :-2]
    size, angle = np.hypot(down, across), np.rad2deg(np.arctan2(down, across)) % 180
    rows, columns = values.shape[0] // cell, values.shape[1] // cell
    cells = np.zeros((rows, columns, 9))
    for row in range(rows * cell):
        for column in range(columns * cell):
            bin_ = int(angle[row, column] // 20) % 9
            cells[row // cell, column // cell, bin_] += size[row, column] / cell**2
    blocks = []
    for row in range(rows - 2):
        for column in range(columns - 2):
            block = cells[row : row + 3, column : column + 3].ravel()
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2)
            blocks.append(block / np.sqrt((block**2).sum() + 1e-10))
    return np.ravel(blocks)


@pytest.mark.parametrize(("shape", "cell"), [((64, 64), 16), ((16, 16), 5), ((8, 8), 2)])
def test_hog_is_that_of_cells_of_sixteen_pixels_or_a_third_of_the_map(shape, cell):
    a, b = noise(2, *shape), noise(2, *shape) + 0.5 * noise(3, *shape)
    wanted = np.corrcoef(*(gradients_by_hand(each.abs().double().numpy(), cell) for each in (a, b)))[0, 1]
    assert compare(a, b).hog == pytest.approx(wanted, abs=1e-6)


def test_similarities_of_negated_and_rescaled_maps():
    a = noise()
    assert compare(a, -a) == Similarity(-1, 1, pytest.approx(1), 1)
    for factor in (1e-30, 1e30):
        assert compare(a, a * factor) == Similarity(1, 1, pytest.approx(1), pytest.approx(1))
    other = compare(a, noise(1))
    assert abs(other.spearman) < 0.1
    assert other.ssim < 0.5


def test_constant_maps_and_nan_are_undefined_and_print_nothing(recwarn):
    a = noise()
    broken = a.clone()
    broken[3, 3] = float("nan")
    for other in (torch.zeros_like(a), torch.full_like(a, 0.1), broken, torch.full_like(a, float("nan"))):
        for found in (compare(a, other), compare(other, a), compare(other, other)):
            assert all(map(isnan, vars(found).values()))
    signs = compare(a, a.sign())  # only their magnitudes are constant
    assert signs.spearman > 0.5
    assert all(map(isnan, (signs.spearman_abs, signs.ssim, signs.hog)))
    infinite = a.clone()
    infinite[0, 0] = float("inf")
    assert isnan(compare(a, infinite).ssim)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("side", "undefined"), [(1, {"spearman", "spearman_abs", "ssim", "hog"}), (2, {"ssim", "hog"}), (3, set())]
)
def test_maps_too_small_for_a_measure_leave_it_out(side, undefined):
    values = torch.arange(float(side * side)).view(side, side) ** 2
    found = vars(compare(values, values))
    assert {name for name, value in found.items() if isnan(value)} == undefined


def test_a_zero_map_at_a_stage_is_kept_and_undefined():
    network = toy("Straight")[1]
    other = lambda n, i, t: Attribution(plain(n, i, t).values * (n is network), is_gradient=True)  # noqa: E731
    found = sanity_check(network, image_of(network), 0, other, stages=["fc"])
    assert isnan(found[1].similarity.spearman)
    assert not found[1].saliency.any()


def test_two_threads_and_a_third_that_traces_change_nothing():
    network = toy("Residual")[1]
    before = parameters(network)

    def check(seed: int) -> list[Tensor]:
        return [stage.saliency for stage in sanity_check(network, image_of(network), 0, plain, seed=seed)]

    wanted = [check(seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        traces = pool.submit(lambda: [trace(toy("Residual")[0], SHAPE) for _ in range(20)])
        found = list(pool.map(check, range(6)))
        traces.result()
    assert all(a.equal(b) for x, y in zip(wanted, found, strict=True) for a, b in zip(x, y, strict=True))
    assert all(value.equal(before[name]) for name, value in parameters(network).items())


def test_progress_is_told_and_may_cancel():
    network, told = toy("Straight")[1], []
    sanity_check(network, image_of(network), 0, plain, progress=lambda *step: told.append(step))
    assert told == [(1, 4, "original"), (2, 4, "fc"), (3, 4, "next"), (4, 4, "conv")]

    def stop(done: int, total: int, note: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        sanity_check(network, image_of(network), 0, plain, progress=stop)


def test_refusals_say_what_was_wanted():
    network = toy("Straight")[1]
    image = image_of(network)
    for stages in (["relu"], ["fc", "con"], [""]):
        with pytest.raises(PathwayError, match="conv, next, fc"):
            sanity_check(network, image, 0, plain, stages=stages)
        with pytest.raises(PathwayError, match="conv, next, fc"):
            randomised(network, stages)
    with pytest.raises(PathwayError, match="target"):
        sanity_check(network, image, 9, plain)
    with pytest.raises(PathwayError, match="one shape"):
        compare(noise(), noise()[:3])
    with pytest.raises(PathwayError, match="one shape"):
        compare(noise()[None], noise()[None])


@pytest.mark.thorough
def test_the_plain_gradient_of_a_trained_network_depends_on_its_parameters():
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    first, *others = sanity_check(network, image, 282, plain, stages=["classifier.1", "features.9", "features.0"])
    assert first.similarity == Similarity(1, 1, pytest.approx(1), 1)
    assert all(abs(stage.similarity.spearman) < 0.4 for stage in others)
    assert others[0].similarity.spearman_abs > others[-1].similarity.spearman_abs + 0.3
