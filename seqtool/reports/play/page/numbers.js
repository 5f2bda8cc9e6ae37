// One step of a network worked out with numbers, and its weights as matrices.

const SHOWN_NUMBERS = 16; // of a vector
const SHOWN_TERMS = 12; // products of a sum that are written out
const TABLE_NUMBERS = 2000; // a larger matrix becomes a picture

function vectorText(values) {
  const shown = Array.from(values.slice(0, SHOWN_NUMBERS), (value) => fixed(value)).join(", ");
  return values.length > SHOWN_NUMBERS ? `[${shown}, …] (${values.length} numbers)` : `[${shown}]`;
}

function product(weight, x, first, rows) {
  const part = weight.subarray(first * x.length, (first + rows) * x.length);
  return multiply(part, x, new Float32Array(rows));
}

// Products of one row of a matrix with a vector, written out; those with a factor of 0 are left out.
function sumText(weight, row, x) {
  const terms = [];
  for (let k = 0; k < x.length; k++) {
    if (x[k] !== 0) terms.push(`${fixed(weight[row * x.length + k])}·${fixed(x[k])}`);
  }
  const shown = terms.slice(0, SHOWN_TERMS).join(" + ") || "0";
  return terms.length > SHOWN_TERMS ? `${shown} + … (${terms.length} products)` : shown;
}

