// A tagger: words in, scores of labels out, and the choice of labels.

const LOWEST = -100; // logarithm of a probability that counts as zero, as in Python

class TaggerNetwork {
  constructor(meta, weights) {
    this.meta = meta;
    this.model = meta.model;
    this.labels = meta.labels;
    this.embedder = new WordEmbedder(meta, weights);
    this.encoder = new SentenceEncoder(weights, meta.model, meta.model.bidirectional);
    this.layers = meta.columns.map((_, column) => {
      const prefix = column ? `heads.${column}.` : "output.";
      return { weight: weights[prefix + "weight"], bias: weights[prefix + "bias"] };
    });
    this.combinationBias = weights["heads.combinations"];
    // Scores of first labels, label pairs and last labels of each column; null without any.
    this.rules = meta.columns.map((_, column) => {
      const start = weights[`rules.${column}.start`];
      if (!start) return null;
      return { start, transitions: weights[`rules.${column}.transitions`], end: weights[`rules.${column}.end`] };
    });
  }

  known(word) {
    return this.embedder.known(word);
  }

  // Scores of every column by token, and the recorded states.
  run(tokens) {
    const words = tokens.map((token) => this.embedder.vector(token));
    const { outputs, recordings } = this.encoder.run(words);
    const columns = this.layers.map(({ weight, bias }) =>
      outputs.map((y, token) => {
        const inputs = weight.length / bias.length;
        let x = y;
        if (inputs > y.length) { // the output layer of lemmas also reads the word
          x = new Float32Array(inputs);
          x.set(y);
          x.set(words[token], y.length);
        }
        return multiply(weight, x, new Float32Array(bias.length), bias);
      }));
    return { columns, recordings };
  }

  // Labels of every column, and scores and probabilities of the first.
  tag(tokens) {
    if (!tokens.length) return { tokens, labels: [], inner: [], scores: [], probabilities: [], columns: [], recordings: [] };
    const { columns, recordings } = this.run(tokens);
    const { first, numbers } = this.decode(columns);
    this.useKnownLemmas(tokens, numbers);
    const inner = numbers[0].map((number) => this.labels[number]);
    const probabilities = this.model.decoder === "crf" ? marginals(first, this.rules[0]) : first.map(softmax);
    const names = this.meta.columns.map((column, place) => this.fileLabels(column, numbers[place], tokens));
    return { tokens, labels: names[0], inner, numbers: numbers[0], scores: first, probabilities, columns: names, recordings };
  }

  decode(columns) {
    const { combined, combinations } = this.meta;
    const numbers = columns.map((scores, column) => (combined.includes(column) ? null : this.best(scores, column)));
    if (!combined.length) return { first: columns[0], numbers };
    const first = [];
    combined.forEach((column) => { numbers[column] = []; });
    columns[0].forEach((_, token) => {
      const { scores, chosen } = this.choose(combined.map((column) => columns[column][token]), combinations);
      first.push(scores);
      combined.forEach((column, place) => numbers[column].push(chosen[place]));
    });
    return { first, numbers };
  }

  // Known words keep the lemma of the training data.
  useKnownLemmas(tokens, numbers) {
    const column = this.meta.columns.findIndex(({ kind }) => kind === "lemma");
    if (column < 0) return;
    numbers[column] = numbers[column].map((number, at) => this.embedder.script(tokens[at], numbers[0][at]) ?? number);
  }

  best(scores, column) {
    const softmaxOnly = column === 0 && this.meta.columns.length === 1 && this.model.decoder === "softmax";
    if (softmaxOnly || !this.rules[column]) return scores.map(argmax);
    return bestSequences(scores, this.rules[column], 1)[0].labels;
  }

  // Scores of the first column from all combinations, and the best combination of the best first label.
  choose(scores, combinations) {
    const sums = combinations.map((labels, number) =>
      labels.reduce((sum, label, place) => sum + scores[place][label], this.combinationBias[number]));
    const highest = sums.reduce((a, b) => Math.max(a, b));
    const totals = new Float64Array(scores[0].length);
    sums.forEach((sum, number) => { totals[combinations[number][0]] += Math.exp(sum - highest); });
    const first = totals.map((total) => Math.max(Math.log(total), LOWEST) + highest);
    const label = argmax(first);
    let best = -1;
    sums.forEach((sum, number) => {
      if (combinations[number][0] === label && (best < 0 || sum > sums[best])) best = number;
    });
    return { scores: first, chosen: combinations[best] };
  }

  fileLabels(column, numbers, tokens) {
    const labels = numbers.map((number) => column.labels[number]);
    if (column.kind === "lemma") return labels.map((script, token) => applyScript(script, tokens[token]));
    return convertLabels(labels, column.inner_scheme, column.scheme);
  }

  // The best label sequences with their probabilities, in the scheme of the files.
  paths(scores, count) {
    if (!scores.length) return [];
    const decoder = this.model.decoder, rules = this.rules[0];
    const independent = decoder === "softmax" || !rules;
    const found = independent
      ? bestIndependent(scores.map((row) => { const total = logSum(row); return row.map((score) => score - total); }), count)
      : bestSequences(scores, rules, count);
    const whole = independent ? 0 : logPartition(scores, rules);
    const column = this.meta.columns[0];
    return found.map(({ labels, score }) => ({
      labels: convertLabels(labels.map((number) => column.labels[number]), column.inner_scheme, column.scheme),
      numbers: labels,
      score,
      probability: Math.exp(score - whole),
    }));
  }
}
