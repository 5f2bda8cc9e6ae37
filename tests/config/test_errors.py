"""Tests of all mistakes in configs: message, location, caret and hint. One line per case."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqtool.config.load import ReadConfig, parse_settings
from seqtool.errors import ConfigError, Problem


def read(text: str, *overrides: str) -> ReadConfig:
    """Read text as the file `c.yaml` in the folder `/here`."""
    return parse_settings(text, name="c.yaml", folder=Path("/here"), overrides=overrides)


def problems(text: str, *overrides: str) -> tuple[Problem, ...]:
    """Return the mistakes of a text."""
    with pytest.raises(ConfigError) as caught:
        read(text, *overrides)
    return caught.value.problems


def screen(text: str, *overrides: str) -> str:
    """Format the mistakes as lines: location and message, then the carets, then the hint."""
    lines = []
    for problem in problems(text, *overrides):
        lines.append(f"{problem.place}  {problem.message}")
        if problem.source:
            lines += [
                f"| {problem.source.text}",
                "| " + " " * (problem.source.column - 1) + "^" * problem.source.width,
            ]
        if problem.hint:
            lines.append(f"hint: {problem.hint}")
    return "\n".join(lines)


def test_all_mistakes_are_reported_in_the_order_of_the_file() -> None:
    text = """\
task: char
lr: 3
data:
  pairs: [[ab, ba], [no, yes]]
  alphabt: abc
model:
  hidden_sise: 200
  cell: lstn
  tied: true
  input: onehot
training:
  epochs: 1e3
  shuffle: perhaps
  momentum:
  lr: 0,5
"""
    assert (
        screen(text, "training.ema=1")
        == """\
