"""Checkpoints made to do harm: none runs code, opens a file, or takes many times its memory; refusals say why."""

from __future__ import annotations

import builtins
import io
import json
import os
import pickle
import pickletools
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors

from core.errors import PathwayError
from core.models.architectures import architectures, build, head
from core.models.checkpoint import MAX_CLASSES, load_checkpoint
from core.models.checkpoint_files import damage_named, open_checkpoint
from core.models.torch_files import MAX_LISTING
from tests.hostile import outcome, peaks, watched

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own words about broken files
NAME = "fashion_vgg"  # the smallest there is
MAX = 300 << 20


def opened(data: bytes, architecture: str = NAME, **options: Any) -> Any:
    return load_checkpoint(data, architecture, device="cpu", max_bytes=MAX, **options)


def state(classes: int = 3) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(value.shape, generator=random) * 0.1 if value.is_floating_point() else torch.tensor(1)
        for key, value in build(NAME, classes).state_dict().items()
    }


STATE = state()
LAST = head(NAME)


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def old(content: Any) -> bytes:
    return saved(content, _use_new_zipfile_serialization=False)


def archive(files: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive as torch.save makes them, but for what is given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as packed:
        for name, content in {"version": b"3\n", "byteorder": b"little", **files}.items():
            packed.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def safetensors(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


class Calls:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Sets:
    """Hands a state to an object of a kind when it is unpickled."""

    def __init__(self, kind: Any, state: Any) -> None:
        self.made = kind, (), state

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


def evil(canary: Path) -> dict[str, Any]:
    touch, text = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    return {
        "os.system": Calls(os.system, touch),
        "eval": Calls(eval, text),
        "exec": Calls(exec, text),
        "open": Calls(open, str(canary), "w"),
        "getattr": Calls(getattr, Path, "touch"),
        "import": Calls(builtins.__import__, "this"),
        "Path.touch": Calls(Path.touch, canary),
        "partial": Calls(partial, os.system, touch),
        "torch.load": Calls(torch.load, str(canary)),
        "torch.hub": Calls(torch.hub.load_state_dict_from_url, "http://127.0.0.1:9/x-01234567.pth"),
        "np.load": Calls(np.load, str(canary)),
        "pickle.loads": Calls(pickle.loads, pickle.dumps(Calls(os.system, touch))),
        "module": Sets(torch.nn.Linear, {}),
        "from_file": Calls(torch.UntypedStorage.from_file, str(canary), True, 8),
        "rebuild": Calls(torch._tensor._rebuild_from_type_v2, os.system, (touch,), (), {}),
    }


@pytest.mark.parametrize("how", ["zip", "old", "bare"])
@pytest.mark.parametrize("kind", evil(Path("x")))
def test_a_checkpoint_runs_nothing_and_opens_nothing(kind: str, how: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    content = {"state_dict": STATE, "extra": evil(canary)[kind]}
    if how == "bare":
        data = pickle.dumps({"extra": content["extra"]})
    else:
        data = saved(content) if how == "zip" else old(content)
    before = set(sys.modules)
    with watched():
        if how == "bare":
            assert "evil.pth is a plain pickle" in outcome(lambda: opened(data, filename="evil.pth"))
        else:
            network = opened(data, filename="evil.pth")
    assert not canary.exists()
    assert set(sys.modules) == before
    if how != "bare":
        torch.testing.assert_close(network.program.model.state_dict()[LAST], STATE[LAST], rtol=0, atol=0)


def test_the_watch_sees_what_code_would_do(tmp_path: Path) -> None:
    """Else the tests above would say nothing."""
    for work in (
        lambda: pickle.loads(pickle.dumps(evil(tmp_path / "ran")["open"])),
        lambda: os.system("true"),
        lambda: Path("/etc/hostname").exists() and Path("/etc/passwd").read_text(),
    ):
        with pytest.raises(AssertionError), watched():
            work()
    assert (tmp_path / "ran").exists()


def test_torchscript_is_not_run() -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    with watched():
        assert "Wanted a safetensors file" in outcome(lambda: opened(buffer.getvalue()))


def adorned(**attributes: Any) -> torch.nn.Parameter:
    """A weight whose methods a file replaces by its own values."""
    weight = torch.nn.Parameter(STATE[LAST].clone())
    weight.__dict__.update(attributes)
    return weight


@pytest.mark.parametrize("method", ["numel", "isfinite", "float", "is_floating_point", "element_size", "to", "shape_"])
def test_a_weights_own_attributes_are_left_behind(method: str) -> None:
    with watched():
        assert opened(saved({**STATE, LAST: adorned(**{method: 3})})).classes == 3


@pytest.mark.parametrize("method", ["get", "items", "keys", "__len__", "detach"])
def test_a_mapping_whose_methods_are_replaced_is_read_as_any_other(method: str) -> None:
    mapping = OrderedDict(STATE)
    pairs = [(key, value) for key, value in STATE.items()]
    data = saved({"state_dict": Given(pairs, {method: 3}), "model": mapping})
    with watched():
        assert opened(data).classes == 3
        assert opened(saved(Given(pairs, {method: 3}))).classes == 3


class Given:
    """An OrderedDict with attributes of its own, as only a pickle makes it."""

    def __init__(self, pairs: list[Any], attributes: dict[str, Any]) -> None:
        self.made = OrderedDict, (pairs,), attributes

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


WEIGHT = STATE[LAST]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (WEIGHT.long(), "not plain real numbers"),
        (WEIGHT.bool(), "not plain real numbers"),
        (WEIGHT.to(torch.complex64), "not plain real numbers"),
        (torch.empty(WEIGHT.shape, device="meta"), "not plain real numbers"),
        (WEIGHT.double() * 1e300, "NaN or infinite"),
        (WEIGHT * float("nan"), "NaN or infinite"),
        (torch.full_like(WEIGHT, float("-inf")).half(), "NaN or infinite"),
        (torch.zeros((1,) * 63), "wanted one row per class"),
        (torch.zeros(0, 64), "wanted one row per class"),
        (torch.zeros(1, 1).expand(MAX_CLASSES + 1, 64), "has 25,001 classes, wanted at most 25,000"),
    ],
)
def test_a_last_layer_that_is_none(value: torch.Tensor, words: str) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(saved({**STATE, LAST: value}))


def test_sparse_weights_are_refused_before_they_are_filled_in() -> None:
    for value in (WEIGHT.to_sparse(), WEIGHT.to_sparse_csr()):
        assert "not plain real numbers" in outcome(lambda value=value: opened(saved({**STATE, LAST: value})))
    huge = torch.sparse_coo_tensor(size=(3, 10**9))
    assert "holds 11,4" in outcome(lambda: opened(saved({**STATE, LAST: huge})))


@pytest.mark.parametrize(
    "make",
    [
        lambda v: v.requires_grad_(),
        lambda v: v.to(torch.bfloat16),
        lambda v: v.to(torch.float8_e4m3fn),
        lambda v: v.double(),
        lambda v: v.t().contiguous().t(),
        lambda v: torch.stack([v, v], -1)[..., 0],
        torch.nn.Parameter,
    ],
)
def test_unusual_weights_that_can_be_read_are_read(make: Callable[[torch.Tensor], torch.Tensor]) -> None:
    network = opened(saved({**STATE, LAST: make(STATE[LAST].clone())}))
    assert network.dtype == torch.float32
    assert bool(network.run(torch.zeros(1, *network.input_shape)).logits.isfinite().all())


def test_huge_numbers_load_and_give_no_error_of_another_kind() -> None:
    for factor in (1e38, 1e20, 0.0, -1e30):
        data = saved({k: v * factor if v.is_floating_point() else v for k, v in STATE.items()})
        outcome(lambda data=data: opened(data))


def twice(deep: int) -> list[Any]:
    """A list of 2 ** deep words that takes next to nothing in a file."""
    words: list[Any] = ["x"]
    for _ in range(deep):
        words = [words, words]
    return words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (twice(60), r"wanted a list of 3 words"),
        (["x" * 201, "b", "c"], r"has 201 characters, wanted at most 200"),
        ([["a"], "b", "c"], r"wanted a list of 3 words"),
        ([10**30, 1, 2], r"wanted a list of 3 words"),
        ("abc", r"wanted a list of 3 words"),
        ([torch.zeros(3)] * 3, r"wanted a list of 3 words"),
        (["a"] * 100_000, r"got 100000 class names"),
    ],
)
def test_class_names_that_are_none(names: Any, words: str) -> None:
    with pytest.raises(PathwayError, match=words) as caught:
        opened(saved({"model": STATE, "class_names": names}))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 5000 + "]" * 5000, "1" * 5000, ""])
