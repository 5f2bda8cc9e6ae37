"""Times and size of the play page in headless Chromium: a network such as that of configs/shakespeare.yaml.

    python -m tests.benchmarks.play [--model shakespeare]

The network reads 1,000 symbols. A text of 2,000 symbols is edited at its end and elsewhere; an edit takes
until the browser has painted the page, without the work in the background that follows. On a busy machine,
times by the clock say little, so the CPU time of the page's main thread is printed beside them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seqtool.reports.play.collect import collect_play
from seqtool.reports.play.render import render_play
from seqtool.settings.model import CharModel
from seqtool.storage.find_model import find_model
from tests.support.browser import CHROMIUM, DRIVER, MISSING, chromium
from tests.support.play_pages import write_page
from tests.support.random_models import character_parts

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TIMES = 12  # repetitions of an edit
EDITED, READ = 2000, 1000  # symbols

READ_SYMBOLS = """
const { model, TextTrace } = window.seqtool, count = model.text.table.symbols.length;
const ids = Array.from({ length: arguments[0] }, (_, place) => (7 * place * place + place) % count);
const started = performance.now(), trace = new TextTrace(model.text);
trace.setIds(ids);
trace.run(ids.length);
return performance.now() - started;
"""
FILL = """
const { model, view } = window.seqtool, [length, done] = [arguments[0], arguments[1]];
const { symbols } = model.text.table;
const known = (symbol) => symbols.includes(symbol);
let text = "";
while (text.length < length) text += [..."The dog ate the apple, and nobody saw it. "].filter(known).join("");
view.input.value = text.slice(0, length);
view.input.setSelectionRange(length, length);
view.edit();
const wait = () => (view.base.done >= view.ids.length ? done(view.ids.length) : setTimeout(wait, 20));
wait();
"""
EDIT = """
const [place, done] = arguments, { view } = window.seqtool, { input } = view;
const letter = input.value[place] === "a" ? "e" : "a";
const text = input.value.slice(0, place) + letter + input.value.slice(place + 1);
requestAnimationFrame(() => setTimeout(() => {
  const started = performance.now();
  view.waiting = true; // no work in the background
  input.value = text;
  input.setSelectionRange(place + 1, place + 1);
  input.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - started);
    port2.postMessage(null);
  });
}));
"""
SETTLED = """
const [done] = arguments, { view } = window.seqtool;
view.waiting = false;
view.continueInBackground();
const wait = () => (view.base.done >= view.ids.length ? done() : setTimeout(wait, 10));
wait();
"""
READY = """
const { domContentLoadedEventEnd, startTime } = performance.getEntriesByType("navigation")[0];
return domContentLoadedEventEnd - startTime;
"""


def thread_time(driver: Chrome) -> float:
    """Return the CPU seconds of the main thread of the page."""
    metrics = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "ThreadTime")


def measured(
    driver: Chrome, work: Callable[[int], float], prepare: Callable[[], object] = lambda: None
) -> str:
    """Return the least and the median time of several calls, and the median CPU time."""
    work(0)  # the browser compiles the code
    times, cpu = [], []
    for number in range(TIMES):
        prepare()
        before = thread_time(driver)
        times.append(work(number))
        cpu.append(1000 * (thread_time(driver) - before))
    by_clock = f"least {min(times):5.0f} ms, median {statistics.median(times):5.0f} ms"
    return f"{by_clock}, CPU least {min(cpu):5.0f} ms, median {statistics.median(cpu):5.0f} ms"


def times(driver: Chrome, page: Path) -> None:
    """Print the times of a page."""

    def ready(_: int) -> float:
        driver.get("about:blank")
        driver.get(page.as_uri())
        return float(driver.execute_script(READY))

    def edit_at(place: int) -> float:
        return float(driver.execute_async_script(EDIT, place))

    def settle() -> None:
        driver.execute_async_script(SETTLED)

    driver.execute_cdp_cmd("Performance.enable", {})
    loads = [ready(number) for number in range(TIMES)]
    by_clock = f"least {min(loads):5.0f} ms, median {statistics.median(loads):5.0f} ms"
    print(f"ready                {by_clock}  (<= 1,000 ms)")
    read: Callable[[int], float] = lambda _: float(driver.execute_script(READ_SYMBOLS, READ))  # noqa: E731
    print(f"{READ:,} symbols        {measured(driver, read)}  (<= 500 ms)")
    length = int(driver.execute_async_script(FILL, EDITED))
    at_end = measured(driver, lambda _: edit_at(length - 1), settle)
    print(f"edit at the end      {at_end}  (<= 50 ms; of {length:,} symbols)")
    places = [length // 2, 10, length // 4, 3 * length // 4]
    elsewhere = measured(driver, lambda number: edit_at(places[number % len(places)]), settle)
    print(f"edit elsewhere       {elsewhere}  (<= 100 ms; the visible part)")


def size_of(model: CharModel, folder: Path) -> None:
    """Print the size of the page of a random network."""
    page = write_page(folder / "large", character_parts(model, [chr(place) for place in range(32, 97)]))
    note = "float16" if "stored as float16" in page.read_text(encoding="utf-8") else "float32"
    print(f"page of LSTM {model.hidden_size:<11} {page.stat().st_size / 1e6:6.2f} MB  ({note})")


def main() -> None:
    """Print all numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shakespeare", help="text model (default: the pretrained one)")
    arguments = parser.parse_args()
    if not (CHROMIUM and DRIVER):
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "play.html"
        data = collect_play(find_model(arguments.model, Path("runs")), None)
        page.write_text(render_play(data), encoding="utf-8")
        print(f"page of {arguments.model:<16} {page.stat().st_size / 1e6:6.2f} MB  (<= 3.5 MB)")
        for hidden in (320, 700):  # float32, and more than 8 MB of weights
            size_of(CharModel(hidden_size=hidden, embedding_dim=64), folder)
        with chromium(folder / "profile") as driver:
            driver.set_script_timeout(120)
            times(driver, page)


if __name__ == "__main__":
    main()
