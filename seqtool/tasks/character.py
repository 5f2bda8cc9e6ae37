"""Definition of the character task: models of aligned pairs, of running text, or of lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from seqtool.data.input_files import ProgressCallback
from seqtool.data.text.corpus import CharCorpus, condition_rule, load_char_corpus
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.data.word_vocabulary import read_vocabulary
from seqtool.errors import ConfigError, DataError, ModelError
from seqtool.inference.load import load_character_model
from seqtool.safe_text import shorten, visible
from seqtool.settings.experiment import CharSettings, Settings
from seqtool.storage.model_directory import StoredModel
from seqtool.tasks.character_preview import CharacterPreview
from seqtool.tasks.data_check import DataCheck
from seqtool.tasks.held_out_text import held_out_report
from seqtool.tasks.interface import (
    Axes,
    Column,
    ConfigTemplate,
    DataFiles,
    FinalEvaluation,
    NetworkPart,
    Objective,
    Prepared,
    Preview,
    SuggestedConfig,
    count_parameters,
)
from seqtool.training.engine.events import RowEvent
from seqtool.types import Arrays

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqtool.config.load import ReadConfig
    from seqtool.storage.find_model import ModelFolders
    from seqtool.tasks.scorers import Scorer
    from seqtool.training.engine.ranks import Ranks
    from seqtool.training.engine.task import TrainingTask

VOCABULARY_LINE = 80  # longest list of symbols in the description of a vocabulary, in characters
LISTED_SYMBOLS = 40  # longest list of symbols in the description of a one-hot input, in characters


class CharacterDefinition:
    """Definition of the character task; the interface is documented in `TaskDefinition`."""

    name = "char"
    noun = "character model"
    command = "train-char"
    use_command = "sample"
    objective = Objective("loss", maximize=False, hint="give data.val or data.split")

    def suggest(self, data: DataFiles, overrides: Sequence[str] = ()) -> SuggestedConfig:
        """Choose settings for a text.

        Raises:
            DataError: there are development or test files.
        """
        from seqtool.tasks.suggest_words import suggest_text_model

        if data.dev or data.test:
            message = "--dev and --test are options for taggers only"
            raise DataError(message, hint="seqtool init tagger TRAIN --dev DEV")
        return suggest_text_model(data.train, overrides)

    def template(self) -> ConfigTemplate:
        """Return a config for a file that does not exist yet."""
        from seqtool.tasks.suggest_character import TEMPLATE

        return ConfigTemplate(TEMPLATE, name="text", file="text.txt", key="data.text")

    # --- data and network -----------------------------------------------------------------------------------

    def prepare(
        self,
        settings: Settings,
        initial_model: StoredModel | None = None,
        cache: Path | None = None,
        progress: ProgressCallback | None = None,
        skip_wrong: bool = False,  # noqa: ARG002
    ) -> Prepared:
        """Read and encode the text or the pairs."""
        assert isinstance(settings, CharSettings)
        if not (settings.data.text or settings.data.pairs):
            raise ConfigError(
                "this config names no training data",
                place="data",
                hint="set data.text or data.pairs; "
                "to see the untrained network, run: seqtool inspect CONFIG --text TEXT",
            )
        known, conditions = None, tuple[str, ...]()
        if initial_model is not None:
            known = read_vocabulary(
                initial_model.vocab, settings.data.unit, tokenized=settings.data.tokenized
            )
            conditions = _condition_names(initial_model)
        corpus = load_char_corpus(settings.data, settings.seed, cache, progress, known, conditions)
        return _prepared(settings, corpus, initial_model)

    def prepare_without_data(self, read: ReadConfig) -> Prepared | None:
        """Describe the model of a config that has an alphabet and no data."""
        settings = read.settings
        assert isinstance(settings, CharSettings)
        if settings.data.text or settings.data.pairs:
            return None
        if not settings.data.alphabet:
            message, hint = "names neither data nor an alphabet", "set data.alphabet, for example to helo"
            raise ConfigError([read.problem("data", message, hint)])
        vocabulary = SymbolVocabulary(tuple(settings.data.alphabet), unit=settings.data.unit)
        return _prepared(settings, CharCorpus("text", vocabulary, train=None))

    def build_network(self, prepared: Prepared) -> nn.Module:
        """Create a `CharacterNetwork`."""
        from seqtool.models.character import build_character_network

        settings = prepared.settings
        assert isinstance(settings, CharSettings)
        corpus = _corpus(prepared)
        conditions = len(corpus.conditions.names) if corpus.conditions else 0
        return build_character_network(settings, len(corpus.vocabulary), conditions)

    def training_task(
        self, prepared: Prepared, network: nn.Module, device: torch.device, ranks: Ranks
    ) -> TrainingTask:
        """Create batches of streams, lines or pairs."""
        from seqtool.models.character import CharacterNetwork
        from seqtool.tasks.character_training import CharacterTask

        settings = prepared.settings
        assert isinstance(settings, CharSettings) and isinstance(network, CharacterNetwork)
        return CharacterTask(network, _corpus(prepared), settings, device, ranks)

    def check_data(self, prepared: Prepared, notes: Sequence[str] = ()) -> DataCheck:
        """Count the symbols of the training data."""
        corpus = _corpus(prepared)
        vocabulary = corpus.vocabulary
        pairs = zip(vocabulary.symbols, vocabulary.counts, strict=True)
        counts = Counter({str(symbol): int(count) for symbol, count in pairs})
        warnings = (*notes, *corpus.warnings)
        return DataCheck(self.name, "symbol", tuple(corpus.notes), warnings, {"train": counts})

    def has_validation(self, prepared: Prepared) -> bool:
        """Return whether there are at least two validation symbols, or one line or pair."""
        val: Any = _corpus(prepared).val
        return val is not None and len(val) >= (2 if prepared.kind == "text" else 1)

    # --- the initial model ----------------------------------------------------------------------------------

    def check_initial_model(self, initial_model: StoredModel, settings: Settings) -> None:
        """Check that the symbols of the model are bytes or characters, as the settings require."""
        assert isinstance(settings, CharSettings)
        unit = initial_model.config["symbols"]["unit"]
        if unit != settings.data.unit:
            message = f"the model's symbols are {unit}s, those of the settings are {settings.data.unit}s"
            raise ModelError(message, place=settings.training.init_from, hint=f"set data.unit: {unit}")
        has_conditions = bool(_condition_names(initial_model))
        if has_conditions != (settings.data.condition != "none"):
            found = "conditions of lines" if has_conditions else "no conditions"
            message = f"the model has {found}, the settings have data.condition: {settings.data.condition}"
            hint = "both networks need the same input; omit --init-from, or change data.condition"
            raise ModelError(message, place=settings.training.init_from, hint=hint)

    def vocabulary_axes(self, model: StoredModel) -> Axes:
        """Return the symbols of the rows or columns of the input and output weights."""
        symbols = _symbols(model)
        output: dict[str, Mapping[int, Sequence[Any]]] = {
            "output.weight": {0: symbols},
            "output.bias": {0: symbols},
        }
        if conditions := _condition_names(model):
            output["condition.weight"] = {0: conditions}
        if model.config["model"]["input"] == "onehot":
            width = model.config["model"]["condition_dim"] if conditions else 0
            dims_of_condition = [("condition", dimension) for dimension in range(width)]
            return {"encoder.0.forward.weight_ih": {1: [*symbols, *dims_of_condition]}, **output}
        return {"embedding.weight": {0: symbols}, **output}

    def vocabulary_lists(self, model: StoredModel) -> Mapping[str, tuple[Sequence[Any], bool]]:
        """Return the symbols, and the conditions if there are any."""
        conditions = _condition_names(model)
        lists: dict[str, tuple[Sequence[Any], bool]] = {"symbols": (model.vocab["symbols"], True)}
        return lists | ({"conditions": (conditions, True)} if conditions else {})

    # --- during training ------------------------------------------------------------------------------------

    def preview(self, prepared: Prepared) -> Preview:
        """Choose the first pair, or a sample."""
        return CharacterPreview(prepared)

    def columns(self, row: RowEvent, settings: Settings, remaining: float | None) -> tuple[Column, ...]:
        """Return the losses in nats and bits per symbol, learning rate, gradient norm, speed and time.

        Models of words have perplexities instead of bits.
        """
        block_loss, block = row.scores.get("val_loss_blocks"), settings.training.eval_block
        protocol = "val" if block_loss is None else "carried"
        perplexity = row.scores.get("val_perplexity")
        if perplexity is None:
            losses = [
                Column("train", row.train_loss, ".3f"),
                Column("train bits", row.train_loss / math.log(2), ".3f"),
                Column(protocol, row.scores["val_loss"], ".4f"),
                Column(f"{protocol} bits", row.scores["val_bits_per_char"], ".3f"),
            ]
        else:
            losses = [
                Column("train", row.train_loss, ".3f"),
                Column(protocol, row.scores["val_loss"], ".4f"),
                Column(f"{protocol} ppl", perplexity, ".2f"),
            ]
        if block_loss is not None:
            losses.append(Column(f"blocks {block or settings.training.window}", block_loss, ".4f"))
        return (
            Column("epoch", row.epoch, "d"),
            Column("step", row.step, "d"),
            *losses,
            Column("lr", row.lr, ".1e"),
            Column("grad", row.grad_norm, ".2f"),
            Column("chars/s" if perplexity is None else "words/s", row.rate, ",.0f"),
            Column("time", row.seconds, "duration"),
            Column("left", remaining, "duration"),
        )

    def trial_score(self, scores: Mapping[str, float]) -> float:
        """Return the validation loss."""
        return scores["val_loss"]

    def network_input(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the one-hot input or the embedding."""
        symbols = _symbols(model)
        if model.config["model"]["input"] == "onehot":
            listing = shorten(" ".join(map(visible, symbols)), LISTED_SYMBOLS)
            parts = [NetworkPart("input", f"one-hot of {len(symbols)} symbols: {listing}")]
        else:
            rows, dim = model.shapes["embedding.weight"]
            parameters = count_parameters(model.shapes, "embedding.")
            parts = [NetworkPart("embedding", f"{rows} symbols -> {dim}", parameters)]
        if "condition.weight" in model.shapes:
            rows, dim = model.shapes["condition.weight"]
            parts.append(NetworkPart("condition", f"{rows} conditions -> {dim}", rows * dim))
        return parts

    def vocabulary_summary(self, model: StoredModel) -> list[str]:
        """List the symbols."""
        symbols = _symbols(model)
        listed = shorten(" ".join(map(visible, symbols)), VOCABULARY_LINE)
        lines = [f"symbols    {len(symbols)}: {listed}"]
        if conditions := _condition_names(model):
            names = shorten(visible(", ".join(conditions)), VOCABULARY_LINE)
            lines.append(f"conditions {len(conditions)}: {names}")
        return lines

    def network_output(self, model: StoredModel) -> list[NetworkPart]:
        """Describe the output layer, which may be tied to the embedding."""
        shapes = model.shapes
        if "output.bias" not in shapes:
            return []
        width, parameters = shapes["output.bias"][0], count_parameters(shapes, "output.")
        groups = ""
        if "clusters.bias" in shapes:
            groups = f", adaptive softmax of {shapes['clusters.bias'][0] + 1} groups"
            parameters += count_parameters(shapes, "clusters.")
        if "output.weight" in shapes:
            linear = f"linear {shapes['output.weight'][1]} -> {width}"
            return [NetworkPart("output", linear + groups, parameters)]
        bridge = ""
        if "bridge.weight" in shapes:
            rows, columns = shapes["bridge.weight"]
            bridge, parameters = (
                f"linear {columns} -> {rows}, ",
                parameters + count_parameters(shapes, "bridge."),
            )
        return [
            NetworkPart("output", f"{bridge}tied to the embedding -> {width} symbols{groups}", parameters)
        ]

    # --- after training -------------------------------------------------------------------------------------

    def final_evaluation(
        self, prepared: Prepared, weights: Arrays, scores: Mapping[str, float]
    ) -> FinalEvaluation:
        """Evaluate on validation and test text. A model of pairs is not evaluated."""
        if prepared.kind == "pairs":
            return FinalEvaluation()
        model = load_character_model(prepared.stored(weights))
        reports = {split: held_out_report(model, prepared, split, scores) for split in ("val", "test")}
        return FinalEvaluation({split: report for split, report in reports.items() if report is not None})

    def scorer(self, model: StoredModel, location: ModelFolders, files: Sequence[Path], root: Path) -> Scorer:
        """Score texts or pairs."""
        from seqtool.tasks.scorers import character_scorer

        return character_scorer(model, location, files, root)

    def next_command(self, prepared: Prepared) -> str:
        """Return `predict` with the first pair, or `sample`."""
        pairs = _corpus(prepared).pairs
        return f"seqtool predict {pairs[0][0]}" if pairs else "seqtool sample"