def test_metadata_of_safetensors_that_is_no_list(text: str) -> None:
    with pytest.raises(PathwayError, match=r"not a JSON list of words|wanted a list of 3 words"):
        opened(save_safetensors(STATE, {"class_names": text}))


def test_class_names_hold_nothing_that_a_page_cannot_show() -> None:
    names = ["\ud800", "a\nb\x00", "\u202eabc"]
    wanted = ("\ufffd", "a b\ufffd", "\ufffdabc")
    assert opened(saved({"model": STATE, "class_names": names})).class_names == wanted
    assert opened(save_safetensors(STATE, {"class_names": json.dumps(names)})).class_names == wanted
    assert opened(saved(STATE), class_names=names).class_names == wanted


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\x.pth", "/etc/passwd", "a\nb\ud800.pth", "x" * 10_000])
def test_a_file_name_is_a_label_and_nothing_else(name: str) -> None:
    with watched():
        network = opened(saved(STATE), filename=name)
        assert len(outcome(lambda: opened(b"junk", filename=name))) < 500
    assert network.name.isprintable()
    assert "/" not in network.name
    assert 0 < len(network.name) <= 200


def two_faced(files: Mapping[str, bytes]) -> bytes:
    """An archive in which Python's reader finds a small listing, just before the end, and torch's another."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in ("archive/version", "archive/data.pkl"):
            packed.writestr(name, files[name])
    whole = buffer.getvalue()
    end = whole.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", whole, end + 12)
    listing = whole[start : start + size]
    small = bytearray(listing)
    place = 0
    while place < len(small):  # sizes as they are packed, and nothing said of packing
        struct.pack_into("<H", small, place + 10, 0)
        struct.pack_into("<I", small, place + 24, struct.unpack_from("<I", small, place + 20)[0])
        place += 46 + sum(struct.unpack_from("<HHH", small, place + 28))
    return whole[:end] + bytes(small) + whole[end:]


HIDDEN = {"archive/version": b"3\n", "archive/data.pkl": b"\x80\x02}." + bytes(80_000_000)}


def test_an_archive_with_two_listings_is_as_large_as_the_one_that_was_checked() -> None:
    data = two_faced(HIDDEN)
    assert len(data) < 200_000
    assert torch._C.PyTorchFileReader(io.BytesIO(data)).get_record_size("data.pkl") > 80_000_000  # another's reader
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert sum(entry.file_size for entry in packed.infolist()) < 200_000
    assert "Wanted a safetensors file" in outcome(lambda: opened(data))  # how much memory that takes: BOMBS


def test_a_compressed_archive_is_refused() -> None:
    with pytest.raises(PathwayError, match=r"is compressed, as no file of torch\.save is"):
        opened(archive({"data.pkl": b"\x80\x02}."}, zipfile.ZIP_DEFLATED))


def many_empty_tensors() -> bytes:
    entry = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return safetensors(b"{" + b",".join(entry % i for i in range(200_000)) + b"}")


def listing(size: int) -> bytes:
    """As much as may be said about weights: empty dictionaries."""
    return b"\x80\x02](" + b"}" * (size - 6) + b"e."


def old_listing(size: int) -> bytes:
    start = old({})
    return start[: start.rfind(b"}q")] + b"](" + b"}" * size + b"e."


BOMBS: dict[str, Callable[[], Callable[[], object]]] = {
    "two listings": lambda: partial(opened, two_faced(HIDDEN)),
    "many tensors without values": lambda: partial(opened, many_empty_tensors()),
    "a long name": lambda: partial(opened, save_safetensors({**STATE, "x" * 2_000_000: torch.zeros(1)})),
    "a header of 40 MB": lambda: partial(opened, safetensors(b'{"__metadata__":{"a":"' + b"x" * 40_000_000 + b'"}}')),
    "many dictionaries": lambda: partial(opened, archive({"data.pkl": listing(10_000_000)})),
    "a large array of bytes": lambda: partial(
        opened, archive({"data.pkl": b"\x80\x02c__builtin__\nbytearray\n(\x8a\x05\x00\x00\x00\x00\x08tR."})
    ),
    "many files": lambda: partial(opened, zipped_many()),
    "a large storage claimed": lambda: partial(opened, claimed()),
    "many classes named alike": lambda: partial(opened, saved({"model": state(1000), "classes": ["x" * 10**6] * 1000})),
    "lists in lists": lambda: partial(opened, saved({"model": STATE, "classes": twice(60)})),
    "a large architecture": lambda: partial(opened, saved(STATE), "regnet_y_128gf"),
    "a key that takes for ever to hash": lambda: partial(opened, program(b"}" + b")" + b"2\x86" * 60 + b"Ns")),
    "keys that all have one hash": lambda: partial(
        opened, program(b"}(" + b"".join(map(colliding, range(200_000))) + b"u")
    ),
    "a name put together again and again": lambda: partial(
        opened, program(b"X\x00\x00\x10\x00" + b"x" * (1 << 20) + b"q\x00" + b"h\x00h\x00\x93" * 100_000)
    ),
    "a list copied again and again": lambda: partial(
        opened,
        program(b"](" + PAIR * 50_000 + b"e\x85q\x00" + DICTIONARY + b"q\x01" + b"h\x01h\x00R" * 100_000),
    ),
    "a list that holds itself": lambda: partial(opened, program(b"]q\x00h\x00a")),
    "lists a hundred thousand deep": lambda: partial(opened, program(b"]" * 100_000 + b"a" * 99_999)),
    "tuples a hundred thousand deep": lambda: partial(opened, program(b")" + b"\x85" * 100_000)),
    "many prefixes": lambda: partial(opened, saved({f"a{n}.{LAST}": WEIGHT for n in range(10_000)})),
    "many sets of weights": lambda: partial(opened, saved([STATE] * 2 + [dict(STATE) for _ in range(200)])),
    "a name of many parts": lambda: partial(opened, saved({f"{n}{'.a' * 147}": WEIGHT for n in range(5000)})),
}
PAIR, DICTIONARY = b"X\x01\x00\x00\x00aN\x86", b"ccollections\nOrderedDict\n"


def program(instructions: bytes) -> bytes:
    return archive({"data.pkl": b"\x80\x04" + instructions + b".", "data/0": bytes(16)})


def colliding(n: int) -> bytes:
    """The n-th number of those that Python gives the hash 0, and a value."""
    return b"\x8a\x0b" + (n * (2**61 - 1)).to_bytes(11, "little", signed=True) + b"N"


SLOW_BOMBS: dict[str, Callable[[], Callable[[], object]]] = {
    "as many dictionaries as may be": lambda: partial(opened, archive({"data.pkl": listing(MAX_LISTING - 10_000)})),
    "many dictionaries in the old format": lambda: partial(opened, old_listing(10_000_000)),
}


def zipped_many() -> bytes:
    """A listing of 300,000 files that are all the same few bytes."""
    one = archive({})
    end = one.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", one, end + 12)
    listed = one[start : start + size] * 150_000
    return one[:start] + listed + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(listed), start, 0)


def claimed() -> bytes:
    """An old file that claims 4 GB of weights, and has none."""
    real = old({"a": torch.zeros(77)})
    assert real.count(b"K\x4d") >= 1
    return real.replace(b"K\x4d", b"\x8a\x05\x00\x00\x00\x40\x00")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: archive({"data.pkl": listing(MAX_LISTING + 1)}), "takes 4 MB to list its weights"),
        (lambda: safetensors(b'{"a":"' + b"x" * MAX_LISTING + b'"}'), "takes 4 MB to list its weights"),
        (lambda: zipped_many(), "more than 100,000 files"),
        (lambda: saved({**STATE, "x" * 301: torch.zeros(1)}), "names a weight with 301 characters, wanted at most 300"),
    ],
)
def test_what_would_grow_is_refused_before_it_is_read(make: Callable[[], bytes], words: str) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(make())


def recipe(storage: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...], key: str = "0") -> bytes:
    """A tensor's recipe, as torch writes it but for what is given; data/0 has 16 bytes."""

    class Recipe:
        def __reduce__(self) -> tuple[Any, ...]:
            return torch._utils._rebuild_tensor_v2, (Place(), offset, size, stride, False, OrderedDict())

    class Place: ...

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", torch.FloatStorage, key, "cpu", storage) if isinstance(value, Place) else None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump({LAST: Recipe()})
    return archive({"data.pkl": buffer.getvalue(), "data/0": bytes(16)})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (recipe(4, 0, (2, 2), (2, 1)), "Choose the architecture"),  # right, and no network
        (recipe(4, 1, (2, 2), (2, 1)), "reaches beyond storage 0"),
        (recipe(4, 0, (2, 2), (2, 2)), "reaches beyond storage 0"),
        (recipe(4, -1, (2, 2), (2, 1)), "a shape that is none"),
        (recipe(4, 3, (2, 2), (-2, -1)), "a shape that is none"),
        (recipe(4, 0, (-2, 2), (2, 1)), "a shape that is none"),
        (recipe(4, 0, (2,) * 65, (0,) * 65), "a shape that is none"),
        (recipe(4, 0, (2**31, 2**31), (0, 0)), "larger than any memory"),
        (recipe(4, 0, (2, 2), (1,)), "damaged"),
        (recipe(2**40, 0, (3, 64), (64, 1)), "storage 0 has 16 bytes, wanted 4,398,046,511,104"),
        (recipe(2**62, 0, (2, 2), (2, 1)), "unknown kind or size"),
        (recipe(-4, 0, (2, 2), (2, 1)), "unknown kind or size"),
        (recipe(192, 0, (3, 64), (64, 1), "../../../etc/passwd"), "damaged"),
        (recipe(192, 0, (3, 64), (64, 1), "../data.pkl"), "damaged"),
    ],
)
def test_a_tensor_that_reaches_beyond_its_file(data: bytes, words: str) -> None:
    with watched(), pytest.raises(PathwayError, match=words):
        only_last(data)


