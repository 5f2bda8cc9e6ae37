"""Samples of a model by the options of the user, and texts that the user gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqtool.cli.sample_options import Choice
    from seqtool.inference.character import CharacterModel
    from seqtool.reports.samples import Sample

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


class Generator:
    """Makes the samples of a model by the options of the user.

    Attributes:
        model: the model.
    """

    def __init__(self, model: CharacterModel, choice: Choice, length: int, stop: str | None) -> None:
        self.model = model
        self._choice = choice
        self._length = length
        self._stop = stop

    def rows(self, prompts: list[str], number: int) -> Iterator[list[Sample]]:
        """Yield the samples of each prompt, those of equal prompt and seed together.

        Args:
            number: samples of each prompt.
        """
        if self._choice.beam is not None:
            for prompt in prompts:
                yield from ([sample] for sample in self.best(prompt, number))
            return
        seed = self._choice.seed or 0
        for prompt in prompts:
            for _ in range(number):
                yield [self.sample(prompt, seed, value) for value in self._choice.temperatures()]
                seed += 1

    def candidates(self, prompt: str, number: int, seed: int) -> Iterator[Sample]:
        """Yield continuations of a prompt: samples, or the best of a beam search."""
        if self._choice.beam is not None:
            yield from self.best(prompt, number)
            return
        first = (self._choice.seed or 0) + seed
        temperature = self._choice.temperatures()[0]
        yield from (self.sample(prompt, first + offset, temperature) for offset in range(number))

    def sample(self, prompt: str, seed: int, temperature: float) -> Sample:
        """Return one sample; its text is generated while it is read."""
        from seqtool.cli.conditions import condition_facts, for_prompt
        from seqtool.reports.samples import Sample

        model = for_prompt(self.model, prompt, seed)
        pieces = model.generate(
            prompt,
            self._length,
            temperature=temperature,
            top_k=self._choice.top_k,
            top_p=self._choice.top_p,
            min_p=self._choice.min_p,
            repetition_penalty=self._choice.penalty,
            seed=seed,
            stop=self._stop,
        )
        facts: dict[str, float | str] = {"seed": seed, "temperature": temperature, **condition_facts(model)}
        return Sample(prompt, pieces, facts)

    def best(self, prompt: str, number: int) -> Iterator[Sample]:
        """Yield the best continuations that a beam search finds."""
        from seqtool.cli.conditions import condition_facts, for_prompt
        from seqtool.inference.sampling import Piece
        from seqtool.reports.samples import Sample

        model = for_prompt(self.model, prompt)
        norm = 1.0 if self._choice.length_norm is None else self._choice.length_norm
        found = model.beam(
            prompt, self._length, width=self._choice.beam or 1, length_norm=norm, stop=self._stop
        )
        for one in found[:number]:
            facts: dict[str, float | str] = {
                "score": round(one.score, 6),
                "symbols": one.symbols,
                **condition_facts(model),
            }
            yield Sample(prompt, [Piece(one.text, one.log_probability)], facts)


def known_symbols(model: CharacterModel, prompt: str, name: str, *, first: int = 1, skip: bool) -> str:
    """Return the prompt, without unknown symbols if they are to be skipped.

    Args:
        name: name of the prompt in messages.
        first: number of its first line.

    Raises:
        DataError: there is an unknown symbol, and it is not to be skipped.
    """
    from seqtool.inference.character import unknown_symbol
    from seqtool.reports.console import say

    known, unknown = model.remove_unknown(prompt)
    if not unknown:
        return prompt
    if not skip:
        hint = "remove such symbols with --unknown skip"
        raise unknown_symbol(model, prompt, name, first=first, hint=hint)
    shown = " ".join(map(model.vocabulary.show, unknown))
    say(f"note: removed from the prompt, because they are not in the vocabulary: {shown}")
    return known


def unescaped(text: str) -> str:
    r"""Return a text in which `\n`, `\t`, `\r` and `\\` are what they are in Python."""
    return re.sub(r"\\([ntr\\])", lambda match: ESCAPES[match[1]], text)
