"""The frozen dataclasses that carry a configuration through the house; plain Python.

This file is the one source of every key: its type, default, range and one-line meaning. `config/` builds the YAML
reader, the JSON Schema and `configs/README.md` from it (pydantic reads the field metadata), and every other floor
reads the finished objects. Nothing heavy is imported here, since the runtime stands on it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal

Cell = Literal["rnn", "lstm", "gru"]
InitialState = Literal["zeros", "random", "learned"]
Scheme = Literal["none", "io", "iob1", "iob2", "bioes"]


class OneOrMany:
    """Marks a tuple that YAML may also give as one plain value. Known to pydantic by its method's name."""

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
    """Declare a configuration key: its meaning, its default (none: the key is required) and pydantic's limits."""
    return field(default=default, metadata={"description": meaning, **limits}, kw_only=True)


def section(cls: type[Any], meaning: str) -> Any:
    """Declare a section whose keys all have defaults."""
    return field(default_factory=cls, metadata={"description": meaning}, kw_only=True)


# --- data -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CharData:
    """What a character model learns from: running text, lines, or aligned pairs."""

    text: Paths = key("running text: a path, a list of paths or a pattern", ())
    per_line: bool = key("each line of the text is a sequence of its own", False)
    pairs: tuple[tuple[str, str], ...] = key("aligned pairs [input, target] of equal length", ())
    alphabet: str | tuple[str, ...] | None = key("the symbols in order; by default those of the training data, sorted", None)
    unit: Literal["char", "byte"] = key("what a symbol is: a Unicode character or a byte", "char")
    encoding: str = key("how the text files are encoded", "utf-8")
    split: tuple[float, ...] = key("fractions of train, validation and optionally test", (0.9, 0.1), min_length=2, max_length=3)
    val: Paths = key("validation text in files of its own (then `split` is not used)", ())
    test: Paths = key("test text in files of its own", ())
    min_count: int = key("symbols rarer than this in the training text become the unknown symbol", 1, ge=1)
    normalize: Literal["none", "nfc"] = key("Unicode normalisation of text before it is read as symbols", "none")
    source: str = key("where to get the file; printed when it is missing", "")


@dataclass(frozen=True)
class TaggerData:
    """Labelled sentences, and how their files are laid out."""

    train: Paths = key("training files: a path, a list or a pattern", min_length=1)
    dev: Paths = key("development files: what the best epoch is chosen by", ())
    test: Paths = key("test files: scored once, at the end", ())
    split: float = key("fraction of the training sentences held out by seed when there is no dev file; 0: no validation", 0.0, ge=0, lt=1)
    format: Literal["auto", "conll", "conllu", "jsonl"] = key("file format; auto goes by the file's name and content", "auto")
    columns: tuple[str, ...] = key("names of the columns of a CoNLL file, in order (the token's is `form`); by default the first is the token", ())
    separator: str = key("what stands between columns: auto, tab, space (any run of white space), or the character itself", "auto")
    label: str = key("what to predict: upos, xpos, feats, deprel, a MISC key (misc:Key), a column's name, or its number from 1; auto: upos or the last column", "auto")
    scheme: Literal["auto", "none", "io", "iob1", "iob2", "bioes"] = key("how labels mark spans; auto looks at the labels", "auto")
    tokens: Literal["words", "surface"] = key("CoNLL-U: train on syntactic words, or on the surface forms of `n-m` lines with their words' labels joined by `+`", "words")
    normalize: Literal["nfc", "none"] = key("Unicode form in which words are looked up", "nfc")
    encoding: str = key("how the files are encoded", "utf-8")
    empty_tokens: Literal["refuse", "repair"] = key("what to do with an empty token: refuse the file, or put `_` in its place", "refuse")
    text_key: str = key("JSON lines: the field that holds the tokens", "tokens")
    label_key: str = key("JSON lines: the field that holds the labels", "labels")
    source: str = key("where to get the files; printed when one is missing", "")


