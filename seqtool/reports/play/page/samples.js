// Sampling step by step, and the training of the model.

const SAMPLING_CANDIDATES = 10;

function symbolText(symbol, unit, isGuess = false) {
  if (symbol === "\n") return "↵";
  if (isGuess && symbol === " ") return "␣";
  if (unit === "byte" && symbol > "\x7e") return symbol.charCodeAt(0).toString(16).toUpperCase();
  return visibleText(symbol);
}

class SamplePanel {
  constructor(parent, network, prompt) {
    this.network = network;
    const section = addSection(parent, "Sample", "The model continues the prompt, one symbol at a time. Select a symbol to see what else was possible there; select a candidate to continue from it.");
    const controls = add(section, "div", { class: "controls" });
    this.prompt = make("textarea", { rows: 2, spellcheck: "false" });
    this.prompt.value = prompt;
    add(section, "label", { class: "wide" }, make("span", { text: "Prompt" }), this.prompt);
    this.temperature = numberInput(1, { min: 0, step: 0.1 });
    this.topK = numberInput(0, { min: 0, step: 1 });
    this.topP = numberInput(1, { min: 0.01, max: 1, step: 0.05 });
    this.seed = numberInput(0, { min: 0, step: 1 });
    addField(controls, "Temperature", this.temperature, "divides the scores; 0 always takes the best symbol");
    addField(controls, "Top-k (0: all)", this.topK, "choose among the k best symbols only");
    addField(controls, "Top-p", this.topP, "choose among the best symbols that together have this probability");
    addField(controls, "Seed", this.seed, "equal seeds give equal texts in this page");
    const buttons = add(section, "div", { class: "controls" });
    const button = (text, run) => add(buttons, "button", { type: "button", text }).addEventListener("click", run);
    button("One symbol", () => this.grow(1));
    button("50 symbols", () => this.grow(50));
    button("Start again", () => this.restart());
    this.output = add(section, "pre", { class: "sampled", "aria-live": "polite" });
    this.list = new SymbolList(section, "sampled symbols", (place) => this.show(place), "reading sample-list");
    this.hint = add(section, "p", { class: "legend" });
    this.candidates = add(section, "div", { class: "candidates" });
    this.prompt.addEventListener("change", () => this.restart());
    this.restart();
  }

  get options() {
    const number = (input, fallback) => {
      const value = Number(input.value);
      return input.value !== "" && Number.isFinite(value) && value >= 0 ? value : fallback;
    };
    return {
      temperature: number(this.temperature, 1),
      topK: Math.round(number(this.topK, 0)),
      topP: Math.min(1, number(this.topP, 1) || 1),
      seed: Math.round(number(this.seed, 0)),
    };
  }

  restart() {
    this.sample = new Sample(this.network, this.prompt.value);
    this.selected = 0;
    this.draw();
  }

  grow(count) {
    for (let step = 0; step < count && !this.sample.ended; step++) this.sample.add(this.options);
    this.selected = this.sample.ids.length;
    this.draw();
  }

  show(place) {
    this.selected = place;
    this.draw();
  }

  draw() {
    const { table } = this.network, { ids } = this.sample;
    setText(this.output, visibleLines(table.decode(ids)) || "(nothing sampled yet)");
    const items = ids.map((number) => ({ text: symbolText(table.symbols[number], table.unit), name: symbolText(table.symbols[number], table.unit, true), below: [] }));
    this.list.update(items, Math.min(this.selected, ids.length - 1));
    this.drawCandidates(this.selected);
  }

  drawCandidates(place) {
    const { table } = this.network, { ids } = this.sample;
    const scores = this.sample.scores(place), probabilities = samplingProbabilities(scores, this.options);
    const isNext = place >= ids.length;
    setText(this.hint, isNext ? "Candidates for the next symbol:" : `Candidates in place of symbol ${place + 1}, “${symbolText(table.symbols[ids[place]], table.unit, true)}”:`);
    if (this.sample.ended && isNext) setText(this.hint, "The sample has ended. Select one of its symbols to continue from there.");
    const best = largest(probabilities, SAMPLING_CANDIDATES).filter((number) => probabilities[number] > 0);
    this.candidates.replaceChildren(...(this.sample.ended && isNext ? [] : best).map((number) => {
      const chosen = number === ids[place];
      const button = make("button", { type: "button", class: chosen ? "chosen" : null }, make("b", { text: symbolText(table.symbols[number], table.unit, true) }), ` ${percent(probabilities[number])}`);
      button.addEventListener("click", () => {
        this.sample.replace(place, number, this.options);
        this.selected = this.sample.ids.length;
        this.draw();
      });
      return button;
    }));
  }
}

// --- training -----------------------------------------------------------------------------------------------

const CURVES = { train_loss: "training", val_loss: "validation" };

// The axis of the loss curve: the epoch, or the step if an epoch has several rows.
function timeAxis(rows) {
  const several = rows.some((row, place) => place && row.epoch === rows[place - 1].epoch);
  return several && rows.every((row) => "step" in row) ? "step" : "epoch";
}

// Loss curve with a slider over the samples or predictions of training.
function addTraining(parent, { rows, samples }) {
  const axis = timeAxis(rows);
  const curves = Object.entries(CURVES)
    .map(([column, name]) => ({ name, points: rows.filter((row) => column in row).map((row) => [row[axis], row[column]]) }))
    .filter((curve) => curve.points.length);
  if (!curves.length && !samples.length) return;
  const section = addSection(parent, "Training", samples.length ? "Move the slider to see what the model wrote at that time." : null);
  const moveMarker = curves.length ? drawCurves(add(section, "div", { class: "chart" }), curves, axis, "nats") : () => {};
  if (!samples.length) return;
  const slider = make("input", { type: "range", min: 0, max: samples.length - 1, value: samples.length - 1 });
  add(section, "label", { class: "wide" }, make("span", { text: "Sample" }), slider);
  const title = add(section, "p", { class: "legend", "aria-live": "polite" });
  const text = add(section, "pre", { class: "sampled" });
  const show = () => {
    const sample = samples[Number(slider.value)];
    const time = [sample.epoch === null ? "" : `epoch ${sample.epoch}`, sample.step === null ? "" : `step ${sample.step}`];
    setText(title, `${time.filter(Boolean).join(", ")}${sample.expected === null ? "" : `; expected: ${shorten(visibleText(sample.expected), 200)}`}`);
    setText(text, visibleLines(sample.text));
    if (sample[axis] !== null) moveMarker(sample[axis]);
  };
  slider.addEventListener("input", show);
  show();
}
