// Sampling from a text model: temperature, top-k, top-p, and random numbers by seed.

// The number between 0 and 1 for a draw. It depends on the seed and the number of the draw alone, so a text can
// be continued from any of its symbols with the same draws.
function drawNumber(seed, draw) {
  let x = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(draw + 1, 0x6d2b79f5)) | 0;
  x = Math.imul(x ^ (x >>> 15), x | 1);
  x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
}

// Probability with which each symbol is sampled. A top-k of 0 and a top-p of 1 exclude nothing.
function samplingProbabilities(scores, { temperature, topK, topP }) {
  if (temperature === 0) {
    const best = new Float64Array(scores.length);
    best[argmax(scores)] = 1;
    return best;
  }
  let highest = -Infinity;
  for (const score of scores) highest = Math.max(highest, score);
  const weights = softmax(Float64Array.from(scores, (score) => (score - highest) / temperature));
  const order = Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = topK ? order.slice(0, topK) : order;
  if (topP < 1) {
    const whole = kept.reduce((sum, number) => sum + weights[number], 0);
    let sum = 0, count = 0;
    while (count < kept.length && sum < topP * whole) sum += weights[kept[count++]];
    kept = kept.slice(0, count);
  }
  const total = kept.reduce((sum, number) => sum + weights[number], 0);
  const result = new Float64Array(scores.length);
  for (const number of kept) result[number] = weights[number] / total;
  return result;
}

function choose(probabilities, random) {
  let sum = 0, last = 0;
  for (let number = 0; number < probabilities.length; number++) {
    if (!probabilities[number]) continue;
    sum += probabilities[number];
    last = number;
    if (random < sum) return number;
  }
  return last;
}

// A sample that grows symbol by symbol after a prompt.
class Sample {
  constructor(network, prompt) {
    this.network = network;
    const { table, kind } = network;
    const boundary = table.numbers.get("\n");
    const ids = table.encode(prompt).ids;
    const start = kind === "lines" || (!ids.length && boundary !== undefined) ? [boundary] : ids.length ? [] : [0];
    this.prompt = [...start, ...ids].slice(-network.longest);
    this.recordings = network.recordings(this.prompt.length + 64);
    this.prompt.forEach((number, place) => network.step(number, this.recordings, place, place + 1));
    this.ids = [];
  }

  // Scores of the symbol at a place of the sample. The unknown symbol is never sampled.
  scores(place) {
    const scores = this.network.logits(this.recordings, this.prompt.length + place);
    if (this.network.table.unknown !== null) scores[this.network.table.unknown] = -Infinity;
    return scores;
  }

  get ended() {
    const { table, kind, longest } = this.network;
    if (this.prompt.length + this.ids.length >= longest) return true;
    return kind === "lines" && this.ids.length > 0 && this.ids[this.ids.length - 1] === table.numbers.get("\n");
  }

  // Adds a symbol: a given one, or one that is drawn.
  add(options, number = null) {
    if (this.ended) return;
    const place = this.ids.length;
    if (number === null) {
      number = choose(samplingProbabilities(this.scores(place), options), drawNumber(options.seed, place));
    }
    const slot = this.prompt.length + place;
    for (const record of this.recordings) record.reserve(slot + 2);
    this.network.step(number, this.recordings, slot, slot + 1);
    this.ids.push(number);
  }

  // Continues from another candidate: the symbols from a place on are removed.
  replace(place, number, options) {
    this.ids.length = place;
    this.add(options, number);
  }
}
