"""The definition of the tokenizer task: raw text to sentences, tokens and words, learned from a treebank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from seqtool.data.input_files import ProgressCallback
from seqtool.data.tokenization.boundaries import INSIDE, OUTPUTS, boundary_targets, decode_boundaries
from seqtool.data.tokenization.characters import CATEGORIES, CLASS_COUNT, count_characters, plain_text
from seqtool.data.tokenization.corpus import TokenizerCorpus, load_tokenizer_corpus, part_of
from seqtool.data.tokenization.paragraphs import Paragraph
from seqtool.evaluation.tokenizer import evaluate_tokenizer
from seqtool.inference.load import load_tokenizer
from seqtool.safe_text import shorten, visible
from seqtool.settings.experiment import Settings, TokenizerSettings
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.data_check import DataCheck
from seqtool.tasks.interface import (
    Axes,
    Column,
    ComparedToken,
    ConfigTemplate,
    DataFiles,
    FinalEvaluation,
    NetworkPart,
    Objective,
    Prepared,
    SuggestedConfig,
    count_parameters,
)
from seqtool.training.engine.events import Prediction, RowEvent
from seqtool.types import Array, Arrays

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqtool.config.load import ReadConfig
    from seqtool.storage.find_model import ModelFolders
    from seqtool.tasks.scorers import Scorer
    from seqtool.training.engine.ranks import Ranks
    from seqtool.training.engine.task import TrainingTask

PREVIEW_CHARACTERS = range(20, 61)  # lengths of two sentences that fit into a row
VOCABULARY_LINE = 80  # characters of a list in `inspect`


class TokenizerDefinition:
    """Definition of the tokenizer task; the interface is documented in `TaskDefinition`."""

    name = "tokenizer"
    noun = "tokenizer"
    command = "train-tagger"
    use_command = "tokenize"
    objective = Objective("F1 of tokens and sentences", maximize=True, hint="give data.dev or data.split")

    def suggest(self, data: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
        """Choose settings for a CoNLL-U file with raw text."""
        from seqtool.tasks.suggest_tokenizer import suggest_tokenizer

        return suggest_tokenizer(data, overrides)

    def template(self) -> ConfigTemplate:
        """Return a config for a file that does not exist yet."""
        from seqtool.tasks.suggest_tokenizer import TEMPLATE

        return ConfigTemplate(TEMPLATE, name="tokenizer", file="train.conllu", key="data.train")

    # --- data and network -----------------------------------------------------------------------------------

    def prepare(
        self,
        settings: Settings,
        initial_model: StoredModel | None = None,
        cache: Path | None = None,  # noqa: ARG002
        progress: ProgressCallback | None = None,
        skip_wrong: bool = False,  # noqa: ARG002 - lines of CoNLL-U have ten cells
    ) -> Prepared:
        """Read the paragraphs and collect the characters of the training split."""
        assert isinstance(settings, TokenizerSettings)
        known = None
        if initial_model is not None:
            vocab = initial_model.vocab
            known = dict(zip(vocab["characters"], vocab["character_counts"], strict=True))
        corpus = load_tokenizer_corpus(settings.data, settings.model, settings.seed, progress, known)
        config = {
            "task": "tokenizer",
            "kind": "tokenizer",
            "model": asdict(settings.model),
            "inner_spaces": corpus.inner_spaces,
        }
        vocab = {**corpus.characters.to_json(), **corpus.expansions.to_json()}
        return Prepared(settings, config, vocab, corpus, initial_model)

    def prepare_without_data(self, read: ReadConfig) -> None:
        """Return None: the config of a tokenizer always names data."""

    def build_network(self, prepared: Prepared) -> nn.Module:
        """Create a `TokenizerNetwork`."""
        from seqtool.models.tokenizer import build_tokenizer_network

        settings, classes = _settings(prepared), _corpus(prepared).characters.classes
        skip = settings.training.seed_skip
        return build_tokenizer_network(settings.model, classes, OUTPUTS, settings.seed, skip)

    def training_task(
        self, prepared: Prepared, network: nn.Module, device: torch.device, ranks: Ranks
    ) -> TrainingTask:
        """Create batches of windows."""
        from seqtool.models.tokenizer import TokenizerNetwork
        from seqtool.tasks.tokenizer_training import TokenizingTask

        assert isinstance(network, TokenizerNetwork)
        return TokenizingTask(network, _corpus(prepared), _settings(prepared), device, ranks)

    def check_data(self, prepared: Prepared, notes: Sequence[str] = ()) -> DataCheck:
        """Count the characters of each split."""
        corpus = _corpus(prepared)
        parts = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
        return DataCheck(
            task="tokenizer",
            unit="character",
            notes=corpus.notes,
            warnings=(*notes, *corpus.warnings),
            counts={
                name: count_characters(paragraph.text for paragraph in paragraphs)
                for name, paragraphs in parts.items()
                if paragraphs
            },
        )

    def has_validation(self, prepared: Prepared) -> bool:
        """Return whether there are development paragraphs."""
        return bool(_corpus(prepared).dev)

    # --- a model that training starts from ------------------------------------------------------------------

    def check_initial_model(self, initial_model: StoredModel, settings: Settings) -> None:
        """Accept every tokenizer: its characters are characters."""

    def vocabulary_axes(self, model: StoredModel) -> Axes:
        """Return the embeddings of characters."""
        return {"embedding.weight": {0: [*range(CLASS_COUNT), *model.vocab["characters"]]}}

    def vocabulary_lists(self, model: StoredModel) -> Mapping[str, tuple[Sequence[Any], bool]]:
        """Return the characters."""
        return {"characters": (model.vocab["characters"], True)}

    # --- during training ------------------------------------------------------------------------------------

    def preview(self, prepared: Prepared) -> TokenizerPreview:
        """Preview two short sentences."""
        return TokenizerPreview(prepared)

    def columns(self, row: RowEvent, settings: Settings, remaining: float | None) -> tuple[Column, ...]:  # noqa: ARG002
        """Return losses, F1 of tokens, words and sentences, then speed and time."""
        names = ("tokens", "words", "sentences")
        scores = (row.scores[f"val_{name[:-1]}_f1"] for name in names)
        return (
            Column("epoch", row.epoch, "d"),
            Column("train", row.train_loss, ".4f"),
            Column("dev loss", row.scores["val_loss"], ".4f"),
            *(Column(name, score, ".2%") for name, score in zip(names, scores, strict=True)),
            Column("lr", row.lr, ".1e"),
            Column("chars/s", row.rate, ",.0f"),
            Column("time", row.seconds, "duration"),
        )

    def trial_score(self, scores: Mapping[str, float]) -> float:
        """Return the mean F1 of tokens and sentences."""
        return (scores["val_token_f1"] + scores["val_sentence_f1"]) / 2

    def network_input(self, model: StoredModel) -> list[NetworkPart]:
        """Describe embeddings and convolution."""
        shapes, settings = model.shapes, model.config["model"]
        symbols, dim = shapes["embedding.weight"]
        classes, class_dim = shapes["classes.weight"]
        filters, _, width = shapes["conv.weight"]
        sizes = f"{filters} filters over {width} characters, ReLU"
        dropout = f", dropout {settings['dropout']:g}" if settings["dropout"] else ""
        return [
            NetworkPart("characters", f"{symbols} -> {dim}", count_parameters(shapes, "embedding.")),
            NetworkPart("classes", f"{classes} -> {class_dim}", count_parameters(shapes, "classes.")),
            NetworkPart("convolution", sizes + dropout, count_parameters(shapes, "conv.")),
        ]

    def vocabulary_summary(self, model: StoredModel) -> list[str]:
        """List characters and multiword tokens."""
        vocab = model.vocab
        characters = shorten("".join(map(visible, vocab["characters"])), VOCABULARY_LINE)
        forms = shorten(" ".join(map(visible, vocab["expansions"])), VOCABULARY_LINE)
        always = vocab.get("always_expanded", {})
        shown = shorten(" ".join(map(visible, always)), VOCABULARY_LINE)
        return [
            f"characters {len(vocab['characters'])}: {characters}",
            f"classes    {len(CATEGORIES)} Unicode categories",
            f"expanded   {len(vocab['expansions'])} forms of multiword tokens{': ' if forms else ''}{forms}",
            f"always     {len(always)} forms that are always multiword tokens{': ' if always else ''}{shown}",
        ]

    def network_output(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the output layer."""
        outputs, entering = model.shapes["output.weight"]
        sizes = f"linear {entering} -> {outputs}: inside, token end, multiword end, word end; sentence end"
        return [NetworkPart("output", sizes, count_parameters(model.shapes, "output."))]

    # --- after training -------------------------------------------------------------------------------------

    def final_evaluation(
        self,
        prepared: Prepared,
        weights: Arrays,
        scores: Mapping[str, float],  # noqa: ARG002
    ) -> FinalEvaluation:
        """Evaluate on development and test text, or on the training text if there is no other."""
        corpus, model = _corpus(prepared), load_tokenizer(prepared.stored(weights))
        splits = {split: part for split, part in (("dev", corpus.dev), ("test", corpus.test)) if part}
        splits = splits or {"train": corpus.train}
        return FinalEvaluation({split: evaluate_tokenizer(model, part) for split, part in splits.items()})

    def scorer(self, model: StoredModel, location: ModelFolders, files: Sequence[Path], root: Path) -> Scorer:
        """Score the raw text of treebanks."""
        from seqtool.tasks.scorers import tokenizer_scorer

        return tokenizer_scorer(model, location, files, root)

    def next_command(self, prepared: Prepared) -> str:
        """Return `tokenize` with the text of the preview."""
        return f'seqtool tokenize "{preview_paragraph(_corpus(prepared)).text}"'


