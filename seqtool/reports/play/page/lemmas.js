// Lemmas from scripts: casing and shortest edit of a form, such as `l |-` for `dogs`. The format is described in
// seqtool/data/tagging/lemma_scripts.py.

function lowerCharacter(character) {
  const lower = character.toLowerCase();
  const restores = Array.from(lower).length === 1 && lower !== character && lower.toUpperCase() === character;
  return restores ? lower : character;
}

function upperCharacter(character) {
  const upper = character.toUpperCase();
  const restores = Array.from(upper).length === 1 && upper !== character && upper.toLowerCase() === character;
  return restores ? upper : character;
}

function applyScript(script, form) {
  const space = script.indexOf(" ");
  const casing = script.slice(0, space), edit = script.slice(space + 1);
  const source = Array.from(form).map((one) => (casing === "k" ? one : lowerCharacter(one)));
  const edited = editForm(edit, source);
  return withCasing(edited && edited.length ? edited : source, casing).join("");
}

// Steps of an edit before and after the common part: `>` keep, `-` remove, `+c` add.
function stepsOfEdit(edit) {
  const before = [], after = [], characters = Array.from(edit);
  let steps = before;
  for (let at = 0; at < characters.length; at++) {
    if (characters[at] === "|" && steps === before) steps = after;
    else if (characters[at] === "+") steps.push("+" + characters[++at]);
    else steps.push(characters[at]);
  }
  return [before, after];
}

function editForm(edit, form) {
  if (edit.startsWith("=")) return Array.from(edit.slice(1));
  const [before, after] = stepsOfEdit(edit);
  const consumed = (steps) => steps.filter((step) => step[0] !== "+").length;
  const start = consumed(before), end = form.length - consumed(after);
  if (start > end) return null;
  return [...changePart(before, form.slice(0, start)), ...form.slice(start, end), ...changePart(after, form.slice(end))];
}

function changePart(steps, part) {
  const changed = [];
  let at = 0;
  for (const step of steps) {
    if (step[0] === "+") changed.push(step.slice(1));
    else if (step === ">") changed.push(part[at++]);
    else at++;
  }
  return changed;
}

function withCasing(text, casing) {
  if (casing === "l" || casing === "k") return text;
  if (casing === "t") return text.map((one, place) => (place ? one : upperCharacter(one)));
  if (casing === "u") return text.map(upperCharacter);
  if (casing === "p") {
    return text.map((one, place) => {
      const starts = isLetter(one) && !(place && isInPart(text, place - 1));
      return starts ? upperCharacter(one) : one;
    });
  }
  const borders = casing.split(",").map(Number).map((position) => {
    const place = position < 0 ? position + text.length : position;
    return Math.min(Math.max(place, 0), text.length);
  });
  const all = [0, ...borders, text.length], result = [];
  for (let part = 0; part + 1 < all.length; part++) {
    const slice = text.slice(all[part], all[part + 1]);
    result.push(...(part % 2 ? slice.map(upperCharacter) : slice));
  }
  return result;
}

// Letters here are word characters other than decimal digits and the underscore, as in the Python expression.
function isLetter(character) {
  return /[\p{L}\p{Nl}\p{No}]/u.test(character);
}

// Whether the character at a place belongs to a part of letters and apostrophes that begins with a letter.
function isInPart(text, place) {
  for (let at = place; at >= 0; at--) {
    if (isLetter(text[at])) return true;
    if (!"'’".includes(text[at])) return false;
  }
  return false;
}
