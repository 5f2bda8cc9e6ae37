"""The colours of what is shown inside a network, the same on a terminal and on a page: blue to red, and white to orange."""

from __future__ import annotations

Colour = tuple[int, int, int]

BLUE: Colour = (33, 102, 172)
PALE: Colour = (247, 247, 247)
RED: Colour = (178, 24, 43)
ORANGE: Colour = (230, 97, 1)
VIOLET: Colour = (84, 39, 136)
SURPRISE = 8.0  # bits at which a symbol is as orange as can be


def diverging(value: float) -> Colour:
    """From -1 (blue) by 0 (pale) to 1 (red)."""
    value = max(-1.0, min(1.0, value))
    return _mix(PALE, RED if value > 0 else BLUE, abs(value))


def surprise(bits: float) -> Colour:
    """From what was certain (pale) to what was not expected (orange)."""
    return _mix(PALE, ORANGE, max(0.0, min(1.0, bits / SURPRISE)))


def share(value: float) -> Colour:
    """From 0 (pale) to 1 (violet)."""
    return _mix(PALE, VIOLET, max(0.0, min(1.0, value)))


def is_dark(colour: Colour) -> bool:
    """Whether white reads better on it than black."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140


def _mix(first: Colour, second: Colour, part: float) -> Colour:
    red, green, blue = (round(one + (other - one) * part) for one, other in zip(first, second, strict=True))
    return red, green, blue
