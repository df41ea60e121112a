"""Check of the prose in code and documents: first words of docstrings, and phrases that the house does not use.

`python .ci/check_prose.py [PATH ...]` prints one line per finding, with what to write instead, and exits with 1 if
there is any. Only the standard library is needed. `--count` prints the findings per folder.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (
    "energy",
    "models",
    "evo",
    "experiments",
    "tests",
    "docs",
    ".ci",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)

QUESTION_WORDS = frozenset({"What", "Who", "Whose", "How", "Which", "Where", "When", "Why"})
FIRST_OF_NOUN = QUESTION_WORDS | {"Everything", "Nothing", "There", "It"}
"""Words that do not begin the docstring of a module, a class or a property."""

FIRST_OF_VERB = FIRST_OF_NOUN | {
    "A", "An", "The", "One", "Whether", "Every", "All", "Each", "Any", "Its", "This", "That", "These", "Those",
    "About", "After", "As", "At", "Before", "Below", "Between", "By", "For", "From", "If", "In", "Into", "Of", "On",
    "Over", "Through", "To", "Under", "Until", "With", "Without", "Returns", "Reads", "Writes", "Makes", "Gives",
    "Yields", "Checks", "Computes", "Raises", "Runs", "Draws", "Prints", "Takes", "Adds", "Builds", "Creates", "Counts",
}  # fmt: skip
"""Words that do not begin the docstring of a function, which begins with an imperative verb."""

PHRASES: dict[str, str] = {
    r"\bthat which\b": "name the thing",
    r"\bthere (?:is|are) none\b": "'not found', with what to do",
    r"\bthere is no such\b": "'not found', with what to do",
    r"\btold\b|\btells?\b|\btelling\b": "'receives', 'reports', 'distinguishes'",
    r"\basked for\b": "'requested', 'required'",
    r"\bhanded\b|\bhands (?:over|out|back)\b": "'receives', 'is passed', 'returned'",
    r"\b(?:is|are) of\b(?! (?:no )?use)": "'has', 'belongs to', 'comes from'",
    r"\ba great many\b": "'many'",
    r"\bplay(?:s|ed|ing)? (?:a|an|the|any|every|each|one|it|them|all|out|in|under)\b": "'simulate'",
    r"\b(?:is|are|was|were|be|been|not|and|as|plan) played\b|\bplayed\b": "'simulated'",
    r"\bdumb\b": "'baseline'",
    r"\bknows? (?:nothing|no|neither|everything|only)\b": "'does not depend on', 'has'",
    r"\bdoes not care\b|\bwants? to\b": "describe what the code does",
    r"(?-i:\bCOST_MODEL\b|\bINTERFACE\b|\b(?:RUNTIME|ACCURACY|MACHINE|POWER|ARCHITECTURE)\.md\b)":
        "'energy/README section N'",
    r"\bappraise[ds]?\b|\bappraisals?\b": "'price'",
    r"(?<![\w/`])shipped\b(?![/`])": "'built-in', 'included'",
    r"\bjudg(?:e|es|ed|ing)\b": "'evaluate'",
    r"\bprov(?:es?|ed|ing)\b": "'verify', 'test'; 'proof' and 'proven' are for theorems",
    r"\bwhatever\b": "'for any', 'regardless of'",
    r"\b(?:one|row|record|line|column|file|step|cell|curve|task|seed|bar|panel|figure|search|call|vote|table) an? "
    r"(?:layer|budget|network|design|batch|second|axis|weight|method|supply|stage|channel|pixel|cycle|run|sample|"
    r"scenario|command|tile|word|device|space|person|image|gene|event|op|operator)\b": "'per' in place of 'a'",
    r"\b\w+s an? (?:second|minute|hour|millisecond|generation)\b(?=[.,:;)]|$)": "'per' in place of 'a'",
}  # fmt: skip
"""Phrases, as regular expressions, and what to write in their place."""

ALLOWED: dict[str, tuple[str, ...]] = {}
"""Phrases that a file may hold all the same: path -> regular expressions of `PHRASES`."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A place and what is wrong there.

    Attributes:
        path: File, relative to the root.
        line: Line, counted from 1.
        text: Words found, and what to write in their place.
    """

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is read like an attribute."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    return bool(names & {"property", "cached_property", "setter"})


def first_words(path: str, source: str) -> Iterator[Finding]:
    """Yield the docstrings of a module that begin with a word that does not say what the thing is or does."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        docstring = ast.get_docstring(node)
        if not docstring:
            continue
        word = docstring.split()[0].strip("`'\",.:;")
        is_verb = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_property(node)
        if word in (FIRST_OF_VERB if is_verb else FIRST_OF_NOUN):
            rule = "an imperative verb" if is_verb else "a noun"
            yield Finding(
                path=path, line=node.body[0].lineno, text=f"docstring begins with {word!r}; begin with {rule}"
            )


def words_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every comment and every string of several words in a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_text = token.type in (tokenize.COMMENT, tokenize.STRING)
        is_text = is_text or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        if is_text and " " in token.string.strip():  # a single word is a key, a name or a path
            yield token.start[0], re.sub(r"\{[^{}\s]*\}", "{}", token.string)  # names in an f-string are no prose


def phrases(path: str, pieces: Iterator[tuple[int, str]]) -> Iterator[Finding]:
    """Yield the places of pieces of text that hold a phrase of `PHRASES`; a phrase may go on in the next line."""
    for first, text in pieces:
        for pattern, instead in PHRASES.items():
            if pattern in ALLOWED.get(path, ()):
                continue
            for match in re.finditer(pattern.replace(" ", r"\s+"), text, re.IGNORECASE | re.MULTILINE):
                line = first + text.count("\n", 0, match.start())
                yield Finding(path=path, line=line, text=f"{' '.join(match[0].split())!r}; write {instead}")


def findings(path: Path) -> list[Finding]:
    """Return what is wrong with the prose of one file."""
    name, source = path.resolve().relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return list(phrases(name, iter([(1, source)])))
    found = list(phrases(name, words_of(source)))
    return found if name.startswith("tests/") else [*first_words(name, source), *found]


def files(arguments: list[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files below the paths, in order."""
    for argument in arguments or FOLDERS:
        path = ROOT / argument
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.suffix in (".py", ".md"))
        elif path.exists():
            yield path


def main(arguments: list[str]) -> int:
    """Print the findings; return 1 if there is any."""
    counts = "--count" in arguments
    this = Path(__file__).resolve()
    found = [
        finding
        for path in files([argument for argument in arguments if argument != "--count"])
        if path.resolve() != this and path.name != "test_check_prose.py"
        for finding in findings(path)
    ]
    if counts:
        for folder, number in sorted(Counter(str(Path(finding.path).parent) for finding in found).items()):
            print(f"{number:4d} {folder}")
    else:
        print("".join(f"{finding}\n" for finding in found), end="")
    print(f"{len(found)} findings in the prose" if found else "prose: no findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
