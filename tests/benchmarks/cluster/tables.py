"""Spark, Ray, Dask and Hugging Face datasets with the same worker, on a table with 5 % nulls; killed workers.

Needs pyspark with a Java runtime, ray, dask and datasets.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from seqtool.batch import Tagger
from tests.support.shell import PROJECT, seqtool

SCHEMA = "id long, text string, tokens array<string>, labels array<string>"


def train(folder: Path) -> str:
    """Train a small tagger and return the path of its model."""
    options = ("--name", "toy", "--quiet", "--set", "training.threads=1")
    done = seqtool("train-tagger", PROJECT / "configs/toy_tagger.yaml", *options, cwd=folder, timeout=600)
    assert done.code == 0, done.stderr
    return str(folder / "runs/toy/model")


def rows(count: int) -> list[tuple[int, str | None]]:
    """Return numbered sentences, 5 % of them nulls."""
    draw = random.Random(1)
    words = ["The", "dog", "ate", "the", "apple", "Everybody", "read", "that", "book"]
    return [
        (number, None if draw.random() < 0.05 else " ".join(draw.choices(words, k=draw.randint(1, 12))))
        for number in range(count)
    ]


def expected(model: str, table: list[tuple[int, str | None]]) -> dict[int, Any]:
    """Return the result of one process by the number of the row."""
    tokens, labels = Tagger(model).tag(text for _, text in table)
    return {number: (text, *found) for (number, text), *found in zip(table, tokens, labels, strict=True)}


def check(name: str, wanted: dict[int, Any], found: list[dict[str, Any]]) -> None:
    """Compare the rows of an engine with those of one process."""
    assert len(found) == len(wanted), f"{name}: {len(found)} of {len(wanted)} rows"
    for row in found:
        parts = [None if row[key] is None else list(row[key]) for key in ("tokens", "labels")]
        assert (row["text"], *parts) == wanted[row["id"]], f"{name}: {row}"
    nulls = sum(row["text"] is None for row in found)
    print(f"{name}: {len(found):,} rows, {nulls:,} nulls, none lost or changed", flush=True)


def kill_later(pattern: bytes, seconds: float, killed: list[int]) -> threading.Thread:
    """Kill one process started by this one whose command line has a text, after some seconds."""

    def search() -> None:
        deadline = time.monotonic() + 60
        time.sleep(seconds)
        while not killed and time.monotonic() < deadline:
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and _is_descendant(int(entry.name)):
                    try:
                        if pattern in (entry / "cmdline").read_bytes():
                            os.kill(int(entry.name), signal.SIGKILL)
                            killed.append(int(entry.name))
                            return
                    except OSError:
                        continue
            time.sleep(0.1)

    thread = threading.Thread(target=search, daemon=True)
    thread.start()
    return thread


def _is_descendant(number: int) -> bool:
    while number > 1 and number != os.getpid():
        try:
            number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return number == os.getpid()


def spark(model: str, table: list[tuple[int, str | None]], wanted: dict[int, Any]) -> None:
    """Tag with Spark on two executors, then again with a killed executor."""
    import pyspark
    from pyspark.sql import SparkSession

    os.environ |= {"SPARK_HOME": str(Path(pyspark.__file__).parent), "PYSPARK_PYTHON": sys.executable}
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    frame = session.createDataFrame(table, "id long, text string").repartition(16)
    tagger = Tagger(model)
    check(
        "Spark mapInPandas",
        wanted,
        [row.asDict() for row in frame.mapInPandas(tagger.frames, SCHEMA).collect()],
    )
    killed: list[int] = []
    kill_later(b"CoarseGrainedExecutorBackend", 1.0, killed)
    check(
        "Spark mapInArrow",
        wanted,
        [row.asDict() for row in frame.mapInArrow(tagger.frames, SCHEMA).collect()],
    )
    print(f"  killed executors of Spark: {len(killed)}")
    session.stop()


def ray(model: str, table: list[tuple[int, str | None]], wanted: dict[int, Any]) -> None:
    """Tag with two actors of Ray, one of which is killed, in batches of each format."""
    import ray as engine

    variables = {"env_vars": {"PYTHONPATH": os.environ["PYTHONPATH"]}}
    engine.init(num_cpus=4, include_dashboard=False, logging_level="error", runtime_env=variables)
    engine.data.DataContext.get_current().enable_progress_bars = False
    items = [{"id": number, "text": text} for number, text in table]
    data = engine.data.from_items(items).repartition(16).materialize()
    for batch_format in ("pyarrow", "numpy", "pandas"):
        killed: list[int] = []
        if batch_format == "pyarrow":
            kill_later(b"ray::MapWorker", 0.5, killed)
        result = data.map_batches(
            Tagger,
            fn_constructor_args=(model,),
            batch_format=batch_format,
            batch_size=100,
            compute=engine.data.ActorPoolStrategy(size=2),
        )
        found = result.take_all()
        check(f"Ray {batch_format}, {len(killed)} killed actors", wanted, found)
    engine.shutdown()


def others(model: str, table: list[tuple[int, str | None]], wanted: dict[int, Any]) -> None:
    """Tag with Dask and Hugging Face datasets."""
    import dask.dataframe
    import datasets
    import pandas as pd

    tagger = Tagger(model)
    columns = {"id": [number for number, _ in table], "text": [text for _, text in table]}
    datasets.disable_progress_bars()
    check(
        "datasets",
        wanted,
        datasets.Dataset.from_dict(columns).map(tagger, batched=True, num_proc=2).to_list(),
    )
    frame = dask.dataframe.from_pandas(pd.DataFrame(columns), npartitions=4)
    meta = {"id": "int64", "text": "string", "tokens": object, "labels": object}
    result = frame.map_partitions(tagger, meta=meta).compute(scheduler="processes")
    records = result.astype(object).where(result.notna(), None).to_dict("records")
    check("Dask", wanted, records)


def all_engines(folder: Path, count: int) -> None:
    """Run all engines on the same table."""
    os.environ["PYTHONPATH"] = str(PROJECT)
    model = train(folder)
    table = rows(count)
    wanted = expected(model, table)
    for engine in (others, spark, ray):
        engine(model, table, wanted)
