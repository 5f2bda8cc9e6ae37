// The page of a text model: a text with predictions and surprisal, hidden units, changes of states, one step in
// numbers. A model of aligned pairs shows its output below its input.

const WINDOW = 120; // symbols that are shown at once
const SLICE_MS = 12; // time of a portion of background work
const CLASSIFIED = { conditions: 60, symbols: 100 }; // most conditions and longest line that are classified
const SHOWN_CONDITIONS = 3;

class CharacterPage {
  constructor(parent, network, section, shapes) {
    this.network = network;
    this.section = section;
    this.aligned = network.kind === "pairs";
    this.base = new TextTrace(network);
    this.changed = null; // the trace with a changed state
    this.selected = 0;
    this.start = 0;
    this.ids = [];
    this.buildText(parent);
    this.buildUnits(parent);
    this.buildChange(parent);
    this.buildStep(parent);
    if (!this.aligned && network.hasOutput) this.sample = new SamplePanel(parent, network, section.text.split("\n")[0].slice(0, 40));
    const count = shapes.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    addWeights(parent, network, shapes, count <= TABLE_NUMBERS);
    this.input.value = section.text;
    this.input.setSelectionRange(0, 0);
    this.edit();
  }

  get trace() {
    return this.changed || this.base;
  }

  // --- building -------------------------------------------------------------------------------------------

  buildText(parent) {
    const below = this.aligned ? "the output of the model" : "the five most probable next symbols, the best first";
    const section = addSection(parent, this.aligned ? "Input and output" : "Text",
      `Type. Below each symbol is ${this.network.hasOutput ? below : "nothing, since the network has no output layer"}. Select a symbol with the mouse, or with the arrow keys in the row of symbols.`);
    this.input = make("textarea", { rows: this.aligned ? 1 : 4, spellcheck: "false", autocomplete: "off" });
    add(section, "label", { class: "wide" }, make("span", { text: this.aligned ? "Input" : "Text" }), this.input);
    this.status = add(section, "p", { class: "legend", "aria-live": "polite" });
    const controls = add(section, "div", { class: "controls" });
    if (this.network.conditions.length) this.buildCondition(controls, section);
    const colors = this.aligned ? [] : [["surprisal", "surprisal"]];
    this.color = selectInput([...colors, ["unit", "the selected hidden unit"], ["effect", "effect of the changed state"]]);
    addField(controls, "Color", this.color);
    this.slider = make("input", { type: "range", min: 0, max: 0, step: WINDOW / 2, value: 0 });
    this.windowField = addField(controls, "Part of the text", this.slider);
    this.legend = add(section, "p", { class: "hint" });
    this.reading = new SymbolList(section, this.aligned ? "input symbols with the output below" : "symbols of the text with predictions below", (place, beyond) => this.selectInWindow(place, beyond));
    this.detail = add(section, "div", { class: "detail" });
    this.facts = add(this.detail, "div");
    this.bars = add(this.detail, "ol", { class: "bars" });
    this.input.addEventListener("input", () => this.edit());
    this.input.addEventListener("select", () => this.follow());
    this.color.addEventListener("change", () => this.draw());
    this.slider.addEventListener("input", () => {
      this.start = Number(this.slider.value);
      this.select(Math.min(this.ids.length - 1, this.start));
    });
  }

  buildCondition(controls, section) {
    this.condition = selectInput(this.network.conditions.map((name, number) => [number, visibleText(name)]));
    this.condition.value = this.network.condition;
    addField(controls, "Condition", this.condition, "class of the lines, which the network reads beside every symbol");
    this.classes = add(section, "p", { class: "legend", id: "conditions", "aria-live": "polite" });
    this.condition.addEventListener("change", () => this.setCondition(Number(this.condition.value)));
  }

  setCondition(number) {
    this.network.condition = number;
    this.base = new TextTrace(this.network);
    if (this.changed) this.changed = new TextTrace(this.network, this.changed.changes);
    this.edit();
    if (this.sample) this.sample.restart();
  }

