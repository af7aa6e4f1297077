"""Rust source as tokens, and which of them belong to tests."""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<string>[bc]?r(?P<hashes>\#*)".*?"(?P=hashes)|[bc]?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^\\'])')
  | (?P<lifetime>'\w+)
  | (?P<name>(?:r\#)?[A-Za-z_]\w*)
  | (?P<number>\d[\w.]*?(?=\.\.|[^\w.]|\.[A-Za-z_]|$))
  | (?P<sign>::|->|=>|\S)
    """,
    re.VERBOSE | re.DOTALL,
)

OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = set(OPENING.values())
TEST_ATTRIBUTE = re.compile(r"cfg\((test|all\(test\b.*)\)$|(\w+::)*test(\(.*\))?$")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int


def tokens_of(text):
    """Everything but white space; comments too."""
    line, last, found = 1, 0, []
    for match in TOKEN.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        found.append(Token(match.lastgroup if match.lastgroup != "hashes" else "string", match.group(), line))
    return found


def group_end(tokens, start):
    """The index behind the bracket that closes the one at `start`."""
    depth = 0
    for at in range(start, len(tokens)):
        if tokens[at].text in OPENING and tokens[at].kind == "sign":
            depth += 1
        elif tokens[at].text in CLOSING and tokens[at].kind == "sign":
            depth -= 1
            if depth == 0:
                return at + 1
    return len(tokens)


def item_end(tokens, start):
    """The index behind the item, field, variant or arm that begins at `start`: its `;`, `,` or block."""
    at = start
    while at < len(tokens):
        text = tokens[at].text
        if text in (";", ","):
            return at + 1
        if text in CLOSING:
            return at
        if text == "{":
            return group_end(tokens, at)
        at = group_end(tokens, at) if text in OPENING else at + 1
    return at


def attribute_end(tokens, at):
    """The index behind the attribute at `at`, or None when there is none."""
    if tokens[at].text != "#":
        return None
    bracket = at + 1
    if bracket < len(tokens) and tokens[bracket].text == "!":
        bracket += 1
    if bracket < len(tokens) and tokens[bracket].text == "[":
        return group_end(tokens, bracket)
    return None


def is_test_attribute(tokens):
    inner = "".join(token.text for token in tokens if token.text not in "#!")
    return bool(TEST_ATTRIBUTE.match(inner[1:-1]))


def split_tests(tokens):
    """(production, tests): what stands under `#[cfg(test)]` or `#[test]` is a test. Without comments."""
    tokens = [token for token in tokens if token.kind != "comment"]
    production, tests, at = [], [], 0
    while at < len(tokens):
        end = attribute_end(tokens, at)
        if end is None:
            production.append(tokens[at])
            at += 1
            continue
        if not is_test_attribute(tokens[at:end]):
            production += tokens[at:end]
            at = end
            continue
        while end < len(tokens) and (further := attribute_end(tokens, end)):
            end = further
        end = item_end(tokens, end)
        tests.append(tokens[at:end])
        at = end
    return production, tests
