"""Edges and flow against networks nudged neuron by neuron, against numbers worked out by hand, and what they sum to.

The oracle takes no gradients: it runs a network with every site held at the activations of its restricted run but for
one nudged neuron, and reads what the nudge does to each pre-activation and to the logit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import cache
from math import prod

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.testing import assert_close

from core.errors import PathwayError
from core.flow import BIAS, IMAGE, LOGIT, ChannelFlow, Edges, Links, channel_flow, link
from core.methods import METHODS
from core.network import Network, trace
from core.pathways.ranking import Pathway, rank
from core.pathways.restriction import response
from tests.core.network.test_purity import HOOKS
from tests.networks import TOYS, ByHand, architecture, image_of, seeded, toy

TARGET, NUDGE = 1, 1e-6
RESTRICTIONS = [None, "zero", "frozen"]
CLOSE = {"rtol": 1e-6, "atol": 1e-7}


class Fire(nn.Module):
    """A fire module and what else lies between sites: batch norm, max pooling, vectors after a flatten, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.norm = nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)
        self.three, self.five = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 3, 5, padding=2)
        self.relu, self.relu6 = nn.ReLU(inplace=True), nn.ReLU6(inplace=True)
        self.pool, self.dropout = nn.MaxPool2d(3, 2), nn.Dropout(0.5)
        self.fc, self.last = nn.Linear(5 * 4, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.squeeze(x)))
        x = self.pool(torch.cat([self.relu(self.three(x)), self.relu(self.five(x))], 1))
        return self.last(self.dropout(self.relu6(9 * self.fc(torch.flatten(x, 1)))))


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.next = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.fc = nn.Linear(2 * 36, 4)

    def head(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


class Dense(Small):
    """Later calls read the image and every site before them, and the logits read them all."""

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x))
        b = F.relu(self.next(a) + x[:, :2])
        return self.head(a * 2) + self.head(b) + self.head(x[:, 1:])


class PreActivation(Small):
    """What goes into a ReLU also goes past it."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        return self.head(F.relu(self.next(F.relu(z)) + z) + F.relu6(z * 5))


class Gated(Small):
    """Neither factor is constant, and the sigmoid bends."""

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x))
        b = F.relu(self.next(a))
        return self.head(F.relu(a * torch.sigmoid(b.mean((2, 3), keepdim=True)) - 0.1))


class Threshold(Small):
    """No gradient reaches the second site, and none comes out of it to the first."""

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x))
        return self.head(a + F.relu((a > 0.5).type_as(a) - 0.2))


class Doubled(Small):
    """A site that reads nothing but another site."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu6(F.relu(self.conv(F.relu(x)))))


