"""Sections `model` of a config: the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqtool.settings.keys import key

Cell = Literal["rnn", "lstm", "gru"]
InitialState = Literal["zeros", "random", "learned"]


@dataclass(frozen=True)
class RecurrentModel:
    """Recurrent layers, with the same keys for both tasks."""

    cell: Cell = key("the recurrent cell", "lstm")
    nonlinearity: Literal["tanh", "relu"] = key("activation function of the `rnn` cell", "tanh")
    hidden_size: int = key("hidden units of a layer, per direction", 128, ge=1, le=65536)
    num_layers: int = key("number of recurrent layers", 1, ge=1, le=64)
    initial_state: InitialState = key(
        "state before the first symbol: zeros; learned; or random, drawn from U(0,1) for each training sequence (at inference its mean)",
        "zeros",
    )
    residual: bool = key("add the input of each layer to its output, from the second layer on", False)
    dropout: float = key(
        "value of dropout_input, dropout_between and dropout_output if they are not given", 0.0, ge=0, lt=1
    )
    dropout_input: float | None = key(
        "dropout on the input of the first layer (one mask per sequence)", None, ge=0, lt=1
    )
    dropout_between: float | None = key("dropout between layers (one mask per sequence)", None, ge=0, lt=1)
    dropout_output: float | None = key(
        "dropout before the output layer (one mask per sequence)", None, ge=0, lt=1
    )
    weight_dropout: float = key(
        "fraction of the recurrent weights dropped per step (Merity et al. 2018)", 0.0, ge=0, lt=1
    )
    forget_bias: float | None = key(
        "LSTM: initial bias of the forget gate; null: the initial bias of torch", 1.0
    )

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
    condition_dim: int = key(
        "dimension of the embedding of a line's condition (`data.condition`), which every step reads after the symbol",
        16,
        ge=1,
        le=65536,
    )
    tied: bool = key("use the input embedding as the weights of the output layer", False)
    state_reset: float = key(
        "probability that the state of a stream is reset to zero before a window", 0.0, ge=0, lt=1
    )
    embedding_dropout: float = key(
        "fraction of the symbols whose embedding is zero during a step (Gal and Ghahramani 2016)",
        0.0,
        ge=0,
        lt=1,
    )
    output: Literal["linear", "adaptive", "none"] = key(
        "output layer of the symbol scores; adaptive: softmax in two steps for large vocabularies (Grave et al. 2017); none: only the cell, for inspection",
        "linear",
    )
    cutoffs: tuple[int, ...] = key(
        "adaptive: numbers of the most frequent symbols at which a group of rarer ones begins",
        (2000, 10000),
    )

    def output_bounds(self, symbols: int) -> tuple[int, ...]:
        """Return the end of the first symbols, then that of each group of an adaptive output."""
        if self.output != "adaptive":
            return (symbols,)
        return (*(cutoff for cutoff in self.cutoffs if cutoff < symbols), symbols)


@dataclass(frozen=True)
class Feature:
    """Feature of a word: a string function and the embedding of its values."""

    name: Literal["form", "lower", "prefix", "suffix", "shape", "char_cnn", "char_lstm", "vectors"] = key(
        "the string function"
    )
    dim: int = key(
        "dimension of the embedding (char_cnn: number of filters; char_lstm: hidden units per direction)",
        32,
        ge=1,
        le=65536,
    )
    length: int = key("prefix, suffix: number of characters", 3, ge=1, le=64)
    min_count: int = key(
        "values with fewer occurrences in the training data become the unknown value", 1, ge=1
    )
    unknown: bool = key(
        "learn an embedding for the unknown value; false: unknown values get the mean of all embeddings", True
    )
    char_dim: int = key("char_cnn, char_lstm: dimension of the character embedding", 32, ge=1, le=65536)
    width: int = key("char_cnn: width of a filter in characters", 3, ge=1, le=15)
    path: str = key("vectors: path of a text file in word2vec, GloVe or fastText format", "")
    frozen: bool = key("vectors: do not train them", False)


@dataclass(frozen=True)
class TaggerModel(RecurrentModel):
    """Network that reads the words of a sentence and predicts a label for each."""

    features: Literal["standard", "rich"] | tuple[Feature, ...] = key(
        "standard (forms, affixes, shape), rich (with a character CNN), or a list", "standard"
    )
    embedding_scale: float | None = key(
        "standard deviation of the initial feature embeddings; null: 0.1 with a projection, which suits rare words, else 1 as in torch",
        None,
        ge=0,
        le=10,
    )
    projection: int = key(
        "output size of the dense layer (with GELU) between features and recurrent layers; 0: no such layer",
        160,
        ge=0,
        le=65536,
    )
    layer_norm: bool = key("apply layer normalization to the projection, before GELU", True)
    bidirectional: bool = key("read the sentence in both directions", True)
    decoder: Literal["auto", "softmax", "viterbi", "crf"] = key(
        "choice of the labels; auto: viterbi (constrained) for span schemes, else softmax", "auto"
    )
    word_dropout: float = key(
        "probability that all features of a training word are hidden, so that the network learns from the context (Iyyer et al. 2015)",
        0.0,
        ge=0,
        lt=1,
    )
    word_replacement: float = key(
        "strength a of word replacement: a training word becomes the unknown word with probability a / (a + count of the word)",
        0.25,
        ge=0,
    )

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
    dropout: float = key(
        "value of dropout_input, dropout_between and dropout_output if they are not given", 0.25, ge=0, lt=1
    )
    embedding_dim: int = key("dimension of the embedding of a character", 32, ge=1, le=65536)
    class_dim: int = key(
        "dimension of the embedding of a character's class (its Unicode category)", 16, ge=1, le=65536
    )
    filters: int = key("filters of the convolution over neighboring characters", 64, ge=1, le=65536)
    width: int = key("width of a filter in characters, an odd number", 7, ge=1, le=63)
    min_count: int = key(
        "characters with fewer occurrences in the training text become the unknown character of their class",
        2,
        ge=1,
    )
    unknown: float = key(
        "probability that a training character becomes the unknown character of its class", 0.02, ge=0, lt=1
    )


# --- features of a tagger ----------------------------------------------------------------------------------

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
RICH_FEATURES: tuple[Feature, ...] = (
    *STANDARD_FEATURES,
    Feature(name="char_cnn", dim=80, char_dim=32, width=3),
)


def feature_list(model: TaggerModel) -> tuple[Feature, ...]:
    """Return the features of a model; a preset is replaced by its list."""
    if isinstance(model.features, str):
        return STANDARD_FEATURES if model.features == "standard" else RICH_FEATURES
    return model.features
