// Word features of a tagger: strings to numbers, numbers to vectors.

const UNKNOWN_CHARACTER = 0, BEGIN = 1, END = 2, FIRST_CHARACTER = 3;
const LONGEST_WORD = 64, LONGEST_RUN = 4, LONGEST_SHAPE = 24;

function kindOfCharacter(character) {
  if (/[\p{Lu}\p{Lt}]/u.test(character)) return "X";
  if (/\p{Ll}/u.test(character)) return "x";
  if (/\p{Nd}/u.test(character)) return "d";
  if (/\p{L}/u.test(character)) return "c";
  return /\p{M}/u.test(character) ? "m" : character;
}

// `Berlin-2000` has the shape `Xxxxx-dddd`: runs of equal kinds are cut to four, the whole to 24 kinds.
function shapeOfWord(word) {
  const kinds = [];
  for (const character of word) {
    const kind = kindOfCharacter(character);
    const run = kinds.slice(-LONGEST_RUN);
    if (run.length < LONGEST_RUN || run.some((other) => other !== kind)) kinds.push(kind);
  }
  return kinds.slice(0, LONGEST_SHAPE).join("");
}

function featureValue(feature, word) {
  if (feature.name === "lower") return word.toLowerCase();
  if (feature.name === "prefix") return Array.from(word).slice(0, feature.length).join("");
  if (feature.name === "suffix") return Array.from(word).slice(-feature.length).join("");
  if (feature.name === "shape") return shapeOfWord(word);
  return word;
}

function featureName(feature) {
  return feature.name + (["prefix", "suffix"].includes(feature.name) ? ` ${feature.length}` : "");
}

// A feature whose values have rows in a table.
class LookupFeature {
  constructor(feature, table) {
    this.feature = feature;
    this.width = feature.dim;
    this.table = table;
    this.firstRow = feature.unknown || feature.name === "vectors" ? 1 : 0;
    this.rows = new Map(feature.values.map((value, place) => [value, place + this.firstRow]));
  }

  // Row of a word; without a row, the row for unknown values, or -1 for the mean of all rows.
  row(word) {
    const value = featureValue(this.feature, word);
    let row = this.rows.get(value);
    if (row === undefined && this.feature.name === "vectors") row = this.rows.get(word.toLowerCase());
    return row === undefined ? this.firstRow - 1 : row;
  }

  known(word) {
    return this.row(word) >= this.firstRow;
  }

  vector(word) {
    const row = this.row(word);
    if (row >= 0) return this.table.subarray(row * this.width, (row + 1) * this.width);
    if (!this.mean) {
      const count = this.table.length / this.width;
      this.mean = Float32Array.from({ length: this.width }, (_, k) => {
        let sum = 0;
        for (let other = 0; other < count; other++) sum += this.table[other * this.width + k];
        return sum / count;
      });
    }
    return this.mean;
  }
}

// Character numbers of a word with marks at both ends; only both ends of a long word are read.
function charactersOfWord(word, numbers) {
  const all = Array.from(word), half = LONGEST_WORD / 2;
  const read = all.length > LONGEST_WORD ? [...all.slice(0, half), ...all.slice(-half)] : all;
  return [BEGIN, ...read.map((one) => numbers.get(one) ?? UNKNOWN_CHARACTER), END];
}

// Convolution over characters, maximum over positions, ReLU.
class CharacterCnn {
  constructor(feature, weights, prefix, numbers) {
    this.feature = feature;
    this.width = feature.dim;
    this.numbers = numbers;
    this.embedding = weights[prefix + "embedding.weight"];
    this.filters = weights[prefix + "conv.weight"]; // (filters, character dimension, filter width)
    this.bias = weights[prefix + "conv.bias"];
  }

