"""Likely encodings of text that is not UTF-8, by charset-normalizer and the alphabets of languages.

charset-normalizer judges the shape of words and the frequency of letters. It is unsure where few characters
are beyond ASCII, since cp1250 and cp1252 give most of these the same letter or another letter of Europe.
Therefore the letters of a text are also compared with the alphabets of single languages.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

SAMPLE_BYTES = 1 << 15  # of lines with bytes beyond ASCII, from which an encoding is guessed
PIECE_SAMPLE = 1 << 13  # of them from one piece, so that the sample is spread over a long file
ASCII = bytes(range(128))
WHITE = b"\b\t\n\v\f\r\x1a\x1b"  # controls of texts; 1A ended files of DOS
CONTROLS = bytes(code for code in range(1, 32) if code not in WHITE)
C1 = re.compile("[\x80-\x9f]")  # controls of ISO 8859, which texts do not have: another encoding fits
UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Usual encodings. Of two that give the same text, the first is named.
WESTERN = ("cp1252", "latin-1", "iso8859-15", "mac_roman", "cp850")
CENTRAL = ("cp1250", "iso8859-2", "cp852", "cp1257", "cp1254", "iso8859-9")
CYRILLIC = ("cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac_cyrillic")
OTHER = ("cp1253", "iso8859-7", "cp1255", "cp1256", "cp874")
EAST_ASIAN = ("cp949", "euc_jp", "cp932", "big5", "gb18030")
USUAL = WESTERN + CENTRAL + CYRILLIC + OTHER + EAST_ASIAN

GREEK, HEBREW, THAI, ARABIC = (
    map(chr, range(first, last))
    for first, last in ((0x386, 0x3CF), (0x5D0, 0x5EB), (0xE01, 0xE5C), (0x621, 0x653))
)
LETTERS = (  # beyond ASCII, of single languages; after |: some of these occur in every longer text
    "àâæçéèêëîïôœùûüÿ",  # French
    "äöüß",  # German, Finnish
    "áéíóúüñ",  # Spanish
    "áâãàçéêíóôõú",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "àçèéíïòóúü",  # Catalan
    "áéëïíóöúü",  # Dutch, Irish
    "åäöé",  # Swedish
    "åæøéòô",  # Danish, Norwegian
    "áéíóúýæö|ðþ",  # Icelandic
    "ćńóśźż|ąęł",  # Polish
    "áčďéíňóťúůý|ěřšž",  # Czech
    "áäčďéíĺľňóôŕťúý|šž",  # Slovak
    "áéíóöúü|őű",  # Hungarian
    "âî|ășțşţ",  # Romanian
    "čćđ|šž",  # Croatian, Slovene
    "âçİîöüû|ğış",  # Turkish
    "ąčęėįųū|šž",  # Lithuanian
    "čēģīķļņū|āšž",  # Latvian
    "äöüšž|õ",  # Estonian
    "абвгдежзийклмнопрстуфхцчшщъыьэюяё",  # Russian
    "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",  # Ukrainian
    "абвгдежзийклмнопрстуфхцчшщъьюя",  # Bulgarian
    "абвгдђежзијклљмнњопрстћуфхцчџш",  # Serbian
)
ALPHABETS = [(letters.replace("|", ""), letters.partition("|")[2]) for letters in LETTERS]
ALPHABETS += [("".join(script), "") for script in (GREEK, HEBREW, ARABIC, THAI)]
FEWEST_TYPICAL = 0.02  # share of the letters after |
WESTERN_LETTERS = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüœß")  # of texts with words of several languages
SEVERAL_LANGUAGES = 0.99  # factor of their share
PUNCTUATION = frozenset("«»„“”‘’‚‹›–—…€£§°·¿¡•©®™№½¼¾²³\xa0×±µ،؛؟")
SCRIPTS = "\u0370\u0400\u0530\u0590\u0600\u0700\u0e00\u0f00"  # first characters of Greek, Cyrillic, …
GOOD, GOOD_EAST_ASIAN = 0.8, 0.6  # least score of an encoding that is used
CLEAR = 0.1  # share of the differing characters that the best encoding explains better than the others
WORST = 0.3  # disorder of a candidate that charset-normalizer does not list


@dataclass
class Evidence:
    """Bytes of a file that is not UTF-8.

    Attributes:
        size: bytes of the file.
        beyond: bytes beyond ASCII.
        controls: control characters other than white space, and NULs.
        nuls: NULs at even and odd offsets.
        sample: lines with bytes beyond ASCII.
    """

    size: int = 0
    beyond: int = 0
    controls: int = 0
    nuls: list[int] = field(default_factory=lambda: [0, 0])
    sample: bytes = b""

    def read(self, pieces: Iterable[bytes]) -> Evidence:
        """Add the pieces of a file and return itself."""
        for piece in pieces:
            self.nuls[0] += piece[self.size % 2 :: 2].count(0)
            self.nuls[1] += piece[1 - self.size % 2 :: 2].count(0)
            self.size += len(piece)
            self.beyond += len(piece.translate(None, ASCII))
            self.controls += len(piece) - len(piece.translate(None, CONTROLS)) + piece.count(0)
            if len(self.sample) < SAMPLE_BYTES:
                self.sample += self._sample(piece)
        return self

    def _sample(self, piece: bytes) -> bytes:
        """Return whole lines of a piece with bytes beyond ASCII; of one long line at least its beginning."""
        lines = piece.replace(b"\r", b"\n").split(b"\n")
        size, sample = 0, []
        for line in lines[1 if self.sample else 0 : -1]:
            if not line.isascii():
                sample.append(line + b"\n")
                size += len(line)
                if size > PIECE_SAMPLE:
                    break
        return b"".join(sample) or (b"" if self.sample else lines[-1])[:SAMPLE_BYTES]

    @property
    def utf8_share(self) -> float:
        """Share of the bytes beyond ASCII in the sample that form UTF-8 characters."""
        beyond = len(self.sample.translate(None, ASCII))
        return sum(map(len, UTF8_CHARACTER.findall(self.sample))) / max(beyond, 1)


@dataclass(frozen=True)
class Guess:
    """A candidate for the encoding of a sample.

    Attributes:
        encoding: Python's name.
        text: the sample in this encoding.
        score: share of the characters beyond ASCII that one language explains, less the disorder that
            charset-normalizer finds.
    """

    encoding: str
    text: str
    score: float


def rank(sample: bytes) -> list[Guess]:
    """Return the encodings in which a sample is valid text, the most likely first, each text once.

    Args:
        sample: bytes, some of which are beyond ASCII.
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=list(USUAL), threshold=WORST, preemptive_behaviour=False)
    disorder = {str(match): match.chaos for match in matches}
    guesses: dict[str, Guess] = {}
    for encoding in USUAL:
        text = _decoded(sample, encoding)
        if text is not None and text not in guesses and not C1.search(text):
            score = _explained(text, encoding) - disorder.get(text, WORST)
            guesses[text] = Guess(encoding, text, score)
    return sorted(guesses.values(), key=lambda guess: -guess.score)


