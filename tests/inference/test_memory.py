"""Loading needs at most 40 times the size of a model directory, also if somebody forged its files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqtool.settings.model import CharModel, Feature, TaggerModel
from seqtool.storage.model_directory import write_model
from tests.storage.test_model_directory import forge
from tests.support.random_models import character_parts, tagger_parts
from tests.support.shell import environment

FACTOR = 40  # times the size of the directory; docs/reliability.md
FIXED = 48 << 20  # bytes
SIZE = 1_500_000  # bytes of a forged file
LOAD = """
import resource, sys
from pathlib import Path
from seqtool.errors import ModelError
from seqtool.inference.load import load_model
import seqtool.data.tagging.word_encoder, seqtool.data.tokenization.rules
import seqtool.inference.character, seqtool.inference.tagger
from seqtool.storage.model_directory import read_model
folder = Path(sys.argv[1])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
size = sum(path.stat().st_size for path in folder.iterdir())
limit = used + {factor} * min(size, 100_000_000) + {fixed}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    load_model(read_model(folder))
    print("loaded")
except ModelError as error:
    print(error)
"""


def small_tagger(**config: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    features = (Feature(name="form", dim=2), Feature(name="char_cnn", dim=2))
    parts = tagger_parts(TaggerModel(hidden_size=4, projection=4, features=features))
    parts[0]["model"] |= config
    return parts


def vocab_with(value: bytes) -> Callable[[Path], None]:
    """Return a function that writes a tagger whose `vocab.json` contains one more value."""

    def write(folder: Path) -> None:
        config, vocab, weights = small_tagger()
        write_model(folder, config, vocab, weights, {})
        forge(folder, "vocab.json", json.dumps(vocab).encode()[:-1] + b',"x":' + value + b"}")

    return write


def many(item: bytes) -> bytes:
    """Return a JSON list of about `SIZE` bytes."""
    return b"[" + item * (SIZE // len(item)) + b"1]"


def half_precision(folder: Path) -> None:
    config, vocab, weights = character_parts(CharModel(hidden_size=256, embedding_dim=4), "\nabc")
    half = {name: array.astype(np.float16) for name, array in weights.items()}
    write_model(folder, config, vocab, half, {})


def many_layers(folder: Path) -> None:
    write_model(folder, *small_tagger(num_layers=10**9), {})


def sparse_weights(folder: Path) -> None:
    write_model(folder, *small_tagger(), {})
    with (folder / "weights.safetensors").open("ab") as file:
        file.truncate(20 << 30)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are measured on Linux")
@pytest.mark.parametrize(
    ("write", "outcome"),
    [
        pytest.param(vocab_with(many(b"[0],")), "loaded", id="many lists"),
        pytest.param(vocab_with(many(b'{"":0},')), "loaded", id="many objects"),
        pytest.param(vocab_with(b'"' + b"[" * SIZE + b'"'), "loaded", id="brackets in a string"),
        pytest.param(vocab_with(b'["' + b'\\"[' * (SIZE // 3) + b'"]'), "loaded", id="escaped quotes"),
        pytest.param(vocab_with(b"[" * SIZE), "nested too deep", id="brackets"),
        pytest.param(half_precision, "loaded", id="half precision"),
        pytest.param(many_layers, "1,000,000,000 layers, but only", id="many layers"),
        pytest.param(sparse_weights, "bytes of the manifest, found 21,4", id="sparse weights"),
    ],
)
def test_loading_needs_at_most_a_multiple_of_the_size(
    tmp_path: Path, write: Callable[[Path], None], outcome: str
) -> None:
    write(tmp_path / "model")
    code = LOAD.format(factor=FACTOR, fixed=FIXED)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        check=False,
        env=environment(OPENBLAS_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stderr
    assert outcome in done.stdout