  vector(word) {
    const characters = charactersOfWord(word, this.numbers);
    const { char_dim: dim, width } = this.feature;
    while (characters.length < width) characters.push(END);
    const best = new Float32Array(this.width).fill(-Infinity);
    for (let start = 0; start + width <= characters.length; start++) {
      for (let filter = 0; filter < this.width; filter++) {
        let sum = this.bias[filter];
        for (let offset = 0; offset < width; offset++) {
          const row = characters[start + offset] * dim;
          for (let k = 0; k < dim; k++) {
            sum += this.embedding[row + k] * this.filters[(filter * dim + k) * width + offset];
          }
        }
        if (sum > best[filter]) best[filter] = sum;
      }
    }
    return best.map((value) => Math.max(0, value));
  }
}

// Last states of an LSTM over the characters, in both directions.
class CharacterLstm {
  constructor(feature, weights, prefix, numbers) {
    const model = { cell: "lstm", hidden_size: feature.dim };
    this.feature = feature;
    this.width = 2 * feature.dim;
    this.numbers = numbers;
    this.embedding = weights[prefix + "embedding.weight"];
    this.layers = ["forward.", "backward."].map((name) => new Layer(weights, prefix + name, model));
  }

  vector(word) {
    const characters = charactersOfWord(word, this.numbers), dim = this.feature.char_dim;
    const vector = new Float32Array(this.width);
    this.layers.forEach((layer, direction) => {
      const record = new Recording("lstm", layer.hidden, 2), gates = new Float32Array(layer.rows);
      const read = direction ? [...characters].reverse() : characters;
      read.forEach((number, step) => {
        const x = this.embedding.subarray(number * dim, (number + 1) * dim);
        layer.step(layer.inputGates(x, gates), record, step % 2, (step + 1) % 2);
      });
      vector.set(record.at("h", read.length % 2), direction * layer.hidden);
    });
    return vector;
  }
}

function gelu(x) {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

// Everything between a word and the first recurrent layer.
class WordEmbedder {
  constructor(meta, weights) {
    this.nfc = meta.normalize === "nfc";
    this.counts = new Map(meta.forms.map((form, place) => [form, meta.counts[place]]));
    // Script of known words by first label, as [label, script, label, script, …].
    this.lemmas = new Map(meta.lemmas.map((row, place) => [meta.forms[place], row]));
    const numbers = new Map((meta.characters || []).map((one, place) => [one, place + FIRST_CHARACTER]));
    this.features = meta.features.map((feature, index) => {
      const prefix = `features.${index}.`;
      if (feature.name === "char_cnn") return new CharacterCnn(feature, weights, prefix, numbers);
      if (feature.name === "char_lstm") return new CharacterLstm(feature, weights, prefix, numbers);
      return new LookupFeature(feature, weights[prefix + "weight"]);
    });
    this.width = this.features.reduce((sum, feature) => sum + feature.width, 0);
    this.projection = weights["projection.weight"];
    this.bias = weights["projection.bias"];
    this.norm = weights["norm.weight"] && [weights["norm.weight"], weights["norm.bias"]];
    this.cache = new Map();
  }

  normal(word) {
    return this.nfc ? word.normalize("NFC") : word;
  }

  count(word) {
    return this.counts.get(this.normal(word)) || 0;
  }

  // Number of the script of a known word with a first label; undefined if the network finds it.
  script(word, label) {
    const row = this.lemmas.get(word) || [];
    const place = row.findIndex((number, at) => at % 2 === 0 && number === label);
    return place < 0 ? undefined : row[place + 1];
  }

  known(word) {
    return this.counts.has(this.normal(word));
  }

  vector(word) {
    const form = this.normal(word);
    if (!this.cache.has(form)) this.cache.set(form, this.compute(form));
    return this.cache.get(form);
  }

  compute(form) {
    const x = new Float32Array(this.width);
    let start = 0;
    for (const feature of this.features) {
      x.set(feature.vector(form), start);
      start += feature.width;
    }
    if (!this.projection) return x;
    const y = multiply(this.projection, x, new Float32Array(this.bias.length), this.bias);
    if (this.norm) {
      const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
      const variance = y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / y.length;
      const scale = 1 / Math.sqrt(variance + 1e-5);
      y.forEach((value, k) => { y[k] = (value - mean) * scale * this.norm[0][k] + this.norm[1][k]; });
    }
    return y.map(gelu);
  }
}
