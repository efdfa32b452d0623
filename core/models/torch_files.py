"""Files of ``torch.save`` read without torch's unpickler: what is in them, as plain containers and stored tensors.

    content, modules = read_archive(data, check)     # the zip format, since 1.6
    content, modules = read_legacy(data, check)      # the format before
    content["state_dict"]["fc.weight"].tensor()

A tensor in such a file is a recipe: a storage, which is raw bytes beside the pickle, with a type, an offset, a shape
and strides. Recipes are kept as ``Stored``; bytes are read when a tensor is asked for, so that an optimiser's state
costs nothing. A recipe that reaches beyond its storage, or a storage beyond its file, is damage.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from core.models.pickles import Named, Pickle, StandIn

__all__ = ["MAX_LISTING", "Stored", "read_archive", "read_legacy"]

MAX_LISTING = 4 << 20  # bytes of a file that say how its weights are called; the largest architecture needs 0.2 MB
MAX_AXES = 64
MAX_NUMBER = 1 << 62
_SIZE_BYTES = 8  # that the old format puts before a storage

_DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
_STORAGES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "QInt32Storage": torch.int32,
    "QInt8Storage": torch.int8,
    "QUInt8Storage": torch.uint8,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}


@dataclass(frozen=True, eq=False)
class _Storage:
    """Raw bytes of a file, read once and only when they are wanted.

    Attributes:
        key: its name in the file.
        dtype: of its elements.
        count: how many of them the file claims.
        read: returns the bytes for a key.
    """

    key: str
    dtype: torch.dtype
    count: int
    read: Callable[[_Storage], Tensor]

    @property
    def size(self) -> int:
        """Return how many bytes the file claims."""
        return self.count * self.dtype.itemsize

    @cached_property
    def values(self) -> Tensor:
        """Return the bytes, as uint8."""
        values = self.read(self)
        if len(values) != self.size:
            raise ValueError(f"storage {self.key} has {len(values):,} bytes, wanted {self.size:,}")
        return values


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor as a file describes it.

    Attributes:
        shape: of the tensor.
        dtype: of its values.
        stride: in values, one per axis.
        offset: of the first value in the storage.
        storage: where the values are; None where they are not plain numbers one after the other: sparse, quantised,
            negated by a flag, or none at all.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    stride: tuple[int, ...] = ()
    offset: int = 0
    storage: _Storage | None = None

    def tensor(self) -> Tensor:
        """Return the values, of that shape and on the CPU; a tensor on "meta" where they are not plain numbers.

        Raises:
            ValueError: the file has fewer bytes than it claims.
        """
        if self.storage is None:
            return torch.empty(self.shape, device="meta")
        values = torch.empty(0, dtype=self.dtype)
        return values.set_(self.storage.values.untyped_storage(), self.offset, self.shape, self.stride)


def read_archive(data: bytes, check: Callable[[zipfile.ZipFile], str]) -> tuple[Any, list[str]]:
    """Return what a zip archive of torch.save holds, and the classes of whole modules in it.

    Args:
        data: of the file.
        check: is handed the archive before anything of it is read, refuses it or returns the folder in it.
    """
    archive = zipfile.ZipFile(io.BytesIO(data))
    folder = check(archive)
    names = set(archive.namelist())
    swapped = f"{folder}/byteorder" in names and archive.read(f"{folder}/byteorder") == b"big"

    def read(storage: _Storage) -> Tensor:
        return _raw(archive.read(f"{folder}/data/{storage.key}"), storage.dtype if swapped else None)

    storages = _Storages(read)
    reader = Pickle(io.BytesIO(archive.read(f"{folder}/data.pkl")), makers=_MAKERS, persistent=storages.find)
    return reader.read(), reader.modules


def read_legacy(data: bytes, check: Callable[[int], None]) -> tuple[Any, list[str]]:
    """Return what a file in torch's old format holds, and the classes of whole modules in it.

    Args:
        data: of the file.
        check: is handed how many bytes say what the weights are called, where these are too many.
    """
    places: dict[str, int] = {}

    def read(storage: _Storage) -> Tensor:
        start = places[storage.key]
        return _raw(data[start : start + storage.size])

    storages = _Storages(read)
    file = io.BytesIO(data[: MAX_LISTING + 1])
    reader = Pickle(file, makers=_MAKERS, persistent=storages.find)
    try:
        _magic, _protocol, _system = reader.read(), reader.read(), reader.read()
        content, keys = reader.read(), reader.read()
    except Exception:
        if len(data) > MAX_LISTING and file.tell() > MAX_LISTING:
            check(file.tell())
        raise
    places.update(_places(data, file.tell(), keys, storages.found))
    return content, reader.modules


def _places(data: bytes, start: int, keys: Any, storages: dict[str, _Storage]) -> dict[str, int]:
    """Return where the storages begin that follow one another in an old file, each after its number of values."""
    places = {}
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(data[start : start + _SIZE_BYTES], "little")
        if count != storage.count:
            raise ValueError(f"storage {key} has {count:,} values, wanted {storage.count:,}")
        places[key] = start + _SIZE_BYTES
        start = places[key] + storage.size
    return places


def _raw(values: bytes, swapped: torch.dtype | None = None) -> Tensor:
    """Return bytes as a tensor; with a type, those of each of its numbers in reverse order."""
    if not values:
        return torch.empty(0, dtype=torch.uint8)
    raw = torch.frombuffer(bytearray(values), dtype=torch.uint8)
    if swapped is None:
        return raw
    size = swapped.itemsize // 2 if swapped.is_complex else swapped.itemsize
    return raw.view(-1, size).flip(1).flatten()


@dataclass
class _Storages:
    """The storages that a pickle refers to, one per key."""

    read: Callable[[_Storage], Tensor]
    found: dict[str, _Storage] = field(default_factory=dict)

    def find(self, name: Any) -> Any:
        """Return the storage that a persistent name of torch.save stands for; of a class with its source, the class."""
        match name:
            case ("module", kind, *_):
                return kind
            case ("storage", Named(kind), str(key), _, int(count), *views) if not any(views):
                return self._storage(kind, key, count)
        raise ValueError("the pickle refers to something other than a storage")

    def _storage(self, kind: str, key: str, count: int) -> _Storage:
        dtype = _STORAGES.get(kind.rpartition(".")[2])
        if dtype is None or not kind.startswith("torch.") or not 0 <= count < MAX_NUMBER:
            raise ValueError(f"storage {key[:50]} is of an unknown kind or size")
        found = self.found.setdefault(key, _Storage(key, dtype, count, self.read))
        if (found.dtype, found.count) != (dtype, count):
            raise ValueError(f"storage {key[:50]} is said to be two things")
        return found


# ------------------------------------------------------------------------- what torch calls to put a tensor together


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Stored:
    return _stored(storage, offset, size, stride)


def _tensor_with_flags(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any = None, _hooks: Any = None, flags: Any = None
) -> Stored:
    return _stored(storage, offset, size, stride) if not flags else Stored(_sizes(size))


def _tensor_of_type(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, flags: Any = None
) -> Stored:
    kind = _DTYPES.get(dtype.name) if isinstance(dtype, Named) else None
    return _stored(storage, offset, size, stride, kind) if kind and not flags else Stored(_sizes(size))


def _stored(storage: Any, offset: Any, size: Any, stride: Any, dtype: torch.dtype | None = None) -> Stored:
    if not isinstance(storage, _Storage):
        return Stored(_sizes(size))
    shape, steps, (start,) = _sizes(size), _counts(stride), _counts((offset,))
    dtype = dtype or storage.dtype
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if 0 not in shape and (last + 1) * dtype.itemsize > storage.size:
        raise ValueError(f"a tensor of shape {shape} reaches beyond storage {storage.key[:50]}")
    return Stored(shape, dtype, steps, 0 if 0 in shape else start, storage)  # without values it begins anywhere


def _sizes(sizes: Any) -> tuple[int, ...]:
    """Return a shape whose number of values a computer can count."""
    shape = _counts(sizes)
    if math.prod(max(n, 1) for n in shape) >= MAX_NUMBER:
        raise ValueError("a tensor is larger than any memory")
    return shape


def _counts(numbers: Any) -> tuple[int, ...]:
    """Return whole numbers as they describe a tensor's axes, none of them negative."""
    if not isinstance(numbers, tuple) or len(numbers) > MAX_AXES:
        raise ValueError("a tensor has a shape that is none")
    if not all(isinstance(n, int) and 0 <= n < MAX_NUMBER for n in numbers):
        raise ValueError("a tensor has a shape that is none")
    return tuple(int(n) for n in numbers)


def _first(value: Any, *_: Any) -> Any:
    return value


def _subclass(function: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    """Return a tensor of a subclass of torch's as the plain tensor it is made from."""
    make = _PLAIN.get(function.name) if isinstance(function, Named) else None
    return make(*arguments) if make else StandIn("torch._tensor._rebuild_from_type_v2")


_PLAIN: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._utils._rebuild_meta_tensor_no_storage": lambda _dtype, size, *_: Stored(_sizes(size)),
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_qtensor": lambda _storage, _offset, size, *_: Stored(_sizes(size)),
    "torch._utils._rebuild_sparse_tensor": lambda _layout, parts: Stored(_shape_of_sparse(parts)),
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_with_flags,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
}
_MAKERS: dict[str, Callable[..., Any]] = {
    **_PLAIN,
    "torch.Size": lambda sizes=(): _sizes(sizes),
    "torch._tensor._rebuild_from_type_v2": _subclass,
}


def _shape_of_sparse(parts: Any) -> tuple[int, ...]:
    """Return the shape among what torch keeps of a sparse tensor; the others are indices and values."""
    return next(_sizes(part) for part in parts[:4] if isinstance(part, tuple))
