"""`sample --interactive`: add text, choose among candidates of the model, undo.

The dialog goes to stderr, and the finished text to stdout. Commands are read line by line from standard
input, a terminal or a pipe.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from seqtool.reports.samples import show, write_text

if TYPE_CHECKING:
    from seqtool.cli.sample_texts import Generator

HELP = "NUMBER takes a candidate, Enter shows others, TEXT or +TEXT adds text, /undo, /text, /quit, /help"
SHOWN = 200  # characters at the end of the text that are shown after a change


class Dialog:
    r"""A text in progress, its earlier versions, and candidates that may continue it.

    Lines of the user: a number takes a candidate, an empty line asks for others, `/undo`, `/text`, `/quit`
    and `/help` are commands. Any other line is added to the text, in which `\n` is a line break. `+` before a
    line adds it even if it looks like a command.

    Attributes:
        text: the text so far.
    """

    def __init__(self, generator: Generator, number: int, *, skip: bool) -> None:
        """Start with an empty text.

        Args:
            generator: makes the candidates.
            number: candidates that are shown at once.
            skip: leave out symbols that are not in the vocabulary, instead of refusing the line.
        """
        self.text = ""
        self._generator = generator
        self._number = number
        self._skip = skip
        self._earlier: list[str] = []
        self._candidates: list[str] = []
        self._drawn = 0  # candidates so far, so that no seed is used twice

    def offer(self) -> None:
        """Generate and show candidates."""
        self._candidates = []
        for sample in self._generator.candidates(self.text, self._number, self._drawn):
            self._candidates.append("".join(piece.text for piece in sample.pieces))
            show(f"{len(self._candidates):>3}  {self._candidates[-1] or '(the text ends here)'}")
        self._drawn += self._number

    def show_text(self) -> None:
        """Show the end of the text."""
        cut = len(self.text) - SHOWN
        show(f"text: {'…' if cut > 0 else ''}{self.text[max(0, cut) :]}")

    def answer(self, line: str) -> bool:
        """Do what a line of the user says; return false if it ends the dialog."""
        command = line.strip()
        if command in ("/quit", "/q"):
            return False
        if command in ("/text", "/t"):
            show(f"text: {self.text}")
        elif command in ("/undo", "/u"):
            self._undo()
        elif command.isdecimal() and command.isascii():
            self._take(int(command))
        elif command.startswith("/"):
            show(HELP if command in ("/help", "/h") else f"there is no command {command}; {HELP}")
        elif not command:
            self.offer()
        else:
            self._add(line.removeprefix("+"))
        return True

    def _take(self, number: int) -> None:
        if not 1 <= number <= len(self._candidates):
            show(f"there is no candidate {number}; to add a number to the text: +{number}")
            return
        self._change(self.text + self._candidates[number - 1])

    def _add(self, line: str) -> None:
        from seqtool.cli.sample_texts import known_symbols, unescaped
        from seqtool.errors import DataError

        try:
            text = unescaped(line)
            self._change(self.text + known_symbols(self._generator.model, text, "line", skip=self._skip))
        except DataError as error:
            show(f"not added: {error.problems[0].message}")

    def _undo(self) -> None:
        if not self._earlier:
            show("there is nothing to undo")
            return
        self.text = self._earlier.pop()
        self.show_text()
        self.offer()

    def _change(self, text: str) -> None:
        self._earlier.append(self.text)
        self.text = text
        self.show_text()
        self.offer()


def converse(dialog: Dialog, prompt: str, *, echo: bool) -> None:
    """Hold a dialog until its input ends, and print the text, also after Ctrl-C.

    Args:
        prompt: text to start with.
        echo: print the prompt as a part of the text.
    """
    from seqtool.data.vocabulary import bytes_text

    dialog.text = prompt
    show(HELP)
    if prompt:
        dialog.show_text()
    try:
        dialog.offer()
        while True:
            sys.stderr.write("> ")
            sys.stderr.flush()
            line = sys.stdin.buffer.readline()
            if not line or not dialog.answer(bytes_text(line).rstrip("\r\n")):
                break
    finally:
        if not sys.stdin.isatty():
            sys.stderr.write("\n")
        text = dialog.text if echo else dialog.text.removeprefix(prompt)
        write_text(text if text.endswith("\n") else text + "\n")
