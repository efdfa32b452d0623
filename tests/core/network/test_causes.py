"""Messages about models that cannot be networks name the true cause, the place, and the way out."""

from __future__ import annotations

import threading
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.errors import PathwayError
from core.network import trace
from tests.networks import SHAPE, Residual, Saturating, Toy, seeded


class Chance(Toy):
    def forward(self, x):
        return self.head(F.dropout(F.relu(self.conv(x))))


class ChanceAtTheEnd(Toy):
    def forward(self, x):
        return F.dropout(self.head(F.relu(self.conv(x))), 0.5, training=True)


class Noise(Toy):
    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x + torch.randn_like(x))


class NoiseDrawnWhileTraced(Toy):
    """Nothing here depends on the image, so the trace has the numbers drawn then."""

    def forward(self, x):
        return self.head(F.relu(self.conv(x))) + torch.randn(4)


class Counting(Toy):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls.add_(1.0)
        return self.head(F.relu(self.conv(x))) * self.calls


class AsksForItsType(Toy):
    def forward(self, x):
        logits = self.head(F.relu(self.conv(x)))
        return logits * 2 if type(x) is torch.Tensor else logits


class ThroughView(Saturating):
    def forward(self, x):
        x = self.conv(F.relu(x))
        self.relu6(x.view(-1, 16, 4, 4))
        return self.head(x)


class Values(Toy):
    def forward(self, x):
        x = x * 2 if x.mean() > 0 else x
        return self.head(F.relu(self.conv(x)))


class ValuesAsNumbers(Toy):
    def forward(self, x):
        x = x * 2 if x.mean().item() > 0 else x
        return self.head(F.relu(self.conv(x)))


class AssertsValues(Toy):
    def forward(self, x):
        assert not torch.isnan(x).any()
        return self.head(F.relu(self.conv(x)))


class AssertsAnotherShape(Toy):
    def forward(self, x):
        assert x.shape[2] == 32, "wanted 32 pixels"
        return self.head(F.relu(self.conv(x)))


class AssertsOneImage(Toy):
    def forward(self, x):
        assert x.shape[0] == 1
        return self.head(F.relu(self.conv(x)))


class AnImageAtATime(Toy):
    def forward(self, x):
        return torch.cat([self.head(F.relu(self.conv(image[None]))) for image in x])


class WritesAPart(Toy):
    def forward(self, x):
        x = self.conv(x)
        x[:, 0] = 0
        return self.head(F.relu(x))


_doubled = torch.compile(lambda x: x * 2)


class CallsCompiled(Toy):
    def forward(self, x):
        return self.head(F.relu(_doubled(self.conv(x))))


class Detached(Toy):
    def forward(self, x):
        return self.head(F.relu(self.conv(x)).detach())


class Signs(Toy):
    def forward(self, x):
        return self.head((F.relu(self.conv(x)) > 0).float())


class HoldsALock(Toy):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, x):
        return self.head(F.relu(self.conv(x)))


def changed(change):
    def make():
        model = Residual()
        made = change(model)
        return model if made is None else made

    return make


def scripted(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still in use
        model.conv = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)))


def run_through_jit(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(model.eval(), torch.zeros(1, *SHAPE))


def quantised(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear})


def exported(model):
    return torch.export.export(model.eval(), (torch.zeros(2, *SHAPE),)).module()


def on_one_device(model):
    model.next = nn.DataParallel(model.next)


def lazy(model):
    model.fc = nn.LazyLinear(4)


def fc_without_values(model):
    model.fc.to("meta")


def hooked(model):
    model.next.register_forward_hook(lambda module, args, output: output * 2)
    model.conv.register_forward_hook(lambda module, args, output: None)  # changes nothing, and is not blamed


def hooked_before(model):
    model.conv.register_forward_pre_hook(lambda module, args: (args[0] + 1,))


def hooked_outside(model):
    model.register_forward_hook(lambda module, args, output: output + 1)


