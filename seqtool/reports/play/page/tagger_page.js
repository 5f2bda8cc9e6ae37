// The page of a tagger: a sentence with labels and probabilities, its words, hidden units, label sequences.

const SHOWN_LABELS = 24; // columns of a table of labels
const SHOWN_TRANSITIONS = 40; // labels of a table of label pairs
const LEAST_PROBABILITY = 0.005; // of a label that gets a column
const LONGEST_SENTENCE = 400; // tokens

class TaggerPage {
  constructor(parent, network, tokenizer, section) {
    this.network = network;
    this.tokenizer = tokenizer;
    this.section = section;
    this.hidden = new Set(); // places of hidden words
    this.selected = 0;
    this.sentence = 0;
    this.buildSentence(parent);
    this.buildWord(parent);
    this.buildProbabilities(parent);
    this.buildUnits(parent);
    this.buildPaths(parent);
    this.input.value = section.text;
    this.edit();
  }

  // --- building -------------------------------------------------------------------------------------------

  buildSentence(parent) {
    const split = this.tokenizer.meta ? "The trained tokenizer splits it into sentences and words." : this.section.tokenizer === "basic" ? "It is split into words by rules; each line is a sentence." : "Put spaces between the words; each line is a sentence.";
    const section = addSection(parent, "Sentence", `Type. ${split} Below each word is its label. Words that the training data do not contain are underlined.`);
    this.input = make("textarea", { rows: 2, spellcheck: "false", autocomplete: "off" });
    add(section, "label", { class: "wide" }, make("span", { text: "Text" }), this.input);
    const controls = add(section, "div", { class: "controls" });
    this.chooser = selectInput([]);
    this.chooserField = addField(controls, "Sentence", this.chooser);
    this.list = new SymbolList(section, "words with their labels", (place) => this.select(place), "reading tokens");
    const buttons = add(section, "div", { class: "controls" });
    this.hide = add(buttons, "button", { type: "button", text: "Hide the word" });
    this.showAll = add(buttons, "button", { type: "button", text: "Show all words" });
    this.effect = add(section, "p", { class: "legend", "aria-live": "polite" });
    this.input.addEventListener("input", () => this.edit());
    this.chooser.addEventListener("change", () => this.openSentence(Number(this.chooser.value)));
    this.hide.addEventListener("click", () => this.toggle());
    this.showAll.addEventListener("click", () => { this.hidden.clear(); this.update(); });
  }

