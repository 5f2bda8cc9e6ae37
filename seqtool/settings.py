"""Settings of an experiment as frozen dataclasses.

This file is the only definition of every configuration key: its type, default, range and one-line meaning. `config/`
derives the YAML reader, the JSON Schema and `configs/README.md` from it (pydantic reads the field metadata). All other
packages use the finished objects. This module imports only the standard library, since inference imports it.
"""

from __future__ import annotations

import codecs
from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal

Cell = Literal["rnn", "lstm", "gru"]
InitialState = Literal["zeros", "random", "learned"]
Scheme = Literal["none", "io", "iob1", "iob2", "bioes"]


class OneOrMany:
    """Annotation of a tuple that YAML may also give as a single value; pydantic calls its two methods."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        inner = handler(source)
        return core_schema.no_info_before_validator_function(
            lambda value: value if isinstance(value, list | tuple) else [value], inner
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        array = handler(schema)
        return {"anyOf": [array["items"], array]}


Paths = Annotated[tuple[str, ...], OneOrMany()]


def key(meaning: str, default: Any = MISSING, **limits: Any) -> Any:
    """Declare a configuration key with its meaning, default and limits; without a default it is required."""
    return field(default=default, metadata={"description": meaning, **limits}, kw_only=True)


def section(cls: type[Any], meaning: str) -> Any:
    """Declare a section that may be absent, since all its keys have defaults."""
    return field(default_factory=cls, metadata={"description": meaning}, kw_only=True)


# --- data ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CharData:
    """Training data of a character model: running text, lines, or aligned pairs."""

    text: Paths = key("running text: a path, a list of paths or a pattern", ())
    per_line: bool = key("treat each line of the text as a separate sequence", False)
    pairs: tuple[tuple[str, str], ...] = key("aligned pairs [input, target] of equal length", ())
    alphabet: str | tuple[str, ...] | None = key("symbols in the order of their numbers; by default the sorted symbols of the training data", None)
    unit: Literal["char", "byte"] = key("unit of a symbol: a Unicode character or a byte", "char")
    encoding: str = key("encoding of the text files; auto: UTF-8, or the one of the byte order mark, or the one that fits the characters; a doubtful file is refused", "auto")
    split: tuple[float, ...] = key("fractions of the text for training, validation and optionally test", (0.9, 0.1), min_length=2, max_length=3)
    val: Paths = key("files of validation text (then `split` is not used)", ())
    test: Paths = key("files of test text", ())
    min_count: int = key("symbols with fewer occurrences in the training text become the unknown symbol", 1, ge=1)
    normalize: Literal["none", "nfc"] = key("Unicode normalization of the text before it is split into symbols", "none")
    source: str = key("where to get the file; printed if the file is missing", "")

    @property
    def has_training_data(self) -> bool:
        """False for an untrained network, which has only an alphabet."""
        return bool(self.text or self.pairs)


@dataclass(frozen=True)
class TaggerData:
    """Labeled sentences of a tagger, and the format of their files."""

    train: Paths = key("training files: a path, a list or a pattern", min_length=1)
    dev: Paths = key("development files; their score selects the best epoch", ())
    test: Paths = key("test files; scored once, at the end", ())
    split: float = key("fraction of the training sentences held out for validation if there is no dev file; 0: no validation", 0.0, ge=0, lt=1)
    format: Literal["auto", "conll", "conllu", "jsonl", "csv", "word_tag"] = key("file format; auto detects it from the name and the content of the file", "auto")
    columns: tuple[str, ...] = key("names of the columns of a CoNLL file, in order; the token column is `form`, or else it is detected", ())
    separator: str = key("separator of columns: auto, tab, space (any run of white space), or another character", "auto")
    token: str = key("column of the tokens: its name (in the header or in `columns`), or its number from 1; auto detects it", "auto")
    sentence: str = key("CSV: column with the id of the sentence: its name, or its number from 1; auto detects it; none: blank lines separate sentences", "auto")
    label: str = key("label to predict: upos, xpos, feats, deprel, a MISC key (misc:Key), the name of a column, or its number from 1 (negative: from the end); auto: upos or the detected column", "auto")
    label_names: tuple[str, ...] = key("names of labels that the file gives as integers, in the order of their numbers from 0", ())
    missing_label: str = key("CoNLL-U: label of a word that lacks the MISC key; auto: O if the others are span labels, else `_`", "auto")
    labels: tuple[str, ...] = key("several labels to predict together, instead of label, the most important first; named as in label; the column lemma is learned as the change of the form", ())
    scheme: Literal["auto", "none", "io", "iob1", "iob2", "bioes"] = key("span scheme of the labels; auto detects it from the labels", "auto")
    tokens: Literal["words", "surface"] = key("CoNLL-U: train on syntactic words, or on the surface forms of `n-m` lines with the labels of their words joined by `+`", "words")
    normalize: Literal["nfc", "none"] = key("Unicode normalization of words before they are looked up", "nfc")
    encoding: str = key("encoding of the files; auto as for texts", "auto")
    empty_tokens: Literal["refuse", "repair"] = key("treatment of an empty token: refuse the file, or replace the token by `_`", "refuse")
    text_key: str = key("JSON lines: the field of the tokens", "tokens")
    label_key: str = key("JSON lines: the field of the labels", "labels")
    source: str = key("where to get the files; printed if one is missing", "")

    @property
    def has_training_data(self) -> bool:
        """True, since `train` is required."""
        return bool(self.train)


@dataclass(frozen=True)
class TokenizerData:
    """CoNLL-U files of a tokenizer. `SpaceAfter=No` or `# text` gives their raw text; `# newpar` starts a paragraph."""

    train: Paths = key("training files: a path, a list or a pattern", min_length=1)
    dev: Paths = key("development files; their score selects the best epoch", ())
    test: Paths = key("test files; scored once, at the end", ())
    split: float = key("fraction of the training sentences held out for validation if there is no dev file; 0: no validation", 0.0, ge=0, lt=1)
    encoding: str = key("encoding of the files; auto as for texts", "auto")
    source: str = key("where to get the files; printed if one is missing", "")

    @property
    def has_training_data(self) -> bool:
        """True, since `train` is required."""
        return bool(self.train)


# --- model --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecurrentModel:
    """Recurrent layers, with the same keys for both tasks."""

    cell: Cell = key("the recurrent cell", "lstm")
    nonlinearity: Literal["tanh", "relu"] = key("activation function of the `rnn` cell", "tanh")
    hidden_size: int = key("hidden units of a layer, per direction", 128, ge=1, le=65536)
    num_layers: int = key("number of recurrent layers", 1, ge=1, le=64)
    initial_state: InitialState = key("state before the first symbol: zeros; learned; or random, drawn from U(0,1) for each training sequence (at inference its mean)", "zeros")
    residual: bool = key("add the input of each layer to its output, from the second layer on", False)
    dropout: float = key("value of dropout_input, dropout_between and dropout_output if they are not given", 0.0, ge=0, lt=1)
    dropout_input: float | None = key("dropout on the input of the first layer (one mask per sequence)", None, ge=0, lt=1)
    dropout_between: float | None = key("dropout between layers (one mask per sequence)", None, ge=0, lt=1)
    dropout_output: float | None = key("dropout before the output layer (one mask per sequence)", None, ge=0, lt=1)
    weight_dropout: float = key("fraction of the recurrent weights dropped per step (Merity et al. 2018)", 0.0, ge=0, lt=1)
    forget_bias: float | None = key("LSTM: initial bias of the forget gate; null: the initial bias of torch", 1.0)

    @property
    def input_dropout(self) -> float:
        """Effective dropout on the input: `dropout_input`, or `dropout` if that is not given."""
        return self.dropout if self.dropout_input is None else self.dropout_input

    @property
    def between_dropout(self) -> float:
        """Effective dropout between layers: `dropout_between`, or `dropout` if that is not given."""
        return self.dropout if self.dropout_between is None else self.dropout_between

    @property
    def output_dropout(self) -> float:
        """Effective dropout before the output layer: `dropout_output`, or `dropout` if that is not given."""
        return self.dropout if self.dropout_output is None else self.dropout_output


@dataclass(frozen=True)
class CharModel(RecurrentModel):
    """Network that reads symbols and predicts a symbol at each step."""

    input: Literal["embedding", "onehot"] = key("input encoding of a symbol", "embedding")
    embedding_dim: int = key("dimension of the symbol embedding", 64, ge=1, le=65536)
    tied: bool = key("use the input embedding as the weights of the output layer", False)
    state_reset: float = key("probability that the state of a stream is reset to zero before a window", 0.0, ge=0, lt=1)
    output: Literal["linear", "none"] = key("output layer of the symbol scores; none: only the cell, for inspection", "linear")


@dataclass(frozen=True)
class Feature:
    """Feature of a word: a string function and the embedding of its values."""

    name: Literal["form", "lower", "prefix", "suffix", "shape", "char_cnn", "char_lstm", "vectors"] = key("the string function")
    dim: int = key("dimension of the embedding (char_cnn: number of filters; char_lstm: hidden units per direction)", 32, ge=1, le=65536)
    length: int = key("prefix, suffix: number of characters", 3, ge=1, le=64)
    min_count: int = key("values with fewer occurrences in the training data become the unknown value", 1, ge=1)
    unknown: bool = key("learn an embedding for the unknown value; false: unknown values get the mean of all embeddings", True)
    char_dim: int = key("char_cnn, char_lstm: dimension of the character embedding", 32, ge=1, le=65536)
    width: int = key("char_cnn: width of a filter in characters", 3, ge=1, le=15)
    path: str = key("vectors: path of a text file in word2vec, GloVe or fastText format", "")
    frozen: bool = key("vectors: do not train them", False)


@dataclass(frozen=True)
class TaggerModel(RecurrentModel):
    """Network that reads the words of a sentence and predicts a label for each."""

    features: Literal["standard", "rich"] | tuple[Feature, ...] = key("standard (forms, affixes, shape), rich (with a character CNN), or a list", "standard")
    embedding_scale: float | None = key("standard deviation of the initial feature embeddings; null: 0.1 with a projection, which suits rare words, else 1 as in torch", None, ge=0, le=10)
    projection: int = key("output size of the dense layer (with GELU) between features and recurrent layers; 0: no such layer", 160, ge=0, le=65536)
    layer_norm: bool = key("apply layer normalization to the projection, before GELU", True)
    bidirectional: bool = key("read the sentence in both directions", True)
    decoder: Literal["auto", "softmax", "viterbi", "crf"] = key("choice of the labels; auto: viterbi (constrained) for span schemes, else softmax", "auto")
    word_dropout: float = key("probability that all features of a training word are hidden, so that the network learns from the context (Iyyer et al. 2015)", 0.0, ge=0, lt=1)
    word_replacement: float = key("strength a of word replacement: a training word becomes the unknown word with probability a / (a + count of the word)", 0.25, ge=0)

    @property
    def initial_scale(self) -> float:
        """Effective standard deviation of the initial feature embeddings."""
        if self.embedding_scale is not None:
            return self.embedding_scale
        return 0.1 if self.projection else 1.0


@dataclass(frozen=True)
class TokenizerModel(RecurrentModel):
    """Network that reads the characters of a text in both directions and finds tokens, words and sentences."""

    hidden_size: int = key("hidden units of a layer, per direction", 64, ge=1, le=65536)
    dropout: float = key("value of dropout_input, dropout_between and dropout_output if they are not given", 0.25, ge=0, lt=1)
    embedding_dim: int = key("dimension of the embedding of a character", 32, ge=1, le=65536)
    class_dim: int = key("dimension of the embedding of a character's class (its Unicode category)", 16, ge=1, le=65536)
    filters: int = key("filters of the convolution over neighboring characters", 64, ge=1, le=65536)
    width: int = key("width of a filter in characters, an odd number", 7, ge=1, le=63)
    min_count: int = key("characters with fewer occurrences in the training text become the unknown character of their class", 2, ge=1)
    unknown: float = key("probability that a training character becomes the unknown character of its class", 0.02, ge=0, lt=1)


# --- training -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """Length, optimization and hardware of the training."""

    epochs: int | None = key("passes over the training data; the run ends at the first limit reached of epochs, max_steps and max_minutes", None, ge=1)
    max_steps: int | None = key("number of updates", None, ge=1)
    max_minutes: float | None = key("duration in minutes; it has no effect on the schedule", None, gt=0)
    batch_size: int = key("streams, lines, pairs or sentences per step", 32, ge=1)
    batch_words: int | None = key("tagger: words per step, instead of batch_size", None, ge=1)
    shuffle: bool = key("use a new order of the sequences in every epoch", True)
    window: int = key("number of symbols of truncated back-propagation in running text", 100, ge=1)
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = key("the update rule", "adamw")
    lr: float = key("learning rate; with a schedule, its maximum", 0.003, gt=0, le=1000)
    betas: tuple[float, float] = key("adam, adamw: decay rates of the two moving averages", (0.9, 0.999))
    momentum: float = key("sgd, rmsprop: momentum", 0.0, ge=0, lt=1)
    nesterov: bool = key("sgd: use Nesterov momentum", False)
    weight_decay: float = key("weight decay (decoupled for adamw)", 0.0, ge=0, le=1000)
    schedule: Literal["constant", "cosine", "step", "plateau"] = key("schedule of the learning rate over the steps", "constant")
    warmup_steps: int = key("steps of linear warm-up", 0, ge=0)
    decay_steps: int = key("step: number of steps (plateau: number of evaluations without improvement) before the rate is multiplied by decay_factor", 1000, ge=1)
    decay_factor: float = key("step, plateau: factor of the learning rate", 0.5, gt=0, lt=1)
    final_lr: float = key("cosine: learning rate at the last step, as a fraction of lr", 0.0, ge=0, le=1)
    clip_norm: float | None = key("maximum norm of the gradient of all weights; null: no clipping", None, gt=0)
    ema: float = key("decay of the exponential moving average of the weights; the averaged weights are evaluated and kept; 0: no average", 0.0, ge=0, lt=1)
    label_smoothing: float = key("fraction of the target probability distributed over all labels", 0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] | dict[str, float] = key("tagger: weight of each label in the loss; balanced: proportional to the inverse square root of its frequency", "none")
    label_weights: Literal["auto"] | dict[str, float] = key("tagger with data.labels: weight of each label in the loss; auto, and labels that are not named: 1 for the first, 0.3 for the others", "auto")
    accumulate: int = key("number of batches whose gradients are summed before an update", 1, ge=1)
    eval_every: int | None = key("steps between evaluations; by default one evaluation per epoch", None, ge=1)
    print_every: int = key("epochs between printed rows of a run without validation (the last row is always printed)", 1, ge=1)
    eval_block: int | None = key("block length of the second validation score, for which the text is cut into blocks that each start from the initial state; by default the window", None, ge=1)
    patience: int | None = key("evaluations without improvement before the run ends early", None, ge=1)
    checkpoint_minutes: float = key("minutes between checkpoints", 10.0, gt=0)
    init_from: str = key("directory of a trained model whose weights and vocabulary initialize the run", "")
    seed_skip: int = key("number of uniform random draws to skip after seeding, before the weights are drawn", 0, ge=0)
    threads: int | None = key("CPU threads; by default the number of cores, at most 4", None, ge=1, le=1024)
    rank_timeout: float = key("several ranks: seconds that a rank waits for another one", 1800.0, gt=0, le=1_000_000)
    device: Literal["auto", "cpu", "cuda", "mps"] = key("device for training", "auto")
    precision: Literal["float32", "bfloat16"] = key("number type of the forward and backward pass", "float32")
    deterministic: bool = key("use only deterministic algorithms, which give identical results on every run", False)

    def reached_limit(self, step: int, epoch: int, waited: int, seconds: float) -> str:
        """Name the limit that a run has reached; empty if there is none.

        Args:
            step: updates so far.
            epoch: finished epochs.
            waited: evaluations since the best one.
            seconds: time of the run so far.
        """
        if self.max_steps is not None and step >= self.max_steps:
            return "max_steps"
        if self.epochs is not None and epoch >= self.epochs:
            return "epochs"
        if self.patience is not None and waited >= self.patience:
            return "patience"
        return "max_minutes" if self.max_minutes is not None and seconds >= self.max_minutes * 60 else ""


# --- a whole experiment -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CharSettings:
    """Character-model experiment: the content of one YAML file."""

    task: Literal["char"] = key("type of model", "char")
    name: str = key("name of the run directory", "char", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: CharData = section(CharData, "training data")
    model: CharModel = section(CharModel, "the network")
    training: Training = section(Training, "training")


@dataclass(frozen=True)
class TaggerSettings:
    """Tagger experiment: the content of one YAML file."""

    task: Literal["tagger"] = key("type of model", "tagger")
    name: str = key("name of the run directory", "tagger", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: TaggerData = key("training data")
    model: TaggerModel = section(TaggerModel, "the network")
    training: Training = section(Training, "training")


@dataclass(frozen=True)
class TokenizerSettings:
    """Tokenizer experiment: the content of one YAML file."""

    task: Literal["tokenizer"] = key("type of model", "tokenizer")
    name: str = key("name of the run directory", "tokenizer", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("random seed of the weights, the data order and the dropout masks", 1, ge=0, lt=2**63)
    data: TokenizerData = key("training data")
    model: TokenizerModel = section(TokenizerModel, "the network")
    training: Training = section(Training, "training")


Settings = CharSettings | TaggerSettings | TokenizerSettings

STANDARD_FEATURES: tuple[Feature, ...] = (
    Feature(name="lower", dim=96, min_count=2),
    Feature(name="form", dim=48, min_count=2),
    Feature(name="prefix", length=1, dim=24),
    Feature(name="prefix", length=2, dim=24),
    Feature(name="prefix", length=3, dim=48, min_count=2),
    Feature(name="suffix", length=1, dim=24),
    Feature(name="suffix", length=2, dim=48),
    Feature(name="suffix", length=3, dim=48, min_count=2),
    Feature(name="suffix", length=4, dim=48, min_count=2),
    Feature(name="shape", dim=24),
)
RICH_FEATURES: tuple[Feature, ...] = (*STANDARD_FEATURES, Feature(name="char_cnn", dim=80, char_dim=32, width=3))


def feature_list(model: TaggerModel) -> tuple[Feature, ...]:
    """Return the features of a model; a preset is replaced by its list."""
    if isinstance(model.features, str):
        return STANDARD_FEATURES if model.features == "standard" else RICH_FEATURES
    return model.features


def is_text_encoding(name: str) -> bool:
    """Return whether Python has a text encoding of this name."""
    try:
        return bool(codecs.lookup(name)._is_text_encoding)
    except (LookupError, ValueError):
        return False
