"""Linear radii against every boundary of toy networks, each with its own gradient, and against what moved images do.

The oracle knows neither probes nor an affine map: it differentiates the restricted network itself, in float64, at every
neuron and every element of every window.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from math import inf, log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.data.samples import sample_images
from core.errors import Cancelled, PathwayError
from core.linearity import along, as_double, effective_linear_radius, linear_radius
from core.methods import METHODS
from core.models.zoo import load_network
from core.network import Network, trace
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import restrict, restricting
from tests.core.network.test_purity import HOOKS
from tests.networks import SHAPE, TOYS, ByHand, architecture, image_of, seeded, toy


class Pooled(nn.Module):
    """Overlapping windows, some with a ReLU behind and some before it, batch norms, averages, a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.next = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(8, 4, 3)
        self.pool, self.relu6 = nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU6(inplace=True)
        self.fc, self.dropout = nn.Linear(4 * 2 * 2, 4), nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        x = torch.cat([self.pool(self.relu6(2 * x)), self.pool(F.avg_pool2d(x, 3, 1, 1)).relu()], 1)
        return self.fc(self.dropout(F.relu(self.next(x)).flatten(1)))


class Dilated(nn.Module):
    """Windows with holes, padding and other strides down than across, given as positions; then a pool of a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(84, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv(x), (3, 2), (2, 1), 1, (1, 2))
        x = F.max_pool2d(F.relu(x), kernel_size=2, stride=1)
        return self.fc(F.relu(x - 0.3).flatten(1))


POOLS = {"Pooled": Pooled, "Dilated": Dilated}
CASES = list(product([*TOYS, *POOLS], ["original", "zero", "frozen"]))


@cache
def network_of(name: str) -> Network:
    return trace(seeded(POOLS[name]()), SHAPE, name=name) if name in POOLS else toy(name)[1]


def case_of(name: str, how: str) -> tuple[Network, Tensor, dict]:
    """A network, an image, and a restriction: none, half of the neurons, or a tenth with others' values held."""
    network = network_of(name)
    image = image_of(network, 3)
    ranking = rank(METHODS["Random"](network, image, 1))
    if how == "original":
        return network, image, {"pathway": None}
    if how == "zero":
        return network, image, {"pathway": ranking.pathway(0.5), "off": "zero"}
    return network, image, {"pathway": ranking.pathway(0.9), "off": "frozen", "reference": image_of(network, 5)}


def values_of(network: Network, image: Tensor, pathway=None, off="zero", reference=None) -> dict:
    """Every value of the restricted network, by node."""
    edit = restricting(network, image, pathway, off, reference)
    values, sites = {network.program.input: image}, {site.node: site for site in network.sites}
    for node in network.program.nodes[1:]:
        values[node] = network.program.call(node, values)
        if node in sites and edit:
            values[node] = edit(sites[node], values[node])
    return values


def doubled(network: Network, image: Tensor, restriction: dict) -> tuple[Network, Tensor, dict]:
    given = {name: v.double() if isinstance(v, Tensor) else v for name, v in restriction.items()}
    return as_double(network), image.double(), given


def jacobian(values: Tensor, image: Tensor) -> Tensor:
    """One row a value."""
    flat = values.flatten()
    if not flat.requires_grad:
        return torch.zeros(len(flat), image.numel(), dtype=torch.float64)
    eye = torch.eye(len(flat), dtype=torch.float64)
    return torch.autograd.grad(flat, image, eye, retain_graph=True, is_grads_batched=True)[0].flatten(1)


def pools(network: Network) -> dict:
    """Max pools by the names they go by."""
    names = {"Pooled": ["pool#1", "pool#2"], "Dilated": ["max_pool2d", "max_pool2d_1"]}.get(network.name, [])
    return dict(zip(names, [n for n in network.program.nodes if "pool" in n.name and "avg" not in n.name], strict=True))


