// A text model: symbols in, scores of symbols out, one symbol at a time.

const GUESSES = 5; // most probable symbols that are kept at each position
const TRACE_BYTES = 100e6; // memory for states and gates, which limits the length of a text
const SHORTEST_LIMIT = 2000, LONGEST_LIMIT = 20000;

class SymbolTable {
  constructor(meta) {
    this.symbols = meta.symbols;
    this.unit = meta.unit;
    this.unknown = meta.unknown;
    this.nfc = meta.normalize === "nfc";
    this.words = meta.words; // only of a model of words: pattern, number of the first word, characters of spelled words
    const first = this.words ? this.words.first : 0;
    this.numbers = new Map(meta.symbols.slice(first).map((symbol, number) => [symbol, first + number]));
    if (!this.words) return;
    this.pattern = new RegExp(this.words.pattern, "gu");
    const characters = this.words.characters ?? [];
    this.characters = new Map(characters.map((character, place) => [character, 2 + place]));
    this.firstByte = 2 + characters.length;
  }

  split(text) {
    const normal = this.nfc ? text.normalize("NFC") : text;
    if (this.unit === "word") {
      const found = normal.match(this.pattern) ?? [];
      return this.words.tokenized ? found.map((token) => (token === "\n" ? token : ` ${token}`)) : found;
    }
    if (this.unit !== "byte") return Array.from(normal);
    return Array.from(new TextEncoder().encode(normal), (byte) => String.fromCharCode(byte));
  }

  // Returns the numbers of the symbols, and the unknown symbols that are left out.
  encode(text) {
    const ids = [], missing = new Set();
    for (const symbol of this.split(text)) {
      const number = this.numbers.get(symbol);
      if (number !== undefined) ids.push(number);
      else if (this.words?.characters) ids.push(...this.spelled(symbol));
      else if (this.unknown !== null) ids.push(this.unknown);
      else missing.add(symbol);
    }
    return { ids, missing: [...missing] };
  }

  // A word as characters between two marks; a character that the model does not know, as its bytes.
  spelled(word) {
    const ids = [0];
    for (const character of word) {
      const number = this.characters.get(character);
      if (number !== undefined) ids.push(number);
      else for (const byte of new TextEncoder().encode(character)) ids.push(this.firstByte + byte);
    }
    ids.push(1);
    return ids;
  }

  decode(ids) {
    if (this.words?.characters) return this.decodeSpelled(ids);
    const symbols = ids.map((number) => this.symbols[number]);
    if (this.unit !== "byte") return symbols.join("");
    return new TextDecoder().decode(Uint8Array.from(symbols, (symbol) => symbol.charCodeAt(0)));
  }

  decodeSpelled(ids) {
    const bytes = [], encoder = new TextEncoder();
    for (const number of ids) {
      if (number >= this.words.first) bytes.push(...encoder.encode(this.symbols[number]));
      else if (number >= this.firstByte) bytes.push(number - this.firstByte);
      else if (number > 1) bytes.push(...encoder.encode(this.words.characters[number - 2]));
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }
}

class TextNetwork {
  constructor(meta, weights) {
    this.model = meta.model;
    this.kind = meta.kind;
    this.weights = weights;
    this.table = new SymbolTable(meta);
    this.layers = [];
    for (let layer = 0; layer < this.model.num_layers; layer++) {
      this.layers.push(new Layer(weights, `encoder.${layer}.forward.`, this.model));
    }
    this.conditions = meta.conditions ? meta.conditions.names : [];
    this.conditionCounts = meta.conditions ? meta.conditions.counts : [];
    this.condition = meta.conditions ? meta.condition : null; // number of the condition that every step reads
    this.gatesBySymbol = new Map(); // input gates of the first layer, which depend on the condition and the symbol
    this.gates = this.layers.map((layer) => new Float32Array(layer.rows));
    this.output = weights[this.model.tied ? "embedding.weight" : "output.weight"];
    this.hasOutput = this.model.output !== "none";
    const count = this.table.symbols.length, cutoffs = this.model.output === "adaptive" ? this.model.cutoffs : [];
    this.bounds = [...cutoffs.filter((cutoff) => cutoff < count), count]; // of the groups of an adaptive output
    this.bridge = weights["bridge.weight"];
    this.bridged = new Float32Array(this.bridge ? this.model.embedding_dim : 0);
    this.y = new Float32Array(this.model.hidden_size);
  }

