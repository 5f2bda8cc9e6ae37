// Weights of the model: base64 text to Float32Array, one array per name of the model directory.

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text.trim());
  const letters = atob(text.trim());
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  return bytes;
}

// Value of each float16 number, by its 16 bits.
function halfTable() {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24;
    table[bits] = bits & 32768 ? -size : size;
  }
  return table;
}

// Returns the arrays by name. An entry of the index is [name, shape, bytes of a number, offset in bytes].
function readWeights(index, bytes) {
  const weights = {};
  let halves = null;
  for (const [name, shape, width, offset] of index) {
    const size = shape.reduce((product, length) => product * length, 1);
    if (width === 4) {
      weights[name] = new Float32Array(bytes.buffer, offset, size);
    } else {
      halves = halves || halfTable();
      weights[name] = new Float32Array(size);
      const packed = new Uint16Array(bytes.buffer, offset, size);
      for (let place = 0; place < size; place++) weights[name][place] = halves[packed[place]];
    }
  }
  return weights;
}

// out = weight x (+ bias), for a weight with one row per output. Eight rows are computed together: they share
// the loads of x, and their sums do not wait for each other.
function multiply(weight, x, out, bias) {
  const rows = out.length, columns = x.length;
  let row = 0;
  for (; row + 7 < rows; row += 8) {
    const p0 = row * columns, p1 = p0 + columns, p2 = p1 + columns, p3 = p2 + columns;
    const p4 = p3 + columns, p5 = p4 + columns, p6 = p5 + columns, p7 = p6 + columns;
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    for (let k = 0; k < columns; k++) {
      const value = x[k];
      s0 += weight[p0 + k] * value;
      s1 += weight[p1 + k] * value;
      s2 += weight[p2 + k] * value;
      s3 += weight[p3 + k] * value;
      s4 += weight[p4 + k] * value;
      s5 += weight[p5 + k] * value;
      s6 += weight[p6 + k] * value;
      s7 += weight[p7 + k] * value;
    }
    out[row] = s0;
    out[row + 1] = s1;
    out[row + 2] = s2;
    out[row + 3] = s3;
    out[row + 4] = s4;
    out[row + 5] = s5;
    out[row + 6] = s6;
    out[row + 7] = s7;
  }
  for (; row < rows; row++) {
    let sum = 0;
    for (let k = 0, place = row * columns; k < columns; k++, place++) sum += weight[place] * x[k];
    out[row] = sum;
  }
  if (bias) for (let place = 0; place < rows; place++) out[place] += bias[place];
  return out;
}

// Index of the first largest value.
function argmax(values) {
  let best = 0;
  for (let place = 1; place < values.length; place++) if (values[place] > values[best]) best = place;
  return best;
}

// Logarithm of the summed exponentials.
function logSum(values) {
  let largest = -Infinity, sum = 0;
  for (const value of values) if (value > largest) largest = value;
  for (const value of values) sum += Math.exp(value - largest);
  return Math.log(sum) + largest;
}

function softmax(values) {
  const total = logSum(values);
  return Float64Array.from(values, (value) => Math.exp(value - total));
}

// Indices of the largest values, the largest first; of equal values, the first.
function largest(values, count) {
  const best = [];
  for (let place = 0; place < values.length; place++) {
    if (best.length === count && values[place] <= values[best[count - 1]]) continue;
    let at = best.length;
    while (at && values[best[at - 1]] < values[place]) at--;
    best.splice(at, 0, place);
    if (best.length > count) best.pop();
  }
  return best;
}
