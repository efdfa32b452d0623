"""Edges and flow: what each neuron gives to the neurons directly after it, and how much of that reaches the target.

    links = link(network, image, target, pathway)
    edges = links.incoming(5, position)               # one Edges per node directly before site 5, and one of BIAS
    flow = channel_flow(links, channels)              # between the chosen channels of all sites

Neuron j is directly after neuron i if a path joins them that passes no other site. With all other sites' outputs held,

    edge(i, j) = a_i · ∂z_j/∂a_i                      flow(i, j) = edge(i, j) · dF/dz_j

with a the activation, z the pre-activation and F the target's logit, all in the restricted network. The image, the
logit and the biases are nodes too, so that the sums are complete:

    Σ_i edge(i, j) = z_j                              Σ_j flow(i, j) = a_i · dF/da_i

One run detaches every site's activation from its pre-activation, so that a gradient of z ends at the sites directly
before it. What one neuron gives to all neurons after it, a column of the Jacobian J, is the derivative of Jᵀv with
respect to v [Townsend17]; torch's forward mode has one level for the whole process and fails in concurrent threads. A
max pool's winners stay those of this run. Where calls between sites are not affine (a sigmoid gate), edges are their
linear parts, and the rest counts as biases. Flow is the edge attribution of [Syed23] against a baseline of zero.

References:
    [Syed23] Syed, Rager, Conmy, Attribution Patching Outperforms Automated Circuit Discovery, arXiv 2310.10348.
    [Townsend17] A new trick for calculating Jacobian vector products, j-towns.github.io, 2017.
"""

from __future__ import annotations

from core.flow.channels import ChannelFlow, channel_flow
from core.flow.linking import link
from core.flow.links import BIAS, IMAGE, LOGIT, Edges, Links

__all__ = ["BIAS", "IMAGE", "LOGIT", "ChannelFlow", "Edges", "Links", "channel_flow", "link"]
