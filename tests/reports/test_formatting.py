"""Numbers as text, color scales, cell widths and the line chart."""

from __future__ import annotations

import pytest

from seqtool.reports.formatting import (
    BLUE,
    ORANGE,
    PALE,
    RED,
    VIOLET,
    cell_width,
    diverging_color,
    fit,
    format_age,
    format_duration,
    format_size,
    line_chart,
    pad,
    probability_color,
    surprisal_color,
    terminal_style,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (999_600, "1.0 MB"),
        (2.5e12, "2.5 TB"),
        (3e16, "30000 TB"),
    ],
)
def test_size_has_a_fitting_unit(count: float, text: str) -> None:
    assert format_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_age_has_a_fitting_unit(seconds: float, text: str) -> None:
    assert format_age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(4.21, "4.2s"), (65, "1:05"), (7387, "2:03:07")])
def test_duration_has_minutes_and_hours_if_needed(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


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