def is_clear(guesses: Sequence[Guess]) -> bool:
    """Return whether the first guess is good, and better than the others where they differ."""
    if not guesses:
        return False
    best, *others = guesses
    if best.score < (GOOD_EAST_ASIAN if best.encoding in EAST_ASIAN else GOOD):
        return False
    return all(best.score - other.score >= CLEAR * _difference(best.text, other.text) for other in others)


def likely_names(guesses: Sequence[Guess]) -> tuple[str, str]:
    """Return the two encodings to propose. After cp1252 this is latin-1, its part without curly quotes."""
    names = [guess.encoding for guess in guesses if guess.encoding != "cp1252"]
    if not guesses or guesses[0].encoding == "cp1252":
        return "cp1252", "latin-1"
    return names[0], (names[1:] or ["latin-1"])[0] if len(guesses) > 1 else "latin-1"


def _difference(first: str, second: str) -> float:
    """Return the share of the characters beyond ASCII at which two texts differ."""
    if len(first) != len(second):
        return 1.0
    pairs = [(one, other) for one, other in zip(first, second, strict=True) if one > "\x7f" or other > "\x7f"]
    return sum(one != other for one, other in pairs) / max(len(pairs), 1)


def _decoded(sample: bytes, encoding: str) -> str | None:
    """Return the text of a sample, of which the end may cut a character; None if it is not valid."""
    for cut in range(min(4, len(sample))):
        try:
            return sample[: len(sample) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                return None
    return None


def _explained(text: str, encoding: str) -> float:
    """Return the share of the characters beyond ASCII that belong to one language or are punctuation."""
    beyond = Counter(re.findall(r"[^\x00-\x7f]", text))
    total = max(sum(beyond.values()), 1)
    if encoding in EAST_ASIAN:
        common = _common(encoding)
        return sum(count for character, count in beyond.items() if character in common) / total
    letters: Counter[str] = Counter()
    for word, count in Counter(re.findall(r"[^\W\d_]*[^\W\d_\x00-\x7f][^\W\d_]*", text)).items():
        rest = word[1:]
        if (rest == rest.lower() or word == word.upper()) and len(set(map(_script, word))) == 1:
            for character in word.lower():
                letters[character] += count
    within = re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’·–—](?=[^\W\d_])", text)
    marks = sum(count for character, count in beyond.items() if character in PUNCTUATION) - len(within)
    best = max(_of_language(letters, *alphabet) for alphabet in ALPHABETS)
    return (max(best, SEVERAL_LANGUAGES * _covered(letters, WESTERN_LETTERS)) + marks) / total


def _of_language(letters: Counter[str], alphabet: str, typical: str) -> int:
    """Return the number of letters that are those of a language, or 0 if the typical ones are missing."""
    covered = _covered(letters, alphabet)
    return covered if not typical or _covered(letters, typical) >= FEWEST_TYPICAL * covered else 0


def _covered(letters: Counter[str], alphabet: Iterable[str]) -> int:
    return sum(letters[character] for character in alphabet)


def _script(letter: str) -> int:
    """Return a number for the script of a letter."""
    return bisect(SCRIPTS, letter)


@cache
def _common(encoding: str) -> frozenset[str]:
    """Return the frequent characters of an East Asian encoding: its punctuation and first level."""
    ranges = {
        "gb18030": (((0xA1, 0xA3), (0xA1, 0xFE)), ((0xB0, 0xD7), (0xA1, 0xFE))),
        "big5": (((0xA1, 0xA2), (0x40, 0xFE)), ((0xA4, 0xC6), (0x40, 0xFE))),
        "cp949": (((0xA1, 0xA3), (0xA1, 0xFE)), ((0xB0, 0xC8), (0xA1, 0xFE))),
        "euc_jp": (((0xA1, 0xA5), (0xA1, 0xFE)), ((0xB0, 0xCF), (0xA1, 0xFE))),
        "cp932": (((0x81, 0x83), (0x40, 0xFC)), ((0x88, 0x98), (0x40, 0xFC))),
    }[encoding]
    return frozenset(
        bytes((lead, trail)).decode(encoding, "ignore")
        for leads, trails in ranges
        for lead in range(leads[0], leads[1] + 1)
        for trail in range(trails[0], trails[1] + 1)
    )
