// Decoding of label scores: best sequences, their probabilities, and labels in the scheme of the files.
// `rules` are the scores of first labels, label pairs [from, to] and last labels.

function pairScore(rules, from, to, labels) {
  return rules.transitions[from * labels + to];
}

// The best `count` label sequences of a sentence, best first: [{ labels, score }].
function bestSequences(scores, rules, count) {
  const labels = rules.start.length;
  // At each token, the best partial sequences that end in each label: { score, label, before }.
  let reached = [];
  for (let label = 0; label < labels; label++) {
    reached.push([{ score: rules.start[label] + scores[0][label], label, before: null }]);
  }
  for (let token = 1; token < scores.length; token++) {
    const next = [];
    for (let label = 0; label < labels; label++) {
      const found = [];
      for (let from = 0; from < labels; from++) {
        const pair = pairScore(rules, from, label, labels);
        for (const before of reached[from]) insertBest(found, before.score + pair, before, count);
      }
      next.push(found.map(({ score, before }) => ({ score: score + scores[token][label], label, before })));
    }
    reached = next;
  }
  const found = [];
  for (const paths of reached) {
    for (const path of paths) insertBest(found, path.score + rules.end[path.label], path, count);
  }
  return found
    .filter(({ score }) => score > found[0].score - 5e5) // others break a rule
    .map(({ score, before }) => ({ labels: labelsOfPath(before), score }));
}

// Inserts into a list of at most `count` entries, the largest score first; of equal ones, the first stays first.
function insertBest(found, score, before, count) {
  if (found.length === count && score <= found[count - 1].score) return;
  let at = found.length;
  while (at && found[at - 1].score < score) at--;
  found.splice(at, 0, { score, before });
  if (found.length > count) found.pop();
}

function labelsOfPath(path) {
  const labels = [];
  for (let at = path; at; at = at.before) labels.unshift(at.label);
  return labels;
}

// The same without scores of pairs, from log probabilities of each token.
function bestIndependent(scores, count) {
  let found = [{ labels: [], score: 0 }];
  for (const row of scores) {
    const extended = [];
    for (const { labels, score } of found) {
      for (const label of largest(row, count)) extended.push({ labels: [...labels, label], score: score + row[label] });
    }
    found = extended.sort((a, b) => b.score - a.score).slice(0, count);
  }
  return found;
}

// Logarithms of the summed exponentials of all sequences up to each token and label.
function forwardSums(scores, start, pair) {
  const rows = [Float64Array.from(scores[0], (score, label) => score + start[label])];
  for (let token = 1; token < scores.length; token++) {
    const before = rows[token - 1];
    rows.push(
      Float64Array.from(scores[token], (score, label) => score + logSum(before.map((sum, from) => sum + pair(from, label)))),
    );
  }
  return rows;
}

function logPartition(scores, rules) {
  const labels = rules.start.length;
  const rows = forwardSums(scores, rules.start, (from, to) => pairScore(rules, from, to, labels));
  return logSum(rows[rows.length - 1].map((sum, label) => sum + rules.end[label]));
}

// Marginal probability of each label at each token.
function marginals(scores, rules) {
  const labels = rules.start.length;
  const forward = forwardSums(scores, rules.start, (from, to) => pairScore(rules, from, to, labels));
  const reversed = [...scores].reverse();
  const backward = forwardSums(reversed, rules.end, (from, to) => pairScore(rules, to, from, labels)).reverse();
  return scores.map((row, token) =>
    softmax(Float64Array.from(row, (score, label) => forward[token][label] + backward[token][label] - score)));
}

// --- span labels --------------------------------------------------------------------------------------------

const SPAN_PREFIXES = { B: "B", I: "I", E: "E", S: "S", M: "I", L: "E", U: "S", W: "S" };

function parseLabel(label) {
  const prefix = SPAN_PREFIXES[label[0]];
  if (prefix && (label.length === 1 || (label[1] === "-" && label.length > 2))) return [prefix, label.slice(2)];
  return ["O", ""];
}

// Spans as conlleval reads them: a span begins at each prefix or change of type that allows it.
function spansOf(labels) {
  const spans = [];
  let start = 0, previous = ["O", ""];
  [...labels, "O"].forEach((label, index) => {
    const [prefix, type] = parseLabel(label);
    const begins = "BSO".includes(prefix) || "ESO".includes(previous[0]) || type !== previous[1];
    if (begins && previous[0] !== "O") spans.push({ start, end: index, type: previous[1] });
    if (begins) start = index;
    previous = [prefix, type];
  });
  return spans;
}

function prefixesOfSpan(width, scheme, adjacent) {
  if (scheme === "bioes") return width === 1 ? ["S"] : ["B", ...Array(width - 2).fill("I"), "E"];
  const marked = scheme === "iob2" || (scheme === "iob1" && adjacent);
  return [marked ? "B" : "I", ...Array(width - 1).fill("I")];
}

// Converts labels of the network to the scheme of the training files.
function convertLabels(labels, from, to) {
  const named = (prefix, type) => (type ? `${prefix}-${type}` : prefix);
  const isOutside = (label) => parseLabel(label)[0] === "O";
  if (from === "none") return [...labels];
  if (from === to) return labels.map((label) => (to !== "bioes" || isOutside(label) ? label : named(...parseLabel(label))));
  const converted = labels.map((label) => (isOutside(label) ? label : "O"));
  let previous = { start: 0, end: 0, type: "" };
  for (const span of spansOf(labels)) {
    const adjacent = previous.end === span.start && previous.type === span.type && previous.start < previous.end;
    prefixesOfSpan(span.end - span.start, to, adjacent).forEach((prefix, place) => {
      converted[span.start + place] = named(prefix, span.type);
    });
    previous = span;
  }
  return converted;
}