class TokenizerPreview:
    """Tokenizes two short sentences. A bar marks the end of a token or word, two bars that of a sentence."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.paragraph = preview_paragraph(_corpus(prepared))

    def prediction(self, weights: Arrays) -> Prediction:
        """Tokenize the text."""
        paragraph = self.paragraph
        model = load_tokenizer(self.prepared.stored(weights))
        (scores,) = model.scores([plain_text(paragraph.text)])
        codes = plain_text(paragraph.text).codes
        found = decode_boundaries(codes, scores, model.inner_spaces)
        words = np.concatenate([found.ends, found.cuts])
        expected = boundary_targets(paragraph)
        return Prediction(
            _marked(paragraph.text, words, found.ends[found.sentences - 1]),
            _marked(
                paragraph.text,
                np.flatnonzero(expected.classes > INSIDE) + 1,
                np.flatnonzero(expected.sentences == 1) + 1,
            ),
        )

    def training_accuracy(self, weights: Arrays) -> None:
        """Return None: a text has no fixed number of tokens."""

    def comparison(self, weights: Arrays) -> tuple[ComparedToken, ...]:  # noqa: ARG002
        """Return nothing: predicted tokens have no counterparts."""
        return ()


def _marked(text: str, ends: Array, sentence_ends: Array) -> tuple[str, ...]:
    """Return the characters of a text with bars after those before the given positions."""
    marks = dict.fromkeys(ends.tolist(), "|") | dict.fromkeys(sentence_ends.tolist(), "‖")
    return tuple(
        character + (marks.get(at, "") if text[at : at + 1] != " " or marks.get(at) == "‖" else "")
        for at, character in enumerate(text, 1)
    )


def preview_paragraph(corpus: TokenizerCorpus) -> Paragraph:
    """Return two sentences that fit into a row, from the development data if there are any."""
    paragraphs = corpus.dev or corpus.train
    for paragraph in paragraphs:
        spans = paragraph.spans()
        for number in range(len(spans) - 1):
            if spans[number + 1][1] - spans[number][0] in PREVIEW_CHARACTERS:
                return part_of(paragraph, number, number + 2)
    return part_of(paragraphs[0], 0, 1)


def _settings(prepared: Prepared) -> TokenizerSettings:
    return cast(TokenizerSettings, prepared.settings)


def _corpus(prepared: Prepared) -> TokenizerCorpus:
    return cast(TokenizerCorpus, prepared.corpus)


DEFINITION = TokenizerDefinition()
