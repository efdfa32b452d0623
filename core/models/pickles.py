"""A pickle read as data: the plain containers it describes, and inert stand-ins for everything else.

    content = Pickle(io.BytesIO(data), makers={"torch.Size": tuple}).read()

A pickle is a program for a small stack machine. This one knows no import and no call: a global stays a name, and what
would be made by calling it becomes a ``StandIn``, unless ``makers`` has a function of ours for that name. The program
is taken apart by ``pickletools``, which runs nothing. How much it may build is bounded by its instructions; what costs
more than a step, such as a copy of a list, is counted by its length. Dictionaries keep only the keys that are text:
others can be made to take for ever to hash or to compare.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["MAX_STEPS", "Named", "Pickle", "StandIn"]

MAX_STEPS = 1_000_000  # instructions; the weights of the largest architecture take 60,000
MAX_MEMO = 1 << 32
MAX_BITS = 1024  # of a number; Python refuses to write out those of some thousand digits
LONGEST_NAME = 1000  # of a global that is put together from two texts, which may be had again and again

_BUILT_IN = ("builtins.", "__builtin__.")
_DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict")


@dataclass(frozen=True)
class Named:
    """A global that a pickle asks for: its name, never what it names."""

    name: str


@dataclass(frozen=True)
class StandIn:
    """What a pickle would have made by running something.

    Attributes:
        name: of the class or function.
    """

    name: str


class Pickle:
    """A stack machine that reads one pickle after another from a file.

    Attributes:
        modules: names of the classes of the ``torch.nn`` modules that stand-ins are for, the outermost last.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        makers: Mapping[str, Callable[..., Any]] | None = None,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.file, self.makers, self.persistent = file, makers or {}, persistent
        self.modules: list[str] = []
        self._steps = MAX_STEPS

    def read(self) -> Any:
        """Return what the next pickle of the file describes.

        Raises:
            ValueError: no pickle, or too long a one. Damaged ones raise other errors too.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        for opcode, argument, _ in pickletools.genops(self.file):
            self._spend(1)
            if opcode.name == "STOP":
                break
            _STEPS[opcode.name](self, argument)
        return self._pop()

    def _spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise ValueError(f"the pickle takes more than {MAX_STEPS:,} steps")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        return self._stack.pop()

    def _popped_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    # --------------------------------------------------------------------------------------------- stack and memo

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _discard(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _discard_to_mark(self, _: Any) -> None:
        self._popped_to_mark()

    def _duplicate(self, _: Any) -> None:
        self._push(self._stack[-1])

    def _put(self, index: int) -> None:
        if not 0 <= index < MAX_MEMO:
            raise ValueError("the pickle's memo is damaged")
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: Any) -> None:
        self._put(len(self._memo))

    def _get(self, index: int) -> None:
        self._push(self._memo[index])

    # ------------------------------------------------------------------------------------------------- containers

    def _tuple(self, _: Any) -> None:
        self._push(tuple(self._popped_to_mark()))

    def _list(self, _: Any) -> None:
        self._push(self._popped_to_mark())

    def _dict(self, _: Any) -> None:
        self._push(_with_items({}, self._popped_to_mark()))

    def _last(self, count: int) -> None:
        items = self._stack[-count:]
        if len(items) < count:
            raise ValueError("the pickle's stack is damaged")
        self._stack[-count:] = [tuple(items)]

    def _append(self, _: Any) -> None:
        item = self._pop()
        _extend(self._stack[-1], [item])

    def _appends(self, _: Any) -> None:
        items = self._popped_to_mark()
        _extend(self._stack[-1], items)

    def _set_item(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        _with_items(self._stack[-1], [key, value])

    def _set_items(self, _: Any) -> None:
        items = self._popped_to_mark()
        _with_items(self._stack[-1], items)

    def _ignore_items(self, _: Any) -> None:
        self._popped_to_mark()

    def _frozen_set(self, _: Any) -> None:
        self._popped_to_mark()
        self._push(StandIn("frozenset"))

    # ------------------------------------------------------------------------------- what other readers would run

    def _global(self, names: str) -> None:
        self._push(Named(_plain(names.replace(" ", ".", 1))))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if not (isinstance(module, str) and isinstance(name, str) and len(module) + len(name) <= LONGEST_NAME):
            raise ValueError("the pickle names a global with more than a name")
        self._push(Named(_plain(f"{module}.{name}")))

    def _reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        self._push(self._made(function, arguments))

    def _new_with_keywords(self, _: Any) -> None:
        _, _, kind = self._pop(), self._pop(), self._pop()
        self._push(_stand_in(kind))

    def _object(self, _: Any) -> None:
        self._push(_stand_in(*self._popped_to_mark()[:1]))

    def _instance(self, names: str) -> None:
        self._popped_to_mark()
        self._push(StandIn(names.replace(" ", ".", 1)))

    def _extension(self, _: Any) -> None:
        self._push(Named("an extension"))

    def _persistent(self, _: Any) -> None:
        name = self._pop()
        self._push(self.persistent(name) if self.persistent else StandIn("a persistent object"))

    def _persistent_text(self, _: Any) -> None:
        self._push(StandIn("a persistent object"))

    def _build(self, _: Any) -> None:
        state = self._pop()
        built = self._stack[-1]
        if isinstance(built, StandIn) and isinstance(state, dict) and "_modules" in state:
            self.modules.append(built.name)

    def _made(self, function: Any, arguments: Any) -> Any:
        """Return the result of our own function for a name; a stand-in if we have none."""
        name = function.name if isinstance(function, Named) else ""
        if not isinstance(arguments, tuple):
            raise ValueError("the pickle hands over arguments that are none")
        if name in _DICTIONARIES:
            return self._dictionary(arguments)
        if name in self.makers:
            return self.makers[name](*arguments)
        if name in ("copyreg._reconstructor", "copy_reg._reconstructor"):
            return _stand_in(*arguments[:1])
        return _stand_in(function)

    def _dictionary(self, arguments: tuple[Any, ...]) -> dict[str, Any] | StandIn:
        """Return a dictionary as OrderedDict, Counter and defaultdict are made: of pairs, another one, or a kind."""
        given = arguments[-1] if arguments else ()
        pairs = given.items() if isinstance(given, dict) else given if isinstance(given, list | tuple) else ()
        self._spend(len(pairs))
        return _with_items({}, [each for pair in pairs for each in _pair(pair)])

    def _refuse(self, _: Any) -> None:
        raise ValueError("the pickle refers to memory outside the file")


def _plain(name: str) -> str:
    start = next((start for start in _BUILT_IN if name.startswith(start)), None)
    return f"builtins.{name.removeprefix(start)}" if start else name


def _stand_in(kind: Any = None) -> StandIn:
    """Return what stands for an object of a kind; none of the kind's own names is known to Python."""
    return kind if isinstance(kind, StandIn) else StandIn(kind.name if isinstance(kind, Named) else "an object")


