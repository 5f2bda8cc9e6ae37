// Recurrent layers: one step of rnn, lstm and gru by the textbook equations, with torch's order of gates.

const PARTS = { rnn: ["h"], lstm: ["h", "c", "i", "f", "o", "g"], gru: ["h", "r", "z", "n"] };
const GATE_ROWS = { rnn: ["h"], lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"] }; // order of the weight rows
const SIGMOIDS = "ifozr"; // gates with values from 0 to 1
const MEANINGS = {
  h: "state", c: "cell", i: "input gate", f: "forget gate", o: "output gate", g: "candidate",
  r: "reset gate", z: "update gate", n: "candidate",
};

function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

// States and gates of one layer in one direction: an array of `slots * hidden` values for each part.
class Recording {
  constructor(kind, hidden, slots) {
    this.hidden = hidden;
    this.slots = slots;
    this.parts = {};
    for (const part of PARTS[kind]) this.parts[part] = new Float32Array(slots * hidden);
  }

  // Makes room for more slots; existing values are kept.
  reserve(slots) {
    if (slots <= this.slots) return;
    this.slots = Math.max(slots, 2 * this.slots);
    for (const part of Object.keys(this.parts)) {
      const longer = new Float32Array(this.slots * this.hidden);
      longer.set(this.parts[part]);
      this.parts[part] = longer;
    }
  }

  at(part, slot) {
    return this.parts[part].subarray(slot * this.hidden, (slot + 1) * this.hidden);
  }
}

class Layer {
  constructor(weights, prefix, model) {
    const hidden = model.hidden_size;
    this.kind = model.cell;
    this.relu = this.kind === "rnn" && model.nonlinearity === "relu";
    this.hidden = hidden;
    this.rows = GATE_ROWS[this.kind].length * hidden;
    this.prefix = prefix;
    this.inputWeight = weights[prefix + "weight_ih"];
    this.recurrent = weights[prefix + "weight_hh"];
    this.inputs = this.inputWeight.length / this.rows;
    // The recurrent bias of the GRU's candidate is inside the product with the reset gate.
    const inner = this.kind === "gru" ? 2 * hidden : this.rows;
    const hiddenBias = weights[prefix + "bias_hh"];
    this.bias = weights[prefix + "bias_ih"].map((value, row) => value + (row < inner ? hiddenBias[row] : 0));
    this.resetBias = hiddenBias.subarray(inner);
    this.sums = new Float32Array(this.rows);
  }

  // Input part of the gates: W_ih x + biases.
  inputGates(x, out = new Float32Array(this.rows)) {
    return multiply(this.inputWeight, x, out, this.bias);
  }

  // The same for a one-hot vector: one column of W_ih.
  inputGatesOfSymbol(number) {
    return this.bias.map((value, row) => value + this.inputWeight[row * this.inputs + number]);
  }

  // Reads the state in slot `from` and writes state and gates to slot `to`.
  step(x, record, from, to) {
    multiply(this.recurrent, record.at("h", from), this.sums);
    this[this.kind](x, record.parts, from * this.hidden, to * this.hidden);
  }

  rnn(x, { h }, from, to) {
    for (let k = 0; k < this.hidden; k++) {
      const sum = this.sums[k] + x[k];
      h[to + k] = this.relu ? Math.max(0, sum) : Math.tanh(sum);
    }
  }

  lstm(x, { h, c, i, f, o, g }, from, to) {
    const { hidden, sums } = this;
    for (let k = 0; k < hidden; k++) {
      const a = sigmoid(sums[k] + x[k]);
      const b = sigmoid(sums[hidden + k] + x[hidden + k]);
      const candidate = Math.tanh(sums[2 * hidden + k] + x[2 * hidden + k]);
      const out = sigmoid(sums[3 * hidden + k] + x[3 * hidden + k]);
      const cell = b * c[from + k] + a * candidate;
      i[to + k] = a;
      f[to + k] = b;
      g[to + k] = candidate;
      o[to + k] = out;
      c[to + k] = cell;
      h[to + k] = out * Math.tanh(cell);
    }
  }

  gru(x, { h, r, z, n }, from, to) {
    const { hidden, sums } = this;
    for (let k = 0; k < hidden; k++) {
      const reset = sigmoid(sums[k] + x[k]);
      const update = sigmoid(sums[hidden + k] + x[hidden + k]);
      const inner = sums[2 * hidden + k] + this.resetBias[k];
      const candidate = Math.tanh(x[2 * hidden + k] + reset * inner);
      r[to + k] = reset;
      z[to + k] = update;
      n[to + k] = candidate;
      h[to + k] = (1 - update) * candidate + update * h[from + k];
    }
  }
}

// Initial state of a layer in one direction, written to a slot.
function writeInitialState(weights, model, layer, direction, record, slot) {
  for (const part of model.cell === "lstm" ? ["h", "c"] : ["h"]) {
    const learned = weights[`initial_state.${layer}.${direction}.${part}`];
    const target = record.at(part, slot);
    if (learned) target.set(learned);
    else target.fill(model.initial_state === "random" ? 0.5 : 0); // 0.5 is the mean of U(0, 1)
  }
}

// Layers over a whole sentence, in one direction or both.
class SentenceEncoder {
  constructor(weights, model, bidirectional) {
    this.weights = weights;
    this.model = model;
    this.directions = bidirectional ? ["forward", "backward"] : ["forward"];
    this.layers = [];
    for (let layer = 0; layer < model.num_layers; layer++) {
      this.layers.push(
        this.directions.map((direction) => new Layer(weights, `encoder.${layer}.${direction}.`, model)),
      );
    }
  }

  // Returns the outputs, one vector per position, and the recordings by layer and direction. `slot` gives the
  // slot of a position in a recording.
  run(inputs) {
    const count = inputs.length, hidden = this.model.hidden_size;
    const recordings = [];
    let x = inputs;
    this.layers.forEach((cells, layer) => {
      const y = x.map(() => new Float32Array(cells.length * hidden));
      recordings.push(
        cells.map((cell, direction) => {
          const record = new Recording(this.model.cell, hidden, count + 1);
          const backward = direction === 1;
          writeInitialState(
            this.weights, this.model, layer, this.directions[direction], record, backward ? count : 0,
          );
          const gates = new Float32Array(cell.rows);
          for (let step = 0; step < count; step++) {
            const position = backward ? count - 1 - step : step;
            const to = this.slot(direction, position);
            cell.step(cell.inputGates(x[position], gates), record, backward ? to + 1 : to - 1, to);
            y[position].set(record.at("h", to), direction * hidden);
          }
          return record;
        }),
      );
      if (this.model.residual && layer) {
        y.forEach((values, position) => values.forEach((_, k) => { values[k] += x[position][k]; }));
      }
      x = y;
    });
    return { outputs: x, recordings };
  }

  slot(direction, position) {
    return direction === 1 ? position : position + 1;
  }
}