# --- model ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecurrentModel:
    """The recurrent stack that both tasks share."""

    cell: Cell = key("the recurrent cell", "lstm")
    nonlinearity: Literal["tanh", "relu"] = key("of the `rnn` cell", "tanh")
    hidden_size: int = key("width of a layer, per direction", 128, ge=1, le=65536)
    num_layers: int = key("recurrent layers on top of each other", 1, ge=1, le=64)
    initial_state: InitialState = key("before the first symbol: zeros; learned; or random, U(0,1) anew for each training sequence (its mean at use)", "zeros")
    residual: bool = key("add each layer's input to its output, from the second layer on", False)
    dropout: float = key("sets dropout_input, dropout_between and dropout_output where they are not given", 0.0, ge=0, lt=1)
    dropout_input: float | None = key("dropout on what enters the first layer (one mask per sequence)", None, ge=0, lt=1)
    dropout_between: float | None = key("dropout between layers (one mask per sequence)", None, ge=0, lt=1)
    dropout_output: float | None = key("dropout before the output layer (one mask per sequence)", None, ge=0, lt=1)
    weight_dropout: float = key("share of the recurrent matrix's weights dropped per step (Merity et al. 2018)", 0.0, ge=0, lt=1)
    forget_bias: float | None = key("LSTM: initial bias of the forget gate; null leaves torch's own", 1.0)

    @property
    def input_dropout(self) -> float:
        """Dropout on the input, whichever key it came from."""
        return self.dropout if self.dropout_input is None else self.dropout_input

    @property
    def between_dropout(self) -> float:
        """Dropout between layers, whichever key it came from."""
        return self.dropout if self.dropout_between is None else self.dropout_between

    @property
    def output_dropout(self) -> float:
        """Dropout before the output layer, whichever key it came from."""
        return self.dropout if self.dropout_output is None else self.dropout_output


@dataclass(frozen=True)
class CharModel(RecurrentModel):
    """A network that reads symbols and gives scores for a symbol at each step."""

    input: Literal["embedding", "onehot"] = key("how a symbol enters the network", "embedding")
    embedding_dim: int = key("width of the symbol embedding", 64, ge=1, le=65536)
    tied: bool = key("use the input embedding as output weights", False)
    state_reset: float = key("probability that a stream's state is reset to zero before a window", 0.0, ge=0, lt=1)
    output: Literal["linear", "none"] = key("the layer that gives symbol scores; none: the cell alone, to look at", "linear")


@dataclass(frozen=True)
class Feature:
    """One string function of a word, and the size of what is learned for its values."""

    name: Literal["form", "lower", "prefix", "suffix", "shape", "char_cnn", "char_lstm", "vectors"] = key("the function")
    dim: int = key("width of its embedding (char_cnn: filters; char_lstm: width per direction)", 32, ge=1, le=65536)
    length: int = key("prefix, suffix: how many characters", 3, ge=1, le=64)
    min_count: int = key("values seen less often in training count as unknown", 1, ge=1)
    unknown: bool = key("keep a row for unknown values; without one, the mean of all rows stands in", True)
    char_dim: int = key("char_cnn, char_lstm: width of the character embedding", 32, ge=1, le=65536)
    width: int = key("char_cnn: characters under one filter", 3, ge=1, le=15)
    path: str = key("vectors: a text file in word2vec, GloVe or fastText layout", "")
    frozen: bool = key("vectors: keep them as they are in the file", False)


@dataclass(frozen=True)
class TaggerModel(RecurrentModel):
    """A network that reads the words of a sentence and gives each a label."""

    features: Literal["standard", "rich"] | tuple[Feature, ...] = key("standard (forms, affixes, shape), rich (with a character CNN), or a list", "standard")
    embedding_scale: float | None = key("standard deviation of the features' first embeddings; null: 0.1 before a projection, which suits rare words, else torch's 1", None, ge=0, le=10)
    projection: int = key("width of the dense layer (with GELU) between features and recurrent layers; 0: none", 160, ge=0, le=65536)
    layer_norm: bool = key("normalise what the projection gives, before its GELU", True)
    bidirectional: bool = key("read the sentence in both directions", True)
    decoder: Literal["auto", "softmax", "viterbi", "crf"] = key("auto: viterbi (constrained) for span schemes, else softmax", "auto")
    word_dropout: float = key("probability that training hides all of a word, so that its neighbours must tell its label (Iyyer et al. 2015)", 0.0, ge=0, lt=1)
    word_replacement: float = key("strength a of replacing a training word by the unknown one, with probability a / (a + its count)", 0.25, ge=0)

    @property
    def initial_scale(self) -> float:
        """Standard deviation of the features' first embeddings, whichever way it was given."""
        if self.embedding_scale is not None:
            return self.embedding_scale
        return 0.1 if self.projection else 1.0


