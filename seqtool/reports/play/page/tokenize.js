// Tokens of raw text: by rules (`whitespace`, `basic`), or by a trained tokenizer.

// White space as Python defines it.
const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const NOT_SPACE = new RegExp(`[^${SPACES}]+`, "gu");

// Splits a text into sentences of words. Rules take each line as a sentence.
class RuleTokenizer {
  constructor(pattern) {
    this.pattern = pattern ? new RegExp(pattern, "gu") : NOT_SPACE;
  }

  sentences(text) {
    const lines = text.split(/\r\n|\r|\n/);
    return lines.map((line) => line.match(this.pattern) || []).filter((tokens) => tokens.length);
  }
}

const CATEGORIES =
  "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split(" ");
const CATEGORY_PATTERNS = CATEGORIES.map((name) => new RegExp(`^\\p{${name}}`, "u"));
const CLASS_COUNT = CATEGORIES.length + 1;
const PIECE = 256, CONTEXT = 48; // characters of a piece that are scored, and read on each side of them
const TOKEN_END = 1, LOOKUP_END = 2, WORD_END = 3, SENTENCE_SCORE = 4, OUTPUTS = 5;

class TrainedTokenizer {
  constructor(meta, weights) {
    this.meta = meta;
    this.weights = weights;
    this.numbers = new Map(meta.characters.map((one, place) => [one, CLASS_COUNT + place]));
    this.classes = [
      ...Array(CLASS_COUNT).keys(),
      ...meta.characters.map((character) => this.classOf(character)),
    ];
    this.encoder = new SentenceEncoder(weights, meta.model, true);
    this.forms = new Map(Object.entries(meta.expansions.forms));
    this.suffixes = new Map(Object.entries(meta.expansions.suffixes));
    this.prefixes = new Map(Object.entries(meta.expansions.prefixes));
    this.always = new Map(Object.entries(meta.expansions.always));
  }

  classOf(character) {
    return CATEGORY_PATTERNS.findIndex((pattern) => pattern.test(character)) + 1;
  }

  // Sentences of words: the words of a multiword token stand in its place.
  sentences(text) {
    const paragraphs = text.split(/\r\n|\r|\n/).map((line) => plainCharacters(line));
    const sentences = paragraphs.flatMap((characters) => (characters.length ? this.tokens(characters) : []));
    return sentences.map((tokens) => tokens.flatMap((token) => (token.words.length ? token.words : [token.form])));
  }

  // Scores of each character of a paragraph, computed in overlapping pieces.
  scores(characters) {
    const symbols = characters.map((one) => this.numbers.get(one) ?? this.classOf(one));
    if (symbols.length <= PIECE + 2 * CONTEXT) return this.scorePiece(symbols);
    const scores = [];
    for (let first = 0; first < symbols.length; first += PIECE) {
      const start = Math.max(0, first - CONTEXT), last = Math.min(first + PIECE, symbols.length);
      const piece = this.scorePiece(symbols.slice(start, Math.min(last + CONTEXT, symbols.length)));
      scores.push(...piece.slice(first - start, last - start));
    }
    return scores;
  }

  scorePiece(symbols) {
    const { embedding_dim: dim, class_dim: classDim, filters, width } = this.meta.model;
    const half = (width - 1) / 2, inputs = dim + classDim;
    const filter = this.weights["conv.weight"], bias = this.weights["conv.bias"];
    const vectors = [0, ...symbols].map((symbol) => this.symbolVector(symbol, dim, classDim));
    const x = symbols.map((_, place) => {
      const out = new Float32Array(filters);
      for (let row = 0; row < filters; row++) {
        let sum = bias[row];
        for (let offset = -half; offset <= half; offset++) {
          const at = place + offset;
          const vector = vectors[at >= 0 && at < symbols.length ? at + 1 : 0];
          for (let k = 0; k < inputs; k++) sum += vector[k] * filter[(row * inputs + k) * width + half + offset];
        }
        out[row] = Math.max(0, sum);
      }
      return out;
    });
    const { outputs } = this.encoder.run(x);
    const weight = this.weights["output.weight"], outBias = this.weights["output.bias"];
    return outputs.map((y) => multiply(weight, y, new Float32Array(OUTPUTS), outBias));
  }

  symbolVector(symbol, dim, classDim) {
    const vector = new Float32Array(dim + classDim), own = this.classes[symbol];
    vector.set(this.weights["embedding.weight"].subarray(symbol * dim, (symbol + 1) * dim));
    vector.set(this.weights["classes.weight"].subarray(own * classDim, (own + 1) * classDim), dim);
    return vector;
  }

