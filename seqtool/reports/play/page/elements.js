// Elements of the page. Text becomes text nodes only, never markup.

const BLUE = [33, 102, 172], PALE = [247, 247, 247], RED = [178, 24, 43], ORANGE = [230, 97, 1];
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

// Control characters as visible symbols.
function visibleText(text) {
  return text.replace(UNSAFE, (symbol) => {
    const code = symbol.codePointAt(0);
    if (code < 32) return String.fromCharCode(0x2400 + code);
    return code === 127 ? "\u2421" : `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

function visibleLines(text) {
  return text.split(/([\n\t])/).map((part) => (part === "\n" || part === "\t" ? part : visibleText(part))).join("");
}

function shorten(text, width) {
  const characters = Array.from(text);
  return characters.length > width ? characters.slice(0, width - 1).join("") + "…" : text;
}

// Creates an element; attributes with the value null or false are left out.
function make(kind, attributes = {}, ...children) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function add(parent, kind, attributes, ...children) {
  const element = make(kind, attributes, ...children);
  parent.append(element);
  return element;
}

function addSection(parent, title, hint) {
  const section = add(parent, "section", {}, make("h2", { text: title }));
  if (hint) add(section, "p", { class: "hint", text: hint });
  return section;
}

// A control with its label.
function addField(parent, label, control, help) {
  return add(parent, "label", { class: "field", title: help || null }, make("span", { text: label }), control);
}

function numberInput(value, attributes = {}) {
  return make("input", { type: "number", value, ...attributes });
}

function selectInput(options) {
  const select = make("select");
  for (const [value, text] of options) add(select, "option", { value, text });
  return select;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- numbers and colors -------------------------------------------------------------------------------------

function fixed(value, digits = 4) {
  return value === 0 || value === 1 ? String(value) : value.toFixed(digits);
}

function percent(value) {
  return `${(100 * value).toFixed(1)} %`;
}

function mix(from, to, part) {
  const share = Math.min(1, Math.max(0, part));
  return from.map((value, place) => Math.round(value + (to[place] - value) * share));
}

// Color of a value from -1 (blue) to 1 (red).
function diverging(value) {
  return mix(PALE, value > 0 ? RED : BLUE, Math.abs(value));
}

function surprisalColor(bits) {
  return mix(PALE, ORANGE, Number.isNaN(bits) ? 0 : bits / 8);
}

// Black or white, whichever has more contrast on a color (at least 4.5, by the relative luminance of WCAG).
function textColor(color) {
  const [r, g, b] = color.map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

function paint(element, color) {
  const key = color.join(",");
  if (element.dataset.color === key) return;
  element.dataset.color = key;
  element.style.background = `rgb(${key})`;
  element.style.color = textColor(color);
}

// Value of a unit on the scale of colors. Gates from 0 to 1 fill the scale; others are divided by the largest.
function shade(part, value, largestValue) {
  return SIGMOIDS.includes(part) ? 2 * value - 1 : value / (largestValue || 1);
}

// --- lists of symbols or tokens -----------------------------------------------------------------------------

let lists = 0;

// A row of cells, of which one is selected by a click or the arrow keys. Cells are reused: only what changed is
// written to the page.
class SymbolList {
  constructor(parent, label, onSelect, kind = "reading") {
    this.number = lists++;
    this.onSelect = onSelect;
    this.cells = [];
    this.count = 0;
    this.selected = -1;
    this.root = add(parent, "div", { class: kind, role: "listbox", tabindex: "0", "aria-label": label });
    this.root.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.choose(Number(cell.dataset.place));
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, Home: -Infinity, End: Infinity };
    if (!(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.choose(this.selected + moves[event.key], true);
  }

  choose(place, scroll = false) {
    if (!this.count) return;
    const next = Math.min(this.count - 1, Math.max(0, place));
    const beyond = place < 0 ? -1 : place >= this.count ? 1 : 0;
    this.onSelect(next, Number.isFinite(place) ? beyond : 0);
    if (scroll && this.cells[this.selected]) this.cells[this.selected].root.scrollIntoView({ block: "nearest" });
  }

  // Items: { text, name, below: [[text, class], …], color }.
  update(items, selected) {
    while (this.cells.length < items.length) this.grow();
    items.forEach((item, place) => this.write(this.cells[place], item));
    for (let place = items.length; place < this.count; place++) this.cells[place].root.hidden = true;
    this.count = items.length;
    this.select(selected);
  }

  grow() {
    const place = this.cells.length;
    const root = make("span", { class: "cell", role: "option", id: `cell-${this.number}-${place}`, "aria-selected": "false" });
    root.dataset.place = place;
    this.cells.push({ root, top: add(root, "b"), below: [] });
    this.root.append(root);
  }

  write(cell, item) {
    cell.root.hidden = false;
    setText(cell.top, item.text);
    if (item.color) paint(cell.top, item.color);
    while (cell.below.length < item.below.length) cell.below.push(add(cell.root, "i"));
    cell.below.forEach((line, rank) => {
      const [text, kind] = item.below[rank] || ["", ""];
      setText(line, text);
      if (line.className !== kind) line.className = kind;
    });
    if (item.name && cell.root.getAttribute("aria-label") !== item.name) cell.root.setAttribute("aria-label", item.name);
  }

  select(place) {
    if (this.cells[this.selected]) {
      this.cells[this.selected].root.classList.remove("on");
      this.cells[this.selected].root.setAttribute("aria-selected", "false");
    }
    this.selected = place;
    const cell = place < this.count ? this.cells[place] : null;
    if (!cell) {
      this.root.removeAttribute("aria-activedescendant");
      return;
    }
    cell.root.classList.add("on");
    cell.root.setAttribute("aria-selected", "true");
    this.root.setAttribute("aria-activedescendant", cell.root.id);
  }
}

// Rows of [name, share] with bars.
function drawBars(list, rows) {
  list.replaceChildren(...rows.map(([name, share]) => {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${Math.max(0.5, 100 * share)}%`;
    return make("li", {}, make("b", { text: name }), make("span", { class: "track" }, bar), make("em", { text: percent(share) }));
  }));
}