# --- training ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """How long, how fast, and on what."""

    epochs: int | None = key("passes over the training data; the first of epochs, max_steps and max_minutes to be reached ends the run", None, ge=1)
    max_steps: int | None = key("updates", None, ge=1)
    max_minutes: float | None = key("minutes; only stops, the schedule does not look at it", None, gt=0)
    batch_size: int = key("streams, lines, pairs or sentences in a step", 32, ge=1)
    batch_words: int | None = key("tagger: words in a step, instead of batch_size", None, ge=1)
    shuffle: bool = key("a new order of sequences in every epoch", True)
    window: int = key("symbols of truncated back-propagation through running text", 100, ge=1)
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad"] = key("the update rule", "adamw")
    lr: float = key("learning rate (its peak, with a schedule)", 0.003, gt=0, le=1000)
    betas: tuple[float, float] = key("adam, adamw: decay of the two averages", (0.9, 0.999))
    momentum: float = key("sgd, rmsprop: momentum", 0.0, ge=0, lt=1)
    nesterov: bool = key("sgd: Nesterov's momentum", False)
    weight_decay: float = key("weight decay (decoupled for adamw)", 0.0, ge=0, le=1000)
    schedule: Literal["constant", "cosine", "step", "plateau"] = key("course of the learning rate over the steps", "constant")
    warmup_steps: int = key("steps of linear warm-up", 0, ge=0)
    decay_steps: int = key("step: steps (plateau: evaluations without progress) before the rate is multiplied by decay_factor", 1000, ge=1)
    decay_factor: float = key("step, plateau: the factor", 0.5, gt=0, lt=1)
    final_lr: float = key("cosine: the rate at the last step, as a share of lr", 0.0, ge=0, le=1)
    clip_norm: float | None = key("largest norm of the whole gradient", None, gt=0)
    ema: float = key("decay of averaged weights, which are then what is evaluated and kept; 0: none", 0.0, ge=0, lt=1)
    label_smoothing: float = key("share of the target spread over all labels", 0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] | dict[str, float] = key("tagger: weight of each label in the loss; balanced: by the inverse square root of its frequency", "none")
    accumulate: int = key("batches whose gradients are added up before an update", 1, ge=1)
    eval_every: int | None = key("steps between evaluations; by default one an epoch", None, ge=1)
    print_every: int = key("epochs between printed rows of a run without validation (the last is always printed)", 1, ge=1)
    eval_block: int | None = key("length of the blocks that validation text is also scored in, each from the initial state; by default the window", None, ge=1)
    patience: int | None = key("evaluations without progress before the run ends early", None, ge=1)
    checkpoint_minutes: float = key("minutes between checkpoints", 10.0, gt=0)
    init_from: str = key("the directory of a trained model whose weights and vocabulary the run starts from", "")
    seed_skip: int = key("uniform draws thrown away after seeding, before the weights are drawn", 0, ge=0)
    threads: int | None = key("CPU threads; by default the smaller of the cores and 4", None, ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = key("where to train", "auto")
    precision: Literal["float32", "bfloat16"] = key("arithmetic of the forward and backward pass", "float32")
    deterministic: bool = key("use only algorithms that give the same bytes every time", False)


# --- a whole experiment -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CharSettings:
    """One character-model experiment: one YAML file."""

    task: Literal["char"] = key("which kind of model", "char")
    name: str = key("the run directory's name", "char", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("of weights, order and masks", 1, ge=0, lt=2**63)
    data: CharData = section(CharData, "what to learn from")
    model: CharModel = section(CharModel, "the network")
    training: Training = section(Training, "how to train it")


@dataclass(frozen=True)
class TaggerSettings:
    """One tagger experiment: one YAML file."""

    task: Literal["tagger"] = key("which kind of model", "tagger")
    name: str = key("the run directory's name", "tagger", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    seed: int = key("of weights, order and masks", 1, ge=0, lt=2**63)
    data: TaggerData = key("what to learn from")
    model: TaggerModel = section(TaggerModel, "the network")
    training: Training = section(Training, "how to train it")


Settings = CharSettings | TaggerSettings

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
    """The features a model uses, presets spelt out."""
    if isinstance(model.features, str):
        return STANDARD_FEATURES if model.features == "standard" else RICH_FEATURES
    return model.features