  // Vector that the first layer reads: the embedding of a symbol, or its one-hot vector, and the embedding of the condition.
  inputVector(number) {
    const symbol = this.symbolVector(number);
    if (this.condition === null) return symbol;
    const dim = this.model.condition_dim, vector = new Float32Array(symbol.length + dim);
    vector.set(symbol);
    vector.set(this.weights["condition.weight"].subarray(this.condition * dim, (this.condition + 1) * dim), symbol.length);
    return vector;
  }

  symbolVector(number) {
    const table = this.weights["embedding.weight"];
    if (table) return table.subarray(number * this.model.embedding_dim, (number + 1) * this.model.embedding_dim);
    const vector = new Float32Array(this.table.symbols.length);
    vector[number] = 1;
    return vector;
  }

  gatesOfSymbol(number) {
    const key = (this.condition || 0) * this.table.symbols.length + number;
    let gates = this.gatesBySymbol.get(key);
    if (!gates) {
      const layer = this.layers[0];
      gates = this.model.input === "onehot" && this.condition === null
        ? layer.inputGatesOfSymbol(number)
        : layer.inputGates(this.inputVector(number));
      this.gatesBySymbol.set(key, gates);
    }
    return gates;
  }

  // Calls a function under a condition, and returns its result.
  under(condition, run) {
    const before = this.condition;
    this.condition = condition;
    try {
      return run();
    } finally {
      this.condition = before;
    }
  }

  // Probability of each condition given a whole line: symbol numbers with the line break at its end.
  conditionProbabilities(ids) {
    const boundary = this.table.numbers.get("\n");
    const total = this.conditionCounts.reduce((sum, count) => sum + Math.max(count, 0.5), 0);
    const joint = this.conditions.map((_, condition) => this.under(condition, () => {
      const recordings = this.recordings(ids.length + 1);
      let sum = Math.log(Math.max(this.conditionCounts[condition], 0.5) / total);
      [boundary, ...ids.slice(0, -1)].forEach((number, place) => {
        this.step(number, recordings, place, place + 1);
        const scores = this.logits(recordings, place + 1);
        sum += scores[ids[place]] - logSum(scores);
      });
      return sum;
    }));
    return softmax(Float64Array.from(joint));
  }

  recordings(slots) {
    return this.layers.map((layer, number) => {
      const record = new Recording(layer.kind, layer.hidden, slots);
      writeInitialState(this.weights, this.model, number, "forward", record, 0);
      return record;
    });
  }

  // Reads a symbol. `adjust` may change the state of a layer after its step.
  step(number, recordings, from, to, adjust) {
    this.layers.forEach((layer, index) => {
      const gates = index
        ? layer.inputGates(this.outputOf(recordings, to, index - 1), this.gates[index])
        : this.gatesOfSymbol(number);
      layer.step(gates, recordings[index], from, to);
      if (adjust) adjust(index, recordings[index], to);
    });
  }

  // Output of a layer: its state, plus the output of the layer below in a residual network.
  outputOf(recordings, slot, layer) {
    const state = recordings[layer].at("h", slot);
    if (!this.model.residual || !layer) return state;
    const below = this.outputOf(recordings, slot, layer - 1);
    return state.map((value, unit) => value + below[unit]);
  }

  logits(recordings, slot) {
    let y = this.outputOf(recordings, slot, this.layers.length - 1);
    if (this.bridge) y = multiply(this.bridge, y, this.bridged);
    const scores = multiply(this.output, y, new Float32Array(this.table.symbols.length), this.weights["output.bias"]);
    if (this.bounds.length > 1) this.normalize(scores, y);
    return scores;
  }

  // Replaces the scores of an adaptive output by log probabilities.
  normalize(scores, y) {
    const { bounds, weights } = this;
    const groups = multiply(weights["clusters.weight"], y, new Float32Array(bounds.length - 1), weights["clusters.bias"]);
    const head = new Float32Array(bounds[0] + groups.length);
    head.set(scores.subarray(0, bounds[0]));
    head.set(groups, bounds[0]);
    const total = logSum(head);
    for (let number = 0; number < bounds[0]; number++) scores[number] -= total;
    groups.forEach((score, group) => {
      const part = scores.subarray(bounds[group], bounds[group + 1]);
      const shift = score - total - logSum(part);
      for (let number = 0; number < part.length; number++) part[number] += shift;
    });
  }

