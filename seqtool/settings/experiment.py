"""Settings of a whole experiment, of each task, and of the parts of a run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, cast

from seqtool.settings.data import CharData, TaggerData, TokenizerData
from seqtool.settings.keys import key, section
from seqtool.settings.model import CharModel, TaggerModel, TokenizerModel
from seqtool.settings.training import TokenizerTraining, Training, TrainingLoop


class Experiment:
    """Base class of the settings of all tasks."""

    @property
    def parts(self) -> tuple[Settings, ...]:
        """Settings of each part of the run, in the order of the data flow; the last one is the main part."""
        return (cast("Settings", self),)


@dataclass(frozen=True)
class CharSettings(Experiment):
    """Character-model experiment: the content of one YAML file."""

    task: Literal["char"] = key("type of model", "char")
    name: str = key("name of the run directory", "char", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: CharData = section(CharData, "training data")
    model: CharModel = section(CharModel, "the network")
    training: Training = section(Training, "training")


@dataclass(frozen=True)
class TokenizerPart:
    """Tokenizer with sentence splitter that is trained from the same CoNLL-U files, before the tagger."""

    model: TokenizerModel = section(TokenizerModel, "the network")
    training: TokenizerTraining = section(TokenizerTraining, "training")


@dataclass(frozen=True)
class TaggerSettings(Experiment):
    """Tagger experiment: the content of one YAML file."""

    task: Literal["tagger"] = key("type of model", "tagger")
    name: str = key("name of the run directory", "tagger", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: TaggerData = key("training data")
    model: TaggerModel = section(TaggerModel, "the network")
    training: Training = section(Training, "training")
    tokenizer: TokenizerPart | None = key("a tokenizer to train together with the tagger; null: none", None)

    @property
    def parts(self) -> tuple[Settings, ...]:
        """Settings of the tokenizer, if there is one, and of the tagger."""
        if self.tokenizer is None:
            return (self,)
        data, own, hardware = self.data, self.tokenizer.training, self.training
        tokenizer = TokenizerSettings(
            task="tokenizer",
            name=self.name,
            seed=self.seed,
            data=TokenizerData(**{field.name: getattr(data, field.name) for field in fields(TokenizerData)}),
            model=self.tokenizer.model,
            training=Training(
                **{field.name: getattr(own, field.name) for field in fields(TrainingLoop)},
                init_from=hardware.init_from,
                threads=hardware.threads,
                device=hardware.device,
                precision=hardware.precision,
                deterministic=hardware.deterministic,
            ),
        )
        return tokenizer, self


@dataclass(frozen=True)
class TokenizerSettings(Experiment):
    """Tokenizer experiment: the content of one YAML file."""

    task: Literal["tokenizer"] = key("type of model", "tokenizer")
    name: str = key("name of the run directory", "tokenizer", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: TokenizerData = key("training data")
    model: TokenizerModel = section(TokenizerModel, "the network")
    training: Training = section(Training, "training")


Settings = CharSettings | TaggerSettings | TokenizerSettings