def pool_settings(network: Network, node) -> tuple:
    """Kernel, stride, padding and dilation of the pools above, down and across, written out."""
    if network.name == "Pooled":
        return (3, 3), (2, 2), (0, 0), (1, 1)
    first = node is pools(network)["max_pool2d"]
    return ((3, 2), (2, 1), (1, 1), (1, 2)) if first else ((2, 2), (1, 1), (0, 0), (1, 1))


def windows(shape: tuple, pooled: tuple, settings: tuple):
    """Flat positions of each window's elements, channel by channel."""
    (channels, height, width), (kernel, stride, padding, dilation) = shape, settings
    for channel, row, column in product(range(channels), range(pooled[1]), range(pooled[2])):
        rows = [row * stride[0] - padding[0] + k * dilation[0] for k in range(kernel[0])]
        columns = [column * stride[1] - padding[1] + k * dilation[1] for k in range(kernel[1])]
        inside = [(y, x) for y, x in product(rows, columns) if 0 <= y < height and 0 <= x < width]
        yield [(channel * height + y) * width + x for y, x in inside]


def brute_force(network: Network, image: Tensor, restriction: dict) -> list[tuple]:
    """Every boundary with a gradient, the nearest first: (radius, kind, site, position, competitor)."""
    network, image, restriction = doubled(network, image, restriction)
    image.requires_grad_()
    values, found = values_of(network, image, **restriction), []
    for site in network.sites:
        z = values[site.node.all_input_nodes[0]]
        norms = jacobian(z, image).norm(dim=1).tolist()
        pathway = restriction["pathway"]
        kept = [True] * site.neurons if pathway is None else pathway.masks[site.index].flatten().tolist()
        for position, (value, norm) in enumerate(zip(z.flatten().tolist(), norms, strict=True)):
            if kept[position] and norm > 0:
                found.append((abs(value) / norm, "relu", site.index, position, None))
                found.append((abs(value - site.ceiling) / norm, "relu6", site.index, position, None))
    for node in pools(network).values():
        x = values[node.all_input_nodes[0]]
        flat, rows = x.flatten().tolist(), jacobian(x, image)
        for window in windows(x.shape[1:], values[node].shape[1:], pool_settings(network, node)):
            winner = max(window, key=lambda position: flat[position])
            for other in window:
                norm = float((rows[winner] - rows[other]).norm())
                if norm > 0:
                    found.append(((flat[winner] - flat[other]) / norm, "pool", None, winner, other))
    return sorted(found, key=lambda boundary: boundary[0])


@cache
def answers(name: str, how: str):
    network, image, restriction = case_of(name, how)
    return linear_radius(network, image, 1, **restriction), brute_force(network, image, restriction)


@pytest.mark.parametrize(("name", "how"), CASES)
def test_equals_the_least_of_all_boundaries(name, how):
    found, wanted = answers(name, how)
    assert found.radius == pytest.approx(wanted[0][0], rel=1e-9)
    limit = found.limit
    assert (limit.kind, limit.site, limit.position, limit.competitor) == wanted[0][1:]
    assert found.radius == limit.radius == limit.margin / limit.norm
    assert found.candidates == sum(kind != "relu6" for _, kind, *_ in wanted)
    assert found.exact < found.candidates


def test_toys_are_bounded_in_every_way():
    assert {answers(*case)[0].limit.kind for case in CASES} >= {"relu", "pool"}


@pytest.mark.parametrize(("name", "how"), CASES)
def test_inside_the_ball_the_response_equals_its_linearisation(name, how):
    network, image, restriction = case_of(name, how)
    radius, generator = answers(name, how)[0].radius, torch.Generator().manual_seed(1)
    for _ in range(10):
        direction = torch.randn(SHAPE, dtype=torch.float64, generator=generator)
        line = along(network, image, 1, direction=direction / direction.norm(), ts=[0.999 * radius], **restriction)
        torch.testing.assert_close(line.responses, line.tangent, rtol=1e-13, atol=1e-13)
        assert line.switched.tolist() == line.rerouted.tolist() == [0]