  buildUnits(parent) {
    const { model } = this.network;
    const section = addSection(parent, "Hidden units");
    this.units = new UnitPanel(section, {
      sources: Array.from({ length: model.num_layers }, (_, layer) => `layer ${layer + 1}`),
      cell: model.cell,
      hidden: model.hidden_size,
      onSelect: (column) => this.select(this.start + column),
      onChange: () => this.draw(),
    });
  }

  buildChange(parent) {
    const { model } = this.network;
    const section = addSection(parent, "Change a state", "Set a unit, or a whole state, to a value and see the effect on the predictions.");
    const controls = add(section, "div", { class: "controls" });
    this.changePart = selectInput((model.cell === "lstm" ? ["h", "c"] : ["h"]).map((part) => [part, `${part} (${MEANINGS[part]})`]));
    this.changeLayer = selectInput(Array.from({ length: model.num_layers }, (_, layer) => [layer, layer + 1]));
    this.changeUnit = numberInput(1, { min: 1, max: model.hidden_size, step: 1 });
    this.changeAll = make("input", { type: "checkbox" });
    this.changeValue = numberInput(0, { step: 0.1 });
    this.changeWhere = selectInput([["all", "every symbol"], ["one", "the selected symbol"], ["from", "the selected symbol and those after it"]]);
    if (model.num_layers > 1) addField(controls, "Layer", this.changeLayer);
    if (model.cell === "lstm") addField(controls, "State", this.changePart);
    addField(controls, "Unit", this.changeUnit);
    addField(controls, "All units", this.changeAll);
    addField(controls, "Value", this.changeValue);
    addField(controls, "At", this.changeWhere);
    add(controls, "button", { type: "button", text: "Set" }).addEventListener("click", () => this.applyChange());
    this.undo = add(controls, "button", { type: "button", text: "Undo", disabled: true });
    this.undo.addEventListener("click", () => this.removeChange());
    this.effect = add(section, "p", { class: "legend", "aria-live": "polite", text: "Nothing is changed." });
  }

  buildStep(parent) {
    const section = addSection(parent, "One step in numbers", "The step at the selected symbol. All other units are computed like the selected one.");
    this.stepTitle = add(section, "p", { class: "legend" });
    this.step = add(section, "div", { class: "scroll equations", tabindex: "0", role: "region", "aria-label": "the step in numbers" });
  }

  // --- editing --------------------------------------------------------------------------------------------

  edit() {
    const { ids, missing, cut } = TextTrace.ids(this.network, this.input.value);
    this.ids = ids;
    this.problems = "";
    if (missing.length) this.problems += ` Left out, since the model does not know them: ${shorten(missing.map((one) => visibleText(one)).join(" "), 60)}.`;
    if (cut) this.problems += ` Only the first ${ids.length.toLocaleString("en")} symbols are read.`;
    this.base.setIds(ids);
    if (this.changed) this.changed.setIds(ids);
    this.follow();
  }

  // Selects the symbol before the caret, which was just typed.
  follow() {
    const caret = this.network.table.encode(this.input.value.slice(0, this.input.selectionEnd || 0)).ids.length;
    this.select(Math.max(0, Math.min(this.ids.length - 1, caret - 1)));
  }

  selectInWindow(place, beyond) {
    this.select(Math.min(this.ids.length - 1, Math.max(0, this.start + place + beyond)));
  }

  // Selects a position; the window moves if it is outside.
  select(position) {
    this.selected = Math.max(0, position);
    const half = WINDOW / 2;
    while (this.selected < this.start) this.start -= half;
    while (this.selected >= this.start + WINDOW) this.start += half;
    if (this.start >= this.ids.length) this.start = Math.max(0, Math.floor((this.ids.length - 1) / half) * half);
    this.start = Math.max(0, this.start);
    this.draw();
    this.continueInBackground();
  }

