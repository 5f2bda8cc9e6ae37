"""Views of `inspect`: what it shows of taggers and tokenizers. The view of text models is in `inspect`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

if TYPE_CHECKING:
    from rich.text import Text

    from seqtool.errors import SeqtoolError
    from seqtool.evaluation.text_files import Reading
    from seqtool.inference.tagger import TaggerModel
    from seqtool.inference.tokenizer import TokenizerModel
    from seqtool.inspection.network import InspectedModel
    from seqtool.inspection.unit_ranking import RankedUnit


class Request(NamedTuple):
    """Texts to trace, and units to show.

    Attributes:
        units: names of units.
        surprisal: show the surprisal of each symbol.
        find: pattern of which the units are ranked.
        top: number of ranked units.
        states: file for the states.
        root: directory of all runs.
        reading: how to read the files.
        condition: condition of the lines of a text model.
    """

    texts: tuple[str, ...]
    files: tuple[Path, ...]
    units: tuple[str, ...]
    surprisal: bool
    find: str | None
    top: int
    states: Path | None
    root: Path
    reading: Reading
    condition: str | None = None


@dataclass(frozen=True)
class View(ABC):
    """Contents of the screen for the models of one task.

    Attributes:
        hint: what the user can do instead of what only text models have.
    """

    hint: ClassVar[str] = ""

    inspected: InspectedModel
    request: Request

    @abstractmethod
    def walk(self) -> Iterator[str | Text]:
        """Yield the processing of each text, step by step."""

    @abstractmethod
    def units(self) -> Iterator[str | Text]:
        """Yield the values of the requested units, and write the states to a file if one is requested."""

    @abstractmethod
    def ranking(self, pattern: str) -> list[RankedUnit]:
        """Return the units with the highest correlation with a pattern."""

    def check_condition(self) -> None:
        """Refuse a condition, which only a text model can have.

        Raises:
            SeqtoolError: a condition is given.
        """
        if self.request.condition is not None:
            raise self.only_for_text("--condition is")

    def only_for_text(self, options: str) -> SeqtoolError:
        """Return the error about options that only text models have."""
        from seqtool.errors import SeqtoolError
        from seqtool.tasks.interface import definition

        noun = definition(self.inspected.stored.task).noun
        return SeqtoolError(
            f"{options} for character models; this is a {noun}",
            place=self.inspected.name,
            hint=self.hint,
        )


# --- taggers ------------------------------------------------------------------------------------------------


class TaggerView(View):
    """Contents of the screen for a tagger."""

    hint = "show a sentence with --text, its units with --units, and write its states with --states"

    @property
    def model(self) -> TaggerModel:
        return cast("TaggerModel", self.inspected.model)

    def walk(self) -> Iterator[str | Text]:
        from seqtool.reports.console import report_width
        from seqtool.reports.raw_text import boundary_lines
        from seqtool.reports.tagger_inspection import first_step_of
        from seqtool.reports.weights import is_small, weight_lines

        texts = self._texts()
        for text in texts:
            if self.inspected.tokenizer is not None:
                yield ""
                yield from boundary_lines(self.inspected.tokenizer, text, report_width())
            for tokens in self._sentences(text):
                yield from self._sentence(tokens)
        weights = self.inspected.stored.weights
        first = next((tokens for text in texts for tokens in self._sentences(text)), ())
        if first and is_small(weights):
            yield from weight_lines(weights, report_width())
            yield from first_step_of(self.model, weights, first)

    def units(self) -> Iterator[str | Text]:
        from seqtool.errors import SeqtoolError
        from seqtool.inspection.trace import tagger_states, write_npz

        file = self.request.states
        if self.request.surprisal or self.request.find:
            raise self.only_for_text("surprisal and --find are")
        sentences = [tokens for text in self._texts() for tokens in self._sentences(text)]
        if file is None:
            yield from self._unit_tables(sentences)
            return
        if len(sentences) != 1:
            message = f"--states needs one sentence, found {len(sentences)}"
            raise SeqtoolError(message, hint='give it with --text "The dog ate the apple"')
        arrays = tagger_states(self.model, sentences[0])
        write_npz(file, arrays, [*self.request.files, *self.inspected.inputs()])
        yield f"{file}: {len(sentences[0])} tokens, {', '.join(arrays)}"

    def _unit_tables(self, sentences: list[tuple[str, ...]]) -> Iterator[str | Text]:
        """Yield the values of the requested units in each sentence."""
        from seqtool.errors import SeqtoolError
        from seqtool.inspection.trace import parse_units
        from seqtool.reports.console import report_width
        from seqtool.reports.weights import unit_table

        units = parse_units(self.request.units, self.model.settings)
        if not sentences:
            raise SeqtoolError("--units needs a sentence", hint='give it with --text "The dog ate the apple"')
        if self.model.settings.bidirectional:
            yield "> reads the sentence from left to right, < from right to left"
        for tokens in sentences:
            yield from unit_table(tokens, units, self.model.states(tokens), report_width())

    def ranking(self, pattern: str) -> list[RankedUnit]:  # noqa: ARG002
        raise self.only_for_text("--find is")

    def _texts(self) -> list[str]:
        from seqtool.evaluation.text_files import read_text

        files = read_text(None, self.request.files, self.request.reading)
        return [*self.request.texts, *files.splitlines()]

    def _sentences(self, text: str) -> Iterator[tuple[str, ...]]:
        """Yield the words of each sentence of a paragraph; without a trained tokenizer it is one sentence."""
        from seqtool.data.tagging.unlabeled import TextReader
        from seqtool.inference.text_tagger import words_of

        if self.inspected.tokenizer is not None:
            for sentence in self.inspected.tokenizer.tokenize([text])[0]:
                yield tuple(words_of(sentence))
            return
        tokens = tuple(TextReader(self.model.tokenizer or "whitespace").sentence(text, "--text").tokens)
        if tokens:
            yield tokens

    def _sentence(self, tokens: tuple[str, ...]) -> Iterator[str | Text]:
        from seqtool.inspection.trace import ablate_words
        from seqtool.reports.console import color_and_width, report_width
        from seqtool.reports.tagger_inspection import effect_lines, marginal_rows, tagger_walk
        from seqtool.reports.weights import is_small

        color, width = color_and_width()
        weights = self.inspected.stored.weights
        yield from tagger_walk(self.model, weights, tokens, report_width())
        if is_small(weights):
            yield from self._states(tokens)
        ablation = ablate_words(self.model, tokens)
        yield ""
        yield from marginal_rows(ablation, width=width, color=color)
        yield ""
        yield from effect_lines(ablation)

    def _states(self, tokens: tuple[str, ...]) -> Iterator[str]:
        """Yield the states of all units of a small network at each token."""
        from seqtool.inspection.trace import Unit
        from seqtool.reports.console import report_width
        from seqtool.reports.weights import unit_table

        model = self.model.settings
        units = [
            Unit(layer, "h", unit) for layer in range(model.num_layers) for unit in range(model.hidden_size)
        ]
        yield from unit_table(tokens, units, self.model.states(tokens), report_width())


# --- tokenizers ---------------------------------------------------------------------------------------------


class TokenizerView(View):
    """Contents of the screen for a tokenizer."""

    hint = "show its processing of a text with --text"

    def walk(self) -> Iterator[str | Text]:
        from seqtool.evaluation.text_files import read_text
        from seqtool.reports.console import report_width
        from seqtool.reports.raw_text import boundary_lines

        model, request = cast("TokenizerModel", self.inspected.model), self.request
        files = (read_text(None, [path], request.reading) for path in request.files)
        for text in [*request.texts, *files]:
            yield ""
            yield from boundary_lines(model, text, report_width())

    def units(self) -> Iterator[str | Text]:
        raise self.only_for_text("--units, --find and --states are")

    def ranking(self, pattern: str) -> list[RankedUnit]:  # noqa: ARG002
        raise self.only_for_text("--find is")