BRANCHES = r"must not branch or loop on the values of tensors; .*torch.fx.wrap \(line \d+ of test_causes.py: "
COUNTS = r"must do the same for any number of images; .* \(line \d+ of test_causes.py: "


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Chance, "'dropout' gives other values each time.*Hand training=self.training to this dropout"),
        (ChanceAtTheEnd, "'dropout' gives other values each time.*Hand training=self.training to this dropout"),
        (Noise, "'randn_like' gives other values each time.*Draw random numbers only if self.training"),
        (NoiseDrawnWhileTraced, "other logits when it is called again with the same images.*draws random numbers"),
        (Counting, "writes into its buffer 'calls' whenever it is called, in evaluation mode too"),
        (AsksForItsType, "computes other values when traced: its forward method takes another way.*type of its"),
        (ThroughView, "computes other values when traced: its forward.* writes into a tensor, by 'relu6',.* view"),
        (changed(hooked), "other values when traced: a hook on 'next' changes what is computed.*Remove the hook"),
        (changed(hooked_before), "a hook on 'conv' changes what is computed"),
        (changed(hooked_outside), "a hook on 'Residual' changes what is computed"),
        (Values, BRANCHES + "x = x \\* 2 if x.mean"),
        (ValuesAsNumbers, BRANCHES + "x = x \\* 2 if x.mean"),
        (AssertsValues, BRANCHES + "assert not torch.isnan"),
        (AssertsAnotherShape, r"raised AssertionError: wanted 32 pixels \(line \d+ of test_causes.py: assert"),
        (AssertsOneImage, COUNTS + r"assert x.shape\[0\] == 1"),
        (AnImageAtATime, COUNTS + "return torch.cat"),
        (WritesAPart, r"writes into parts of a tensor \(line \d+ of .*: x\[:, 0\] = 0\); build it with torch.cat"),
        (CallsCompiled, "calls what torch.compile made.*call the function that it was made from"),
        (Detached, "'detach' has no gradient to its input.*detach nothing"),
        (Signs, "'gt' has no gradient to its input"),
        (changed(quantised), "'fc' has no gradient to its input.*quantised"),
        (HoldsALock, r"HoldsALock could not be copied \(TypeError: cannot pickle '_thread.lock'.*Take out of it"),
        (changed(scripted), "'conv', a compiled ScriptModule.*Trace the module that it was compiled from"),
        (changed(run_through_jit), "TopLevelTracedModule, a compiled ScriptModule.*Trace the module that it was"),
        (changed(exported), "made by torch.export, wanted the module itself.*Trace the module that was exported"),
        (changed(torch.compile), "OptimizedModule, made by torch.compile.*Trace its _orig_mod"),
        (changed(nn.DataParallel), "DataParallel, which divides batches among devices.*its .module in its place"),
        (changed(on_one_device), "DataParallel 'next', which divides batches among devices"),
        (changed(lazy), "LazyLinear 'fc', whose weight has no shape yet.*Call the model on an image once"),
        (changed(fc_without_values), "Linear 'fc', whose weight is on the meta device.*load_state_dict"),
        (changed(lambda model: model.state_dict()), "Got it of type OrderedDict, wanted a torch.nn.Module"),
    ],
)
def test_the_message_names_the_cause(make, words):
    model = make()
    with pytest.raises(PathwayError, match=r"(?s)" + words):
        trace(model if isinstance(model, dict) or "export" in words else model.eval(), SHAPE, name="it")


def test_hooks_stay_where_they_are():
    """The cause is sought on a copy."""
    model = seeded(Residual())
    hooked(model)
    wanted = model(torch.ones(1, *SHAPE))
    with pytest.raises(PathwayError, match="a hook on 'next'"):
        trace(model, SHAPE)
    assert torch.equal(model(torch.ones(1, *SHAPE)), wanted)


def test_a_hook_that_changes_nothing_is_no_hindrance():
    model, seen = seeded(Residual()), []
    model.conv.register_forward_hook(lambda module, args, output: seen.append(output.shape))
    network, images = trace(model, SHAPE), torch.randn(2, *SHAPE)
    before = len(seen)
    logits = network.run(images).logits
    assert len(seen) == before
    torch.testing.assert_close(logits, model(images))