  // Computes the rest of the text in portions, so that typing is not delayed.
  continueInBackground() {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      const traces = this.changed ? [this.base, this.changed] : [this.base];
      const deadline = performance.now() + SLICE_MS;
      const done = traces.every((trace) => trace.run(this.ids.length, deadline));
      this.drawStatus();
      if (!done) this.continueInBackground();
    }, 0);
  }

  applyChange() {
    const unit = this.changeAll.checked ? -1 : Math.min(this.network.model.hidden_size, Math.max(1, Number(this.changeUnit.value) || 1)) - 1;
    const where = this.changeWhere.value;
    const change = {
      layer: Number(this.changeLayer.value),
      part: this.changePart.value,
      unit,
      value: Number(this.changeValue.value) || 0,
      first: where === "all" ? 0 : this.selected,
      last: where === "one" ? this.selected : Infinity,
    };
    this.changed = new TextTrace(this.network, [change]);
    this.changed.setIds(this.ids);
    this.undo.disabled = false;
    this.color.value = "effect";
    this.draw();
    this.continueInBackground();
  }

  removeChange() {
    this.changed = null;
    this.undo.disabled = true;
    if (this.color.value === "effect") this.color.value = this.aligned ? "unit" : "surprisal";
    this.draw();
  }

  // --- drawing --------------------------------------------------------------------------------------------

  get end() {
    return Math.min(this.ids.length, this.start + WINDOW);
  }

  draw() {
    this.base.run(this.end);
    if (this.changed) this.changed.run(this.end);
    const { table } = this.network;
    const symbols = this.ids.slice(this.start, this.end).map((number) => symbolText(table.symbols[number], table.unit));
    this.windowField.hidden = this.ids.length <= WINDOW;
    this.slider.max = Math.max(0, Math.ceil((this.ids.length - WINDOW) / (WINDOW / 2)) * (WINDOW / 2));
    this.slider.value = this.start;
    this.units.draw({ ...this.unitView(), symbols, selected: this.selected - this.start });
    this.drawReading(symbols);
    this.drawDetail();
    this.drawStep();
    this.drawConditions();
    this.drawStatus();
  }

  drawReading(symbols) {
    const { trace, network } = this, { table } = network;
    const shown = this.aligned ? Math.min(1, trace.width) : trace.width;
    const colors = this.cellColors();
    const items = symbols.map((text, column) => {
      const position = this.start + column, below = [];
      for (let rank = 0; rank < shown; rank++) {
        const at = position * trace.width + rank;
        const before = this.changed ? this.base.guesses[at] !== trace.guesses[at] : this.isEdited(position);
        const sure = trace.probabilities[at] > 0.5 ? "sure" : "";
        below.push([symbolText(table.symbols[trace.guesses[at]], table.unit, true), rank === 0 && before ? `${sure} moved` : sure]);
      }
      return { text, name: text === " " ? "space" : text, below, color: colors(position, column) };
    });
    this.reading.root.classList.toggle("aligned", this.aligned);
    this.reading.update(items, this.selected - this.start);
  }

  // Whether the output at a position differs from that for the first input of the page.
  isEdited(position) {
    const first = this.firstTrace, { trace } = this;
    return first !== null && position < first.done && first.guesses[position * first.width] !== trace.guesses[position * trace.width];
  }

  // Trace of the first input of a page of aligned pairs, with which edited inputs are compared.
  get firstTrace() {
    if (!this.aligned) return null;
    if (!this.first) {
      this.first = new TextTrace(this.network);
      this.first.setIds(TextTrace.ids(this.network, this.section.text).ids);
      this.first.run(this.first.ids.length);
    }
    return this.first;
  }

  // Returns the color of a position, and writes what the colors mean.
  cellColors() {
    const { trace, units } = this;
    if (this.color.value === "surprisal") {
      setText(this.legend, "Orange symbols are those that the model did not expect (full orange: 8 bits or more).");
      return (position) => surprisalColor(trace.bits[position]);
    }
    if (this.color.value === "effect") {
      const what = this.aligned ? "the probability of the first output" : "the surprisal of each symbol";
      setText(this.legend, this.changed ? `Change of ${what}: red is more, blue is less.` : "Nothing is changed yet; see “Change a state” below.");
      return (position) => diverging(this.effectAt(position));
    }
    const part = units.part.value, size = Math.max(1e-9, units.largest(this.unitView(), units.layer, part));
    setText(this.legend, `${units.unitName}: blue is low, red is high.`);
    const view = this.unitView();
    return (position, column) => diverging(shade(part, view.states(units.layer, part, column)[units.unit], size));
  }

  // Values of units in the shown part of the text, also before a change or an edit.
  unitView() {
    const reader = (trace) => (layer, part, column) => trace.recordings[layer].at(part, trace.slot(this.start + column));
    const first = this.firstTrace, view = { symbols: { length: this.end - this.start }, states: reader(this.trace) };
    if (this.changed) return { ...view, before: reader(this.base), beforeName: "without the change" };
    if (!first || first.ids.length < this.end || String(first.ids) === String(this.ids)) return view;
    return { ...view, before: reader(first), beforeName: `for “${shorten(visibleText(this.section.text), 12)}”` };
  }

  effectAt(position) {
    if (!this.changed) return 0;
    if (!this.aligned) return ((this.changed.bits[position] - this.base.bits[position]) || 0) / 4;
    return this.changed.probabilities[position * this.changed.width] - this.base.probabilities[position * this.base.width];
  }

  drawDetail() {
    const { trace, network, selected } = this, { table } = network;
    if (!this.ids.length) {
      this.facts.replaceChildren();
      this.bars.replaceChildren();
      return;
    }
    const lines = [`Symbol ${selected + 1} of ${this.ids.length}: “${symbolText(table.symbols[this.ids[selected]], table.unit, true)}”`];
    const bits = trace.bits[selected];
    if (!this.aligned && network.hasOutput) {
      lines.push(Number.isNaN(bits) ? "It was not predicted: it is the first symbol." : `surprisal ${bits.toFixed(2)} bits (probability ${percent(2 ** -bits)})${this.changed ? `; ${this.base.bits[selected].toFixed(2)} bits without the change` : ""}`);
    }
    if (trace.width) lines.push(this.aligned ? "Output of the model:" : "Most probable next symbols:");
    this.facts.replaceChildren(...lines.map((text) => make("p", { text })));
    drawBars(this.bars, Array.from({ length: trace.width }, (_, rank) => {
      const at = selected * trace.width + rank;
      return [symbolText(table.symbols[trace.guesses[at]], table.unit, true), trace.probabilities[at]];
    }));
  }

  drawStep() {
    const { trace, network, selected } = this, layerNumber = this.units.layer;
    if (!this.ids.length) {
      this.step.replaceChildren();
      return;
    }
    const layer = network.layers[layerNumber], record = trace.recordings[layerNumber];
    const from = trace.slotBefore(selected), to = trace.slot(selected), number = this.ids[selected];
    const x = layerNumber ? network.outputOf(trace.recordings, to, layerNumber - 1) : network.inputVector(number);
    const symbol = symbolText(network.table.symbols[number], network.table.unit, true);
    const under = network.condition === null ? "" : `, then the embedding of ${visibleText(network.conditions[network.condition])}`;
    const xName = layerNumber ? `output of layer ${layerNumber}` : network.model.input === "onehot" ? `“${symbol}” as one-hot vector${under}` : `embedding of “${symbol}”${under}`;
    const t = selected + 1;
    setText(this.stepTitle, `Symbol ${t}, “${symbol}”${network.layers.length > 1 ? `, layer ${layerNumber + 1}` : ""}`);
    const lines = stepLines({
      layer, weights: network.weights, x, xName, t, unit: this.units.unit,
      before: (part) => record.at(part, from),
      after: (part) => record.at(part, to),
    });
    if (network.hasOutput && layerNumber === network.layers.length - 1) lines.push(...this.outputLines(t, to));
    showLines(this.step, lines);
  }

  // Lines from the state to the prediction.
  outputLines(t, slot) {
    const { network, trace } = this, scores = network.logits(trace.recordings, slot);
    const names = network.table.symbols.slice(0, SHOWN_NUMBERS).map((symbol) => symbolText(symbol, network.table.unit, true)).join(" ");
    const best = argmax(scores), probabilities = softmax(scores);
    const weight = network.bridge ? "E·B" : "W";
    const y = network.model.residual && network.layers.length > 1 ? "y" : "h";
    return [
      ["", "gap"],
      [`scores${t} = ${weight}·${y}${t} + b = ${vectorText(scores)}   (of ${names}${network.table.symbols.length > SHOWN_NUMBERS ? " …" : ""})`, "result"],
      [`softmax = ${vectorText(probabilities)}`],
      [`the best is “${symbolText(network.table.symbols[best], network.table.unit, true)}” with ${percent(probabilities[best])}`],
    ];
  }

  // The most probable conditions of the line that contains the selected symbol.
  drawConditions() {
    if (!this.classes || !this.network.hasOutput || this.network.conditions.length > CLASSIFIED.conditions) return;
    const boundary = this.base.boundary, start = this.ids.lastIndexOf(boundary, this.selected - 1) + 1;
    const line = this.selected ? this.ids.slice(start) : this.ids;
    const ids = line.slice(0, line.indexOf(boundary) + 1);
    if (!ids.length || ids.length > CLASSIFIED.symbols) {
      setText(this.classes, ids.length ? "This line is too long to be classified in this page." : "");
      return;
    }
    const probabilities = this.network.conditionProbabilities(ids);
    const best = largest(probabilities, Math.min(SHOWN_CONDITIONS, probabilities.length));
    const shown = Array.from(best, (number) => `${visibleText(this.network.conditions[number])} ${percent(probabilities[number])}`);
    setText(this.classes, `Most probable conditions of this line: ${shown.join(", ")}.`);
  }

  drawStatus() {
    const { trace } = this, count = this.ids.length, unit = this.network.table.unit === "byte" ? "bytes" : "symbols";
    let text = `${count.toLocaleString("en")} ${unit}`;
    if (trace.done < count) text += `, ${trace.done.toLocaleString("en")} computed`;
    const mean = meanBits(trace);
    if (mean !== null) text += `; mean surprisal ${mean.toFixed(3)} bits`;
    setText(this.status, `${text}.${this.problems || ""}`);
    this.drawEffect();
  }

  drawEffect() {
    if (!this.changed) {
      setText(this.effect, "Nothing is changed.");
      return;
    }
    const [change] = this.changed.changes, done = Math.min(this.base.done, this.changed.done);
    let moved = 0;
    for (let position = 0; position < done; position++) {
      if (this.base.guesses[position * this.base.width] !== this.changed.guesses[position * this.changed.width]) moved++;
    }
    const what = change.unit < 0 ? `all units of ${change.part}` : `${change.part}${change.unit + 1}`;
    const where = change.first === change.last ? `at symbol ${change.first + 1}` : change.first ? `from symbol ${change.first + 1} on` : "at every symbol";
    const means = [this.base, this.changed].map(meanBits);
    const bits = means[0] === null ? "" : ` The mean surprisal changes from ${means[0].toFixed(3)} to ${means[1].toFixed(3)} bits.`;
    setText(this.effect, `${what} of layer ${change.layer + 1} is ${change.value} ${where}. The best prediction changes at ${moved} of ${done} symbols.${bits}`);
  }
}

// Mean surprisal of the computed symbols; null if none was predicted.
function meanBits(trace) {
  let sum = 0, count = 0;
  for (let position = 0; position < trace.done; position++) {
    if (!Number.isNaN(trace.bits[position])) {
      sum += trace.bits[position];
      count++;
    }
  }
  return count ? sum / count : null;
}