// Lines [text, class] of the step of one layer: gate by gate, then the state. `t` is the number of the step.
function stepLines({ layer, weights, x, xName, before, after, t, unit }) {
  const { kind, hidden, prefix } = layer, gates = GATE_ROWS[kind];
  const [wih, whh, bih, bhh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((name) => weights[prefix + name]);
  const lines = [[`x${t} = ${vectorText(x)}   (${xName})`], [`h${t - 1} = ${vectorText(before("h"))}`]];
  if (kind === "lstm") lines.push([`c${t - 1} = ${vectorText(before("c"))}`]);
  gates.forEach((gate, index) => {
    const first = index * hidden, suffix = kind === "rnn" ? "" : `_${gate}`;
    const bias = (values) => vectorText(values.subarray(first, first + hidden));
    const isInner = kind === "gru" && gate === "n";
    lines.push(["", "gap"]);
    if (kind !== "rnn") lines.push([`${gate}: ${MEANINGS[gate]}`, "title"]);
    lines.push([`W_ih${suffix}·x${t} = ${vectorText(product(wih, x, first, hidden))}`]);
    lines.push([`b_ih${suffix} = ${bias(bih)}`]);
    lines.push([`W_hh${suffix}·h${t - 1} = ${vectorText(product(whh, before("h"), first, hidden))}`]);
    lines.push([`b_hh${suffix} = ${bias(bhh)}`]);
    const inputs = `W_ih${suffix}·x${t} + b_ih${suffix}`, state = `W_hh${suffix}·h${t - 1} + b_hh${suffix}`;
    const name = kind === "rnn" ? `h${t}` : `${gate}${t}`;
    const activation = kind === "rnn" ? (layer.relu ? "relu" : "tanh") : SIGMOIDS.includes(gate) ? "sigmoid" : "tanh";
    const sum = isInner ? `${inputs} + r${t}·(${state})` : `${inputs} + ${state}`;
    lines.push([`${name} = ${activation}(${sum}) = ${vectorText(after(kind === "rnn" ? "h" : gate))}`, "result"]);
    const row = first + unit;
    lines.push([`unit ${unit + 1}: (${sumText(wih, row, x)}) + ${fixed(bih[row])} ${isInner ? `+ r·((${sumText(whh, row, before("h"))}) + ${fixed(bhh[row])})` : `+ (${sumText(whh, row, before("h"))}) + ${fixed(bhh[row])}`}, then ${activation}: ${fixed(after(kind === "rnn" ? "h" : gate)[unit])}`, "unit"]);
  });
  if (kind === "lstm") {
    lines.push(["", "gap"], [`c${t} = f${t}·c${t - 1} + i${t}·g${t} = ${vectorText(after("c"))}`, "result"]);
    lines.push([`unit ${unit + 1}: ${fixed(after("f")[unit])}·${fixed(before("c")[unit])} + ${fixed(after("i")[unit])}·${fixed(after("g")[unit])} = ${fixed(after("c")[unit])}`, "unit"]);
    lines.push([`h${t} = o${t}·tanh(c${t}) = ${vectorText(after("h"))}`, "result"]);
    lines.push([`unit ${unit + 1}: ${fixed(after("o")[unit])}·tanh(${fixed(after("c")[unit])}) = ${fixed(after("h")[unit])}`, "unit"]);
  }
  if (kind === "gru") {
    lines.push(["", "gap"], [`h${t} = (1 - z${t})·n${t} + z${t}·h${t - 1} = ${vectorText(after("h"))}`, "result"]);
    lines.push([`unit ${unit + 1}: (1 - ${fixed(after("z")[unit])})·${fixed(after("n")[unit])} + ${fixed(after("z")[unit])}·${fixed(before("h")[unit])} = ${fixed(after("h")[unit])}`, "unit"]);
  }
  return lines;
}

function showLines(parent, lines) {
  parent.replaceChildren(...lines.map(([text, kind]) => make("div", { class: kind || null, text })));
}

// --- weights ------------------------------------------------------------------------------------------------

// Names of the rows and columns of an array of a recurrent network.
function axisNames(name, shape, network) {
  const { model, table } = network, hidden = model.hidden_size;
  const symbols = table ? table.symbols.map((symbol) => visibleText(symbol)) : [];
  const units = (letter, count) => Array.from({ length: count }, (_, k) => `${letter}${k + 1}`);
  const gateRows = GATE_ROWS[model.cell].flatMap((gate) => units(gate, hidden));
  if (/^encoder\./.test(name)) {
    const isFirst = name.startsWith("encoder.0.");
    const condition = network.conditions && network.conditions.length ? units("k", model.condition_dim) : [];
    const first = [...(model.input === "onehot" ? symbols : units("x", (shape[1] || 0) - condition.length)), ...condition];
    const inputs = isFirst ? first : units("h", shape[1] || 0);
    return [gateRows, name.endsWith("weight_ih") ? inputs : units("h", shape[1] || 0)];
  }
  if (name === "output.weight") return [symbols, units("h", shape[1])];
  if (name === "output.bias") return [symbols, []];
  if (name === "condition.weight") return [network.conditions.map((condition) => visibleText(condition)), units("k", shape[1])];
  if (name === "embedding.weight") return [symbols, units("x", shape[1])];
  return [units("", shape[0]), units("", shape[1] || 0)];
}

// Draws an array as a table of numbers, or as a picture if it is large.
function drawMatrix(parent, name, values, shape, network) {
  const columns = shape[1] || 1, rows = shape[0];
  const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  add(parent, "h3", { text: `${name}  ${shape.join(" × ")}` });
  if (values.length > TABLE_NUMBERS) {
    const map = new HeatMap(parent, `${name} as a picture`, () => {});
    map.draw(columns, rows, (column, row) => values[row * columns + column] / (size || 1), [-1, -1]);
    add(parent, "p", { class: "hint", text: `${values.length.toLocaleString("en")} numbers: blue is -${size.toFixed(2)}, red is +${size.toFixed(2)}.` });
    return;
  }
  const [rowNames, columnNames] = axisNames(name, shape, network);
  const frame = add(parent, "div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name });
  const table = add(frame, "table", { class: "numbers" });
  if (shape[1]) {
    const head = add(add(table, "thead"), "tr", {}, make("td"));
    columnNames.forEach((text) => add(head, "th", { scope: "col", text }));
  }
  const body = add(table, "tbody");
  for (let row = 0; row < rows; row++) {
    const line = add(body, "tr", {}, make("th", { scope: "row", text: rowNames[row] }));
    for (let column = 0; column < columns; column++) {
      const value = values[row * columns + column];
      paint(add(line, "td", { text: value.toFixed(3) }), diverging(value / (size || 1)));
    }
  }
}

// All arrays of a network, drawn when the section is opened.
function addWeights(parent, network, shapes, open) {
  const section = addSection(parent, "Weights", "Every array of the network. Blue is negative, red is positive.");
  const details = add(section, "details", {}, make("summary", { text: "Show the weights" }));
  let drawn = false;
  const draw = () => {
    if (drawn || !details.open) return;
    drawn = true;
    const frame = add(details, "div", { class: "matrices" });
    for (const [name, shape] of shapes) drawMatrix(add(frame, "div"), name, network.weights[name], shape, network);
  };
  details.addEventListener("toggle", draw);
  details.open = open;
  if (open) draw();
}