  // Sentences of tokens { form, words } of a paragraph.
  tokens(characters) {
    const scores = this.scores(characters), tokens = [], endScores = [];
    let token = [], cuts = [];
    characters.forEach((character, place) => {
      if (character === " ") {
        if (token.length) token.push(character);
        return;
      }
      token.push(character);
      const kind = argmax(scores[place].subarray(0, SENTENCE_SCORE)), last = place === characters.length - 1;
      const beforeSpace = !this.meta.inner_spaces && characters[place + 1] === " ";
      if (!last && !beforeSpace && kind !== TOKEN_END && kind !== LOOKUP_END) {
        if (kind === WORD_END) cuts.push(token.length);
        return;
      }
      tokens.push(this.finishToken(token, cuts, kind === LOOKUP_END));
      endScores.push(scores[place][SENTENCE_SCORE]);
      token = [];
      cuts = [];
    });
    const ends = chooseSentences(endScores);
    return ends.map((end, number) => tokens.slice(number ? ends[number - 1] + 1 : 0, end + 1));
  }

  finishToken(characters, cuts, lookup) {
    const form = characters.join("");
    if (form.includes(" ")) return { form, words: [] }; // as CoNLL-U demands, a token with a space is one word
    const looked = this.certainWords(form) || (lookup ? this.expand(form) : null);
    if (looked) return { form, words: looked };
    if (!cuts.length) return { form, words: [] };
    const places = [0, ...cuts, characters.length];
    return { form, words: cuts.concat(0).map((_, part) => characters.slice(places[part], places[part + 1]).join("")) };
  }

  // Words of a form that is a multiword token wherever it occurs in training.
  certainWords(form) {
    const words = this.always.get(form);
    if (words) return words;
    const small = form.toLowerCase(), others = small === form ? null : this.always.get(small);
    return others ? restoreCase(form, others) : null;
  }

  // Words of a multiword token: of its form, else by the rule with the longest end or beginning.
  expand(form) {
    if (this.forms.has(form)) return this.forms.get(form);
    const small = form.toLowerCase();
    const words = this.forms.get(small) || this.expandByRule(Array.from(small));
    return words && restoreCase(form, words);
  }

  expandByRule(characters) {
    for (let length = characters.length; length > 0; length--) {
      const end = characters.slice(-length).join(""), start = characters.slice(0, length).join("");
      let joined = null;
      if (this.suffixes.has(end)) joined = characters.slice(0, -length).join("") + this.suffixes.get(end);
      else if (this.prefixes.has(start)) joined = this.prefixes.get(start) + characters.slice(length).join("");
      if (joined !== null) {
        const words = joined.split(" ").filter((word) => word);
        return words.length > 1 ? words : null;
      }
    }
    return null;
  }
}

// The choice of sentence ends with the largest expected F1, as in data/tokenization/sentence_choice.py.
const UNLIKELY = -4.6, NEGLIGIBLE = 1e-3, LOWEST_PRICE = 0.35, CLOSE = 1e-6, REPETITIONS = 20;

// Numbers of the tokens that end a sentence, given the score of each; the last token of a paragraph always does.
function chooseSentences(scores) {
  const last = scores.length - 1;
  const candidates = [...scores.keys()].filter((token) => scores[token] > UNLIKELY || token === last);
  const probabilities = candidates.map((token) => (token === last ? 1 : sigmoidOf(scores[token])));
  const expected = probabilities.reduce((sum, probability) => sum + probability, 0);
  let price = LOWEST_PRICE, ends = [];
  for (let count = 0; count < REPETITIONS; count++) {
    const best = bestEnds(probabilities, price), earlier = price;
    ends = best.ends;
    price = Math.max(LOWEST_PRICE, best.right / (ends.length + expected));
    if (Math.abs(price - earlier) < CLOSE) break;
  }
  return ends.map((end) => candidates[end]);
}

function sigmoidOf(score) {
  return 1 / (1 + Math.exp(-Math.min(30, Math.max(-30, score))));
}

// The best ends for a price of each sentence, and the expected number of right sentences.
function bestEnds(probabilities, price) {
  const values = [], previous = [];
  probabilities.forEach((probability, number) => {
    let best = -Infinity, bestPrevious = -1, unbroken = probability;
    for (let start = number - 1; start >= -1; start--) {
      const chance = unbroken * (start >= 0 ? probabilities[start] : 1);
      const value = (start >= 0 ? values[start] : 0) + chance - price;
      if (value > best) [best, bestPrevious] = [value, start];
      if (start >= 0) unbroken *= 1 - probabilities[start];
      if (unbroken < NEGLIGIBLE) break;
    }
    values.push(best);
    previous.push(bestPrevious);
  });
  const ends = [];
  for (let number = previous.length - 1; number >= 0; number = previous[number]) ends.unshift(number);
  return { ends, right: values[values.length - 1] + price * ends.length };
}

function restoreCase(form, words) {
  const letters = Array.from(form);
  const isUpper = form !== form.toLowerCase() && form === form.toUpperCase();
  if (letters.length > 1 && isUpper) return words.map((word) => word.toUpperCase());
  if (letters[0] !== letters[0].toLowerCase() && letters[0] === letters[0].toUpperCase()) {
    const [first, ...rest] = Array.from(words[0]);
    return [first.toUpperCase() + rest.join(""), ...words.slice(1)];
  }
  return [...words];
}

// Characters of a text with single spaces and none at its ends.
function plainCharacters(text) {
  return Array.from((text.match(NOT_SPACE) || []).join(" "));
}