  buildWord(parent) {
    const section = addSection(parent, "Word", "What the network reads of the selected word.");
    this.wordTitle = add(section, "p", { class: "legend", "aria-live": "polite" });
    const frame = add(section, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "features of the word" });
    this.features = add(frame, "table", { class: "facts" });
    this.bars = add(section, "ol", { class: "bars" });
  }

  buildProbabilities(parent) {
    const section = addSection(parent, "Label probabilities", "Labels that are likely at no word are left out.");
    const frame = add(section, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "label probabilities" });
    this.table = add(frame, "table", { class: "numbers" });
  }

  buildUnits(parent) {
    const { model, encoder } = this.network;
    const section = addSection(parent, "Hidden units");
    this.sources = encoder.layers.flatMap((_, layer) => encoder.directions.map((direction, number) => ({ layer, number, name: `layer ${layer + 1}, ${direction}` })));
    this.units = new UnitPanel(section, {
      sources: this.sources.map((source) => source.name),
      cell: model.cell,
      hidden: model.hidden_size,
      onSelect: (column) => this.select(this.kept[column]),
      onChange: () => this.drawUnits(),
    });
  }

  buildPaths(parent) {
    const section = addSection(parent, "Best label sequences");
    this.pathsHint = add(section, "p", { class: "hint" });
    const frame = add(section, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "best label sequences" });
    this.paths = add(frame, "table", { class: "facts" });
    const rules = this.network.rules[0];
    if (!rules) return;
    const isCrf = this.network.model.decoder === "crf";
    const title = isCrf ? "Scores of label pairs (CRF)" : "Allowed label pairs";
    add(section, "h3", { text: title });
    add(section, "p", { class: "hint", text: "Rows are the label before, columns the label after; “start” and “end” are the ends of the sentence. × is forbidden." });
    const pairs = add(section, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title });
    this.drawTransitions(add(pairs, "table", { class: "numbers" }), rules, isCrf);
  }

  drawTransitions(table, rules, isCrf) {
    const { labels } = this.network, count = Math.min(labels.length, SHOWN_TRANSITIONS);
    const names = labels.slice(0, count).map((label) => shorten(visibleText(label), 16));
    const scores = [...rules.start, ...rules.transitions, ...rules.end].filter((score) => score > -5e5);
    const size = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 1e-9);
    const head = add(add(table, "thead"), "tr", {}, make("td"));
    [...names, "end"].forEach((text) => add(head, "th", { scope: "col", text }));
    const body = add(table, "tbody");
    const row = (name, score, end) => {
      const line = add(body, "tr", {}, make("th", { scope: "row", text: name }));
      for (let to = 0; to <= count; to++) {
        const value = to < count ? score(to) : end;
        const text = value === null ? "" : value < -5e5 ? "×" : isCrf ? value.toFixed(2) : "";
        const cell = add(line, "td", { text });
        if (value !== null) paint(cell, value < -5e5 ? [90, 90, 90] : diverging(value / size));
      }
    };
    row("start", (to) => rules.start[to], null);
    for (let from = 0; from < count; from++) row(names[from], (to) => pairScore(rules, from, to, labels.length), rules.end[from]);
    if (labels.length > count) add(table, "caption", { text: `The first ${count} of ${labels.length} labels.` });
  }

  // --- editing --------------------------------------------------------------------------------------------

  edit() {
    this.sentences = this.tokenizer.sentences(this.input.value).map((tokens) => tokens.slice(0, LONGEST_SENTENCE));
    this.chooserField.hidden = this.sentences.length < 2;
    this.chooser.replaceChildren(...this.sentences.map((tokens, place) => make("option", { value: place, text: `${place + 1}: ${shorten(visibleText(tokens.join(" ")), 40)}` })));
    this.openSentence(Math.min(this.sentence, Math.max(0, this.sentences.length - 1)));
  }

  openSentence(number) {
    const before = (this.tokens || []).length;
    this.sentence = number;
    this.chooser.value = number;
    this.tokens = this.sentences[number] || [];
    if (this.tokens.length !== before) this.hidden.clear();
    this.selected = Math.min(this.selected, Math.max(0, this.tokens.length - 1));
    this.whole = this.network.tag(this.tokens);
    this.update();
  }

  toggle() {
    if (this.hidden.has(this.selected)) this.hidden.delete(this.selected);
    else if (this.hidden.size < this.tokens.length - 1) this.hidden.add(this.selected);
    this.update();
  }

  select(place) {
    this.selected = place;
    this.draw();
  }

  // Tags the words that are not hidden.
  update() {
    this.kept = this.tokens.map((_, place) => place).filter((place) => !this.hidden.has(place));
    this.result = this.hidden.size ? this.network.tag(this.kept.map((place) => this.tokens[place])) : this.whole;
    this.draw();
  }

  // --- drawing --------------------------------------------------------------------------------------------

  draw() {
    this.drawList();
    this.drawEffect();
    this.drawWord();
    this.drawProbabilities();
    this.drawUnits();
    this.drawPaths();
  }

  probabilityOf(result, place) {
    return result.probabilities[place][result.numbers[place]];
  }

  drawList() {
    const items = this.tokens.map((token, place) => {
      const at = this.kept.indexOf(place);
      const name = visibleText(token), known = this.network.known(token);
      if (at < 0) return { text: name, name: `${name}, hidden`, below: [["hidden", "gone"]], color: [200, 200, 200] };
      const moved = this.result.labels[at] !== this.whole.labels[place] ? "moved" : "";
      const probability = this.probabilityOf(this.result, at);
      const labels = this.result.columns.map((column) => [shorten(visibleText(column[at]), 24), moved]);
      return { text: name, name: `${name}, ${visibleText(this.result.labels[at])}${known ? "" : ", unknown word"}`, known, below: [...labels.slice(0, 4), [percent(probability), ""]], color: mix(PALE, [123, 92, 190], probability * 0.5) };
    });
    this.list.update(items, this.selected);
    items.forEach((item, place) => this.list.cells[place].top.classList.toggle("unknown", item.known === false));
  }

  drawEffect() {
    this.hide.disabled = !this.tokens.length || (!this.hidden.has(this.selected) && this.hidden.size >= this.tokens.length - 1);
    const word = this.tokens.length ? `“${shorten(visibleText(this.tokens[this.selected]), 30)}”` : "the word";
    setText(this.hide, `${this.hidden.has(this.selected) ? "Show" : "Hide"} ${word}`);
    this.showAll.disabled = !this.hidden.size;
    if (!this.hidden.size) {
      setText(this.effect, this.tokens.length ? "Hide a word to see which labels change without it." : "There is no word.");
      return;
    }
    const changes = this.kept.map((place, at) => {
      const before = this.whole.labels[place], after = this.result.labels[at];
      if (before !== after) return `“${visibleText(this.tokens[place])}” changes from ${visibleText(before)} to ${visibleText(after)}`;
      return null;
    }).filter((text) => text);
    setText(this.effect, `${changes.length ? changes.join("; ") : "No label changes"}. ${this.largestLoss()}`);
  }

  // The word whose label loses the most probability.
  largestLoss() {
    let best = null;
    this.kept.forEach((place, at) => {
      const label = this.whole.numbers[place];
      const loss = this.whole.probabilities[place][label] - this.result.probabilities[at][label];
      if (!best || Math.abs(loss) > Math.abs(best.loss)) best = { place, label, loss };
    });
    if (!best || Math.abs(best.loss) < LEAST_PROBABILITY) return "No probability changes much.";
    const verb = best.loss > 0 ? "loses" : "gains";
    return `The label ${visibleText(this.network.labels[best.label])} of “${visibleText(this.tokens[best.place])}” ${verb} most: ${percent(Math.abs(best.loss))}.`;
  }

  drawWord() {
    const token = this.tokens[this.selected];
    if (token === undefined) {
      setText(this.wordTitle, "There is no word.");
      this.features.replaceChildren();
      this.bars.replaceChildren();
      return;
    }
    const { embedder } = this.network, form = embedder.normal(token), count = embedder.count(token);
    const known = embedder.known(token) ? `known: it occurs ${count.toLocaleString("en")} ${count === 1 ? "time" : "times"} in the training data` : "unknown: the training data do not contain it";
    setText(this.wordTitle, `“${visibleText(token)}” is ${known}.`);
    const head = make("tr", {}, ...["feature", "value", "row of the embedding", "vector"].map((text) => make("th", { scope: "col", text })));
    const rows = embedder.features.map((feature) => {
      const isTable = feature instanceof LookupFeature;
      const value = isTable ? featureValue(feature.feature, form) : charactersOfWord(form, new Map()).length - 2 + " characters";
      const row = isTable ? (feature.known(form) ? String(feature.row(form)) : feature.row(form) < 0 ? "unknown: mean of all rows" : `${feature.row(form)} (unknown value)`) : "computed from the characters";
      return make("tr", {}, make("th", { scope: "row", text: featureName(feature.feature) }), make("td", { text: visibleText(value) }), make("td", { text: row }), make("td", { class: "vector", text: vectorText(feature.vector(form).slice(0, 6)) + (feature.width > 6 ? ` … ${feature.width}` : "") }));
    });
    this.features.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    const at = this.kept.indexOf(this.selected);
    const probabilities = at < 0 ? [] : this.result.probabilities[at];
    drawBars(this.bars, largest(probabilities, 5).map((label) => [shorten(visibleText(this.network.labels[label]), 24), probabilities[label]]));
  }

  likelyLabels() {
    const { labels } = this.network, sums = new Float64Array(labels.length), highest = new Float64Array(labels.length);
    for (const row of this.result.probabilities) {
      row.forEach((value, label) => {
        sums[label] += value;
        highest[label] = Math.max(highest[label], value);
      });
    }
    return largest(sums, SHOWN_LABELS).filter((label) => highest[label] >= LEAST_PROBABILITY).sort((a, b) => a - b);
  }

  drawProbabilities() {
    const shown = this.likelyLabels(), { labels } = this.network;
    const head = make("tr", {}, make("td"), ...shown.map((label) => make("th", { scope: "col", text: shorten(visibleText(labels[label]), 16) })));
    const rows = this.kept.map((place, at) => {
      const line = make("tr", { class: place === this.selected ? "on" : null }, make("th", { scope: "row", text: shorten(visibleText(this.tokens[place]), 24) }));
      for (const label of shown) {
        const value = this.result.probabilities[at][label];
        paint(add(line, "td", { text: value >= LEAST_PROBABILITY ? value.toFixed(2) : "" }), mix(PALE, [123, 92, 190], value));
      }
      return line;
    });
    this.table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }

  drawUnits() {
    const { recordings } = this.result;
    this.units.draw({
      symbols: recordings.length ? this.kept.map((place) => shorten(visibleText(this.tokens[place]), 12)) : [],
      selected: this.kept.indexOf(this.selected),
      states: (source, part, column) => {
        const { layer, number } = this.sources[source];
        return recordings[layer][number].at(part, this.network.encoder.slot(number, column));
      },
    });
  }

  drawPaths() {
    const paths = this.network.paths(this.result.scores, 2);
    const different = new Set();
    if (paths.length > 1) paths[0].labels.forEach((label, at) => { if (label !== paths[1].labels[at]) different.add(at); });
    const independent = this.network.model.decoder === "softmax" || !this.network.rules[0];
    setText(this.pathsHint, independent ? "The labels of the words are chosen independently: the probability of a sequence is the product of their probabilities." : "The sequences with the highest scores, found by exact search; label pairs count too.");
    const head = make("tr", {}, make("th", { scope: "col", text: "word" }), ...paths.map((path, rank) => make("th", { scope: "col", text: `${rank ? "second" : "best"}: ${percent(path.probability)}` })));
    const rows = this.kept.map((place, at) => make("tr", {}, make("th", { scope: "row", text: shorten(visibleText(this.tokens[place]), 24) }), ...paths.map((path) => make("td", { class: different.has(at) ? "moved" : null, text: visibleText(path.labels[at]) }))));
    this.paths.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }
}

// The page of a tokenizer alone: sentences and words of a text.
class TokenizerPage {
  constructor(parent, tokenizer) {
    const part = addSection(parent, "Text", "Type. The tokenizer splits each line into sentences and words.");
    const input = add(add(part, "label", { class: "wide" }, make("span", { text: "Text" })), "textarea", { rows: 4, spellcheck: "false" });
    const list = add(part, "ol", { class: "sentences", "aria-live": "polite" });
    const draw = () => {
      list.replaceChildren(...tokenizer.sentences(input.value).map((words) => make("li", {}, ...words.map((word) => make("span", { class: "token", text: visibleText(word) })))));
    };
    input.value = "Type a text here. It is split into sentences.";
    input.addEventListener("input", draw);
    draw();
  }
}
