"""Everything a training run needs before torch is loaded: the data read, the vocabularies built, the model described.

Errors in config and data come from here, so that nobody waits for torch to be told of a typing mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seqtool.data.tagging.corpus import KnownWords, TaggedCorpus, load_tagged_corpus
from seqtool.data.tagging.word_encoder import form_counts
from seqtool.data.text.corpus import CharCorpus, load_char_corpus
from seqtool.data.vocabulary import SymbolVocabulary
from seqtool.errors import ConfigError
from seqtool.settings import CharSettings, Settings, TaggerModel, TaggerSettings, feature_list
from seqtool.storage.model_directory import StoredModel
from seqtool.training.init_from import check_same_network, read_initial_model

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be trained.

    Attributes:
        config: what `config.json` of the model will say.
        vocab: what `vocab.json` of the model will say.
        corpus: the encoded data.
        start: the model that training starts from, if not from nothing.
    """

    settings: Settings
    config: dict[str, Any]
    vocab: dict[str, Any]
    corpus: CharCorpus | TaggedCorpus
    start: StoredModel | None = None


def prepare(settings: Settings, cache: Path | None = None, progress: Progress | None = None) -> Prepared:
    """Read a run's data and describe its model.

    Raises:
        ConfigError: if there is nothing to train on.
        DataError: if a file is missing or not what it was said to be.
        SeqtoolError: if the model to start from is another network than the settings describe.
    """
    start = read_initial_model(settings)
    if isinstance(settings, CharSettings):
        prepared = _prepare_char(settings, cache, progress, start)
    else:
        prepared = _prepare_tagger(settings, progress, start)
    if start is not None:
        check_same_network(start, prepared.config, settings.training.init_from)
    return prepared


def _prepare_char(
    settings: CharSettings, cache: Path | None, progress: Progress | None, start: StoredModel | None
) -> Prepared:
    if not (settings.data.text or settings.data.pairs):
        raise ConfigError(
            "this config has no data to train on",
            place="data",
            hint="give data.text or data.pairs; or look at the untrained network: seqtool inspect CONFIG --text TEXT",
        )
    base = None if start is None else SymbolVocabulary.from_json(start.vocab, settings.data.unit)
    corpus = load_char_corpus(settings.data, settings.seed, cache, progress, base)
    return Prepared(settings, char_config(settings, corpus.kind), corpus.vocabulary.to_json(), corpus, start)


def char_config(settings: CharSettings, kind: str) -> dict[str, Any]:
    """`config.json` of a character model."""
    return {
        "task": "char",
        "kind": kind,
        "model": asdict(settings.model),
        "symbols": {"unit": settings.data.unit, "normalize": settings.data.normalize},
    }


def _prepare_tagger(
    settings: TaggerSettings, progress: Progress | None, start: StoredModel | None
) -> Prepared:
    base = None if start is None else KnownWords(tuple(start.vocab["labels"]), form_counts(start.vocab))
    corpus = load_tagged_corpus(settings.data, settings.model, settings.seed, progress, base)
    model = resolved_model(settings.model, corpus.inner_scheme)
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
    }
    vocab = {"labels": list(corpus.labels), **corpus.encoder.to_json()}
    return Prepared(replace(settings, model=model), config, vocab, corpus, start)


def resolved_model(model: TaggerModel, inner_scheme: str) -> TaggerModel:
    """The model with its presets spelt out: the features listed, the decoder named."""
    decoder = model.decoder
    if decoder == "auto":
        decoder = "softmax" if inner_scheme == "none" else "viterbi"
    return replace(model, features=feature_list(model), decoder=decoder)