class Attention(Small):
    """Pixels attend to pixels, by a fused kernel between two sites, and by a module's own past one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.MultiheadAttention(2, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x)).flatten(2).transpose(1, 2)  # (N, pixels, channels)
        b = F.relu(F.scaled_dot_product_attention(a, a * 3, a, scale=2.0) - 0.4)
        c, _ = self.heads(b, a, b, need_weights=False)
        return self.fc((F.relu(c) + b).flatten(1))


class Softmax(Small):
    """The same from products and a softmax, which were differentiable twice before."""

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.conv(x)).flatten(2).transpose(1, 2)
        shares = (a @ a.transpose(1, 2)).softmax(2)
        return self.fc(F.relu(shares @ a - 0.4).flatten(1))


OWN = {model.__name__: model for model in (Fire, Dense, PreActivation, Gated, Threshold, Doubled, Attention, Softmax)}
ALL = (*TOYS, *OWN)


@cache
def network_of(name: str) -> Network:
    return trace(seeded(OWN[name]()).double(), (3, 6, 6), name=name) if name in OWN else toy(name, double=True)[1]


def pathway_of(network: Network, off: str | None, sparsity: float = 0.4) -> Pathway | None:
    scores = METHODS["Random"](network, image_of(network), 0, seed=5)
    return rank(scores).pathway(sparsity) if off else None


@cache
@cache
def links_of(name: str, off: str | None = None) -> Links:
    network = network_of(name)
    return link(network, image_of(network), TARGET, pathway_of(network, off), off=off or "zero")


class Nudged:
    """A restricted network's values, edges and slopes from differences."""

    def __init__(self, name: str, off: str | None) -> None:
        self.network = network_of(name)
        self.image, pathway = image_of(self.network), pathway_of(self.network, off)
        self.held = self.network.run(self.image, record=True).activations
        self.masks = pathway.masks if pathway else [torch.ones(s.shape, dtype=torch.bool) for s in self.network.sites]
        self.off = off
        self.run = self.network.run(self.image, self.restricted, record=True)
        self.a = [a.flatten() for a in self.run.activations]
        self.z = [z.flatten() for z in self.run.pre_activations]

    def restricted(self, site, activation: Tensor) -> Tensor:
        others = self.held[site.index] if self.off == "frozen" else torch.zeros_like(self.held[site.index])
        return activation * self.masks[site.index] + others * ~self.masks[site.index]

    @cache  # noqa: B019  # as long as the tests, which share them
    def edges(self, node: int) -> dict[int, Tensor]:
        """(neurons, neurons of the other site) by site, and (neurons,) to LOGIT; an image has one neuron."""
        nudges = NUDGE * (torch.ones(1) if node == IMAGE else torch.eye(self.network.sites[node].neurons))
        rise, fall = self._run_held(node, nudges), self._run_held(node, -nudges)
        scale = 1.0 if node == IMAGE else self.a[node][:, None]
        found = {
            site: (up - down) / (2 * NUDGE) * scale for site, (up, down) in enumerate(zip(rise, fall, strict=True))
        }
        return {LOGIT: found.pop(len(self.a))[:, TARGET], **found}

    def _run_held(self, node: int, nudges: Tensor) -> list[Tensor]:
        def edit(site, activation: Tensor) -> Tensor:
            held = self.run.activations[site.index].expand(len(nudges), *site.shape)
            return held + nudges.view(held.shape) if site.index == node else held

        factor = 1 + nudges.double() if node == IMAGE else torch.ones(len(nudges))
        run = self.network.run(self.image * factor.view(-1, 1, 1, 1).double(), edit, record=True)
        return [z.flatten(1) for z in (*run.pre_activations, run.logits)]

    @cache  # noqa: B019
    def slope(self, node: int, before: bool) -> Tensor:
        """dF/dz, or dF/da, of a site's neurons; at a kink the ReLU passes nothing."""

        def response_at(nudge: float) -> Tensor:
            def edit(site, activation: Tensor) -> Tensor:
                if site.index != node:
                    return self.restricted(site, activation)
                nudges = nudge * torch.eye(site.neurons).view(-1, *site.shape)
                if before:
                    return self.restricted(site, (self.run.pre_activations[node] + nudges).clamp(0, site.ceiling))
                return self.run.activations[node] + nudges

            images = self.image.expand(self.network.sites[node].neurons, -1, -1, -1)
            return self.network.run(images, edit).logits[:, TARGET]

        kinks = before & ((self.z[node] == 0) | (self.z[node] == self.network.sites[node].ceiling))
        return (response_at(NUDGE) - response_at(-NUDGE)) / (2 * NUDGE) * ~kinks


@cache
def nudged(name: str, off: str | None) -> Nudged:
    return Nudged(name, off)


def stacked(rows: list[list[Edges]], what: str) -> dict[int, Tensor]:
    """By node, one row a neuron asked."""
    return {
        edges[0].node: torch.stack([getattr(e, what).flatten() for e in edges]) for edges in zip(*rows, strict=True)
    }