def _pair(pair: Any) -> tuple[Any, Any]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ValueError("the pickle makes a dictionary of what are no pairs")
    return pair[0], pair[1]


def _extend(target: Any, items: Iterable[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, StandIn):
        raise ValueError("the pickle appends to what is no list")


def _with_items(target: Any, items: list[Any]) -> dict[str, Any] | StandIn:
    """Return the dictionary with keys and values that take turns in a list; a stand-in takes none."""
    if len(items) % 2:
        raise ValueError("the pickle has a key without a value")
    if not isinstance(target, dict | StandIn):
        raise ValueError("the pickle puts items into what is no dictionary")
    if isinstance(target, dict):
        pairs = zip(items[::2], items[1::2], strict=True)
        target.update((key, value) for key, value in pairs if isinstance(key, str))
    return target


def _pushes(make: Callable[[], Any]) -> Callable[[Pickle, Any], None]:
    return lambda pickle, _: pickle._push(make())


def _push_bytes_as_text(pickle: Pickle, argument: str) -> None:
    """Push what Python 2 wrote as text, which ``pickletools`` hands over one character per byte."""
    pickle._push(argument.encode("latin-1", "replace").decode("utf-8", "replace"))


def _push_whole_number(pickle: Pickle, number: int) -> None:
    pickle._push(number if number.bit_length() <= MAX_BITS else StandIn("a large number"))


def _nothing(_: Pickle, __: Any) -> None:
    """Go on: the instruction says how the file is written, not what is in it."""


_STEPS: dict[str, Callable[[Pickle, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), _nothing),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), _push_whole_number),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), Pickle._push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), Pickle._push),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), Pickle._push),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _push_bytes_as_text),
    "NONE": _pushes(lambda: None),
    "NEWTRUE": _pushes(lambda: True),
    "NEWFALSE": _pushes(lambda: False),
    "EMPTY_LIST": _pushes(list),
    "EMPTY_TUPLE": _pushes(tuple),
    "EMPTY_DICT": _pushes(dict),
    "EMPTY_SET": _pushes(lambda: StandIn("set")),
    "MARK": Pickle._mark,
    "POP": Pickle._discard,
    "POP_MARK": Pickle._discard_to_mark,
    "DUP": Pickle._duplicate,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Pickle._put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Pickle._get),
    "MEMOIZE": Pickle._memoize,
    "TUPLE": Pickle._tuple,
    "TUPLE1": lambda pickle, _: pickle._last(1),
    "TUPLE2": lambda pickle, _: pickle._last(2),
    "TUPLE3": lambda pickle, _: pickle._last(3),
    "LIST": Pickle._list,
    "DICT": Pickle._dict,
    "APPEND": Pickle._append,
    "APPENDS": Pickle._appends,
    "SETITEM": Pickle._set_item,
    "SETITEMS": Pickle._set_items,
    "ADDITEMS": Pickle._ignore_items,
    "FROZENSET": Pickle._frozen_set,
    "GLOBAL": Pickle._global,
    "STACK_GLOBAL": Pickle._stack_global,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), Pickle._extension),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Pickle._reduce),
    "NEWOBJ_EX": Pickle._new_with_keywords,
    "OBJ": Pickle._object,
    "INST": Pickle._instance,
    "BUILD": Pickle._build,
    "BINPERSID": Pickle._persistent,
    "PERSID": Pickle._persistent_text,
    **dict.fromkeys(("NEXT_BUFFER", "READONLY_BUFFER"), Pickle._refuse),
}
