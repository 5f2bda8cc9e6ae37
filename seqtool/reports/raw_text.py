"""Output of tokenizers: scores, errors in context, tokens as tab-separated lines, JSON lines or CoNLL-U."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from seqtool.reports.formatting import fit
from seqtool.safe_text import visible

if TYPE_CHECKING:
    from seqtool.evaluation.tokenizer import TokenizerEvaluation
    from seqtool.inference.tokenizer import RawSentence, RawToken, TokenizerModel

TokenFormat = Literal["tsv", "jsonl", "conllu"]
LISTED_ERRORS = 10
TOKEN_COLUMNS, WORD_COLUMNS = 20, 24  # of a table on a wide terminal
NUMBER_COLUMNS = 31  # of the probabilities, with the spaces before them


# --- scores -------------------------------------------------------------------------------------------------


def tokenizer_report(evaluation: TokenizerEvaluation) -> Iterator[str]:
    """Yield the scores and the most frequent errors."""
    yield from tokenizer_summary(evaluation)
    errors = evaluation.errors[:LISTED_ERRORS]
    if errors:
        yield ""
        yield "  most frequent errors: gold tokens -> predicted tokens, with the first context"
    for error, count in errors:
        change = f"{visible(error.gold)} -> {visible(error.system)}"
        context = f"{visible(error.before)} [{visible(error.gold)}] {visible(error.after)}"
        yield f"  {count:>5}  {change}   in: {context}"


def tokenizer_summary(evaluation: TokenizerEvaluation) -> Iterator[str]:
    """Yield F1, precision and recall of tokens, sentences and words, and of labels if there are any."""
    for name, counts in evaluation.counts.items():
        scores = f"precision {counts.precision:.2%}, recall {counts.recall:.2%}"
        yield f"  {name:<10} F1 {100 * counts.f1:.2f}  ({scores}; {counts.gold:,} gold)"
    if evaluation.missing:
        yield f"  the model does not predict {', '.join(evaluation.missing)}: compared as `_`"


def boundary_lines(model: TokenizerModel, text: str, width: int = 80) -> Iterator[str]:
    """Yield a table of the ends of tokens and sentences that the network finds, with probabilities.

    Args:
        width: columns of the terminal.
    """
    from seqtool.data.tokenization.boundaries import CLASSES, LOOKUP_END, TOKEN_END
    from seqtool.data.tokenization.characters import plain_text
    from seqtool.decoding import log_softmax

    plain = plain_text(text)
    (scores,) = model.scores([plain])
    probabilities = np.exp(log_softmax(scores[:, :CLASSES]))
    sentence_ends = 1 / (1 + np.exp(-scores[:, CLASSES].astype(np.float64)))
    places = plain.original(np.arange(len(scores)))
    at = {int(place): row for row, place in enumerate(places.tolist())}
    room = min(TOKEN_COLUMNS + WORD_COLUMNS, width - NUMBER_COLUMNS)
    token_width = max(5, room * TOKEN_COLUMNS // (TOKEN_COLUMNS + WORD_COLUMNS))
    words_width = max(0, room - token_width)

    def texts(token: str, words: str) -> str:
        return f"{fit(token, token_width)} " + (f"{fit(words, words_width)} " if words_width >= 5 else "")

    yield texts("token", "words") + f"{'end':>6} {'looked up':>9} {'sentence end':>12}"
    for sentence in model.tokenize([text])[0]:
        for token in sentence:
            row = at[token.end - 1]
            end, lookup = probabilities[row, TOKEN_END], probabilities[row, LOOKUP_END]
            words, sentence_end = visible(" ".join(token.words)), sentence_ends[row]
            numbers = f"{end + lookup:>6.3f} {lookup:>9.3f} {sentence_end:>12.3f}"
            yield texts(visible(token.form), words) + numbers
        yield ""


# --- tokens -------------------------------------------------------------------------------------------------


def render_paragraph(
    output: TokenFormat, text: str, sentences: Sequence[RawSentence], first_sentence: int
) -> str:
    """Return a paragraph in a format for programs.

    Args:
        output: `tsv`: token, start, end, and the words of a multiword token; a blank line ends a sentence and
            two end a paragraph. `jsonl`: one object. `conllu`: ten columns.
        text: raw text of the paragraph.
        sentences: its sentences.
        first_sentence: number of the first sentence in the output, for `# sent_id`.
    """
    if output == "jsonl":
        return _json(text, sentences)
    if output == "conllu":
        return "".join(
            conllu_sentence(text, sentence, first_sentence + number, new_paragraph=not number)
            for number, sentence in enumerate(sentences)
        )
    return "".join(_tsv(sentence) for sentence in sentences) + "\n"


def _tsv(sentence: RawSentence) -> str:
    rows = (
        f"{token.form}\t{token.start}\t{token.end}\t{' '.join(token.words)}".rstrip("\t") + "\n"
        for token in sentence
    )
    return "".join(rows) + "\n"


def _json(text: str, sentences: Sequence[RawSentence]) -> str:
    value = {
        "text": text,
        "sentences": [[_token_json(token) for token in sentence] for sentence in sentences],
    }
    return json.dumps(value, ensure_ascii=False) + "\n"


def _token_json(token: RawToken) -> dict[str, object]:
    value: dict[str, object] = {"token": token.form, "start": token.start, "end": token.end}
    return {**value, "words": list(token.words)} if token.words else value


def conllu_sentence(text: str, sentence: RawSentence, number: int, *, new_paragraph: bool) -> str:
    """Return a sentence in CoNLL-U with `n-m` lines, `SpaceAfter=No`, and comments; labels are `_`."""
    from seqtool.reports.tagged_conllu import conllu_comments, range_line, space_after

    lines = conllu_comments(text, sentence, number, new_paragraph=new_paragraph)
    word = 1
    for token in sentence:
        misc = space_after(text, token.end)
        if token.words:
            lines.append(range_line(word, word + len(token.words) - 1, token.form, misc))
            misc = "_"
        for form in token.words or (token.form,):
            lines.append("\t".join([str(word), form, *"_" * 7, misc]) + "\n")
            word += 1
    return "".join(lines) + "\n"
