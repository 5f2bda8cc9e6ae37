"""Random tokenizers, and small treebanks to train them on."""

from __future__ import annotations

from pathlib import Path

import torch

from seqtool.data.tokenization.boundaries import OUTPUTS
from seqtool.data.tokenization.characters import CharacterEncoder
from seqtool.data.tokenization.expansions import Expansions
from seqtool.inference.tokenizer import TokenizerModel
from seqtool.inference.tokenizer_config import TokenizerConfig, TokenizerVocabulary
from seqtool.models.tokenizer import TokenizerNetwork, build_tokenizer_network
from seqtool.models.weights import weight_arrays
from seqtool.settings.model import TokenizerModel as Settings

ALPHABET = "abcdefgABC 012.,!?'«»"
EXPANSIONS = Expansions({"ab": ("a", "the", "b")}, {}, {})


def random_tokenizer(
    settings: Settings, seed: int = 1, inner_spaces: bool = False
) -> tuple[TokenizerNetwork, TokenizerModel]:
    """Return a network in torch and a tokenizer in numpy with the same weights, as large as trained ones."""
    encoder = CharacterEncoder.build([ALPHABET], 1)
    network = build_tokenizer_network(settings, encoder.classes, OUTPUTS, seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.mul_(5 if name.startswith("output.") else 2 if name.startswith("encoder.") else 1)
    weights = weight_arrays(network)
    config = TokenizerConfig(settings, inner_spaces)
    return network.eval(), TokenizerModel(config, TokenizerVocabulary(encoder, EXPANSIONS), weights)


TREEBANK = [  # tokens of sentences; `_` joins a token to the next one, `=` gives the words of a token
    "The dog barks_ .",
    "Dr._ Smith ca|n't go_ .",
    "Where is du=de|le cat_ ?",
    "I gave 20 apples to Mr._ Brown_ .",
    "Yes_ !",
    "We cannot=can|not see des=de|les trees_ .",
]


def write_treebank(path: Path, repeats: int = 6, paragraphs: bool = True) -> Path:
    """Write a small treebank with clitics, multiword tokens and abbreviations."""
    lines = []
    for number in range(repeats * len(TREEBANK)):
        if paragraphs and number % 4 == 0:
            lines.append("# newpar")
        word = 0
        for item in TREEBANK[number % len(TREEBANK)].split():
            misc = "SpaceAfter=No" if item.endswith("_") else "_"
            form, _, expanded = item.rstrip("_").partition("=")
            words = (expanded or form).split("|")
            form = form.replace("|", "")
            if len(words) > 1:
                lines.append("\t".join([f"{word + 1}-{word + len(words)}", form, *"_" * 7, misc]))
                misc = "_"
            for part in words:
                word += 1
                cells = [
                    str(word),
                    part,
                    part.lower(),
                    "X",
                    "_",
                    "_",
                    "0" if word == 1 else "1",
                    "dep",
                    "_",
                    misc,
                ]
                lines.append("\t".join(cells))
        lines.append("")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