  // Largest number of symbols whose states fit into memory.
  get longest() {
    const bytes = 4 * this.layers.length * PARTS[this.model.cell].length * this.model.hidden_size;
    return Math.min(LONGEST_LIMIT, Math.max(SHORTEST_LIMIT, Math.floor(TRACE_BYTES / bytes)));
  }
}

// States, predictions and surprisal of a text. After an edit, only the symbols from the edit on are computed
// again. A model of lines starts each line in the state after a line break.
class TextTrace {
  // `changes` are interventions: { layer, part, unit (-1: all), value, first, last } by position.
  constructor(network, changes = []) {
    this.network = network;
    this.changes = changes;
    this.lines = network.kind === "lines";
    this.boundary = network.table.numbers.get("\n");
    this.first = this.lines ? 1 : 0;
    this.ids = [];
    this.done = 0; // positions that are computed
    this.width = network.hasOutput ? Math.min(GUESSES, network.table.symbols.length) : 0;
    this.recordings = network.recordings(64);
    this.guesses = new Uint32Array(0);
    this.probabilities = new Float32Array(0);
    this.bits = new Float32Array(0);
    this.scoredSlot = -1; // slot of `scores` and of their `total`
    if (this.lines) network.step(this.boundary, this.recordings, 0, 1);
  }

  setIds(ids) {
    let same = 0;
    while (same < ids.length && same < this.ids.length && ids[same] === this.ids[same]) same++;
    this.ids = ids;
    this.done = Math.min(this.done, same);
    this.scoredSlot = -1;
    this.reserve(ids.length);
  }

  reserve(count) {
    if (count <= this.bits.length) return;
    const size = Math.max(count, 2 * this.bits.length, 64);
    const longer = (Kind, old, width) => {
      const array = new Kind(size * width);
      array.set(old);
      return array;
    };
    this.guesses = longer(Uint32Array, this.guesses, this.width);
    this.probabilities = longer(Float32Array, this.probabilities, this.width);
    this.bits = longer(Float32Array, this.bits, 1);
    for (const record of this.recordings) record.reserve(size + 2);
  }

  slot(position) {
    return position + 1 + this.first;
  }

  slotBefore(position) {
    const restarts = !position || (this.lines && this.ids[position - 1] === this.boundary);
    return restarts ? this.first : this.slot(position) - 1;
  }

  score(slot) {
    if (this.scoredSlot === slot) return;
    this.scores = this.network.logits(this.recordings, slot);
    this.total = logSum(this.scores);
    this.scoredSlot = slot;
  }

  logitsAt(position) {
    return this.network.logits(this.recordings, this.slot(position));
  }

  // Computes up to a position. With a deadline (of `performance.now()`), returns whether it was reached.
  run(until, deadline = Infinity) {
    const end = Math.min(until, this.ids.length);
    while (this.done < end) {
      this.compute(this.done);
      this.done++;
      if (performance.now() > deadline) break;
    }
    return this.done >= end;
  }

  compute(position) {
    const { network, width } = this;
    const before = this.slotBefore(position), slot = this.slot(position);
    const predicted = network.hasOutput && network.kind !== "pairs" && (position || this.lines);
    this.bits[position] = NaN;
    if (predicted) {
      this.score(before);
      this.bits[position] = (this.total - this.scores[this.ids[position]]) / Math.LN2;
    }
    const adjust = this.changes.length ? (layer, record, to) => this.adjust(position, layer, record, to) : null;
    network.step(this.ids[position], this.recordings, before, slot, adjust);
    if (!network.hasOutput) return;
    this.scoredSlot = -1;
    this.score(slot);
    largest(this.scores, width).forEach((number, rank) => {
      this.guesses[position * width + rank] = number;
      this.probabilities[position * width + rank] = Math.exp(this.scores[number] - this.total);
    });
  }

  // Sets the units that a change names. The state h of an LSTM follows a change of its cell.
  adjust(position, layer, record, slot) {
    for (const change of this.changes) {
      if (change.layer !== layer || position < change.first || position > change.last) continue;
      const values = record.at(change.part, slot);
      const [first, last] = change.unit < 0 ? [0, record.hidden - 1] : [change.unit, change.unit];
      for (let unit = first; unit <= last; unit++) {
        values[unit] = change.value;
        if (change.part === "c") record.at("h", slot)[unit] = record.at("o", slot)[unit] * Math.tanh(change.value);
      }
    }
  }

  // Symbol numbers that a text stands for; every line of a model of lines is terminated.
  static ids(network, text) {
    const { ids, missing } = network.table.encode(text);
    const boundary = network.table.numbers.get("\n");
    if (network.kind === "lines" && ids[ids.length - 1] !== boundary) ids.push(boundary);
    return { ids: ids.slice(0, network.longest), missing, cut: ids.length > network.longest };
  }
}
