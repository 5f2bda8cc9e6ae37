"""Words of multiword tokens that are looked up, above all of those that are not simply cut: `du` is `de le`.

Training collects the words of each form. A form that training lacks is changed like those that share its
ending or beginning: Spanish `dárselo` is `dar se lo`, which teaches that a final `árselo` becomes `ar se lo`.

A form that has the same words wherever it occurs in training, such as English `im` (`i m`), always gets them.
Whether any other token is expanded or cut is decided by the network, from the context.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Words = tuple[str, ...]
Expansion = tuple[str, Words]  # form of a multiword token, and its words

LONGEST_CONTEXT = 4  # unchanged characters of a form next to the changed ones in a rule
MIN_FORMS = 2  # a rule is kept if so many forms support it


@dataclass(frozen=True)
class Expansions:
    """Words of multiword tokens.

    Attributes:
        forms: words by form in lower case; and by other forms, if the case of their words is irregular.
        suffixes: for the end of a form, its replacement in the words, joined by spaces.
        prefixes: for the beginning of a form, its replacement.
        always: words of forms that are this multiword token wherever they occur in training. A form in lower
            case also applies to capitalized forms that training does not contain.
    """

    forms: Mapping[str, Words] = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    always: Mapping[str, Words] = field(default_factory=dict)

    @classmethod
    def learn(
        cls, examples: Iterable[Expansion], multiword: Iterable[Expansion] = (), single: Iterable[str] = ()
    ) -> Expansions:
        """Collect the most frequent words of each form, and rules for other forms.

        Args:
            examples: multiword tokens that are not simply cut.
            multiword: all multiword tokens.
            single: forms of all tokens that are one word.
        """
        exact: dict[str, Counter[Words]] = defaultdict(Counter)
        lower: dict[str, Counter[Words]] = defaultdict(Counter)
        for form, words in examples:
            exact[form][words] += 1
            lower[form.lower()][tuple(word.lower() for word in words)] += 1
        forms = {form: _most_frequent(counts) for form, counts in sorted(lower.items())}
        suffixes = _rules((form, " ".join(words)) for form, words in forms.items())
        reversed_ = _rules((form[::-1], " ".join(words)[::-1]) for form, words in forms.items())
        cased = cls(forms)
        # forms in lower case first, since the words of other forms follow from theirs
        for form, counts in sorted(exact.items(), key=lambda item: (item[0] != item[0].lower(), item[0])):
            words = _most_frequent(counts)
            if cased.words(form) != words:
                forms[form] = words
        prefixes = {end[::-1]: change[::-1] for end, change in reversed_.items()}
        return cls(forms, suffixes, prefixes, _always(multiword, single))

    def certain_words(self, form: str) -> Words | None:
        """Return the words of a form that always has them; None for every other form."""
        if form in self.always or not self.always:
            return self.always.get(form)
        small = form.lower()
        words = None if small == form else self.always.get(small)
        return None if words is None else _restore_case(form, words)

    def words(self, form: str) -> Words | None:
        """Return the words of a form; None if training has taught nothing about it."""
        if form in self.forms:
            return self.forms[form]
        small = form.lower()
        words = self.forms.get(small) or self._by_rule(small)
        return None if words is None else _restore_case(form, words)

    def _by_rule(self, form: str) -> Words | None:
        """Apply the rule with the longest end or beginning."""
        for length in range(len(form), 0, -1):
            if form[-length:] in self.suffixes:
                return _split(form[:-length] + self.suffixes[form[-length:]])
            if form[:length] in self.prefixes:
                return _split(self.prefixes[form[:length]] + form[length:])
        return None

    def to_json(self) -> dict[str, Mapping[str, object]]:
        """Return the entries of `vocab.json`."""
        return {
            "expansions": {form: list(words) for form, words in self.forms.items()},
            "expansion_suffixes": self.suffixes,
            "expansion_prefixes": self.prefixes,
            "always_expanded": {form: list(words) for form, words in self.always.items()},
        }


def _always(multiword: Iterable[Expansion], single: Iterable[str]) -> dict[str, Words]:
    """Return the words of each form that is the same multiword token wherever it occurs.

    A form in lower case is included only if its capitalized forms have the same words, since it also applies
    to capitalized forms that training does not contain.
    """
    exact: dict[str, set[Words]] = defaultdict(set)
    lower: dict[str, set[Words]] = defaultdict(set)
    for form, words in multiword:
        exact[form].add(words)
        lower[form.lower()].add(tuple(word.lower() for word in words))
    if not exact:  # as in most languages
        return {}
    forms = set(single)
    in_lower_case = {form.lower() for form in forms}
    return {
        form: next(iter(words))
        for form, words in sorted(exact.items())
        if len(words) == 1
        and form not in forms
        and " " not in form
        and (form != form.lower() or (len(lower[form]) == 1 and form not in in_lower_case))
    }


def _most_frequent(counts: Counter[Words]) -> Words:
    """Return the most frequent words; of equally frequent ones, the first in alphabetical order."""
    return min(counts, key=lambda words: (-counts[words], words))


def _split(joined: str) -> Words | None:
    words = tuple(joined.split())
    return words if len(words) > 1 else None


def _restore_case(form: str, words: Sequence[str]) -> Words:
    """Return words in the case of a form: capitals for `DU`, a first capital for `Du`."""
    if len(form) > 1 and form.isupper():
        return tuple(word.upper() for word in words)
    if form[:1].isupper():
        return (words[0][:1].upper() + words[0][1:], *words[1:])
    return tuple(words)


def _rules(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return replacements of ends that several forms share.

    Args:
        pairs: forms and their words joined by spaces.
    """
    changes: dict[str, Counter[str]] = defaultdict(Counter)
    for form, joined in pairs:
        same = _common_prefix(form, joined)
        for start in range(same, max(0, same - LONGEST_CONTEXT - 1), -1):
            if start < len(form):
                changes[form[start:]][joined[start:]] += 1
    rules = {}
    for end, counts in sorted(changes.items()):
        change = min(counts, key=lambda item: (-counts[item], item))
        if counts[change] >= MIN_FORMS:
            rules[end] = change
    return {end: change for end, change in rules.items() if not _is_implied(end, change, rules)}


def _is_implied(end: str, change: str, rules: Mapping[str, str]) -> bool:
    """Return whether the rule of a shorter end makes the same change."""
    for start in range(1, len(end)):
        if end[start:] in rules:
            return change == end[:start] + rules[end[start:]]
    return False


def _common_prefix(one: str, other: str) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
