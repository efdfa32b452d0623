"""What the app computes: work in line, and the results it keeps."""

from __future__ import annotations

from explorer.compute.attributions import CAM, Made, baseline_task, pathway_gradient, ready_baseline, weighted
from explorer.compute.comparison import CURVE, STRIP, SWEEP, Curve, Row, Swept
from explorer.compute.connections import Connection, connections_task
from explorer.compute.decoding import Painted
from explorer.compute.evaluation import Mask, Measured, Sane, Sensitive
from explorer.compute.export import Provenance
from explorer.compute.flow import IMAGE, LOGIT, Edge, Flow, Place
from explorer.compute.linearity import Followed, Radii
from explorer.compute.neurons import NeuronRow, SitePlanes
from explorer.compute.rankings import Reference, Scored, Selection
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene, make_scene, scene_again
from explorer.compute.task_queue import NO_MEMORY, out_of_memory
from explorer.compute.tasks import State, Task, TaskGroup, Ticket, Work

__all__ = [
    "CAM",
    "CURVE",
    "IMAGE",
    "LOGIT",
    "NO_MEMORY",
    "STRIP",
    "SWEEP",
    "Answer",
    "Connection",
    "Curve",
    "Edge",
    "Flow",
    "Followed",
    "Made",
    "Mask",
    "Measured",
    "NeuronRow",
    "Painted",
    "Place",
    "Provenance",
    "Radii",
    "Reference",
    "Row",
    "Sane",
    "Scene",
    "Scored",
    "Selection",
    "Sensitive",
    "SitePlanes",
    "State",
    "Swept",
    "Task",
    "TaskGroup",
    "Ticket",
    "Work",
    "baseline_task",
    "connections_task",
    "make_scene",
    "out_of_memory",
    "pathway_gradient",
    "ready_baseline",
    "scene_again",
    "weighted",
]