@pytest.mark.parametrize(("name", "how"), CASES)
def test_just_outside_the_limiting_neuron_or_winner_flips(name, how):
    network, image, restriction = case_of(name, how)
    found = answers(name, how)[0]
    line = along(
        network, image, 1, direction=found.direction, ts=[0, 0.999 * found.radius, 1.001 * found.radius], **restriction
    )
    flips = line.rerouted if found.limit.kind == "pool" else line.switched
    assert (line.switched + line.rerouted)[:2].tolist() == [0, 0]
    assert flips[2] >= 1
    assert float(found.direction.norm()) == pytest.approx(1)
    double, start, given = doubled(network, image, restriction)
    if given.get("off") == "frozen":
        given["reference"] = image_of(network, 5).double()
    gaps = []
    for t in (0.999, 1.001):
        values = values_of(double, start + t * found.radius * found.direction, **given)
        if found.limit.kind == "pool":
            node = pools(double)[found.limit.name]
            flat = values[node.all_input_nodes[0]].flatten()
            gaps.append(float(flat[found.limit.position] - flat[found.limit.competitor]))
        else:
            z = values[double.sites[found.limit.site].node.all_input_nodes[0]].flatten()[found.limit.position]
            gaps.append(float(z) - (6 if found.limit.kind == "relu6" else 0))
    assert gaps[0] * gaps[1] < 0
    assert abs(gaps[0]) == pytest.approx(0.001 * found.limit.margin, rel=1e-4)


class Ramp(nn.Module):
    """F = 2 x - 2 relu6(x + y) ... one neuron of each kind, worked out by hand."""

    def __init__(self, weight: list[list[float]], bias: list[float], last: list[float], relu: nn.Module) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(2, len(bias)), relu, nn.Linear(len(bias), 2)
        self.first.weight.data, self.first.bias.data = torch.tensor(weight), torch.tensor(bias)
        self.last.weight.data, self.last.bias.data = torch.tensor([last, [0.0] * len(last)]), torch.zeros(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.relu(self.first(x)))


def test_a_ceiling_by_hand():
    network = trace(Ramp([[3.0, 4.0]], [0.0], [1.0], nn.ReLU6()).eval(), (2,), name="ramp")
    for image, kind, radius, side in (
        ([1.0, 0.5], "relu6", 0.2, 1),
        ([1.0, 1.0], "relu6", 0.2, -1),
        ([0.2, 0.1], "relu", 0.2, -1),
    ):
        found = linear_radius(network, torch.tensor([image]), 0)
        assert (found.limit.kind, found.limit.margin, found.limit.norm) == (
            kind,
            pytest.approx(5 * radius),
            pytest.approx(5),
        )
        assert found.radius == pytest.approx(radius)
        torch.testing.assert_close(found.direction, side * torch.tensor([0.6, 0.8], dtype=torch.float64))


def test_off_pathway_and_unconnected_neurons_bound_nothing():
    network = trace(
        Ramp([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], nn.ReLU()).eval(), (2,)
    )
    image = torch.tensor([[0.5, 0.1]])
    assert linear_radius(network, image, 0).limit.position == 1
    for off in ("zero", "frozen"):
        found = linear_radius(network, image, 0, Pathway((torch.tensor([True, False, True]),)), off=off)
        assert (found.limit.position, found.radius, found.candidates) == (0, pytest.approx(0.5), 1)
        nothing = linear_radius(network, image, 0, Pathway((torch.zeros(3, dtype=torch.bool),)), off=off)
        assert (nothing.radius, nothing.limit, nothing.candidates, nothing.exact) == (inf, None, 0, 0)
        assert not nothing.direction.any()


def test_a_kept_neuron_that_is_off_bounds():
    network = trace(ByHand().eval(), (2,))
    found = linear_radius(network, torch.tensor([[1.0, 1.125]]), 0)
    assert (found.limit.site, found.limit.position) == (0, 1)
    assert found.radius == pytest.approx(0.125 / 2**0.5)


