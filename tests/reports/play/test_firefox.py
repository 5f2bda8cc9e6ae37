"""The play page in Firefox: the numbers of numpy, an edit, and a picture of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seqtool.inference.load import load_character_model, load_tagger
from seqtool.types import Array
from tests.support.firefox import FIREFOX, MISSING_FIREFOX, Firefox, firefox
from tests.support.play_pages import LETTERS, random_character_parts, random_tagger_parts, write_page
from tests.support.random_models import random_sentences, stored_model

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if not FIREFOX:
        pytest.skip(MISSING_FIREFOX)
    with firefox(tmp_path_factory.mktemp("firefox")) as connection:
        yield connection


def assert_close(found: object, expected: Array) -> None:
    values = np.array(found, np.float64).reshape(expected.shape)
    assert np.all(np.abs(values - expected) <= TOLERANCE * np.maximum(1, np.abs(expected)))


@pytest.mark.parametrize("seed", range(8))
def test_text_model_has_the_scores_of_numpy(browser: Firefox, tmp_path: Path, seed: int) -> None:
    parts = random_character_parts(seed)
    browser.get(write_page(tmp_path / "model", parts).as_uri())
    assert "passed" in browser.execute("return document.getElementById('self-test').textContent")
    model = load_character_model(stored_model(parts))
    ids = np.random.default_rng(seed).integers(0, len(model.vocabulary), 30)
    script = "return window.seqtool.model.scoresOfSymbols(arguments[0]).map((row) => Array.from(row))"
    assert_close(browser.execute(script, ids.tolist()), model.forward(ids[:, None])[0][:, 0])


@pytest.mark.parametrize("seed", range(8))
def test_tagger_has_the_scores_and_labels_of_numpy(browser: Firefox, tmp_path: Path, seed: int) -> None:
    parts = random_tagger_parts(seed)
    browser.get(write_page(tmp_path / "model", parts).as_uri())
    assert "passed" in browser.execute("return document.getElementById('self-test').textContent")
    model = load_tagger(stored_model(parts))
    (tokens,) = random_sentences([9], seed)
    script = """
    const { scores, columns } = window.seqtool.model.tagger.tag(arguments[0]);
    return [scores.map((row) => Array.from(row)), columns];
    """
    scores, columns = browser.execute(script, tokens)
    assert_close(scores, model.scores([tokens])[0])
    assert columns == model.tag_columns([tokens])[0]


def test_page_works_and_its_picture_shows_the_self_test(browser: Firefox, tmp_path: Path) -> None:
    """An edit changes the predictions; the picture of the self-test differs from an empty one."""
    page = write_page(tmp_path / "model", random_character_parts(2))
    browser.get(page.as_uri())
    script = """
    const area = document.querySelector("textarea"), [text] = arguments;
    area.value = text, area.setSelectionRange(3, 3), area.dispatchEvent(new Event("input"));
    return document.querySelectorAll(".reading .cell:not([hidden])").length;
    """
    assert browser.execute(script, LETTERS[1:8]) == 7
    assert browser.execute("return document.documentElement.scrollWidth <= innerWidth")
    shown = browser.screenshot()
    browser.execute("document.getElementById('self-test').style.visibility = 'hidden'")
    hidden = browser.screenshot()
    assert shown.startswith(b"\x89PNG") and shown != hidden