def only_last(data: bytes) -> None:
    """Look at the weight of the last layer alone, whatever else is missing."""
    file = open_checkpoint(data, max_bytes=MAX)
    with damage_named("It", len(data)):
        file.content[LAST].tensor() if file.content[LAST].shape == (3, 64) else opened(data)


def test_a_number_too_long_to_write_out_is_no_class_name() -> None:
    names = b"X\x07\x00\x00\x00classes](\x8b\x00\x10\x00\x00" + b"\x7f" * 4096 + b"e"
    with pytest.raises(PathwayError, match="a large number"):
        opened(with_entry(names))


def with_entry(entry: bytes) -> bytes:
    """A good checkpoint with one more key and value in its pickle."""
    with zipfile.ZipFile(io.BytesIO(saved({"model": STATE}))) as packed:
        files = {name.partition("/")[2]: packed.read(name) for name in packed.namelist()}
    return archive({**files, "data.pkl": files["data.pkl"].removesuffix(b".") + entry + b"s."})


@pytest.mark.parametrize("module", ["antigravity", "this", "idlelib.idle", "tests.core.models.canary"])
def test_a_module_that_is_named_is_not_imported(module: str) -> None:
    entry = b"X\x05\x00\x00\x00extrac" + module.encode() + b"\nname\n)R"
    with watched():
        assert opened(with_entry(entry)).classes == 3
    assert module not in sys.modules


