"""Critical pathways in image classifiers: the neurons a prediction runs through, and the pixels they respond to.

    network = load_network("squeezenet1_1")
    image = network.preprocess(sample_images()["chelsea"].open())
    target = int(network.run(image).logits.argmax())
    pathway = rank(METHODS["NeuronMCT"](network, image, target)).pathway(sparsity=0.9)
    gradient = pathway_gradient(network, image, target, pathway)      # (3, 224, 224)

Nothing here depends on the app. Every function is pure: networks are immutable and may be shared between threads.
"""

from __future__ import annotations

from core.attribution import BASELINES
from core.attribution.attribution import Attribution
from core.data.datasets import open_dataset
from core.data.images import open_image
from core.data.preprocessing import Crop, Preprocessing
from core.data.samples import sample_images
from core.decoding import decode, decode_neuron
from core.errors import Cancelled, ImageError, PathwayError, SeveralWeights, WeightsMissing
from core.flow import BIAS, IMAGE, LOGIT, ChannelFlow, Edges, Links, channel_flow, link
from core.linearity import effective_linear_radius, linear_radius
from core.methods import METHODS
from core.models.zoo import load_checkpoint, load_network
from core.network import Network, Site, trace
from core.network.receptive_field import receptive_field
from core.pathways.fidelity import fidelity, fidelity_curve
from core.pathways.overlap import Membership, chance_overlap, dead_share, membership, overlap
from core.pathways.ranking import Pathway, Ranking, rank
from core.pathways.restriction import pathway_gradient, response, restrict, saliency_map, sweep

__all__ = [
    "BASELINES",
    "BIAS",
    "IMAGE",
    "LOGIT",
    "METHODS",
    "Attribution",
    "Cancelled",
    "ChannelFlow",
    "Crop",
    "Edges",
    "ImageError",
    "Links",
    "Membership",
    "Network",
    "Pathway",
    "PathwayError",
    "Preprocessing",
    "Ranking",
    "SeveralWeights",
    "Site",
    "WeightsMissing",
    "chance_overlap",
    "channel_flow",
    "dead_share",
    "decode",
    "decode_neuron",
    "effective_linear_radius",
    "fidelity",
    "fidelity_curve",
    "linear_radius",
    "link",
    "load_checkpoint",
    "load_network",
    "membership",
    "open_dataset",
    "open_image",
    "overlap",
    "pathway_gradient",
    "rank",
    "receptive_field",
    "response",
    "restrict",
    "saliency_map",
    "sample_images",
    "sweep",
    "trace",
]