def test_ties_give_zero_and_are_named():
    network = trace(ByHand().eval(), (2,))
    found = linear_radius(network, torch.tensor([[1.0, -1.0]]), 0)
    assert (found.radius, found.limit.kind, found.limit.site, found.limit.position) == (0.0, "relu", 0, 0)
    assert along(network, torch.tensor([[1.0, -1.0]]), 0, None, found.direction, [1e-9]).switched.tolist() == [1]
    pool = trace(Pool().eval(), (1, 2, 2), name="pool")
    found = linear_radius(pool, torch.tensor([[[[5.0, 1.0], [2.0, 5.0]]]]), 0)
    assert (found.radius, found.limit.kind, found.limit.name) == (0.0, "pool", "max_pool2d")
    assert (found.limit.position, found.limit.competitor) == (0, 3)


class Pool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.max_pool2d(F.relu(x + 1), 2).flatten(1))


def test_a_plain_image_ties_everywhere():
    """All windows of one value: the radius is 0, and finding it does not take a norm a tie."""
    network = network_of("Pooled")
    found = linear_radius(network, torch.zeros(1, *SHAPE), 1)
    assert found.radius == 0
    assert found.exact < 100


class Bends(nn.Module):
    def __init__(self, bend: nn.Module | None = None, function=lambda x: x) -> None:
        super().__init__()
        self.conv, self.bend, self.fc = nn.Conv2d(3, 3, 1), bend or nn.Identity(), nn.Linear(3, 4)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.function(self.bend(F.relu(self.conv(x)))).mean((2, 3)))


REFUSED = {
    "Hardswish": Bends(nn.Hardswish()),
    "SiLU": Bends(nn.SiLU()),
    "LeakyReLU": Bends(nn.LeakyReLU()),
    "AdaptiveMaxPool2d": Bends(nn.AdaptiveMaxPool2d(2)),
    "LocalResponseNorm": Bends(nn.LocalResponseNorm(2)),
    "GroupNorm": Bends(nn.GroupNorm(3, 3)),
    "sigmoid": Bends(function=lambda x: x + torch.sigmoid(x)),
    "tanh": Bends(function=lambda x: x.tanh()),
    "abs": Bends(function=abs),
    "softmax": Bends(function=lambda x: F.softmax(x, 1)),
    "both depend on the image": Bends(function=lambda x: x * x.mean((2, 3), keepdim=True)),
    "multiplies values": Bends(function=lambda x: x * x),
    "divides by a value": Bends(function=lambda x: 1 / (x + 1)),
    "amax": Bends(function=lambda x: x.amax((2, 3), keepdim=True)),
    "maximum": Bends(function=lambda x: torch.maximum(x, x + 1)),
    "max_pool2d_with_indices": Bends(function=lambda x: F.max_pool2d(x, 2, return_indices=True)[0]),
    "returns indices": Bends(nn.MaxPool2d(2, return_indices=True), lambda x: x[0]),
}


@pytest.mark.parametrize("word", REFUSED)
def test_refuses_what_bends_otherwise(word):
    network = trace(seeded(REFUSED[word]), SHAPE, name="bent")
    with pytest.raises(PathwayError, match=word) as refusal:
        linear_radius(network, image_of(network), 0)
    assert "bent" in str(refusal.value)
    assert "squeezenet1_1" in str(refusal.value)


def test_refuses_squeeze_and_excitation():
    with pytest.raises(PathwayError, match="not known to be affine"):
        linear_radius(network := trace(architecture("mobilenet_v3_small"), (3, 32, 32)), image_of(network), 0)