@pytest.mark.thorough
def test_a_bomb_takes_little_memory_and_time() -> None:
    found = peaks("tests.core.models.test_hostile_checkpoints:BOMBS")
    assert found.keys() == BOMBS.keys()
    for name, (peak, seconds, said) in found.items():
        assert said, name
        assert peak < 60, (name, peak)
        assert seconds < 3, (name, seconds)


@pytest.mark.thorough
def test_what_says_how_weights_are_called_takes_a_hundred_times_its_size_at_most() -> None:
    for name, (peak, seconds, said) in peaks("tests.core.models.test_hostile_checkpoints:SLOW_BOMBS").items():
        assert "Wanted a safetensors file" in said, name
        assert peak < 100 * MAX_LISTING / 2**20, (name, peak)
        assert seconds < 20, (name, seconds)


@pytest.mark.parametrize("name", [name for name in architectures() if name.startswith(("regnet", "vgg19", "fashion"))])
def test_an_architecture_takes_no_memory_before_weights_are_put_in(name: str) -> None:
    assert all(value.is_meta for value in build(name, 3).parameters())


SMALL = {LAST: torch.zeros(2, 2), "a.bias": torch.ones(3)}
SEEDS = [
    save_safetensors(SMALL, {"class_names": '["a", "b"]'}),
    saved({"state_dict": SMALL, "classes": ["a", "b"]}),
    old(SMALL),
    saved(STATE),
    save_safetensors(STATE),
]


