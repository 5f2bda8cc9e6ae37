"""The definition of the tagger task: one label for each token of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seqtool.data.input_files import ProgressCallback
from seqtool.data.tagging.corpus import TaggedCorpus, load_tagged_corpus
from seqtool.data.tagging.split import Sentence
from seqtool.inference.load import load_tagger
from seqtool.safe_text import shorten, visible
from seqtool.settings.experiment import Settings, TaggerSettings
from seqtool.settings.model import TaggerModel as ModelSettings
from seqtool.settings.model import feature_list
from seqtool.spans import allowed_transitions
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
    Shapes,
    SuggestedConfig,
    count_parameters,
)
from seqtool.tasks.label_heads import (
    head_sizes,
    heads_axes,
    heads_config,
    heads_output,
    heads_vocabulary,
    known_words,
    with_trained_labels,
)
from seqtool.training.engine.events import Prediction, RowEvent
from seqtool.types import Arrays, Json

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqtool.config.load import ReadConfig
    from seqtool.storage.find_model import ModelFolders
    from seqtool.tasks.scorers import Scorer
    from seqtool.training.engine.ranks import Ranks
    from seqtool.training.engine.task import TrainingTask

SCORED_SENTENCES = 500  # of the training data, for the accuracy of a run without validation
PREVIEW_TOKENS = range(4, 13)  # lengths of a sentence that fits into a row
SPECIAL_CHARACTERS = 3  # rows for an unknown character, the beginning and the end of a word
VOCABULARY_LINE = 80  # characters of the list of labels in `inspect`
LISTED_LABELS = 40  # characters of the list of labels that are printed
DECODERS = {"viterbi": "constrained Viterbi", "crf": "linear-chain CRF"}


class TaggerDefinition:
    """Definition of the tagger task; the interface is documented in `TaskDefinition`."""

    name = "tagger"
    noun = "tagger"
    command = "train-tagger"
    use_command = "tag"
    objective = Objective("accuracy or F1", maximize=True, hint="give data.dev or data.split")

    def suggest(self, data: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
        """Choose settings for a file of labeled sentences."""
        from seqtool.tasks.suggest_tagger import suggest_tagger

        return suggest_tagger(data, overrides)

    def template(self) -> ConfigTemplate:
        """Return a config for a file that does not exist yet."""
        from seqtool.tasks.suggest_tagger import TEMPLATE

        return ConfigTemplate(TEMPLATE, name="tagger", file="train.conll", key="data.train")

    # --- data and network -----------------------------------------------------------------------------------

    def prepare(
        self,
        settings: Settings,
        initial_model: StoredModel | None = None,
        cache: Path | None = None,  # noqa: ARG002
        progress: ProgressCallback | None = None,
        skip_wrong: bool = False,
    ) -> Prepared:
        """Read the sentences and build vocabularies from those of the training split."""
        assert isinstance(settings, TaggerSettings)
        known = None
        if initial_model is not None:
            known = known_words(initial_model)
        corpus = load_tagged_corpus(
            settings.data, settings.model, settings.seed, progress, known, skip_wrong=skip_wrong
        )
        settings = with_trained_labels(settings, corpus)
        model = _resolved(settings.model, corpus.inner_scheme)
        config = {
            "task": "tagger",
            "kind": "tagger",
            "model": asdict(model),
            "words": {"normalize": settings.data.normalize, "tokens": settings.data.tokens},
            "scheme": corpus.scheme,
            "inner_scheme": corpus.inner_scheme,
            "tokenizer": corpus.tokenizer,
            "tokenizer_f1": corpus.tokenizer_f1,
            "layout": corpus.layout.to_json(),
            **heads_config(corpus),
        }
        vocab = {"labels": list(corpus.labels), **corpus.encoder.to_json(), **heads_vocabulary(corpus)}
        return Prepared(replace(settings, model=model), config, vocab, corpus, initial_model)

    def prepare_without_data(self, read: ReadConfig) -> None:
        """Return None: the config of a tagger always names data."""

    def build_network(self, prepared: Prepared) -> nn.Module:
        """Create a `TaggerNetwork`."""
        from seqtool.models.tagger import build_tagger_network

        settings, corpus = _settings(prepared), _corpus(prepared)
        encoder = corpus.encoder
        rows = [encoder.rows(index) for index in range(len(feature_list(settings.model)))]
        allowed = allowed_transitions(corpus.labels, corpus.inner_scheme)
        characters = len(encoder.characters or ()) + SPECIAL_CHARACTERS
        labels, heads = len(corpus.labels), head_sizes(corpus.columns)
        return build_tagger_network(settings, rows, characters, labels, allowed, encoder.vectors, heads)

    def training_task(
        self, prepared: Prepared, network: nn.Module, device: torch.device, ranks: Ranks
    ) -> TrainingTask:
        """Create batches of sentences."""
        from seqtool.models.tagger import TaggerNetwork
        from seqtool.tasks.multilabel_training import MultiLabelTask
        from seqtool.tasks.tagger_training import TaggingTask

        assert isinstance(network, TaggerNetwork)
        corpus = _corpus(prepared)
        task = TaggingTask if corpus.columns is None else MultiLabelTask
        return task(network, corpus, _settings(prepared), device, ranks)

    def check_data(self, prepared: Prepared, notes: Sequence[str] = ()) -> DataCheck:
        """Count labels, unknown words, repeated sentences and malformed spans."""
        from seqtool.tasks.data_check import check_tagged

        return check_tagged(_settings(prepared), _corpus(prepared), notes)

    def has_validation(self, prepared: Prepared) -> bool:
        """Return whether there are development sentences."""
        return bool(_corpus(prepared).dev)

    # --- a model that training starts from ------------------------------------------------------------------

    def check_initial_model(self, initial_model: StoredModel, settings: Settings) -> None:
        """Accept every tagger: its words are words."""

    def vocabulary_axes(self, model: StoredModel) -> Axes:
        """Return the output weights, the CRF's weights and the embeddings of word features."""
        labels = list(model.vocab["labels"])
        axes: dict[str, Mapping[int, Sequence[Any]]] = {
            name: {0: labels} for name in ("output.weight", "output.bias", "crf.start", "crf.end")
        }
        axes |= {"crf.transitions": {0: labels, 1: labels}, **heads_axes(model)}
        for index, feature in enumerate(model.config["model"]["features"]):
            if feature["name"].startswith("char_"):
                characters = [None, 1, 2, *model.vocab["characters"]]  # unknown, beginning, end
                axes[f"features.{index}.embedding.weight"] = {0: characters}
            else:
                unknown = [None] if feature["unknown"] or feature["name"] == "vectors" else []
                axes[f"features.{index}.weight"] = {0: [*unknown, *model.vocab["features"][index]]}
        return axes

    def vocabulary_lists(self, model: StoredModel) -> Mapping[str, tuple[Sequence[Any], bool]]:
        """Return labels and words; new words are too many to be named."""
        vocab = model.vocab
        return {"labels": (vocab["labels"], True), "words": (vocab["forms"], False)}

    # --- during training ------------------------------------------------------------------------------------

    def preview(self, prepared: Prepared) -> TaggerPreview:
        """Preview a short sentence."""
        return TaggerPreview(prepared)

    def columns(self, row: RowEvent, settings: Settings, remaining: float | None) -> tuple[Column, ...]:  # noqa: ARG002
        """Return losses, accuracy, span F1 or the accuracy of further labels, then speed and time."""
        f1 = (Column("F1", 100 * row.scores["val_f1"], ".2f"),) if "val_f1" in row.scores else ()
        prefix = "val_accuracy_"  # of each further label, and of all together
        further = [
            Column(name.removeprefix(prefix), value, ".2%")
            for name, value in row.scores.items()
            if name.startswith(prefix)
        ]
        return (
            Column("epoch", row.epoch, "d"),
            Column("train", row.train_loss, ".3f"),
            Column("dev loss", row.scores["val_loss"], ".3f"),
            Column("accuracy", row.scores["val_accuracy"], ".2%"),
            *f1,
            *further,
            Column("lr", row.lr, ".1e"),
            Column("words/s", row.rate, ",.0f"),
            Column("time", row.seconds, "duration"),
        )

    def trial_score(self, scores: Mapping[str, float]) -> float:
        """Return span F1 for labels that mark spans, else accuracy."""
        return scores.get("val_f1", scores["val_accuracy"])

    def network_input(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the word features and the projection."""
        shapes = model.shapes
        features = enumerate(model.config["model"]["features"])
        parts = [_feature_part(feature, f"features.{index}.", shapes) for index, feature in features]
        if "projection.weight" in shapes:
            width, total = shapes["projection.weight"]
            norm = ", layer norm" if "norm.weight" in shapes else ""
            parameters = count_parameters(shapes, "projection.") + count_parameters(shapes, "norm.")
            parts.append(NetworkPart("projection", f"linear {total} -> {width}{norm}, GELU", parameters))
        return parts

    def vocabulary_summary(self, model: StoredModel) -> list[str]:
        """Count words, list labels, and name the tokenizer."""
        config, vocab = model.config, model.vocab
        labels = shorten(" ".join(map(visible, vocab["labels"])), VOCABULARY_LINE)
        f1 = config.get("tokenizer_f1")
        measured = f" (token F1 {f1:.4f} in training)" if f1 else ""
        return [
            f"words      {len(vocab['forms']):,} distinct, {sum(vocab['counts']):,} in training",
            f"labels     {len(vocab['labels'])}: {labels}",
            f"tokenizer  {config.get('tokenizer') or 'none: needs tokens'}{measured}",
        ]

    def network_output(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the output layer and the decoder."""
        shapes = model.shapes
        labels = shorten(" ".join(map(visible, model.vocab["labels"])), LISTED_LABELS)
        width, entering = shapes["output.weight"]
        sizes = f"linear {entering} -> {width} labels: {labels}"
        parts = [NetworkPart("output", sizes, count_parameters(shapes, "output."))]
        parts += heads_output(model)
        decoder = model.config["model"]["decoder"]
        if decoder in DECODERS:
            parts.append(NetworkPart("decoder", DECODERS[decoder], count_parameters(shapes, "crf.")))
        return parts

    # --- after training -------------------------------------------------------------------------------------

    def final_evaluation(
        self,
        prepared: Prepared,
        weights: Arrays,
        scores: Mapping[str, float],  # noqa: ARG002
    ) -> FinalEvaluation:
        """Evaluate on development and test sentences, or on the training sentences if there are no others."""
        from seqtool.evaluation.tagger import evaluate_tagger

        corpus = _corpus(prepared)
        model = load_tagger(prepared.stored(weights))
        splits = {split: part for split, part in (("dev", corpus.dev), ("test", corpus.test)) if part}
        splits = splits or {"train": corpus.train}
        return FinalEvaluation({split: evaluate_tagger(model, part) for split, part in splits.items()})

    def scorer(self, model: StoredModel, location: ModelFolders, files: Sequence[Path], root: Path) -> Scorer:
        """Score labeled sentences."""
        from seqtool.tasks.scorers import tagger_scorer

        return tagger_scorer(model, location, files, root)

    def next_command(self, prepared: Prepared) -> str:
        """Return `tag` with the sentence of the preview."""
        return f'seqtool tag "{" ".join(preview_sentence(_corpus(prepared)).tokens)}"'


class TaggerPreview:
    """Tags a short sentence."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.corpus = _corpus(prepared)

    def prediction(self, weights: Arrays) -> Prediction:
        """Tag the sentence."""
        sentence = preview_sentence(self.corpus)
        labels = self._tag([sentence], weights)[0]
        return Prediction(tuple(labels), sentence.labels, " ")

    def training_accuracy(self, weights: Arrays) -> float:
        """Return the share of correct labels on the first training sentences."""
        sentences = self.corpus.train[:SCORED_SENTENCES]
        gold = [label for sentence in sentences for label in sentence.labels]
        predicted = [label for labels in self._tag(sentences, weights) for label in labels]
        correct = sum(a == b for a, b in zip(gold, predicted, strict=True))
        return correct / len(gold)

    def comparison(self, weights: Arrays) -> tuple[ComparedToken, ...]:
        """Compare the labels of all training sentences if there are one or two, else of the preview."""
        train = self.corpus.train
        sentences = train if len(train) <= 2 else (preview_sentence(self.corpus),)
        return tuple(
            ComparedToken(*row)
            for sentence, labels in zip(sentences, self._tag(sentences, weights), strict=True)
            for row in zip(sentence.tokens, sentence.labels, labels, strict=True)
        )

    def _tag(self, sentences: Sequence[Sentence], weights: Arrays) -> list[list[str]]:
        model = load_tagger(self.prepared.stored(weights))
        return model.tag([sentence.tokens for sentence in sentences])


def preview_sentence(corpus: TaggedCorpus) -> Sentence:
    """Return a sentence short enough for a row, from the development data if there are any."""
    sentences = corpus.dev or corpus.train
    short = (sentence for sentence in sentences if len(sentence.tokens) in PREVIEW_TOKENS)
    return next(short, sentences[0])


def _resolved(model: ModelSettings, inner_scheme: str) -> ModelSettings:
    """Replace the presets of features and decoder by the values that they name."""
    if model.decoder == "auto":
        model = replace(model, decoder="softmax" if inner_scheme == "none" else "viterbi")
    return replace(model, features=feature_list(model))


def _feature_part(feature: Json, prefix: str, shapes: Shapes) -> NetworkPart:
    name = feature["name"] + (str(feature["length"]) if feature["name"] in ("prefix", "suffix") else "")
    if f"{prefix}weight" in shapes:
        rows, dim = shapes[f"{prefix}weight"]
        sizes = f"{rows} values -> {dim}"
    else:
        characters = shapes[f"{prefix}embedding.weight"][0]
        sizes = f"{characters} characters -> {feature['dim'] * (2 if feature['name'] == 'char_lstm' else 1)}"
    return NetworkPart(name, sizes, count_parameters(shapes, prefix))


def _settings(prepared: Prepared) -> TaggerSettings:
    return cast(TaggerSettings, prepared.settings)


def _corpus(prepared: Prepared) -> TaggedCorpus:
    return cast(TaggedCorpus, prepared.corpus)


DEFINITION = TaggerDefinition()
