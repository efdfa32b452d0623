"""Path decoding: an image painted from nothing that maximises a restricted network's logit, or one of its neurons.

    decoded = decode(network, target, pathway)                                   # decoded.image, (1, 3, H, W)
    decoded = decode_neuron(network, site, position, whole=True, recipe=PLAIN)   # the mean of the neuron's channel

Adam climbs a parameter θ that is mapped to an image x of valid colours, from a start that is the same for equal seeds
whatever the pathway:

    x = (sigmoid(c) - mean) / std,    c = θ, or 𝓕⁻¹(θ / max(f, f₁)) / 4,    θ climbs objective(roll(x)) - weight · TV(c)

Without regularisers θ are the pixels; the Fourier parametrisation takes equal steps in an image's frequencies f (in
cycles a pixel; f₁ is one cycle an image) weighed as those of photos are, and with it come colours that are decorrelated
as those of photos are. Where a network has no preprocessing, x = 3 tanh(c / 3), its values lie within [-3, 3].

The weight of the total variation TV is a share of the objective's own slope: the logits of restricted networks differ
by factors of thousands, so no fixed weight would do for the original network and for its pathways. It is that of c: in
colours x an image gets even by turning all dark or all light.

A pathway keeps neurons at places, so jitter (``roll``) moves the image under its masks: it blurs where things are by as
many pixels. A pixel that no kept neuron looks at has no gradient, and so keeps its colour where pixels are painted;
under the Fourier parametrisation every frequency spreads over the whole image. Where the restricted network is dead at
the start nothing is climbed: the objective stays as it was, the image is the start, or what blurring left of it.

Adam moves every value at much the same pace, but not those whose slopes are small beside its ε = 1e-8, which is torch's
and the released code's. Of a pathway's plain pixels with a slope this holds back many: three quarters of them lie below
1e-7 on SqueezeNet's NeuronMCT pathway of a cat at 98 %, which is part of why so much of such images stays empty.

The released code of [Khakzar21] paints logits without regularisers (``PAPER``), 128 x 128 pixels enlarged to the
network's 224, and top neurons as means of their channels in the original network, with Lucent's regularisers, of which
random scaling and rotation are not offered here. It takes the channel behind the max-pool; here it is the mean of
pre-activations, which have a gradient where the neuron is still silent.

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