@pytest.mark.parametrize(
    "name",
    [
        "shufflenet_v2_x0_5",
        *(pytest.param(n, marks=pytest.mark.thorough) for n in ("alexnet", "resnet18", "densenet121", "mobilenet_v2")),
    ],
)
def test_takes_torchvisions_piecewise_affine_networks(name):
    network = trace(architecture(name), (3, 64, 64) if name == "alexnet" else (3, 32, 32))
    found = linear_radius(network, image_of(network), 0, probes=8)
    assert 0 < found.radius < 1
    line = along(network, image_of(network), 0, None, found.direction, [0.99 * found.radius, 1.01 * found.radius])
    assert (line.switched + line.rerouted > 0).tolist() == [False, True]


def test_affine_spellings_pass():
    def spelled(x: Tensor) -> Tensor:
        x = (2 - x).div(3).permute(0, 2, 3, 1).contiguous().transpose(1, 3)[:, [2, 0, 1]]
        x = F.dropout(F.interpolate(F.pad(x, (1, 1)), scale_factor=2), training=False).flip(2)
        return torch.cat(torch.split(x, 1, dim=1), 1) - x.narrow(1, 0, 1) @ torch.eye(20)

    network = trace(seeded(Bends(function=spelled)), SHAPE)
    found, wanted = (
        linear_radius(network, image_of(network), 0),
        brute_force(network, image_of(network), {"pathway": None}),
    )
    assert found.radius == pytest.approx(wanted[0][0], rel=1e-9)


@pytest.mark.parametrize(
    "wrong",
    [{"confidence": 1.0}, {"confidence": 0.0}, {"probes": 0}, {"target": 4}, {"image": torch.zeros(1, 3, 7, 8)}],
)
def test_refuses_wrong_arguments(wrong):
    network = network_of("Straight")
    with pytest.raises(PathwayError, match="wanted"):
        linear_radius(**{"network": network, "image": image_of(network), "target": 0} | wrong)
    with pytest.raises(PathwayError, match="wanted"):
        linear_radius(network, image_of(network), 0, Pathway(tuple(map(torch.ones, ()))), off="other")


@pytest.mark.parametrize(("probes", "seeds"), [(1, 4), (2, 10), (5, 40)])
def test_never_wrong_with_few_probes(probes, seeds):
    network, image, restriction = case_of("Pooled", "original")
    wanted = answers("Pooled", "original")[1][0][0]
    found = [linear_radius(network, image, 1, probes=probes, seed=seed, **restriction) for seed in range(seeds)]
    assert [each.radius for each in found] == [pytest.approx(wanted, rel=1e-9)] * seeds


def test_probes_spare_exact_norms():
    network, image, _ = case_of("Branches", "original")
    exact = [linear_radius(network, image, 1, probes=probes).exact for probes in (2, 8, 128)]
    assert exact[0] > exact[1] >= exact[2]


@pytest.mark.thorough
def test_more_confidence_takes_more_exact_norms_and_little_can_be_wrong():
    network, image, _ = case_of("Branches", "original")
    least = answers("Branches", "original")[1][0][0]
    careless = [linear_radius(network, image, 1, confidence=1e-6, probes=1, seed=seed) for seed in range(40)]
    assert any(each.radius > least * 1.001 for each in careless)
    assert all(each.radius >= least * (1 - 1e-9) for each in careless)
    assert max(each.exact for each in careless) < linear_radius(network, image, 1, probes=1).exact


def test_tells_progress_and_stops_when_asked():
    network, image, _ = case_of("Pooled", "original")
    told = []
    linear_radius(network, image, 1, probes=20, progress=lambda *told_: told.append(told_))
    shares = [done / total for done, total, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {note for _, _, note in told} == {"probes", "exact norms"}
    for note in ("probes", "exact norms"):

        def stop(done, total, said, note=note):
            if said == note:
                raise Cancelled("stop")

        with pytest.raises(Cancelled):
            linear_radius(network, image, 1, progress=stop)


def test_threads_share_a_network_and_leave_it_alone():
    cases = [case_of(name, how) for name in ("Pooled", "Residual") for how in ("original", "zero", "frozen")]

    def work(case):
        network, image, restriction = case
        return linear_radius(network, image, 1, **restriction)

    serial = [work(case) for case in cases]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, cases * 3)) == serial * 3
    for network in (case[0] for case in cases):
        assert network.dtype == torch.float32
        assert not any(any(getattr(m, hooks) for hooks in HOOKS) for m in network.program.model.modules())


