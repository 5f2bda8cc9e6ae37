"""Color scales, cell widths and the line chart."""

from __future__ import annotations

import pytest

from seqtool.reports.drawing import (
    BLUE,
    ORANGE,
    PALE,
    RED,
    VIOLET,
    cell_width,
    diverging_color,
    fit,
    line_chart,
    pad,
    probability_color,
    surprisal_color,
    terminal_style,
)


def test_scales_end_at_their_colors_and_clip_values_outside() -> None:
    assert [diverging_color(value) for value in (-2, -1, 0, 1, 2)] == [BLUE, BLUE, PALE, RED, RED]
    assert [surprisal_color(bits) for bits in (-1, 0, 8, 20)] == [PALE, PALE, ORANGE, ORANGE]
    assert [probability_color(value) for value in (0, 1)] == [PALE, VIOLET]


def test_style_has_readable_text() -> None:
    assert terminal_style(PALE) == "#000000 on #f7f7f7"
    assert terminal_style(VIOLET) == "#ffffff on #542788"


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0)])
def test_cell_width_counts_terminal_columns(text: str, width: int) -> None:
    assert cell_width(text) == width
    assert cell_width(pad(text, 6)) == cell_width(fit(text, 6)) == 6


def test_fit_ends_a_long_text_with_an_ellipsis() -> None:
    assert fit("abcdefgh", 5) == "abcd…"
    assert cell_width(fit("漢字漢字", 5)) == 5


def test_chart_fits_its_width_without_escape_codes() -> None:
    curves = {"train": [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], "validation": [(1.0, 2.5), (3.0, 1.5)]}
    lines = line_chart(curves, width=20, height=5)
    assert lines[0].startswith("3.000 │·") and lines[4].startswith("1.000 │")
    assert lines[-1].split() == ["·", "train", "●", "validation"]
    assert max(map(len, lines[:-1])) <= len("3.000 │") + 20
    assert "\x1b" not in "".join(lines)


def test_chart_of_fewer_than_two_points_is_empty() -> None:
    assert line_chart({"loss": [(1.0, 1.0)]}) == line_chart({}) == []


def test_chart_of_a_constant_curve_has_one_row_of_marks() -> None:
    lines = line_chart({"loss": [(float(x), 1.0) for x in range(5)]}, width=10, height=3)
    assert [("·" in line) for line in lines[:3]] == [True, False, False]