def damaged(random: np.random.Generator) -> bytes:
    """A checkpoint with some bytes flipped, cut out, doubled, or spliced with another's."""
    data = bytearray(SEEDS[random.integers(len(SEEDS))])
    near = min(len(data), 4000)  # most of a large file is weights, of which any value will do
    for _ in range(random.integers(1, 6)):
        place, length = int(random.integers(near)), int(random.integers(1, 64))
        match int(random.integers(5)):
            case 0:
                data[place % len(data)] ^= int(random.integers(1, 256))
            case 1:
                del data[-length:]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                other = SEEDS[random.integers(len(SEEDS))]
                data[place : place + length] = other[place : place + length]
            case _:
                data[place : place + 8] = [b"\xff" * 8, bytes(8), b"\x7f" + b"\xff" * 7][random.integers(3)]
        data = data or bytearray(b"P")
        near = min(near, len(data))
    return bytes(data)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 8))])
def test_damaged_checkpoints_are_refused_or_read(seed: int) -> None:
    random = np.random.default_rng(seed)
    with watched():
        said = [outcome(partial(opened, damaged(random), filename="x.pth")) for _ in range(2500)]
    assert len(set(said)) > 10


numbers = st.integers() | st.sampled_from([-1, 2**31, 2**63, 2**64, 10**30]) | st.floats() | st.text(max_size=3)
entry = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "", "f32"]) | numbers,
        "shape": st.lists(numbers, max_size=4) | numbers,
        "data_offsets": st.lists(st.integers(0, 64) | numbers, min_size=1, max_size=3) | numbers,
    },
)
headers = st.dictionaries(
    st.sampled_from([LAST, "a", "", "\u202e", "__metadata__"]) | st.text(max_size=5), entry | numbers
)