def everything(links: Links, way: str, node: int) -> list[list[Edges]]:
    neurons = 1 if node < 0 else links.network.sites[node].neurons
    return [getattr(links, way)(node, position) for position in range(neurons)]


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize("name", ALL)
def test_every_neuron_gives_what_a_nudge_of_it_does(name, off):
    links, oracle = links_of(name, off), nudged(name, off)
    slopes = {site: oracle.slope(site, before=True) for site in range(len(oracle.a))} | {LOGIT: torch.ones(1)}
    for node in (IMAGE, *range(len(oracle.a))):
        rows, wanted = everything(links, "outgoing", node), oracle.edges(node)
        values, flow = stacked(rows, "values"), stacked(rows, "flow")
        for other, edges in wanted.items():
            edges = edges.view(len(rows), -1)
            if other not in values:
                assert not edges.any(), f"{node} is joined to {other}"
            else:
                assert_close(values[other], edges, **CLOSE)
                assert_close(flow[other], edges * slopes[other], **CLOSE)
        if node != IMAGE:
            total = torch.cat(list(flow.values()), dim=1).sum(1)
            assert_close(total, oracle.a[node] * oracle.slope(node, before=False), **CLOSE)
            assert_close(links.to_pre_activation[node].flatten(), slopes[node], **CLOSE)


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize("name", ALL)
def test_every_neuron_gets_what_others_give(name, off):
    links, oracle = links_of(name, off), nudged(name, off)
    given = {node: oracle.edges(node) for node in (IMAGE, *range(len(oracle.a)))}
    ends = {**dict(enumerate(oracle.z)), LOGIT: oracle.run.logits[:, TARGET]}
    for node, z in ends.items():
        rows = everything(links, "incoming", node)
        slope = torch.ones(1) if node == LOGIT else oracle.slope(node, before=True)
        values, flow = stacked(rows, "values"), stacked(rows, "flow")
        assert tuple(values) == (*links.before(node), BIAS)
        for source in links.before(node):
            wanted = given[source][node].view(-1, len(rows)).T
            assert_close(values[source], wanted, **CLOSE)
            assert_close(flow[source], wanted * slope[:, None], **CLOSE)
        assert_close(torch.cat(list(values.values()), 1).sum(1), z)
        assert_close(torch.cat(list(flow.values()), 1).sum(1), z * slope, **CLOSE)


@pytest.mark.parametrize("off", RESTRICTIONS)
def test_records_the_restricted_run(off):
    network = network_of("Fire")
    image, pathway = image_of(network), pathway_of(network, off)
    links, oracle = links_of("Fire", off), nudged("Fire", off)
    assert_close(links.response, float(response(network, image, pathway, off=off or "zero")[0, TARGET]))
    assert_close([a[None] for a in links.activations], list(oracle.run.activations))
    assert_close([z[None] for z in links.pre_activations], list(oracle.run.pre_activations))
    assert [g.shape for g in links.to_activation] == [site.shape for site in network.sites]
    assert not any(t.requires_grad for t in (*links.activations, *links.pre_activations, *links.to_activation))
    assert links.nbytes > 4 * 8 * network.neurons


