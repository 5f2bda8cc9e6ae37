// Hidden units over a text: a heat map of all units of a layer, and one unit with its gates.

const STRIP = 40; // positions at which the selected unit is shown with its gates

class UnitPanel {
  // `sources` are the names of the layers (and directions); `onSelect` receives a column.
  constructor(parent, { sources, cell, hidden, onSelect, onChange }) {
    this.cell = cell;
    this.hidden = hidden;
    this.sources = sources;
    this.onChange = onChange;
    this.onSelect = onSelect;
    const controls = add(parent, "div", { class: "controls" });
    this.source = selectInput(sources.map((name, place) => [place, name]));
    if (sources.length > 1) addField(controls, "Layer", this.source);
    this.part = selectInput(PARTS[cell].map((part) => [part, `${part} (${MEANINGS[part]})`]));
    addField(controls, "Show", this.part);
    this.number = numberInput(1, { min: 1, max: hidden, step: 1 });
    addField(controls, `Unit (1 to ${hidden})`, this.number);
    this.slider = make("input", { type: "range", min: 1, max: hidden, value: 1, "aria-label": "unit" });
    if (hidden > 1) controls.append(this.slider);
    this.caption = add(parent, "p", { class: "legend", "aria-live": "polite" });
    this.map = new HeatMap(parent, "heat map of states: one row per unit, one column per position", (column, unit) => {
      this.setUnit(unit, column < 0);
      if (column >= 0) onSelect(column);
    });
    add(parent, "p", { class: "hint", text: "Each row of the picture is a unit, each column a position of the text. Select a place to see the unit below, with its gates." });
    this.strip = add(parent, "div", { class: "scroll strip", tabindex: "0", role: "region", "aria-label": "the selected unit over the text" });
    this.strip.addEventListener("click", (event) => {
      const cellAt = event.target.closest("td, th");
      if (cellAt && cellAt.dataset.place) onSelect(Number(cellAt.dataset.place));
    });
    for (const control of [this.source, this.part]) control.addEventListener("change", () => onChange());
    this.number.addEventListener("change", () => this.setUnit(Number(this.number.value) - 1, true));
    this.number.addEventListener("input", () => {
      const typed = Number(this.number.value);
      if (typed >= 1 && typed <= hidden) this.setUnit(typed - 1, true);
    });
    this.slider.addEventListener("input", () => this.setUnit(Number(this.slider.value) - 1, true));
  }

  get unit() {
    return Math.min(this.hidden, Math.max(1, Math.round(Number(this.number.value) || 1))) - 1;
  }

  get layer() {
    return Number(this.source.value);
  }

  setUnit(unit, notify = false) {
    const shown = Math.min(this.hidden, Math.max(1, unit + 1 || 1));
    this.number.value = shown;
    this.slider.value = shown;
    if (notify) this.onChange();
  }

  get unitName() {
    return `${this.part.value}${this.unit + 1}`;
  }

  // Reads `view`: { symbols, selected, states(source, part, column) }. The function returns the values of all units
  // at a column; { before, beforeName } is the same before a change.
  draw(view) {
    const { symbols, selected } = view;
    const part = this.part.value, layer = this.layer, unit = this.unit;
    const sizes = {};
    for (const one of PARTS[this.cell]) sizes[one] = this.largest(view, layer, one);
    const columns = Array.from({ length: symbols.length }, (_, column) => view.states(layer, part, column));
    this.map.draw(symbols.length, this.hidden, (column, row) => shade(part, columns[column][row], sizes[part]), [selected, unit]);
    this.map.name(Array.from({ length: Math.min(this.hidden, NAMED_ROWS + 1) }, (_, row) => `${part}${row + 1}`));
    const range = SIGMOIDS.includes(part) ? "blue is closed (0), red is open (1)" : `blue is -${sizes[part].toFixed(2)}, red is +${sizes[part].toFixed(2)}`;
    const value = selected >= 0 && selected < symbols.length ? view.states(layer, part, selected)[unit] : null;
    const at = value === null ? "" : ` At the selected position, ${this.unitName} = ${value.toFixed(4)}.`;
    setText(this.caption, `${this.sources.length > 1 ? `${this.sources[layer]}, ` : ""}${MEANINGS[part]}: ${range}.${at}`);
    this.drawStrip(view, sizes);
  }

  largest(view, layer, part) {
    if (SIGMOIDS.includes(part)) return 1;
    let size = 0;
    for (let column = 0; column < view.symbols.length; column++) {
      const values = view.states(layer, part, column);
      for (let unit = 0; unit < values.length; unit++) {
        const value = Math.abs(values[unit]);
        if (value > size) size = value;
      }
    }
    return size;
  }

  // The selected unit with its gates at the positions around the selected one.
  drawStrip(view, sizes) {
    const parts = PARTS[this.cell], { selected } = view;
    const count = Math.min(view.symbols.length, STRIP);
    const first = Math.max(0, Math.min(selected - STRIP / 2, view.symbols.length - count));
    if (!this.table) {
      this.table = add(this.strip, "table", { class: "unit-strip" });
      this.head = add(add(this.table, "thead"), "tr", {}, make("td"));
      this.rows = ["before", ...parts].map(() => add(this.table, "tr", {}, make("th", { scope: "row" })));
    }
    while (this.head.children.length <= count) {
      add(this.head, "th", { scope: "col" });
      this.rows.forEach((row) => add(row, "td"));
    }
    const write = (row, write1) => {
      for (let place = 0; place + 1 < row.children.length; place++) {
        const cell = row.children[place + 1], column = first + place;
        cell.hidden = place >= count;
        if (cell.hidden) continue;
        cell.dataset.place = column;
        write1(cell, column);
      }
    };
    const writeValues = (row, name, part, states) => {
      setText(row.children[0], name);
      write(row, (cell, column) => {
        const number = states(this.layer, part, column)[this.unit];
        paint(cell, diverging(shade(part, number, sizes[part])));
        setText(cell, number.toFixed(2));
        cell.classList.toggle("on", column === selected);
      });
    };
    write(this.head, (cell, column) => setText(cell, view.symbols[column]));
    const [beforeRow, ...partRows] = this.rows, shown = this.part.value;
    beforeRow.hidden = !view.before;
    if (view.before) writeValues(beforeRow, `${shown}${this.unit + 1} ${view.beforeName}`, shown, view.before);
    parts.forEach((part, index) => writeValues(partRows[index], `${part}${this.unit + 1}`, part, view.states));
    this.showSelected(this.head.children[selected - first + 1]);
  }

  // Scrolls the strip to the selected position, before the browser paints the page.
  showSelected(cell) {
    if (!cell || this.scrolling) return;
    this.scrolling = true;
    requestAnimationFrame(() => {
      this.scrolling = false;
      const { strip } = this, name = this.head.children[0].offsetWidth;
      const left = cell.offsetLeft - name, right = cell.offsetLeft + cell.offsetWidth;
      if (left < strip.scrollLeft) strip.scrollLeft = left;
      else if (right > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = right - strip.clientWidth;
    });
  }
}
