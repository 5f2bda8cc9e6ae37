"""One definition per task: character models and taggers.

`definition(name)` returns the definition of a task. All other packages call it instead of testing for a task.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtool.tasks.interface import TaskDefinition

_MODULES = {"char": "seqtool.tasks.character", "tagger": "seqtool.tasks.tagger"}
TASK_NAMES = tuple(_MODULES)


def definition(task: str) -> TaskDefinition:
    """Return the definition of a task by its name in YAML files and manifests; only its own modules are imported."""
    found: TaskDefinition = import_module(_MODULES[task]).DEFINITION
    return found
