"""Public names are listed, documented and importable as the documents say; checked in the sources."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import core
from tests.test_boundaries import ROOT, sources

AXIS = r"\*?[\w.]+(?: ?[*/+-]+ ?\w+)*"
SHAPE = re.compile(rf"\({AXIS}(?:, {AXIS}|, \.\.\.)+\)|\(\w+,\)|\bshaped?\b|\bscalar\b")
ELSEWHERE = re.compile(r"\b(?:as for|those of) ``[\w.]+``")
RAISED = re.compile(r"\bRaises:|\b[Rr]aise [A-Z]\w+")
WEIGHTS = re.compile(r"\b(?:dict|Mapping)\[str, Tensor\]")
PROMISED = {  # names that core has to export
    "METHODS",
    "dead_share",
    "linear_radius",
    "load_network",
    "overlap",
    "pathway_gradient",
    "rank",
    "response",
    "sample_images",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def unlisted(tree: ast.Module) -> list[str]:
    """Return names without an underscore that are not in ``__all__``."""
    return [d.name for d in definitions(tree) if d.name not in {"main", *listed(tree)}]


def listed(tree: ast.Module) -> list[str]:
    """Return the names in ``__all__``, none if it is missing."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(statement.value)
            return names
    return []


def undescribed(tree: ast.Module) -> list[str]:
    """Return public classes, functions and methods without a docstring."""
    classes = [(d.name, d) for d in definitions(tree) if isinstance(d, ast.ClassDef)]
    return [name for name, each in [*classes, *functions(tree)] if not described(each)]


def shapeless(tree: ast.Module) -> list[str]:
    """Return public functions and methods that take or return arrays without documented shapes."""
    return [
        name
        for name, function in functions(tree)
        if any(map(array_names().search, annotations(function)))
        and not (SHAPE.search(described(function)) or ELSEWHERE.search(described(function)))
    ]


def unwarned(tree: ast.Module) -> list[str]:
    """Return public functions and methods that raise undocumented errors."""
    return [
        name
        for name, function in functions(tree)
        if any(isinstance(node, ast.Raise) and node.exc for node in inside(function))
        and not RAISED.search(described(function))
    ]


def definitions(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Yield public classes and functions that are in the body of a module or a class."""
    for statement in tree.body:
        if isinstance(statement, Definition) and not statement.name.startswith("_"):
            yield statement


def functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Yield public functions, and public methods and ``__call__`` of public classes."""
    for each in definitions(tree):
        if isinstance(each, ast.ClassDef):
            calls = [f for f in each.body if isinstance(f, Function) and f.name == "__call__"]
            methods = [f for f in definitions(each) if isinstance(f, Function)]
            yield from ((f"{each.name}.{f.name}", f) for f in (*methods, *calls))
        else:
            yield each.name, each


def taken(tree: ast.Module) -> set[tuple[str, str]]:
    """Return our modules with the names that a module uses from them: imports, and attributes of imported modules."""
    known, names, modules = sources("core", "explorer"), set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                if f"{node.module}.{alias.name}" in known:
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                else:
                    names.add((node.module, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            names.add((modules[node.value.id], node.attr))
    return names


def described(each: Definition) -> str:
    return ast.get_docstring(each) or ""


def annotations(function: Function) -> list[str]:
    """Return a function's annotations, except those of weights by name, whose shapes are those of their model."""
    given = function.args
    each = [argument.annotation for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [WEIGHTS.sub("", ast.unparse(one)) for one in (*each, function.returns) if one]


def inside(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes that a function itself runs, without those of functions defined in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Definition | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def array_names() -> re.Pattern[str]:
    """Return a pattern of the names of arrays in annotations: torch's, numpy's, and aliases in core's modules."""
    statements = [statement for path in sources("core").values() for statement in parsed(path).body]
    assigned = [each for each in statements if isinstance(each, ast.Assign)]
    own = {ast.unparse(each.targets[0]) for each in assigned if "NDArray[" in ast.unparse(each.value)}
    return re.compile(rf"\b(?:{'|'.join(sorted(own))}|Tensor|NDArray|ArrayLike|ndarray)\b")


def told(text: str) -> set[tuple[str, str]]:
    """Return modules of core with the names that a text's examples import from them."""
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    imports = [node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    return {(str(i.module), a.name) for i in imports if str(i.module).split(".")[0] == "core" for a in i.names}


@pytest.mark.parametrize("name", sources("core", "explorer"))
def test_what_is_public_is_listed_and_described(name):
    tree = parsed(sources("core", "explorer")[name])
    assert unlisted(tree) == []
    assert undescribed(tree) == []


@pytest.mark.parametrize("name", sources("core", "explorer", "pages"))
def test_what_is_taken_from_a_module_is_listed_there(name):
    paths = sources("core", "explorer", "pages")
    found = taken(parsed(paths[name]))
    assert [
        (module, each) for module, each in sorted(found) if each not in (*listed(parsed(paths[module])), "main")
    ] == []


@pytest.mark.parametrize("name", sources("core"))
def test_core_says_shapes_and_errors(name):
    tree = parsed(sources("core")[name])
    assert shapeless(tree) == []
    assert unwarned(tree) == []


def test_core_lists_each_name_once_in_order_and_has_it():
    by_kind = sorted(set(core.__all__), key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert core.__all__ == by_kind
    assert [name for name in core.__all__ if not hasattr(core, name)] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_what_readers_are_told_to_import_is_there_and_listed(page):
    found = told((ROOT / page).read_text(encoding="utf-8"))
    assert len(found) > 4
    assert [f"{module}.{name}" for module, name in found if name not in importlib.import_module(module).__all__] == []


def test_core_has_what_the_design_promises():
    assert set(core.__all__) >= PROMISED


def test_gaps_are_found():
    tree = ast.parse(
        '''
__all__ = ["Listed", "mute", "shaped", "shapeless", "silent", "warned"]
class Listed:
    """A class."""
    def method(self): ...
    def __call__(self, image: Tensor | None): "Return it."
    def _private(self, image: Tensor): raise ValueError("no")
def mute(): ...
def unlisted(): "Do it."
def _hidden(image: Tensor): raise ValueError("no")
def shaped(image: Tensor, state: dict[str, Tensor]): "Return what (1, C, H, W) becomes."
def shapeless(image: int) -> tuple[Counts, ...]: "Return it (so to say)."
def silent():
    "Return it."
    if True:
        raise ValueError("no")
def warned():
    """Do it, or raise ValueError."""
    def inner(): raise TypeError("no")
    try:
        inner()
    except TypeError as error:
        raise ValueError("no") from error
    except OSError:
        raise
'''
    )
    assert unlisted(tree) == ["unlisted"]
    assert undescribed(tree) == ["Listed.method", "mute"]
    assert shapeless(tree) == ["Listed.__call__", "shapeless"]
    assert unwarned(tree) == ["silent"]


def test_what_is_taken_is_found():
    source = (
        "import os\nfrom core.network import trace\nfrom explorer.plots import figures as f\nf.png(os.sep)\nf.LIMIT"
    )
    names = {("core.network", "trace"), ("explorer.plots.figures", "png"), ("explorer.plots.figures", "LIMIT")}
    assert taken(ast.parse(source)) == names


def test_imports_are_found_in_texts():
    text = "```python\nfrom core import rank\nimport core\nfrom os import path\n```\nfrom core import no\n"
    assert told(text + "```sh\nfrom core import no\n```\n```python\nfrom core.network import trace\n```\n") == {
        ("core", "rank"),
        ("core.network", "trace"),
    }
