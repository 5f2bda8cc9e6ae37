"""Option `--condition`, and the choice of a condition for commands that use a model of lines."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seqtool.inference.character import CharacterModel
    from seqtool.inference.conditional import ConditionalModel


class Prior(StrEnum):
    """Prior probability of the conditions of lines."""

    COUNTS = "counts"
    UNIFORM = "uniform"


ConditionOption = Annotated[
    str | None,
    typer.Option(
        "--condition", metavar="NAME", help="Condition of the lines (data.condition).", show_default=False
    ),
]
PriorOption = Annotated[
    Prior | None,
    typer.Option(
        "--prior", help="Prior of conditions: training lines (default), or uniform.", show_default=False
    ),
]


def under_condition(model: CharacterModel, condition: str | None, name: str) -> CharacterModel:
    """Return a model under the condition that a user names, or the model itself.

    Args:
        name: name of the model in messages.

    Raises:
        ModelError: the model has no conditions.
        DataError: it does not have this one; the hint names a similar one.
    """
    return (
        model
        if condition is None
        else with_conditions(model, "--condition", name).under(condition, "--condition")
    )


def with_conditions(model: CharacterModel, option: str, name: str) -> ConditionalModel:
    """Return the model, if it has conditions.

    Args:
        option: option that needs conditions.
        name: name of the model in messages.

    Raises:
        ModelError: it has none.
    """
    from seqtool.errors import ModelError

    conditional = is_conditional(model)
    if conditional is None:
        message = f"{option} needs a model of lines with conditions; this one has none"
        raise ModelError(message, place=name, hint=f"omit {option}, or train a model with data.condition")
    return conditional


def is_conditional(model: CharacterModel) -> ConditionalModel | None:
    """Return the model if no condition is chosen for it, but it has some; otherwise None."""
    if not hasattr(model, "conditions"):
        return None
    from seqtool.inference.conditional import ConditionalModel  # other models do without

    return model if isinstance(model, ConditionalModel) else None


def for_prompt(model: CharacterModel, prompt: str, seed: int | None = None) -> CharacterModel:
    """Return the model itself, or under a condition if it has some and none is chosen.

    Args:
        seed: draw the condition by its probability given the prompt; None takes the most probable one.

    Raises:
        DataError: an unknown symbol in the prompt.
    """
    conditional = is_conditional(model)
    if conditional is None:
        return model
    if seed is None:
        return conditional.under(conditional.probable_condition(prompt))
    return conditional.under(conditional.draw_condition(prompt, seed))


def for_text(model: CharacterModel, text: str, condition: str | None, name: str) -> CharacterModel:
    """Return a model under the condition that a user names, else the most probable one of a text's lines.

    A line on stderr names the condition that was not chosen by the user.

    Raises:
        ModelError, DataError: as `under_condition`; an unknown symbol in the text.
    """
    from seqtool.reports.console import say
    from seqtool.safe_text import visible

    conditional = is_conditional(model)
    if condition is not None or conditional is None:
        return under_condition(model, condition, name)
    probable = conditional.condition_of_text(text)
    say(f"condition: {visible(probable)} (the most probable one; choose another with --condition)")
    return conditional.under(probable)


def condition_facts(model: CharacterModel) -> dict[str, str]:
    """Return the field of a sample that names the condition of its model; empty without one."""
    return {"condition": model.condition} if model.condition else {}


def note_unknown_condition(model: CharacterModel, treatment: str) -> None:
    """Print a note if the model has conditions and none is chosen; `treatment` says what happens instead."""
    from seqtool.reports.console import say

    if is_conditional(model) is not None:
        say(f"note: no condition is given: {treatment}; choose one with --condition")
