"""Train UDPipe 1, or tag raw text: python udpipe.py train TRAIN DEV MODEL [TOKENIZER] [TAGGER] | tag MODEL TEXT OUT."""

import sys
from pathlib import Path

from ufal import udpipe


def sentences(path):
    found, error = udpipe.Sentences(), udpipe.ProcessingError()
    reader = udpipe.InputFormat.newConlluInputFormat()
    reader.setText(Path(path).read_text(encoding="utf-8"))
    sentence = udpipe.Sentence()
    while reader.nextSentence(sentence, error):
        found.append(sentence)
        sentence = udpipe.Sentence()
    if error.occurred():
        sys.exit(error.message)
    return found


def train(train_file, dev_file, model, tokenizer=udpipe.Trainer.DEFAULT, tagger=udpipe.Trainer.DEFAULT):
    error = udpipe.ProcessingError()
    parts = sentences(train_file), sentences(dev_file)
    content = udpipe.Trainer.train("morphodita_parsito", *parts, tokenizer, tagger, udpipe.Trainer.NONE, error)
    if error.occurred():
        sys.exit(error.message)
    Path(model).write_bytes(content)


def tag(model, text, out):
    loaded = udpipe.Model.load(model) or sys.exit(f"{model}: cannot load")
    pipeline = udpipe.Pipeline(loaded, "tokenize", udpipe.Pipeline.DEFAULT, udpipe.Pipeline.NONE, "conllu")
    error = udpipe.ProcessingError()
    result = pipeline.process(Path(text).read_text(encoding="utf-8"), error)
    if error.occurred():
        sys.exit(error.message)
    Path(out).write_text(result, encoding="utf-8")


{"train": train, "tag": tag}[sys.argv[1]](*sys.argv[2:])