def test_biases_bring_their_weights():
    model, network = toy("Straight", double=True)
    links = link(network, image_of(network), TARGET)
    for node, bias in [(0, model.conv.bias), (1, model.next.bias)]:
        for position in (0, 63, 64, 200, 255):
            brought = links.incoming(node, position)[-1]
            assert_close(brought.values, bias[position // 64].detach())
            assert_close(
                brought.flow, bias[position // 64].detach() * links.to_pre_activation[node].flatten()[position]
            )
    assert_close(links.incoming(LOGIT, 0)[-1].values, model.fc.bias[TARGET].detach())


def test_another_reference_is_held():
    network = network_of("Fire")
    image, other, pathway = image_of(network), image_of(network, seed=3), pathway_of(network, "frozen")
    links = link(network, image, TARGET, pathway, off="frozen", reference=other)
    held = network.run(other, record=True).activations
    for a, mask, wanted in zip(links.activations, pathway.masks, held, strict=True):
        assert_close(a[~mask], wanted[0][~mask])
    assert_close(links.response, float(response(network, image, pathway, off="frozen", reference=other)[0, TARGET]))


NEIGHBOURS = {  # node: what is straight before it
    "Fire": {0: (IMAGE,), 1: (0,), 2: (0,), 3: (1, 2), LOGIT: (3,)},
    "Dense": {0: (IMAGE,), 1: (IMAGE, 0), LOGIT: (IMAGE, 0, 1)},
    "PreActivation": {0: (IMAGE,), 1: (IMAGE, 0), 2: (IMAGE,), LOGIT: (1, 2)},
    "Gated": {0: (IMAGE,), 1: (0,), 2: (0, 1), LOGIT: (2,)},
    "Residual": {0: (IMAGE,), 1: (0,), LOGIT: (1,)},
    "Split": {0: (IMAGE,), 1: (IMAGE, 0), LOGIT: (IMAGE, 0, 1)},
    "ShapeDependent": {0: (IMAGE,), 1: (0,), LOGIT: (1,)},
    "Branches": {0: (IMAGE,), 1: (IMAGE,), 2: (0, 1), LOGIT: (1, 2)},
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours(name):
    links, wanted = links_of(name), NEIGHBOURS[name]
    assert {node: links.before(node) for node in wanted} == wanted
    for node in (IMAGE, *range(len(links.network.sites))):
        assert links.after(node) == tuple(later for later in wanted if node in wanted[later])


def shown(edges: list[Edges], what: str = "values") -> dict[int, list[float] | float]:
    return {e.node: getattr(e, what).tolist() for e in edges}


@pytest.fixture
def by_hand() -> tuple[Network, Tensor]:
    """z = (3, 1, 4), (-1.25, 10), F = -29.5; dF/da = (0, -15, -3), (2, -3); dF/dz = (0, -15, -3), (0, -3)."""
    return trace(ByHand().eval(), (2,)), torch.tensor([[2.0, 1.0]])


def test_by_hand(by_hand):
    links = link(*by_hand, 0)
    assert links.response == -29.5
    assert [a.tolist() for a in links.activations] == [[3, 1, 4], [0, 10]]
    assert [z.tolist() for z in links.pre_activations] == [[3, 1, 4], [-1.25, 10]]
    assert [g.tolist() for g in links.to_activation] == [[0, -15, -3], [2, -3]]
    assert [g.tolist() for g in links.to_pre_activation] == [[0, -15, -3], [0, -3]]
    assert shown(links.incoming(1, 1)) == {0: [0, 5, 4], BIAS: 1}
    assert shown(links.incoming(1, 1), "flow") == {0: [0, -15, -12], BIAS: -3}
    assert shown(links.incoming(1, 0)) == {0: [3, 0, -4], BIAS: -0.25}
    assert shown(links.incoming(1, 0), "flow") == {0: [0, 0, 0], BIAS: 0}
    assert shown(links.incoming(0, 2)) == {IMAGE: 4, BIAS: 0}
    assert shown(links.incoming(0, 2), "flow") == {IMAGE: -12, BIAS: 0}
    assert shown(links.incoming(LOGIT, 0)) == shown(links.incoming(LOGIT, 0), "flow") == {1: [0, -30], BIAS: 0.5}
    assert shown(links.outgoing(0, 2)) == {1: [-4, 4]}
    assert shown(links.outgoing(0, 2), "flow") == {1: [0, -12]}
    assert shown(links.outgoing(1, 1)) == shown(links.outgoing(1, 1), "flow") == {LOGIT: -30}
    assert shown(links.outgoing(IMAGE, 0)) == {0: [3, 1, 4]}
    assert shown(links.outgoing(IMAGE, 0), "flow") == {0: [0, -15, -12]}


def test_restricted_by_hand(by_hand):
    pathway = Pathway((torch.tensor([True, False, True]), torch.tensor([True, True])))
    zero, frozen = (link(*by_hand, 0, pathway, off=off) for off in ("zero", "frozen"))
    assert shown(zero.incoming(1, 1)) == {0: [0, 0, 4], BIAS: 1}
    assert shown(zero.outgoing(0, 1)) == {1: [0, 0]}
    assert shown(frozen.incoming(1, 1)) == {0: [0, 5, 4], BIAS: 1}
    assert shown(frozen.outgoing(0, 1), "flow") == {1: [0, -15]}
    for links in (zero, frozen):  # the image still speaks to the neuron, which passes nothing on
        assert shown(links.incoming(0, 1)) == {IMAGE: 1, BIAS: 0}
        assert shown(links.incoming(0, 1), "flow") == {IMAGE: 0, BIAS: 0}


def test_channel_flow_by_hand(by_hand):
    found = channel_flow(link(*by_hand, 0), [[2], [1]])
    assert {pair: matrix.tolist() for pair, matrix in found.flows.items()} == {
        (IMAGE, 0): [[-12, -15]],
        (BIAS, 0): [[0, 0]],
        (0, 1): [[-12, 0], [-15, 0]],
        (BIAS, 1): [[-3, 0]],
        (1, LOGIT): [[-30], [0]],
        (BIAS, LOGIT): [[0.5]],
    }
    assert found.channels == ((2,), (1,))


def test_a_max_pool_passes_on_its_winner():
    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(F.relu(x), 2).flatten(1) @ torch.tensor([[2.0, 1.0]]) + 1

    for pixels, passed in [
        ([[1.0, 5.0], [2.0, 4.0]], [[0, 10], [0, 0]]),
        ([[1.0, 2.0], [5.0, 5.0]], [[0, 0], [10, 0]]),
    ]:
        links = link(trace(Pool().eval(), (1, 2, 2)), torch.tensor([[pixels]]), 0)
        assert shown(links.incoming(LOGIT, 0)) == {0: [passed], BIAS: 1}
        assert [shown(links.outgoing(0, i))[LOGIT] for i in range(4)] == [*passed[0], *passed[1]]


def test_a_convolution_and_a_skip_by_jacobian():
    model, network = toy("Residual", double=True)
    links = link(network, image_of(network), TARGET)
    a = links.activations[0][None]
    jacobian = torch.autograd.functional.jacobian(lambda a: model.next(a) + a, a).view(256, 256).detach()  # (j, i)
    edges = jacobian * a.flatten()
    slope = links.to_pre_activation[1].flatten()
    for position in (0, 7, 77, 255):
        (got, _), (given,) = links.incoming(1, position), links.outgoing(0, position)
        assert_close(got.values.flatten(), edges[position])
        assert_close(got.flow.flatten(), edges[position] * slope[position])
        assert_close(given.values.flatten(), edges[:, position])
        assert_close(given.flow.flatten(), edges[:, position] * slope)


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize("name", ["Fire", "Split", "Residual"])
def test_a_channel_is_the_sum_of_its_neurons(name, off):
    links = links_of(name, off)
    for site in links.network.sites:
        size = prod(site.shape[1:])
        for channel in range(site.shape[0]):
            for way in ("incoming", "outgoing"):
                rows = [getattr(links, way)(site.index, channel * size + i) for i in range(size)]
                whole = getattr(links, f"{way}_channel")(site.index, channel)
                for what in ("values", "flow"):
                    wanted = {node: rows.sum(0) for node, rows in stacked(rows, what).items()}
                    assert_close({e.node: getattr(e, what).flatten() for e in whole}, wanted)


def test_the_image_and_the_logit_have_one_channel():
    links = links_of("Dense")
    for way, node in (("incoming", LOGIT), ("outgoing", IMAGE)):
        one, whole = getattr(links, way)(node, 0), getattr(links, f"{way}_channel")(node, 0)
        assert shown(one) == shown(whole)
        assert shown(one, "flow") == shown(whole, "flow")


def grouped(flow: Tensor, channels: list[int], total: int) -> Tensor:
    """Add up the rows of each chosen channel, and those of all other channels."""
    by_channel = flow.view(total, -1, *flow.shape[1:]).sum(1)
    others = [c for c in range(total) if c not in channels]
    return torch.stack([*(by_channel[c] for c in channels), by_channel[others].sum(0)])


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize("name", [*OWN, "Split", "Branches", "Residual"])
def test_channel_flow_is_the_sum_of_edges(name, off):
    links, oracle = links_of(name, off), nudged(name, off)
    sites = links.network.sites
    channels = [[site.shape[0] - 1, *range(site.index % 2)] for site in sites]
    found = channel_flow(links, channels)
    slopes = [oracle.slope(site.index, before=True) for site in sites]
    joined = set()
    for source in (IMAGE, *range(len(sites))):
        edges = oracle.edges(source)
        for sink in links.after(source):
            flow = edges[sink].view(-1, sites[sink].neurons) * slopes[sink] if sink >= 0 else edges[sink][:, None]
            flow = grouped(flow, channels[source], sites[source].shape[0]) if source >= 0 else flow
            wanted = grouped(flow.T, channels[sink], sites[sink].shape[0]).T if sink >= 0 else flow
            assert_close(found.flows[source, sink], wanted, **CLOSE)
            joined.add((source, sink))
    assert set(found.flows) == joined | {(BIAS, sink) for sink in (*range(len(sites)), LOGIT)}


def left_over(found: ChannelFlow, links: Links) -> list[float]:
    """What comes into each site, less what all its neurons' z · dF/dz are; what goes out, less a · dF/da."""
    over = []
    for site in range(len(links.network.sites)):
        into = sum(float(m.sum()) for (_, sink), m in found.flows.items() if sink == site)
        out = sum(float(m.sum()) for (source, _), m in found.flows.items() if source == site)
        over.append(into - float((links.pre_activations[site] * links.to_pre_activation[site]).sum()))
        over.append(out - float((links.activations[site] * links.to_activation[site]).sum()))
    return [*over, sum(float(m.sum()) for (_, sink), m in found.flows.items() if sink == LOGIT) - links.response]


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize("name", ALL)
def test_channel_flow_leaves_nothing_over(name, off):
    links = links_of(name, off)
    for channels in ([[] for _ in links.activations], [range(len(a)) for a in links.activations]):
        found = channel_flow(links, channels)
        assert_close(torch.tensor(left_over(found, links)), torch.zeros(2 * len(channels) + 1), rtol=0, atol=1e-9)


REAL = {
    "squeezenet1_1": {1: (0,), 4: (2, 3), 24: (22,), LOGIT: (23, 24)},
    "resnet18": {1: (0,), 2: (0, 1), 5: (4,), 6: (4, 5), LOGIT: (16,)},
}


@pytest.mark.parametrize("off", RESTRICTIONS)
@pytest.mark.parametrize(
    "name", ["squeezenet1_1", *(pytest.param(n, marks=pytest.mark.thorough) for n in ("resnet18", "googlenet"))]
)
def test_real_architectures(name, off):
    network = trace(architecture(name).double(), (3, 64, 64))
    links = link(network, image_of(network), TARGET, pathway_of(network, off), off=off or "zero")
    for site in network.sites:
        moved = links.activations[site.index] * links.to_activation[site.index]
        arrived = links.pre_activations[site.index] * links.to_pre_activation[site.index]
        for position in (int(moved.argmax()), int(moved.argmin()), site.neurons // 2):
            out = sum(e.flow.sum() for e in links.outgoing(site.index, position))
            assert_close(out, moved.flatten()[position])
            rows = links.incoming(site.index, position)
            assert_close(sum(e.values.sum() for e in rows), links.pre_activations[site.index].flatten()[position])
            assert_close(sum(e.flow.sum() for e in rows), arrived.flatten()[position])
    found = channel_flow(links, [[0] for _ in network.sites])
    assert max(map(abs, left_over(found, links))) < 1e-9 * max(1, abs(links.response))


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_neighbours_of_real_architectures(name):
    network = trace(architecture(name), (3, 64, 64))
    links = link(network, image_of(network), 0)
    assert {node: links.before(node) for node in REAL[name]} == REAL[name]


def work(links: Links) -> list[Tensor]:
    """Everything that links are asked, of some neurons."""
    again = link(links.network, image_of(links.network), TARGET)
    edges = [e for way in ("incoming", "outgoing") for i in (3, 30) for e in getattr(links, way)(0, i)]
    flows = channel_flow(links, [[0] for _ in links.activations]).flows.values()
    return [*again.to_activation, *flows, *(t for e in edges for t in (e.values, e.flow))]


def test_eight_threads_equal_serial():
    many = [links_of(name) for name in ("Fire", "Residual", "Dense", "Fire") for _ in range(2)]
    serial = [work(links) for links in many]
    with ThreadPoolExecutor(8) as pool:
        rounds = [list(pool.map(work, many)) for _ in range(5)]
    for results in rounds:
        assert_close(results, serial)


@pytest.mark.parametrize("grad", [True, False])
def test_leaves_nothing_behind(grad):
    network = trace(seeded(Fire()).double(), (3, 6, 6))
    image, model = image_of(network), network.program.model
    before, logits, given = deepcopy(model.state_dict()), network.run(image).logits, image.clone()
    with torch.set_grad_enabled(grad):
        links = link(network, image, TARGET, pathway_of(network, "frozen"), off="frozen")
        assert_close(work(links), work(links), rtol=0, atol=0)
    assert torch.is_grad_enabled()
    assert torch.equal(image, given)
    assert not image.requires_grad
    assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    assert not any(getattr(module, hooks) for module in model.modules() for hooks in HOOKS)
    assert torch.equal(network.run(image).logits, logits)


def test_refusals():
    network, links = network_of("Fire"), links_of("Fire")
    with pytest.raises(PathwayError, match="Got target 4"):
        link(network, image_of(network), 4)
    with pytest.raises(PathwayError, match=r"shape \(1, 3, 6, 6\)"):
        link(network, image_of(network, batch=2), 0)
    with pytest.raises(PathwayError, match="Got off='half'"):
        link(network, image_of(network), 0, pathway_of(network, "zero"), off="half")
    with pytest.raises(PathwayError, match=r"Got node -1, wanted one with nodes before it: .* 0 to 3, or LOGIT"):
        links.incoming(IMAGE, 0)
    with pytest.raises(PathwayError, match=r"Got node -2, wanted one with nodes after it: .* 0 to 3, or IMAGE"):
        links.outgoing_channel(LOGIT, 0)
    with pytest.raises(PathwayError, match="Got node 4"):
        links.before(4)
    with pytest.raises(PathwayError, match="Got node -3"):
        links.after(BIAS)
    with pytest.raises(PathwayError, match="Got position 72, wanted an integer from 0 to 71"):
        links.incoming(0, 72)
    with pytest.raises(PathwayError, match="Got position -1"):
        links.outgoing(0, -1)
    with pytest.raises(PathwayError, match="Got position 1, wanted an integer from 0 to 0"):
        links.incoming(LOGIT, 1)
    with pytest.raises(PathwayError, match="Got channel 2, wanted an integer from 0 to 1"):
        links.incoming_channel(0, 2)
    with pytest.raises(PathwayError, match="Got channels of 3 sites, wanted those of all 4"):
        channel_flow(links, [[0], [0], [0]])
    with pytest.raises(PathwayError, match="Got channel 8 of site relu6, wanted"):
        channel_flow(links, [[0], [0], [0], [8]])
    with pytest.raises(PathwayError, match=r"Got channels \[1, 1\] of site relu#2, wanted each channel once"):
        channel_flow(links, [[0], [1, 1], [0], []])


@fx.wrap
def fused(x: Tensor) -> Tensor:
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(x, x, x)[0]


def test_calls_that_are_differentiated_once_only_are_refused():
    class Once(Small):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.relu(fused(F.relu(self.conv(x)))))

    network = trace(seeded(Once()).double(), (3, 6, 6))
    links = link(network, image_of(network), TARGET)
    assert links.incoming(1, 0)
    with pytest.raises(PathwayError, match=r"can differentiate only once .*incoming edges instead"):
        links.outgoing(0, 0)
