"use strict";
// Unit viewer: colors the characters of a text by the values of one hidden unit, or by surprisal.
// It reads JSON data from the page, creates elements from plain text only, and makes no request.
(function () {
  const BLUE = [33, 102, 172], PALE = [247, 247, 247], RED = [178, 24, 43], ORANGE = [230, 97, 1];

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  function mix(from, to, part) {
    return from.map((value, place) => Math.round(value + (to[place] - value) * Math.min(1, Math.max(0, part))));
  }

  function paint(element, color) {
    element.style.background = `rgb(${color.join(",")})`;
    element.style.color = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] < 140 ? "#fff" : "#111";
  }

  function add(parent, kind, text, name) {
    const element = document.createElement(kind);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    parent.append(element);
    return element;
  }

  function viewer(root) {
    const data = JSON.parse(root.querySelector(".data").textContent);
    const find = (name) => root.querySelector("." + name);
    const guesses = new Uint16Array(bytes(data.guesses).buffer);
    const probabilities = bytes(data.probabilities);
    const bits = data.bits && bytes(data.bits);
    const units = data.units.map((unit) => ({ ...unit, values: new Int8Array(bytes(unit.values).buffer) }));
    const pick = find("pick"), slide = find("slide"), reading = find("reading"), byBits = find("by-bits");
    const cells = [];

    function build() {
      const ends = new Set(data.breaks);
      let line = add(reading, "div", undefined, "line"), sum = 0, count = 0;
      function finish() {
        if (bits && count) add(line, "span", `${sum.toFixed(1)} bits, ${(sum / count).toFixed(2)} each`, "sum");
        sum = count = 0;
      }
      data.symbols.forEach((symbol, place) => {
        const cell = add(line, "span", undefined, "cell");
        cell.dataset.place = place;
        add(cell, "b", symbol);
        for (let rank = 0; rank < data.width; rank++) {
          const at = place * data.width + rank;
          add(cell, "i", data.vocabulary[guesses[at]], probabilities[at] > 127 ? "sure" : "");
        }
        cells.push(cell);
        if (bits && bits[place] < 255) {
          sum += bits[place] / 16;
          count += 1;
        }
        if (ends.has(place)) {
          finish();
          line = add(reading, "div", undefined, "line");
        }
      });
      finish();
    }

    function color() {
      const unit = units[pick.selectedIndex];
      const surprise = bits && byBits.checked;
      cells.forEach((cell, place) => {
        const value = surprise ? (bits[place] < 255 ? bits[place] / 16 : 0) : unit.values[place] / 127;
        paint(cell.firstChild, surprise ? mix(PALE, ORANGE, value / 8) : mix(PALE, value > 0 ? RED : BLUE, Math.abs(value)));
      });
      find("legend").textContent = surprise
        ? "Surprisal: orange characters are those that the model did not expect (full orange: 8 bits or more)."
        : `${unit.name}, ${unit.what}: blue is ${"ifozr".includes(unit.name.replace(/[0-9.]/g, "")) ? "closed (0), red is open (1)" : `-${unit.largest}, red is +${unit.largest}`}` +
          (unit.note ? `; it follows ${unit.note}` : "");
    }

    function show(place) {
      const detail = find("detail");
      detail.replaceChildren();
      root.querySelectorAll(".cell.on").forEach((cell) => cell.classList.remove("on"));
      cells[place].classList.add("on");
      const unit = units[pick.selectedIndex];
      const values = add(detail, "div");
      add(values, "p", `character ${place + 1}: “${data.symbols[place]}”`);
      add(values, "p", `${unit.name}: ${(unit.values[place] / 127).toFixed(2)} of its range`);
      if (bits && bits[place] < 255) add(values, "p", `surprisal: ${(bits[place] / 16).toFixed(1)} bits`);
      if (!data.width) return;
      add(values, "p", data.aligned ? "output of the model:" : "most probable next characters:");
      const list = add(detail, "ol");
      for (let rank = 0; rank < data.width; rank++) {
        const at = place * data.width + rank, item = add(list, "li");
        add(item, "b", data.vocabulary[guesses[at]]);
        add(item, "span").style.width = `${(probabilities[at] / 255) * 100}%`;
        add(item, "em", `${((probabilities[at] / 255) * 100).toFixed(1)} %`);
      }
    }

    units.forEach((unit) => add(pick, "option", unit.name + (unit.note ? ` – ${unit.note}` : "")));
    slide.max = units.length - 1;
    slide.addEventListener("input", () => { pick.selectedIndex = slide.value; find("by-unit").checked = true; color(); });
    pick.addEventListener("change", () => { slide.value = pick.selectedIndex; find("by-unit").checked = true; color(); });
    byBits.addEventListener("change", color);
    find("by-unit").addEventListener("change", color);
    root.querySelectorAll(".by-bits-label").forEach((label) => { label.hidden = !bits; });
    find("with-guesses").addEventListener("change", (event) => reading.classList.toggle("plain", !event.target.checked));
    for (const kind of ["click", "mouseover"]) {
      reading.addEventListener(kind, (event) => {
        const cell = event.target.closest(".cell");
        if (cell) show(Number(cell.dataset.place));
      });
    }
    find("controls").hidden = false;
    build();
    color();
    show(0);
  }

  // Marks tables that are wider than their place, which would otherwise look complete.
  function markWide() {
    document.querySelectorAll(".scroll").forEach((frame) => {
      const wide = frame.clientWidth > 0 && frame.scrollWidth > frame.clientWidth + 1;
      frame.classList.toggle("wide", wide);
      frame.tabIndex = wide ? 0 : -1;
      let sign = frame.nextElementSibling;
      if (!sign || !sign.classList.contains("sideways")) {
        sign = document.createElement("p");
        sign.className = "hint sideways";
        sign.textContent = "This table is wider than its place: scroll it sideways.";
        frame.after(sign);
      }
      sign.hidden = !wide;
    });
  }

  document.querySelectorAll(".viewer").forEach(viewer);
  markWide();
  window.addEventListener("resize", markWide);
  document.querySelectorAll("details").forEach((part) => part.addEventListener("toggle", markWide));
})();