@settings(max_examples=500, derandomize=True)
@given(headers | st.lists(headers) | numbers, st.binary(max_size=64))
def test_headers_of_safetensors_that_claim_anything(header: Any, body: bytes) -> None:
    outcome(lambda: opened(safetensors(header, body)))


LONG, NUMBER = b"\x8a\x09" + b"\xff" * 8 + b"\x7f", b"J\xff\xff\xff\x7f"
GLOBALS = (
    *("collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch Size", "os system"),
    *("torch._utils _rebuild_parameter", "__builtin__ set", "torch device", "_codecs encode", "torch Tensor"),
    *("torch._tensor _rebuild_from_type_v2", "torch.nn.parameter Parameter", "torch._utils _rebuild_sparse_tensor"),
    *("torch._utils _rebuild_qtensor", "torch._utils _rebuild_parameter_with_state", "__builtin__ bytearray"),
)
OPCODES = [
    *(b"}", b"]", b")", b"(", b"t", b"a", b"e", b"s", b"u", b"0", b"2", b"R", b"b", b"N", b"\x88", b"\x85", b"\x86"),
    *(b"\x87", b"\x81", b"1", b"Q", b"q\x00", b"h\x00", b"q\x01", b"h\x01", b"K\x02", NUMBER, LONG, b"G" + b"\x7f" * 8),
    *(b"X\x01\x00\x00\x000", b"X\x07\x00\x00\x00storage", b"X\x03\x00\x00\x00cpu", b"X\xff\xff\xff\xff"),
    *(b"c%s\n%s\n" % tuple(name.encode().split()) for name in GLOBALS),
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes if opcode.arg is None),
    *(opcode.code.encode("latin-1") + b"\x01\x00\x00\x00\x00\x00\x00\x00" for opcode in pickletools.opcodes),
    *(b"Fnan\n", b"I01\n", b"L7L\n", b"S'a'\n", b"V\\ud800\n", b"Pa\n", b"ios\nsystem\n", b"p99999999999\n"),
]


@settings(max_examples=1000, derandomize=True)
@given(st.lists(st.sampled_from(OPCODES), max_size=25), st.booleans())
def test_pickles_of_any_instructions(instructions: list[bytes], weights: bool) -> None:
    code = b"\x80\x02" + (b"}" if weights else b"") + b"".join(instructions) + b"."
    outcome(lambda: opened(archive({"data.pkl": code, "data/0": bytes(16)})))
