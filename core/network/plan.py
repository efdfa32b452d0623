"""The order in which the nodes of a program are evaluated, and the values that each of them is the last to need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.fx import Node

from core.network.program import Program

__all__ = ["Plan", "plan_of", "tail_plan"]


@dataclass(frozen=True)
class Plan:
    """Nodes to evaluate in order, the values that can be dropped after each, and those that must be given."""

    nodes: tuple[Node, ...]
    forget: tuple[tuple[Node, ...], ...]
    given: tuple[Node, ...]


def plan_of(nodes: Sequence[Node], keep: set[Node] | None = None) -> Plan:
    """Plan nodes in their order; the values of those in ``keep`` are not dropped."""
    inside = set(nodes)
    given = dict.fromkeys(source for node in nodes for source in node.all_input_nodes if source not in inside)
    called = [node for node in nodes if node.op != "placeholder"]
    last = {source: i for i, node in enumerate(called) for source in node.all_input_nodes}
    forget: list[list[Node]] = [[] for _ in called]
    for node, i in last.items():
        if not keep or node not in keep:
            forget[i].append(node)
    return Plan(tuple(called), tuple(map(tuple, forget)), tuple(given))


def tail_plan(program: Program, start: Node) -> Plan:
    """Plan the nodes that depend on a site, and the sizes they need, which change with the batch."""
    after = {start}
    for node in program.nodes:
        if any(source in after for source in node.all_input_nodes):
            after.add(node)
    after.remove(start)
    for node in reversed(program.nodes):
        facts = program.facts[node]
        if facts.from_input and not facts.sees_image and any(user in after for user in node.users):
            after.add(node)
    return plan_of([node for node in program.nodes if node in after])