def test_as_double_shares_no_tensor_and_computes_the_same():
    network = network_of("Pooled")
    double = as_double(network)
    assert (double.dtype, double.name, double.class_names) == (torch.float64, network.name, network.class_names)
    assert as_double(double) is double
    own = {t.data_ptr() for t in (*network.program.model.parameters(), *network.program.model.buffers())}
    assert own.isdisjoint(t.data_ptr() for t in (*double.program.model.parameters(), *double.program.model.buffers()))
    assert not any(t.requires_grad for t in double.program.model.parameters())
    image = image_of(network)
    torch.testing.assert_close(
        double.run(image.double()).logits.float(), network.run(image).logits, rtol=1e-5, atol=1e-5
    )


def kink() -> Network:
    """F = x + 10 relu(x - 1), for x > -5; y does nothing."""
    weight, bias = [[1.0, 0.0], [1.0, 0.0]], [5.0, -1.0]
    return trace(Ramp(weight, bias, [1.0, 10.0], nn.ReLU()).eval(), (2,), name="kink")


def test_effective_radius_by_hand():
    """10 (t - 1) exceeds 5 % of t + 10 (t - 1) from t = 9.5 / 9.45 on; along cos φ from 1 / cos φ times that."""
    found = effective_linear_radius(kink(), torch.zeros(1, 2), 0, directions=64)
    exact = 9.5 / 9.45
    assert exact <= found.along_gradient <= exact * 2 ** (1 / 16)
    assert len(found.values) == 64
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(64, 2, dtype=torch.float64, generator=generator)
    for (x, y), value in zip(drawn.tolist(), found.values, strict=True):
        cosine = x / (x * x + y * y) ** 0.5
        if cosine > 0.01:
            assert exact / cosine * (1 - 1e-9) <= value <= exact / cosine * 2 ** (1 / 16)
        elif cosine < -0.01:  # F stays at 0 beyond x = -5, t cos φ falls on
            assert 5 * 1.05 / -cosine * (1 - 0.01) <= value <= 5 * 1.06 / -cosine * 2 ** (1 / 16)
    assert found.median == pytest.approx(sorted(found.values)[31] / 2 + sorted(found.values)[32] / 2)


def test_effective_radius_has_no_end_where_nothing_bends():
    network, image = kink(), torch.zeros(1, 2)
    assert effective_linear_radius(network, image, 0, largest=0.9, directions=3).values == (inf, inf, inf)
    off = Pathway((torch.tensor([True, False]),))
    assert effective_linear_radius(network, image, 0, off, directions=1, largest=4).along_gradient == inf
    flat = effective_linear_radius(network, image, 1, directions=2)  # a logit that is always 0
    assert (flat.median, flat.along_gradient) == (inf, inf)


@pytest.mark.parametrize("how", ["original", "zero", "frozen"])
def test_effective_radius_is_where_a_scan_finds_it(how):
    network, image, restriction = case_of("Branches", how)
    found = effective_linear_radius(network, image, 1, directions=2, seed=4, **restriction)
    assert found.along_gradient >= answers("Branches", how)[0].radius
    double, start, given = doubled(network, image, restriction)
    step = restrict(double, start, 1, **given).gradient
    ts = torch.logspace(-6, 3, 4000, dtype=torch.float64).tolist()
    line = along(network, image, 1, direction=step / step.norm(), ts=ts, **restriction)
    at = along(network, image, 1, direction=step, ts=[0], **restriction).responses
    wrong = (line.responses - line.tangent).abs() > 0.05 * (line.responses - at).abs() + 1e-12
    assert found.along_gradient == pytest.approx(ts[int(wrong.byte().argmax())], rel=0.06)


