// Charts: heat maps on a canvas, curves as SVG.

const NAMED_ROWS = 16; // rows of a heat map that have room for their names
const SVG = "http://www.w3.org/2000/svg";

// A heat map with one column per position and one row per unit. A click selects both.
class HeatMap {
  constructor(parent, label, onSelect) {
    const box = add(parent, "div", { class: "heat-box" });
    this.names = add(box, "div", { class: "heat-names", "aria-hidden": "true" });
    this.frame = add(box, "div", { class: "heat" });
    this.canvas = add(this.frame, "canvas", { role: "img", "aria-label": label });
    this.row = add(this.frame, "div", { class: "cross row" });
    this.column = add(this.frame, "div", { class: "cross column" });
    this.names.addEventListener("click", (event) => {
      const name = event.target.closest("span");
      if (name) onSelect(-1, Array.from(this.names.children).indexOf(name));
    });
    this.canvas.addEventListener("click", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const place = (at, size, count) => Math.min(count - 1, Math.max(0, Math.floor((at / size) * count)));
      onSelect(
        place(event.clientX - box.left, box.width, this.canvas.width),
        place(event.clientY - box.top, box.height, this.canvas.height),
      );
    });
  }

  // `value(column, row)` gives values from -1 to 1.
  draw(columns, rows, value, selected) {
    const { canvas } = this;
    this.frame.hidden = !columns;
    if (!columns) return;
    if (canvas.width !== columns) canvas.width = columns;
    if (canvas.height !== rows) canvas.height = rows;
    canvas.style.height = `${Math.max(40, Math.min(320, rows * (rows > 12 ? 14 : 22)))}px`;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows), pixels = image.data;
    for (let row = 0, at = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, at += 4) {
        const size = value(column, row), end = size > 0 ? RED : BLUE, share = Math.min(1, Math.abs(size));
        pixels[at] = PALE[0] + (end[0] - PALE[0]) * share;
        pixels[at + 1] = PALE[1] + (end[1] - PALE[1]) * share;
        pixels[at + 2] = PALE[2] + (end[2] - PALE[2]) * share;
        pixels[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    this.mark(columns, rows, selected);
  }

  // Writes the names of the rows beside them, if there are few.
  name(names) {
    const shown = names.length <= NAMED_ROWS ? names : [];
    this.names.hidden = !shown.length;
    if (this.names.textContent === shown.join("")) return;
    this.names.replaceChildren(...shown.map((text) => make("span", { text })));
  }

  mark(columns, rows, [column, row]) {
    this.row.style.top = `${(100 * row) / rows}%`;
    this.row.style.height = `${100 / rows}%`;
    this.column.style.left = `${(100 * column) / columns}%`;
    this.column.style.width = `${100 / columns}%`;
    this.column.hidden = column < 0 || column >= columns;
  }
}

function svgElement(parent, kind, attributes, text) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// Round numbers that divide a range into about five parts.
function ticks(low, high) {
  const rough = (high - low || 1) / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) found.push(tick);
  return found;
}

// Curves { name, points: [[x, y], …] }. Returns a function that moves a vertical line to an x.
function drawCurves(parent, curves, xName, yName) {
  const width = 560, height = 260, left = 52, right = 12, top = 12, bottom = 40;
  const points = curves.flatMap((curve) => curve.points);
  const [lowX, highX] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
  const [lowY, highY] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  const x = (value) => left + ((value - lowX) / (highX - lowX || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - lowY) / (highY - lowY || 1)) * (height - top - bottom);
  const names = curves.map((curve) => curve.name).join(", ");
  const svg = svgElement(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "curves", "aria-label": `${yName} by ${xName}: ${names}` });
  for (const tick of ticks(lowY, highY)) {
    svgElement(svg, "line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "grid" });
    svgElement(svg, "text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, String(Number(tick.toPrecision(4))));
  }
  for (const tick of ticks(lowX, highX)) {
    const anchor = x(tick) > width - right - 16 ? "end" : "middle"; // the last one stays inside
    svgElement(svg, "text", { x: anchor === "end" ? width : x(tick), y: height - bottom + 16, "text-anchor": anchor }, String(Number(tick.toPrecision(4))));
  }
  svgElement(svg, "text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, xName);
  curves.forEach((curve, number) => {
    const place = curve.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
    svgElement(svg, "polyline", { points: place, class: `curve curve-${number}` });
    if (curve.points.length <= 30) {
      for (const [a, b] of curve.points) svgElement(svg, "circle", { cx: x(a), cy: y(b), r: 3, class: `dot-${number}` });
    }
  });
  const marker = svgElement(svg, "line", { y1: top, y2: height - bottom, class: "marker" });
  const legend = add(parent, "ul", { class: "legend-list" });
  curves.forEach((curve, number) => {
    add(legend, "li", {}, make("span", { class: `swatch swatch-${number}`, "aria-hidden": "true" }), `${curve.name} (${yName})`);
  });
  return (value) => {
    const at = Math.min(width - right, Math.max(left, x(value)));
    marker.setAttribute("x1", at);
    marker.setAttribute("x2", at);
  };
}
