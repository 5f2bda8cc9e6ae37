// Start of the page: read the data, build the networks and the views, compare scores with those of numpy.

// Weights of one part of the model, without its name.
function weightsOf(task, weights) {
  const own = {};
  for (const [name, values] of Object.entries(weights)) {
    if (name.startsWith(`${task}.`)) own[name.slice(task.length + 1)] = values;
  }
  return own;
}

// Largest difference of scores, as a share of max(1, |score|).
function largestDifference(ours, theirs) {
  let largestOne = 0;
  theirs.forEach((row, place) => row.forEach((score, column) => {
    const difference = Math.abs(ours[place][column] - score) / Math.max(1, Math.abs(score));
    if (!(difference <= largestOne)) largestOne = difference;
  }));
  return largestOne;
}

class Model {
  constructor(data, weights) {
    this.data = data;
    if (data.char) this.text = new TextNetwork(data.char, weightsOf("char", weights));
    if (data.tagger) {
      this.tagger = new TaggerNetwork(data.tagger, weightsOf("tagger", weights));
      this.tokenizer = new RuleTokenizer(data.tagger.pattern);
    }
    if (data.tokenizer) this.tokenizer = new TrainedTokenizer(data.tokenizer, weightsOf("tokenizer", weights));
  }

  // Scores after each symbol of a text model.
  scoresOfSymbols(ids) {
    const recordings = this.text.recordings(ids.length + 1);
    return ids.map((number, place) => {
      this.text.step(number, recordings, place, place + 1);
      return this.text.hasOutput ? this.text.logits(recordings, place + 1) : this.text.outputOf(recordings, place + 1, this.text.layers.length - 1).slice();
    });
  }

  // Compares the scores of the page with those that numpy computed.
  selfTest() {
    if (this.text) {
      const { ids, scores } = this.data.char.check;
      return { what: `${ids.length} symbols`, difference: largestDifference(this.scoresOfSymbols(ids), scores), same: true };
    }
    if (!this.tagger) return null;
    const { tokens, scores, labels } = this.data.tagger.check;
    const found = this.tagger.tag(tokens);
    return { what: `${tokens.length} words`, difference: largestDifference(found.scores, scores), same: JSON.stringify(found.columns) === JSON.stringify(labels) };
  }
}

const TOLERANCE = 1e-4;

function showSelfTest(parent, model) {
  const result = model.selfTest();
  if (!result || result.what.startsWith("0 ")) return;
  const passed = result.difference <= TOLERANCE && result.same;
  add(parent, "p", { id: "self-test", text: `Self-test: the scores of ${result.what} differ from those of numpy by at most ${result.difference.toExponential(1)}: ${passed ? "passed" : "failed"}.` });
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const holder = document.getElementById("weights");
  const model = new Model(data, readWeights(data.index, decodeBase64(holder.textContent)));
  holder.remove(); // the text of the weights is no longer needed
  const page = document.getElementById("page"), footer = document.getElementById("footer");
  setText(document.getElementById("name"), visibleText(data.name));
  setText(document.getElementById("title"), data.title);
  for (const note of data.notes) add(page, "p", { class: "note", text: visibleText(note) });
  const shapes = data.index.filter(([name]) => name.startsWith("char.")).map(([name, shape]) => [name.slice(5), shape]);
  let view = null;
  if (model.text) view = new CharacterPage(page, model.text, data.char, shapes);
  else if (model.tagger) view = new TaggerPage(page, model.tagger, model.tokenizer, data.tagger);
  else view = new TokenizerPage(page, model.tokenizer);
  addTraining(page, data.history);
  addNetwork(page, data.parts);
  add(footer, "p", { text: `Created by seqtool ${data.version}. This page needs no network and loads no external resource.` });
  showSelfTest(footer, model);
  window.seqtool = { model, view, TextTrace, Sample, drawNumber, probabilities: samplingProbabilities }; // for the console of the browser, and for tests
}

function addNetwork(parent, parts) {
  const section = addSection(parent, "Network");
  const frame = add(section, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "parts of the network" });
  const table = add(frame, "table", { class: "facts" });
  const head = make("tr", {}, ...["part", "sizes", "parameters"].map((text) => make("th", { scope: "col", text })));
  const rows = parts.map((part) => make("tr", {}, make("th", { scope: "row", text: part.name }), make("td", { text: part.description }), make("td", { class: "number", text: part.parameters ? part.parameters.toLocaleString("en") : "" })));
  table.append(make("thead", {}, head), make("tbody", {}, ...rows));
}

start();