def test_effective_radius_tells_progress_stops_and_refuses():
    network, image, told = kink(), torch.zeros(1, 2), []
    effective_linear_radius(network, image, 0, directions=1, progress=lambda *each: told.append(each[:2]))
    assert told == [(step, len(told)) for step in range(1, len(told) + 1)]

    def stop(*_):
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        effective_linear_radius(network, image, 0, progress=stop)
    for wrong in ({"directions": 0}, {"tolerance": 0.0}, {"largest": inf}, {"largest": 0.0}):
        with pytest.raises(PathwayError, match="wanted"):
            effective_linear_radius(network, image, 0, **wrong)


def test_a_line_by_hand():
    told = []
    line = along(
        kink(),
        torch.zeros(1, 2),
        0,
        None,
        torch.tensor([1.0, 0.0]),
        [-6, 0, 0.5, 1.5, *[2] * 6],
        progress=lambda *t: told.append(t),
    )
    assert line.responses.tolist() == [0, 5, 5.5, 11.5, *[17] * 6]
    assert line.tangent.tolist() == [-1, 5, 5.5, 6.5, *[7] * 6]
    assert line.switched.tolist() == [1, 0, 0, 1, *[1] * 6]
    assert line.rerouted.tolist() == [0] * 10
    assert told == [(8, 10, "points"), (10, 10, "points")]
    half = Pathway((torch.tensor([True, False]),))
    assert along(kink(), torch.zeros(1, 2), 0, half, torch.tensor([1.0, 0.0]), [1.5]).switched.tolist() == [0]
    for wrong in ({"direction": torch.zeros(3)}, {"ts": []}):
        with pytest.raises(PathwayError, match="wanted"):
            along(
                **{
                    "network": kink(),
                    "image": torch.zeros(1, 2),
                    "target": 0,
                    "pathway": None,
                    "direction": torch.zeros(2),
                    "ts": [1],
                }
                | wrong
            )


@pytest.fixture(scope="module")
def cat():
    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    target = int(network.run(image).logits.argmax())
    return network, image, target, rank(METHODS["NeuronMCT"](network, image, target)).pathway(0.9)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("how", "low", "high"),
    [
        (None, 1e-9, 1e-6),
        ("zero", 1e-6, 1e-4),
        ("frozen", 1e-6, 1e-4),
    ],
)
def test_a_cat_in_squeezenet(cat, how, low, high):
    network, image, target, pathway = cat
    restriction = {"pathway": pathway, "off": how} if how else {"pathway": None}
    found = linear_radius(network, image, target, probes=16, **restriction)
    assert low < found.radius < high
    assert found.exact <= 64
    line = along(
        network,
        image,
        target,
        direction=found.direction,
        ts=[0.999 * found.radius, 1.001 * found.radius],
        **restriction,
    )
    assert (line.switched + line.rerouted > 0).tolist() == [False, True]
    assert float((line.responses - line.tangent).abs()[0]) < 1e-12
    inside = torch.randn(image.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    line = along(network, image, target, direction=inside / inside.norm(), ts=[0.999 * found.radius], **restriction)
    assert (line.switched + line.rerouted).tolist() == [0]


def test_the_confidence_holds_for_all_boundaries_together():
    """With two probes q = -2 log(1 - p), p the doubt of a single boundary: how far the search goes follows from it."""
    network, image, _ = case_of("Straight", "original")
    least, boundaries = answers("Straight", "original")[1][0][0], answers("Straight", "original")[0].candidates
    found = linear_radius(network, image, 1, probes=2, confidence=0.9)
    alone = -2 * log(0.9)
    together = -2 * log(1 - 0.1 / boundaries)
    wanted = [b for b in answers("Straight", "original")[1] if b[0] * (together / 2) ** 0.5 < least]
    single = [b for b in answers("Straight", "original")[1] if b[0] * (alone / 2) ** 0.5 < least]
    assert len(single) * 2 < found.exact
    assert found.exact > len(wanted) / 2
