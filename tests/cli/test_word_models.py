"""Models of words: training, evaluation, scores, samples, inspection, export, resuming and adapting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import seqtool
from seqtool.data.text.words import split_words
from seqtool.data.vocabulary import text_bytes
from seqtool.data.word_vocabulary import WordSymbols
from seqtool.inference.character import CharacterModel
from tests.support.shell import PROJECT, Result, seqtool_in_process

TEXT = (
    "The old cat saw the dog, and the dog saw Zoë.\n“Don't go!” said the cat.\n" * 30 + "A quokka sat.\n" * 2
)
CONFIG = """
task: char
name: {name}
data: {{text: {text}, unit: word, {data}}}
model: {{hidden_size: 12, embedding_dim: 10, tied: true, output: adaptive, cutoffs: [8, 14],
  embedding_dropout: 0.1}}
training: {{epochs: 2, batch_size: 4, window: 12, lr: 0.02, activation_penalty: 1, slowness_penalty: 1,
  device: cpu, threads: 1}}
"""
MODELS = {
    "closed": "split: [0.8, 0.2]",
    "unknown": "min_count: 3, split: [0.8, 0.2]",
    "spelled": "min_count: 3, spell_unknown: true, split: [0.8, 0.2]",
    "lines": "min_count: 3, spell_unknown: true, per_line: true",
    "wikitext": "tokenized: true, split: [0.8, 0.2]",
}
UNSEEN = "The old xylophone 東 saw Zoë.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    tokens = "".join(
        " ".join(split_words(line)).replace("  ", " ") for line in TEXT.splitlines(keepends=True)
    )
    (folder / "tokens.txt").write_text(tokens.replace(" cat", " <unk>"), encoding="utf-8")
    (folder / "unseen.txt").write_text(UNSEEN, encoding="utf-8")
    for name, data in MODELS.items():
        text = "tokens.txt" if name == "wikitext" else "text.txt"
        (folder / f"{name}.yaml").write_text(CONFIG.format(name=name, text=text, data=data))
        done = run(folder, "train-char", f"{name}.yaml")
        assert done.code == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str) -> Result:
    return seqtool_in_process(*arguments, cwd=folder)


def model_of(folder: Path, name: str) -> CharacterModel:
    runtime = seqtool.load(folder / "runs" / name).runtime
    assert isinstance(runtime, CharacterModel)
    return runtime


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_has_perplexity_and_comparable_losses(folder: Path, name: str) -> None:
    found = json.loads(run(folder, "evaluate", f"runs/{name}", "--json").stdout)
    carried = found["carried"]
    assert found["unit"] == "word" and carried["perplexity"] == pytest.approx(math.exp(carried["nats"]))
    hidden = found["unknown_share"] > 0
    assert (carried["nats_per_char"] is None) == (carried["bits_per_byte"] is None) == hidden
    if name in ("spelled", "lines"):
        assert found["unknown_share"] == 0
    log = json.loads((folder / "runs" / name / "metrics.jsonl").read_text().splitlines()[-1])
    assert log["val_perplexity"] == pytest.approx(math.exp(log["val_loss"]))
    shown = run(folder, "evaluate", f"runs/{name}").stdout
    assert f"perplexity {carried['perplexity']:.2f} per word" in shown


def test_spelling_scores_all_of_a_text(folder: Path) -> None:
    found = json.loads(run(folder, "evaluate", "runs/spelled", "unseen.txt", "--json").stdout)
    carried, words = found["carried"], split_words(UNSEEN)
    scored = "".join(words[1:])
    assert found["symbols"] == len(words) - 1
    nats = carried["nats"] * found["symbols"]
    assert carried["nats_per_char"] == pytest.approx(nats / len(scored))
    assert carried["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(scored.encode()))
    score = json.loads(run(folder, "score", "--model", "runs/spelled", "--json", UNSEEN).stdout)
    assert (score["words"], score["characters"]) == (len(words) - 1, len(scored))
    assert score["nats_per_word"] == pytest.approx(carried["nats"])
    assert score["perplexity"] == pytest.approx(carried["perplexity"])
    symbols = run(folder, "score", "--model", "runs/spelled", "--symbols", "The 東").stdout.splitlines()
    names = [line.split("\t")[0] for line in symbols]
    assert names == ["<spell>", "< >", "<0xE6>", "<0x9D>", "<0xB1>", "</spell>"]


def test_closed_vocabulary_refuses_other_words_with_their_place(folder: Path) -> None:
    done = run(folder, "score", "--model", "runs/closed", "The cat\nA quagga")
    assert done.code == 2 and "argument 1:2:3  the word 'quagga' is not in the vocabulary" in done.stderr
    skipped = run(folder, "score", "--model", "runs/closed", "--unknown", "skip", "The cat saw a quagga")
    assert skipped.code == 0 and "left out: ▁a ▁quagga" in skipped.stderr
    done = run(folder, "evaluate", "runs/closed", "unseen.txt")
    assert done.code == 2 and "the word 'xylophone'" in done.stderr
    unknown = run(folder, "score", "--model", "runs/unknown", "The quagga")
    assert (
        "scored as the unknown symbol: ▁quagga" in unknown.stderr
        and "bits per byte       -" in unknown.stdout
    )


@pytest.mark.parametrize("name", MODELS)
def test_samples_are_proper_text_in_pieces(folder: Path, name: str) -> None:
    model = model_of(folder, name)
    pieces = list(model.sample("The", 30, seed=2))
    text = "".join(pieces)
    assert text and "<unk>" not in text and "<spell>" not in text and "  " not in text
    done = run(folder, "sample", "--model", f"runs/{name}", "-p", "The", "-l", "30", "--seed", "2")
    shown = text_bytes("The" + text).decode(
        "utf-8", "replace"
    )  # an untrained model may spell half a character
    assert done.stdout.removesuffix("\n") == shown.removesuffix("\n")
    stopped = "".join(model.sample("The", 200, seed=2, stop="."))
    assert "." not in stopped


def test_sampled_spelling_is_decoded(folder: Path) -> None:
    model = model_of(folder, "spelled")
    ids = model.encode("Zoé 東!")
    assert model.vocabulary.decode(ids.tolist()) == "Zoé 東!"
    from seqtool.inference.sampling import TextStream

    stream = TextStream("word", "!")
    pieces = [stream.add(model.vocabulary.texts[number]) for number in ids.tolist()]
    assert "".join(pieces) == "Zoé 東" and stream.stopped
    assert "東" in pieces  # as soon as its last byte is there


@pytest.mark.parametrize("name", ["spelled", "lines"])
def test_losses_are_those_of_the_scores(folder: Path, name: str) -> None:
    model = model_of(folder, name)
    lines = ["The old xylophone saw", "Zoë", "the dog, and"]
    for line, scores in zip(lines, model.score_lines(lines), strict=True):
        ids = model.encode("\n" + line + model.boundary)
        logits = model.forward(ids[:-1, None])[0][:, 0].astype(np.float64)
        logits -= np.log(np.exp(logits).sum(1, keepdims=True))
        expected = -logits[np.arange(len(ids) - 1), ids[1:]]
        assert scores.losses == pytest.approx(expected, abs=1e-5)
        assert scores.units == len(split_words(line + model.boundary))


@pytest.mark.parametrize("name", MODELS)
def test_other_commands_read_models_of_words(folder: Path, name: str) -> None:
    assert run(folder, "check", f"{name}.yaml").code == 0
    for command in (
        ["report"],
        ["play"],
        ["inspect"],
        ["inspect", "--text", "The cat"],
        ["export", "--to", "onnx"],
    ):
        done = run(folder, command[0], f"runs/{name}", *command[1:])
        assert done.code == 0, (command, done.stderr)
    done = run(folder, "export", f"runs/{name}", "--dtype", "int8", "--out", f"small-{name}")
    assert done.code == 0, done.stderr
    done = run(folder, "export", f"runs/{name}", "--dtype", "float16", "--out", f"half-{name}")
    assert done.code == 0, done.stderr
    scores = [
        json.loads(run(folder, "score", "--model", model, "--json", "The old cat saw the dog").stdout)
        for model in (f"runs/{name}", f"half-{name}")
    ]
    assert scores[1]["nats_per_word"] == pytest.approx(scores[0]["nats_per_word"], rel=2e-3)
    found = run(folder, "inspect", f"runs/{name}", "--text", "The old cat saw Zoë", "--find", "capitals")
    assert found.code == 0, found.stderr


def test_run_is_resumed_to_the_same_bytes(folder: Path) -> None:
    config = ("spelled.yaml", "--set", "name=resumed", "--quiet")
    assert run(folder, "train-char", *config, "--set", "training.epochs=1").code == 0
    done = run(folder, "train-char", *config, "--resume")
    assert done.code == 0, done.stderr
    files = [folder / "runs" / name / "model" / "weights.safetensors" for name in ("spelled", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(("name", "new"), [("spelled", 0), ("unknown", 3)])
def test_training_continues_on_another_text(folder: Path, name: str, new: int) -> None:
    (folder / "more.txt").write_text("The quagga saw the zebra. " * 40, encoding="utf-8")
    done = run(
        folder,
        "train-char",
        "more.txt",
        "--init-from",
        f"runs/{name}",
        "--set",
        "training.max_steps=1",
        "--set",
        "training.lr=1e-6",
    )
    assert done.code == 0, done.stderr
    vocabulary = model_of(folder, name).vocabulary
    assert isinstance(vocabulary, WordSymbols)
    assert f"symbols: {vocabulary.words} of the model, {new} new" in done.stderr + done.stdout
    before, after = model_of(folder, name), model_of(folder, "more")
    assert after.vocabulary.symbols[: len(before.vocabulary)] == before.vocabulary.symbols
    spelled = before.forward(before.encode("The cat xy")[:, None])[0]
    assert (
        np.abs(after.forward(after.encode("The cat xy")[:, None])[0][..., :8] - spelled[..., :8]).max() < 1e-3
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("unit: char, tokenized: true", "data.tokenized"),
        ("unit: word, alphabet: abc", "data.alphabet"),
        ("unit: word, spell_unknown: true", "data.spell_unknown"),
        ("unit: byte, max_symbols: 5", "data.max_symbols"),
    ],
)
def test_contradicting_settings_are_refused(folder: Path, keys: str, message: str) -> None:
    (folder / "wrong.yaml").write_text(f"task: char\nname: wrong\ndata: {{text: text.txt, {keys}}}\n")
    done = run(folder, "check", "wrong.yaml")
    assert done.code == 2 and message in done.stderr


def test_wikitext_config_follows_the_standard_protocol(folder: Path) -> None:
    """The file has the format of WikiText-2: a space around each line, <unk>, and @ marks."""
    lines = [" = Valkyria Chronicles = \n", " \n", " The game sold 1 @,@ 500 units and <unk> copies . \n"]
    for name, count in (("train", 60), ("valid", 12), ("test", 10)):
        (folder / f"wiki.{name}.tokens").write_text(
            "".join(lines * (count // len(lines) + 1)), encoding="utf-8"
        )
    keys = {
        "data.text": "wiki.train.tokens",
        "data.val": "wiki.valid.tokens",
        "data.test": "wiki.test.tokens",
    }
    small = {"model.hidden_size": 8, "model.embedding_dim": 6, "training.epochs": 1, "training.batch_size": 4}
    given = keys | small | {"training.window": 10, "training.device": "cpu", "training.warmup_steps": 0}
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]
    done = run(folder, "train-char", str(PROJECT / "configs/wikitext2.yaml"), *options)
    assert done.code == 0, done.stderr
    model = model_of(folder, "wikitext2")
    words = {word for line in lines for word in line.split()} | {"\n"}
    assert {symbol.strip(" ") for symbol in model.vocabulary.symbols} == words
    report = json.loads((folder / "runs/wikitext2/evaluation.json").read_text())["test"]
    tokens = sum(len(line.split()) + 1 for line in lines * (10 // len(lines) + 1))
    assert report["symbols"] == tokens - 1
    assert report["carried"]["perplexity"] == pytest.approx(math.exp(report["carried"]["nats"]))
    assert len(model.vocabulary.encode("".join(lines)).tolist()) == sum(
        len(line.split()) + 1 for line in lines
    )
    assert model.vocabulary.show("\n") == "<eos>"
