"""Files of torch.save read as data: the tensors that ``torch.load`` finds, and nothing where it would run something."""

from __future__ import annotations

import argparse
import io
import pathlib
import pickle
import zipfile
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.pickles import MAX_STEPS, Named, Pickle, StandIn
from core.models.torch_files import Stored, read_archive, read_legacy

DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8),
    *(torch.uint8, torch.bool, torch.complex64, torch.complex128),
]
NEW_DTYPES = [torch.float8_e4m3fn, torch.uint16]  # which torch writes to old files and does not read from them


def saved(content: Any, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def refuse(size: int) -> None:
    raise AssertionError(size)


def read(data: bytes) -> Any:
    zipped = data.startswith(b"PK")
    return (read_archive(data, lambda archive: "archive") if zipped else read_legacy(data, refuse))[0]


def values(content: Any) -> Any:
    """The content with tensors in place of recipes."""
    if isinstance(content, dict):
        return {key: values(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(map(values, content))
    return content.tensor() if isinstance(content, Stored) else content


def same(got: Any, wanted: Any) -> bool:
    """Whether two contents are the same to the bit, in shape, type and layout too."""
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(same(got[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(wanted, torch.Tensor):
        alike = (got.shape, got.dtype, got.stride()) == (wanted.shape, wanted.dtype, wanted.stride())
        flat = [each.detach().reshape(-1).clone(memory_format=torch.contiguous_format) for each in (got, wanted)]
        raw = [each.view(torch.uint8) for each in flat]
        return alike and torch.equal(*raw)
    return bool(got == wanted)


@st.composite
def tensors(draw: st.DrawFn, dtypes: list[torch.dtype]) -> torch.Tensor:
    """A tensor of any type and layout: whole, part of another, transposed, repeated, empty, a parameter."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    value = (torch.rand(shape, generator=random) * 200).to(draw(st.sampled_from(dtypes)))
    for _ in range(draw(st.integers(0, 2))):
        turned = value.t() if value.ndim < 3 else value.transpose(0, 2)
        part = value[..., 1:] if value.ndim else value
        value = draw(st.sampled_from([turned, part, value.unsqueeze(0).expand(2, *value.shape)]))
    can_learn = value.dtype.is_floating_point and draw(st.booleans())
    return torch.nn.Parameter(value) if can_learn else value


def contents(dtypes: list[torch.dtype]) -> st.SearchStrategy[Any]:
    plain = st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.none() | st.booleans()
    return st.recursive(tensors(dtypes) | plain, nested, max_leaves=6)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    mappings = st.dictionaries(st.text(max_size=5), inner, max_size=4)
    return st.lists(inner, max_size=3) | mappings | st.tuples(inner, inner)


@settings(max_examples=150, deadline=None)
@given(contents(DTYPES + NEW_DTYPES), contents(DTYPES))
def test_what_torch_load_accepts_is_read_as_torch_load_reads_it(content: Any, old: Any) -> None:
    for data in (saved(content), saved(old, False)):
        assert same(values(read(data)), torch.load(io.BytesIO(data), weights_only=True))


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_share_a_storage_share_it_still(zipped: bool) -> None:
    base = torch.arange(12.0)
    found = values(read(saved({"all": base, "part": base[2:8].view(2, 3), "again": base}, zipped)))
    assert found["part"].tolist() == [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
    assert found["part"].data_ptr() == found["all"].data_ptr() + 8
    assert found["again"].data_ptr() == found["all"].data_ptr()


def test_numbers_by_hand() -> None:
    """A pickle and a storage written here, byte by byte: the second row of [[1, 2], [3, 4]], transposed."""
    code = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x04tQK\x02K\x02K\x01\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRs."
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/data/7", np.array([1, 2, 3, 4], "<f4").tobytes())
    assert values(read(buffer.getvalue()))["w"].tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
)
def test_a_file_of_a_big_endian_machine(dtype: torch.dtype) -> None:
    tensor = torch.tensor([1, 0, 3, 200]).to(dtype)
    with zipfile.ZipFile(io.BytesIO(saved({"w": tensor}))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    raw = np.frombuffer(files["archive/data/0"], np.uint8)
    size = dtype.itemsize // (2 if dtype.is_complex else 1)
    swapped = raw.reshape(-1, size)[:, ::-1].tobytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**files, "archive/data/0": swapped, "archive/byteorder": b"big"}.items():
            archive.writestr(name, data)
    assert torch.equal(values(read(buffer.getvalue()))["w"], tensor)


def training_state() -> dict[str, Any]:
    """What a training script leaves beside the weights."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return {
        "args": argparse.Namespace(lr=0.1, output=pathlib.Path("/tmp/x"), device=torch.device("cpu")),
        "best": np.float64(0.93),
        "confusion": np.eye(3),
        "counts": Counter("abca"),
        "history": defaultdict(list, loss=[1.0, 0.5]),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "seen": {1, 2},
        "when": Exception("x"),
        "generator": torch.get_rng_state(),
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_tensor_becomes_inert_and_the_weights_are_those_that_were_saved(zipped: bool) -> None:
    state = training_state()
    found = values(read(saved(state, zipped)))
    assert same(found["model"], dict(state["model"]))
    assert found["args"] == StandIn("argparse.Namespace")
    assert isinstance(found["best"], StandIn)
    assert isinstance(found["when"], StandIn)
    assert found["counts"] == {"a": 2, "b": 1, "c": 1}
    assert found["history"] == {"loss": [1.0, 0.5]}
    assert torch.equal(found["generator"], state["generator"])
    assert set(found["optimizer"]) == {"state", "param_groups"}


@pytest.mark.parametrize("protocol", range(6))
def test_containers_of_every_protocol(protocol: int) -> None:
    content = {
        "words": ["a", "ü", "\ud800", "x" * 300],
        "numbers": (1, -1, 255, 65536, 2**40, -(2**70), 0.5, True, False, None),
        "nested": {"a": {"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}]}},
        "bytes": b"abc" if protocol > 2 else None,
        "ordered": OrderedDict(a=1, b=OrderedDict(c=2)),
    }
    found = Pickle(io.BytesIO(pickle.dumps(content, protocol))).read()
    assert same(found, content)


def test_a_list_that_holds_itself() -> None:
    content: list[Any] = [1]
    content.append(content)
    found = Pickle(io.BytesIO(pickle.dumps(content))).read()
    assert found[1] is found


def test_keys_that_are_no_text_are_left_out() -> None:
    content = {1: "a", (1, 2): "b", None: "c", "kept": "d", 0.5: "e", b"f": "g"}
    assert Pickle(io.BytesIO(pickle.dumps(content))).read() == {"kept": "d"}


def test_a_global_is_a_name() -> None:
    assert Pickle(io.BytesIO(pickle.dumps(len))).read() == Named("builtins.len")
    assert Pickle(io.BytesIO(pickle.dumps(len, 2))).read() == Named("builtins.len")
    assert Pickle(io.BytesIO(b"(ios\nsystem\n.")).read() == StandIn("os.system")


def test_words_that_python_2_wrote() -> None:
    assert Pickle(io.BytesIO(b"U\x02\xc3\xbc.")).read() == "ü"
    assert Pickle(io.BytesIO(b"U\x02\xff\xfe.")).read() == "\ufffd\ufffd"
    assert Pickle(io.BytesIO(b"(U\x01aK\x01d.")).read() == {"a": 1}


def test_a_pickle_has_so_many_steps_and_a_copied_list_counts_by_its_length() -> None:
    with pytest.raises(ValueError, match=f"more than {MAX_STEPS:,} steps"):
        Pickle(io.BytesIO(b"(" + b"N" * MAX_STEPS + b"t.")).read()
    pairs = b"](" + b"X\x01\x00\x00\x00aN\x86" * 1000 + b"e\x85q\x00"
    copies = b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00R0" * 1001
    with pytest.raises(ValueError, match=f"more than {MAX_STEPS:,} steps"):
        Pickle(io.BytesIO(pairs + copies + b".")).read()


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(2, 3).to_sparse(),
        lambda: torch.zeros(2, 3).to_sparse_csr(),
        lambda: torch.empty(2, 3, device="meta"),
        lambda: torch._neg_view(torch.ones(2, 3)),
    ],
)
def test_tensors_that_are_no_plain_numbers_keep_their_shape_alone(make: Any) -> None:
    found = read(saved({"w": make()}))["w"].tensor()
    assert tuple(found.shape) == (2, 3)
    assert found.is_meta


@pytest.mark.parametrize("zipped", [True, False])
def test_storages_that_nobody_asks_for_are_not_read(zipped: bool) -> None:
    found = read(saved({"w": torch.zeros(2), "large": torch.zeros(100)}, zipped))
    found["w"].tensor()
    assert "values" in vars(found["w"].storage)
    assert "values" not in vars(found["large"].storage)


def test_a_flipped_bit_in_a_weight_is_noticed() -> None:
    data = bytearray(saved({"w": torch.ones(100)}))
    place = data.find(b"\x00\x00\x80\x3f" * 50)
    data[place + 40] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        values(read(bytes(data)))
