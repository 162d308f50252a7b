"""Sentence boundaries by rule, for running text of languages that end sentences as English does.

The rule, in this order:

1. A line with nothing on it ends a sentence; any other line break is a space.
2. The full-width marks of Chinese and Japanese (full stop, exclamation and question mark) end one,
   whatever follows.
3. A run of ``.``, ``!``, ``?`` and the ellipsis, with closing quotes and brackets after it, ends
   one where a space and then a possible beginning follow: an upper-case letter, a digit, a letter
   without case, or an opening quote or bracket before one of these. So ``3.14``, ``www.a.org`` and
   ``"Why?" he asked.`` stay whole.
4. A single ``.`` ends none after an initial (``J. Smith``), after an abbreviation that stands
   before a name or a number (``Dr.``, ``Fig.``, ``e.g.``; ``No.`` and ``p.`` before a digit only);
   and after one that may stand anywhere (``etc.``, ``Inc.``, ``U.S.``, ``p.m.``) only where the
   next word is one that often begins a sentence (``The``, ``However``, ``We``).
5. A number with its period at the beginning of a line or a text (``2. Methods``) ends none.

It needs no data and no library, and gives the same result everywhere.
"""

import re

# Letters are compared in lower case, without the last period.
_BEFORE_NAMES = frozenset(
    "mr mrs ms mx dr prof st gen col lt sgt capt cmdr rev hon sen rep gov pres messrs mme mlle "
    "hr frau dipl-ing fig figs eq eqs eqn sec secs chap ch vol vols thm lem cor prop "
    "tab ref refs alg cf vs viz approx resp ca incl excl e.g i.e i.i.d w.r.t a.k.a s.t "
    "z.b d.h u.a bzw sog usw.a jan feb mar apr jun jul aug sep sept oct nov dec dept univ".split()
)
_BEFORE_NUMBERS = frozenset("no nos nr p pp art op cap par para pt".split())
_ANYWHERE = frozenset(
    "etc al inc ltd co corp llc jr sr bros usw ff a.m p.m u.s u.k u.n e.u u.s.a ph.d m.d b.sc m.sc "
    "b.a m.a d.c min max avg std".split()
)
_BEGINNINGS = frozenset(
    "a an the this that these those there it its he she they we you i his her their our my your "
    "in on at to for from with by as of if when while where after before since although though "
    "because however moreover furthermore therefore thus hence finally first second third then "
    "here such some many most all each both one two no not nor but and or so yet what why how "
    "who which is are was were do does did can may please note see using given unlike instead "
    "es der die das ein eine wir sie er le la les un une il elle nous el los las".split()
)

# Marks are written by their numbers where they look like others.
_WIDE_ENDS = "\u3002\uff01\uff1f"
_WIDE_CLOSING = "\u300d\u300f\u201d\u2019\uff09"
_OPENING = "\"'\u201c\u2018\u00ab("
_CLOSING = "\"'\u201d\u2019\u00bb)"

_ENDS = re.compile(
    r"\n[^\S\n]*\n\s*"  # an empty line
    rf"|[{_WIDE_ENDS}]+[{_WIDE_CLOSING}]*\s*"
    # Not from within a run of marks: that would take quadratic time.
    rf"|(?<![.!?\u2026])[.!?\u2026]+[{_CLOSING}\]]*(?=\s)(?!\s*\n[^\S\n]*\n)\s+"
)
_BEGIN = re.compile(rf"[{_OPENING}\[\u00bf\u00a1*_`]*(?:\d|[^\W\d_])")
_LAST_WORD = re.compile(rf"[^\s{_OPENING}{_CLOSING}\[\]]+\Z")
_NUMBERED = re.compile(r"(?:\A|\n)\s*\d{1,3}\.\Z")
_WORD = re.compile(r"[^\W\d_]+")
_SPACES = re.compile(r"\s+")


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, with single spaces inside; see the module for the rule."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found, start = [], 0
    for match in _ENDS.finditer(text):
        if _is_end(text, match):
            found.append(text[start : match.end()])
            start = match.end()
    found.append(text[start:])
    cleaned = (_SPACES.sub(" ", sentence).strip() for sentence in found)
    return [sentence for sentence in cleaned if sentence]


def _is_end(text: str, match: re.Match[str]) -> bool:
    mark = match.group().strip()
    if not mark or mark[0] in _WIDE_ENDS:
        return True
    begin = _BEGIN.match(text, match.end())
    # A lower-case letter goes on; a mark that begins nothing, such as a bullet, does not.
    if begin is not None and begin.group()[-1].islower():
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    before = text[max(0, match.start() - 80) : match.start()]
    if _NUMBERED.search(before + "."):
        return False
    last = _LAST_WORD.search(before)
    word = last.group() if last else ""
    return _ends_after(word, text, match.end())


def _ends_after(word: str, text: str, place: int) -> bool:
    """Return whether a period after a word ends a sentence before what stands at a place."""
    lower = word.lower()
    if len(word) == 1 and word.isalpha() and word.isupper():
        # "Plan B. The", but "J. Smith" and "J. The Smith" cannot be told apart: rarer.
        return _begins(text, place)
    if lower in _BEFORE_NAMES:
        return False
    if lower in _BEFORE_NUMBERS:
        return not text[place : place + 1].isdigit()
    if lower in _ANYWHERE:
        return _begins(text, place)
    return True


def _begins(text: str, place: int) -> bool:
    """Return whether the word at a place often begins a sentence."""
    word = _WORD.search(text, place, place + 40)
    return word is not None and word.group().lower() in _BEGINNINGS