c.yaml:2:1  lr: unknown key
| lr: 3
| ^^
hint: lr belongs under training
c.yaml:4:21  data.pairs[1]: input and target must have the same length, found "no" of 2 and "yes" of 3
|   pairs: [[ab, ba], [no, yes]]
|                     ^
hint: add or remove symbols in one of them
c.yaml:5:3  data.alphabt: unknown key
|   alphabt: abc
|   ^^^^^^^
hint: did you mean alphabet?
c.yaml:7:3  model.hidden_sise: unknown key
|   hidden_sise: 200
|   ^^^^^^^^^^^
hint: did you mean hidden_size?
c.yaml:8:9  model.cell: expected rnn, lstm or gru, found lstn
|   cell: lstn
|         ^^^^
hint: did you mean lstm?
c.yaml:9:9  model.tied: needs an embedding, found input: onehot
|   tied: true
|         ^^^^
hint: set model.input: embedding, or tied to false
c.yaml:12:11  training.epochs: expected a whole number of at least 1, or null, found 1e3
|   epochs: 1e3
|           ^^^
hint: write 1000
c.yaml:13:12  training.shuffle: expected true or false, found perhaps
|   shuffle: perhaps
|            ^^^^^^^
c.yaml:14:3  training.momentum: has no value
|   momentum:
|   ^^^^^^^^
hint: write a value after the colon, or delete the line
c.yaml:15:7  training.lr: expected a number above 0 and at most 1000, found 0,5
|   lr: 0,5
|       ^^^
hint: write 0.5, with a decimal point
--set training.ema=1  training.ema: expected a number of at least 0 and below 1, found 1"""
    )


CHAR = "task: char\ndata: {text: t.txt}\ntraining: {epochs: 1}\n"
PAIRS = "task: char\ndata: {pairs: [[ab, ba]]}\ntraining: {epochs: 1}\n"
TAGGER = "task: tagger\ndata: {train: t.conll}\ntraining: {epochs: 1}\n"
SEVERAL = "task: tagger\ndata: {train: t.conll, labels: [upos, xpos]}\ntraining: {epochs: 1}\n"

# (id, config, option, the only expected message, part of its hint)
SCHEMA = [
    ("text for a number", CHAR, "training.lr=fast",
     "training.lr: expected a number above 0 and at most 1000, found fast", ""),
    ("below the range", CHAR, "training.lr=0",
     "training.lr: expected a number above 0 and at most 1000, found 0", ""),
    ("above the range", CHAR, "model.hidden_size=65537",
     "model.hidden_size: expected a whole number from 1 to 65536, found 65537", ""),
    ("more threads than torch survives", CHAR, "training.threads=100000",
     "training.threads: expected a whole number from 1 to 1024, or null, found 100000", ""),
    ("nan", CHAR, "training.lr=.nan", "training.lr: expected a number above 0 and at most 1000, found .nan",
     ""),
    ("nan as a word", CHAR, "training.lr=nan",
     "training.lr: expected a number above 0 and at most 1000, found nan", ""),
    ("infinite", CHAR, "training.lr=1e999",
     "training.lr: expected a number above 0 and at most 1000, found 1e999", ""),
    ("half a step", CHAR, "training.max_steps=3.5",
     "training.max_steps: expected a whole number of at least 1, or null, found 3.5", ""),
    ("null for a required value", CHAR, "training.lr=null",
     "training.lr: expected a number above 0 and at most 1000, found null", ""),
    ("text for a boolean", CHAR, "training.shuffle=perhaps",
     "training.shuffle: expected true or false, found perhaps", ""),
    ("similar value", CHAR, "training.optimizer=Adam_W",
     "training.optimizer: expected adam, adamw, sgd, rmsprop or adagrad, found Adam_W",
     "did you mean adamw?"),
    ("different value", CHAR, "model.cell=transformer",
     "model.cell: expected rnn, lstm or gru, found transformer", ""),
    ("list for a number", CHAR, "training.lr=[1]",
     "training.lr: expected a number above 0 and at most 1000, found a list of 1", ""),
    ("mapping for a number", CHAR, "training.lr={a: 1}",
     "training.lr: expected a number above 0 and at most 1000, found a section of keys", ""),
    ("mapping for a path", CHAR, "data.text={a: b}",
     "data.text: expected a path or a list of paths, found a section of keys", ""),
    ("mapping for an alphabet", CHAR, "data.alphabet={str: b}",
     "data.alphabet: expected text or a list of texts, or null, found a section of keys", ""),
    ("three betas", CHAR, "training.betas=[0.9, 0.99, 1]",
     "training.betas: expected a list of 2 numbers, found a list of 3", ""),
    ("one share", CHAR, "data.split=[1]", "data.split: expected a list of 2 or 3 numbers, found a list of 1",
     ""),
    ("section as a number", TAGGER, "model=3", "model: expected a section of keys, found 3", ""),
    ("pair of three", PAIRS, "data.pairs=[[a, b, c]]",
     "data.pairs[0]: expected a pair [input, target], found a list of 3", ""),
    ("pair as text", PAIRS, "data.pairs=[ab]", "data.pairs[0]: expected a pair [input, target], found ab",
     ""),
    ("list in a pair", PAIRS, "data.pairs=[[a, [b]]]", "data.pairs[0][1]: expected text, found a list of 1",
     ""),
    ("bad name", CHAR, "name=../x",
     "name: expected letters, digits, dots, dashes and underscores, the first a letter or digit, found ../x",
     ""),
    ("negative seed", CHAR, "seed=-1", "seed: expected a whole number of at least 0, found -1", ""),
    ("seed too large", CHAR, "seed=9223372036854775808",
     "seed: expected a whole number of at least 0, found 9223372036854775808", ""),
    ("feature as text", TAGGER, "model.features=[form]",
     "model.features[0]: expected a feature (name, dim, …), found form", ""),
    ("similar features", TAGGER, "model.features=standart",
     "model.features: expected standard, rich or a list of features, found standart",
     "did you mean standard?"),
    ("feature without a name", TAGGER, "model.features=[{dim: 3}]", "model.features[0].name: is missing",
     "give the name of the feature"),
    ("key of a feature", TAGGER, "model.features=[{name: form, dimm: 3}]",
     "model.features[0].dimm: unknown key", "did you mean dim?"),
    ("weight as text", TAGGER, "training.class_weights={NN: x}",
     "training.class_weights.NN: expected a number, found x", ""),
    ("similar weights", TAGGER, "training.class_weights=balance",
     "training.class_weights: expected none, balanced or a number for each label, found balance",
     "did you mean balanced?"),
    ("different key", CHAR, "training.learning_rate_decay_faktor=1",
     "training.learning_rate_decay_faktor: unknown key", "configs/README.md lists the keys"),
    ("dash for underscore", CHAR, "model.hidden-size=3", "model.hidden-size: unknown key",
     "did you mean hidden_size?"),
    ("key of another section", CHAR, "model.lr=3", "model.lr: unknown key", "lr belongs under training"),
    ("section key at the top", CHAR, "epochs=3", "epochs: unknown key", "epochs belongs under training"),
    ("top-level key in a section", CHAR, "training.seed=3", "training.seed: unknown key",
     "seed belongs at the top level, not under training"),
    ("similar key of another section", CHAR, "model.epoch=3", "model.epoch: unknown key",
     "did you mean epochs? it belongs under training"),
    ("key of the other task", CHAR, "model.bidirectional=true", "model.bidirectional: unknown key",
     "bidirectional is a key of task: tagger, this is task: char"),
    ("train of the other task", CHAR, "data.train=x", "data.train: unknown key",
     "train is a key of task: tagger"),
    ("similar section", CHAR, "modell.cell=rnn", "modell: unknown key", "did you mean model?"),
    ("key without a similar key", CHAR, "xyzzy=1", "xyzzy: unknown key",
     "the keys are task, name, seed, data, model, training"),
]  # fmt: skip

SENSE = [
    ("nesterov without momentum", CHAR, "training={optimizer: sgd, nesterov: true}",
     "training.nesterov: needs momentum", "0.9"),
    ("nesterov of adam", CHAR, "training={nesterov: true, optimizer: adam}",
     "training.nesterov: is for optimizer: sgd, found adam", "training.optimizer: sgd"),
    ("beta of one", CHAR, "training.betas=[0.9, 1]",
     "training.betas[1]: expected a number of at least 0 and below 1, found 1", "0.999"),
    ("no limit", CHAR, "training.epochs=null", "training: the run has no limit", "training.max_steps"),
    ("cosine by minutes", CHAR, "training={epochs: null, max_minutes: 3, schedule: cosine}",
     "training.schedule: cosine needs a known last step", "training.epochs"),
    ("warm-up as long as the run", CHAR, "training={max_steps: 10, warmup_steps: 10}",
     "training.warmup_steps: 10 warm-up steps leave no step of max_steps (10) for the full learning rate",
     "smaller"),
    ("residual of one layer", CHAR, "model.residual=true", "model.residual: needs at least two layers",
     "num_layers"),
    ("dropout between one layer", TAGGER, "model.dropout_between=0.3",
     "model.dropout_between: needs at least two layers", "dropout_output"),
    ("encoding", CHAR, "data.encoding=utf8000", 'data.encoding: expected a text encoding, found "utf8000"',
     "latin-1"),
    ("encoding of bytes", CHAR, "data.encoding=base64",
     'data.encoding: expected a text encoding, found "base64"', "latin-1"),
    ("empty path", CHAR, 'data.text=""', 'data.text[0]: expected a path, found ""', "name"),
    ("path with NUL", TAGGER, 'data.dev=["/a\\0b"]', 'data.dev[0]: expected a path, found "/a\\x00b"',
     "name"),
    ("reserved name", CHAR, "name=a.partial",
     "name: a name must not end in .partial, which marks unfinished runs", "another"),
    ("text and pairs", CHAR, "data.pairs=[[a, b]]",
     "data.pairs: cannot be combined with data.text; a model learns from one of them", "delete"),
    ("no training data", "task: char", "seed=1", "data: there is no training data", "data.alphabet"),
    ("lines without text", PAIRS, "data.per_line=true", "data.per_line: needs data.text, which is not given",
     "delete per_line"),
    ("unequal pair", PAIRS, "data.pairs=[[ab, ba], [abc, ab]]",
     'data.pairs[1]: input and target must have the same length, found "abc" of 3 and "ab" of 2', "symbols"),
    ("empty pair", PAIRS, 'data.pairs=[["", ""]]',
     "data.pairs[0]: expected at least one symbol, found two empty texts", "delete"),
    ("bytes of unequal pair", PAIRS, "data={pairs: [[é, e]], unit: byte}",
     'data.pairs[0]: input and target must have the same length, found "é" of 2 and "e" of 1', "symbols"),
    ("pair outside the alphabet", PAIRS, "data.alphabet=bc",
     'data.pairs[0]: the symbol "a" is not in data.alphabet, which is "bc"', "add it to data.alphabet"),
    ("symbol twice", CHAR, "data.alphabet=hello", 'data.alphabet: contains the symbol "l" more than once',
     "once"),
    ("symbol of two characters", CHAR, "data.alphabet=[a, bc]",
     'data.alphabet: a symbol is one character, found "bc"', "single"),
    ("empty alphabet", CHAR, 'data.alphabet=""', "data.alphabet: expected at least one symbol, found none",
     "list"),
    ("alphabet and count", CHAR, "data={alphabet: ab, min_count: 2}",
     "data.min_count: has no effect if data.alphabet lists the symbols", "delete"),
    ("alphabet of bytes", CHAR, "data={alphabet: ab, unit: byte}",
     "data.alphabet: lists characters, but data.unit is byte", "char"),
    ("normalized bytes", CHAR, "data={normalize: nfc, unit: byte}",
     "data.normalize: applies to characters, but data.unit is byte", "char"),
    ("encoded bytes", CHAR, "data={encoding: latin-1, unit: byte}",
     "data.encoding: has no meaning for bytes, which are not decoded", "char"),
    ("split over one", CHAR, "data.split=[0.9, 0.2]",
     "data.split: the sum of the fractions is 1.1, more than 1", "[0.9, 0.1]"),
    ("negative split", CHAR, "data.split=[1, -0.1]",
     "data.split: expected a fraction above 0 for training and no negative fraction", "[0.9, 0.1]"),
    ("tied and one-hot", CHAR, "model={tied: true, input: onehot}",
     "model.tied: needs an embedding, found input: onehot", "embedding"),
    ("tied and no output", "task: char\ndata: {alphabet: ab}", "model={tied: true, output: none}",
     "model.tied: needs an output layer, found output: none", "linear"),
    ("no output to train", CHAR, "model.output=none",
     "model.output: none cannot be trained, since there are no scores", "linear"),
    ("reset of pairs", PAIRS, "model.state_reset=0.1",
     "model.state_reset: is for running text; with data.pairs every sequence starts from the initial state",
     "delete"),
    ("reset of lines", CHAR, "data.per_line=true model.state_reset=0.1",
     "model.state_reset: is for running text; with data.per_line every sequence starts from the initial "
     "state", "delete"),
    ("blocks of lines", "task: char\ndata: {text: x, per_line: true}\ntraining: {epochs: 1}",
     "training.eval_block=64",
     "training.eval_block: is for running text; with data.per_line whole sequences are scored", "delete"),
    ("blocks of sentences", TAGGER, "training.eval_block=64",
     "training.eval_block: is for running text; whole sentences are scored", "delete"),
    ("words of a character model", CHAR, "training.batch_words=10", "training.batch_words: is for taggers",
     "batch_size"),
    ("weights of a character model", CHAR, "training.class_weights=balanced",
     "training.class_weights: is for taggers; symbols have no weights", "delete"),
    ("split and dev", TAGGER, "data={split: 0.1, dev: d}",
     "data.split: holds out training sentences, but data.dev names development files", "delete"),
    ("separator", TAGGER, "data.separator=comma",
     'data.separator: expected auto, tab, space or one character, found "comma"', "auto"),
    ("columns without form", TAGGER, "data.columns=[word, pos]",
     "data.columns: one column must be named form: the token column", "form"),
    ("column twice", TAGGER, "data.columns=[form, pos, pos]",
     'data.columns: contain the name "pos" more than once', "different"),
    ("columns of CoNLL-U", TAGGER, "data={columns: [form, pos], format: conllu}",
     "data.columns: are for format: conll or csv, found conllu", "delete"),
    ("label outside columns", TAGGER, "data={columns: [form, pos], label: chunk}",
     'data.label: expected one of data.columns (form, pos), found "chunk"', "name"),
    ("label is the token", TAGGER, "data={columns: [form, pos], label: form}",
     "data.label: form is the token column", "pos"),
    ("label column 0", TAGGER, "data.label=0", "data.label: expected a column from 1 to the last, found 0",
     "from 1"),
    ("label column 3 of 2", TAGGER, "data={columns: [form, pos], label: 3}",
     "data.label: expected a column from 1 to 2, found 3", "from 1"),
    ("labels and label", TAGGER, "data={labels: [upos, xpos], label: upos}",
     "data.label: is for a single label; data.labels names several", "delete"),
    ("label twice", TAGGER, "data.labels=[upos, lemma, upos]",
     'data.labels: contain "upos" more than once', "once"),
    ("first label lemma", TAGGER, "data.labels=[lemma, upos]",
     "data.labels: the first label is lemma; it must be another one", "most important"),
    ("single label lemma", TAGGER, "data.label=lemma",
     "data.label: lemmas are learned together with another label", "[upos, lemma]"),
    ("labels outside columns", TAGGER, "data={columns: [form, pos], labels: [pos, ner]}",
     'data.labels: "ner" is not a column of labels', "columns"),
    ("token as label", TAGGER, "data.labels=[upos, form]",
     'data.labels: "form" is not a column of labels', "upos"),
    ("several labels and CRF", SEVERAL, "model.decoder=crf",
     "model.decoder: crf is for a single label", "one label"),
    ("several labels and class weights", SEVERAL, "training.class_weights=balanced",
     "training.class_weights: are for a single label", "label_weights"),
    ("weight of another label", SEVERAL, "training.label_weights={feats: 1}",
     'training.label_weights.feats: expected one of upos, xpos, found "feats"', "data.labels"),
    ("label weights of one label", TAGGER, "training.label_weights={upos: 1}",
     'training.label_weights.upos: expected no weights without data.labels, found "upos"', ""),
    ("negative label weight", SEVERAL, "training.label_weights={xpos: -1}",
     "training.label_weights.xpos: expected a number of at least 0, found -1", ""),
    ("first label without weight", SEVERAL, "training.label_weights={upos: 0}",
     "training.label_weights.upos: expected a number above 0 for the first label, found 0", ""),
    ("label weights of a character model", CHAR, "training.label_weights={upos: 1}",
     "training.label_weights: is for taggers; a text model has no labels", "delete"),
    ("surface of CoNLL", TAGGER, "data={tokens: surface, format: conll}",
     "data.tokens: surface is for CoNLL-U, found format: conll", "words"),
    ("no features", TAGGER, "model.features=[]", "model.features: expected at least one feature, found none",
     "standard"),
    ("vectors without path", TAGGER, "model.features=[{name: vectors}]",
     "model.features[0]: vectors need the path of a file", "path"),
    ("path without vectors", TAGGER, "model.features=[{name: form, path: x}]",
     "model.features[0].path: has no meaning for the feature form", "delete"),
    ("length of a form", TAGGER, "model.features=[{name: form, length: 2}]",
     "model.features[0].length: has no meaning for the feature form", "delete"),
    ("known characters only", TAGGER, "model.features=[{name: char_cnn, unknown: false}]",
     "model.features[0].unknown: has no meaning for the feature char_cnn", "delete"),
    ("minimum count without unknown", TAGGER, "model.features=[{name: form, unknown: false, min_count: 2}]",
     "model.features[0].min_count: makes rare values unknown, but with unknown: false there is no unknown "
     "value", "delete"),
    ("feature twice", TAGGER, "model.features=[{name: form}, {name: form}]",
     "model.features[1]: the list contains the same feature twice", "delete"),
    ("label smoothing with crf", TAGGER, "training.label_smoothing=0.1 model.decoder=crf",
     "training.label_smoothing: cannot be combined with decoder: crf", "viterbi"),
    ("class weights with crf", TAGGER, "training.class_weights=balanced model.decoder=crf",
     "training.class_weights: cannot be combined with decoder: crf", "viterbi"),
    ("negative weight", TAGGER, "training.class_weights={NN: -1}",
     "training.class_weights.NN: expected a number of at least 0, found -1", "0 excludes"),
    ("no weights", TAGGER, "training.class_weights={}",
     "training.class_weights: expected a number for each label, found none", "balanced"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "option", "message", "hint"), [pytest.param(*case[1:], id=case[0]) for case in SCHEMA + SENSE]
)
def test_mistake_has_one_message_with_location_and_hint(
    text: str, option: str, message: str, hint: str
) -> None:
    """In a case, a space before `model.` starts a second option."""
    first, *rest = option.split(" model.")
    overrides = (first, *(f"model.{part}" for part in rest))
    found = problems(text, *overrides)
    assert [problem.message for problem in found] == [message]
    assert found[0].place == next(
        (f"--set {option}" for option in overrides if message.startswith(option.split("=")[0])),
        found[0].place,
    )
    assert hint in found[0].hint
    assert found[0].hint or ": expected" in message


STRUCTURE = [
    pytest.param("", "c.yaml  expected a config, found an empty file", id="empty file"),
    pytest.param("# nothing\n", "c.yaml  expected a config, found an empty file", id="comment"),
    pytest.param("null\n", "c.yaml  expected a config, found an empty file", id="null"),
    pytest.param("- a\n", "c.yaml:1:1  expected keys and values, found a list of 1", id="list"),
    pytest.param("The dog\nate\n", "c.yaml:1:1  expected keys and values, found The dog ate", id="text"),
    pytest.param(
        "data: {text: x}\ntraining: {epochs: 1}", "c.yaml  task: is missing\nhint: start with task: char",
        id="no task"),
    pytest.param(
        "data: {train: x}\ntraining: {epochs: 1}", "c.yaml  task: is missing\nhint: start with task: tagger",
        id="no task, tagger"),
    pytest.param(
        "seed: 1", "c.yaml  task: is missing\nhint: start with task: char or task: tagger",
        id="no task, no data"),
    pytest.param(
        "task: tagr\ndata: {train: x}\ntraining: {epochs: 1}",
        "c.yaml:1:7  task: expected char, tagger or tokenizer, found tagr\n| task: tagr\n|       ^^^^\n"
        "hint: did you mean tagger?", id="unknown task"),
    pytest.param(
        "task: music",
        "c.yaml:1:7  task: expected char, tagger or tokenizer, found music\n| task: music\n|       ^^^^^\n"
        "hint: char models symbols, tagger labels tokens, tokenizer finds tokens", id="different task"),
    pytest.param(
        "task: [char]", "c.yaml:1:7  task: expected char, tagger or tokenizer, found a list of 1",
        id="list of tasks"),
    pytest.param(
        "task: tagger\ntraining: {epochs: 1}",
        "c.yaml  data: is missing\nhint: a tagger needs a section data:", id="tagger without data"),
    pytest.param(
        "task: tagger\ndata: {dev: x}\ntraining: {epochs: 1}",
        "c.yaml:2:1  data.train: is missing\n| data: {dev: x}\n| ^^^^\nhint: name the training file",
        id="tagger without train"),
    pytest.param(
        "task: char\ndata:\n  text: x\ntraining:\n  epochs: 1\nmodel:\n",
        "c.yaml:6:1  model: the section is empty\n| model:\n| ^^^^^\nhint: write keys under it",
        id="empty section"),
    pytest.param(
        "task: char\ndata:\n  text: x\ntraining:\n",
        "c.yaml:4:1  training: the section is empty\n| training:\n| ^^^^^^^^\nhint: write keys under it",
        id="empty section that is needed"),
    pytest.param(
        "task: char\ndata:\n  text:\ntraining: {epochs: 1}",
        "c.yaml:3:3  data.text: has no value\n|   text:\n|   ^^^^\nhint: write a value after the colon",
        id="empty key"),
    pytest.param(
        "task: char\ndata: {text: x}\nmodell:\ntraining: {epochs: 1}", "c.yaml:3:1  modell: unknown key",
        id="empty unknown key"),
    pytest.param(
        "task: char\ndata:\n  text:\n  - x\n  -\ntraining: {epochs: 1}",
        "c.yaml:5:4  data.text[1]: has no value", id="empty item"),
    pytest.param(
        "task: char\ntask: char\ndata: {text: x}\ntraining: {epocs: 1}",
        "c.yaml:2:1  the key task is given twice\n| task: char\n| ^^^^\n"
        "hint: its first value is in line 1; delete one of the two\n"
        "c.yaml:4:12  training.epocs: unknown key\n| training: {epocs: 1}\n|            ^^^^^\n"
        "hint: did you mean epochs?", id="duplicate and misspelled"),
    pytest.param(
        "task: tagger\ndata: {train: x}\ntraining: {epochs: 1, optimizer: sgdd, nesterov: true}",
        "c.yaml:3:34  training.optimizer: expected", id="no contradiction with a wrong value"),
    pytest.param(
        "task: tagger\ndata: {train: x}\ntraining: 3",
        "c.yaml:3:11  training: expected a section of keys, found 3",
        id="no contradiction with a wrong section"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), STRUCTURE)
def test_wrong_structure_is_reported(text: str, expected: str) -> None:
    assert screen(text).startswith(expected)
    assert len(problems(text)) == expected.count("c.yaml")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        pytest.param("foo", "expected key=value", id="no equals sign"),
        pytest.param("=3", "expected key=value", id="no key"),
        pytest.param("training.=3", "expected key=value", id="incomplete key"),
        pytest.param("training.lr=", "training.lr: has no value", id="no value"),
        pytest.param("data.alphabet=#ab", "data.alphabet: has no value", id="a comment"),
        pytest.param("training.lr=[1", "not valid YAML: did not find expected ',' or ']'", id="open bracket"),
        pytest.param("training.lr=&a 1", "anchors (&a) are not allowed", id="anchor"),
        pytest.param(
            "training.lr.x=1",
            "training.lr: expected a number above 0 and at most 1000, found a section of keys",
            id="below a value",
        ),
    ],
)
def test_wrong_options_are_reported_without_a_source_line(option: str, message: str) -> None:
    found = problems(CHAR, option)
    assert [(problem.place, problem.source) for problem in found] == [(f"--set {option}", None)]
    assert message in (found[0].message, found[0].message.replace("<parser>", ""))


def test_single_feature_cannot_be_set() -> None:
    found = problems(
        TAGGER.replace("training", "model: {features: [{name: form}]}\ntraining"), "model.features.0.dim=3"
    )
    assert found[0].message == "model.features.0.dim: only model.features as a whole can be set"


def test_only_the_first_50_mistakes_are_reported() -> None:
    found = problems(CHAR + "\n".join(f"key{n}: 1" for n in range(200)))
    assert len(found) == 51
    assert found[-1].message == "and 150 more mistakes"


def test_option_overrides_a_wrong_value_of_the_file() -> None:
    assert read(CHAR.replace("epochs: 1", "epochs: x"), "training.epochs=2").settings.training.epochs == 2