def _prepared(settings: CharSettings, corpus: CharCorpus, initial: StoredModel | None = None) -> Prepared:
    tokenized = {"tokenized": True} if settings.data.tokenized else {}
    config = {
        "task": "char",
        "kind": corpus.kind,
        "model": asdict(settings.model),
        "symbols": {"unit": settings.data.unit, "normalize": settings.data.normalize, **tokenized},
    }
    vocab = corpus.vocabulary.to_json()
    rule = condition_rule(settings.data)
    if corpus.conditions is not None and rule is not None:
        config["condition"] = rule._asdict()
        vocab["conditions"] = {name: list(values) for name, values in corpus.conditions._asdict().items()}
    return Prepared(settings, config | corpus.recorded_encoding, vocab, corpus, initial)


def _symbols(model: StoredModel) -> list[str]:
    """Return the names of all symbols of a vocabulary."""
    unit = model.config["symbols"]["unit"]
    return list(read_vocabulary(model.vocab, unit).symbols)


def _condition_names(model: StoredModel) -> tuple[str, ...]:
    """Return the conditions of a model; empty if it has none."""
    return tuple(model.vocab.get("conditions", {}).get("names", ()))


def _corpus(prepared: Prepared) -> CharCorpus:
    return cast(CharCorpus, prepared.corpus)


DEFINITION = CharacterDefinition()
