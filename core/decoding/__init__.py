"""Path decoding: an image, painted from noise, that maximises a logit or a neuron of a restricted network.

    decoded = decode(network, target, pathway)                                   # decoded.image, (1, 3, H, W)
    decoded = decode_neuron(network, site, position, whole=True, recipe=PLAIN)   # the mean of the neuron's channel

Adam moves a parameter θ that is mapped to an image x of valid colours. The start depends on the seed, and not on the
pathway:

    x = (sigmoid(c) - mean) / std,    c = θ, or 𝓕⁻¹(θ / max(f, f₁)) / 4,    θ climbs objective(roll(x)) - weight · TV(c)

Without regularisers θ are the pixels. The Fourier parametrisation takes equal steps in an image's frequencies f (in
cycles per pixel; f₁ is one cycle per image), weighted as in photos, and in colours that are decorrelated as in photos.
Where a network has no preprocessing, x = 3 tanh(c / 3), and its values lie within [-3, 3].

The weight of the total variation TV is a share of the objective's own slope: the logits of restricted networks differ
by factors of thousands, so that no fixed weight fits both the original network and its pathways. TV is taken of c,
since an image x can lower its own TV by turning all dark or all light.

A pathway keeps neurons at fixed places, so jitter (``roll``) moves the image under its masks and blurs positions by as
many pixels. A pixel in no kept neuron's receptive field has no gradient, and keeps its colour where pixels are painted;
under the Fourier parametrisation every frequency covers the whole image. Where the restricted network is dead at the
start, there is no gradient: the objective does not change, and the image is the start, blurred if the recipe blurs.

Adam moves all values at about the same rate, except where slopes are small beside its ε = 1e-8, which is torch's and
the released code's. This slows many of a pathway's plain pixels that have a slope: three quarters of the slopes are
below 1e-7 on SqueezeNet's NeuronMCT pathway of a cat at 98 %, one reason why so much of such images stays empty.

The released code of [Khakzar21] paints logits without regularisers (``PAPER``), 128 x 128 pixels enlarged to the
network's 224. It paints top neurons as means of their channels in the original network, with Lucent's regularisers, of
which random scaling and rotation are not offered here. It takes the channel after the max-pool; here the mean is over
pre-activations, which have a gradient even where the neuron is silent.

References:
    [Khakzar21] Khakzar et al., Neural Response Interpretation through the Lens of Critical Pathways, CVPR 2021.
    [Olah17] Olah, Mordvintsev, Schubert, Feature Visualization, Distill 2017; constants from their library Lucid and
        its translation to PyTorch, Lucent.
    [Mordvintsev15] Mordvintsev, Olah, Tyka, Inceptionism: Going Deeper into Neural Networks, 2015 (jitter).
    [Yosinski15] Yosinski et al., Understanding Neural Networks Through Deep Visualization, 2015 (blur).
    [Mahendran15] Mahendran, Vedaldi, Understanding Deep Image Representations by Inverting Them, CVPR 2015 (TV).
    [Kingma15] Kingma, Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.
"""

from __future__ import annotations

from core.decoding.ascent import Decoded, Shown, decode, decode_neuron
from core.decoding.recipe import PAPER, PLAIN, Recipe

__all__ = ["PAPER", "PLAIN", "Decoded", "Recipe", "Shown", "decode", "decode_neuron"]
