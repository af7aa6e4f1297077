"""Figures of the code's shape, as a table: a crate a line. Tests are what stands in tests/ or under `#[cfg(test)]`."""

import argparse
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from circles import knots_of, links_of
from modules import Workspace
from source import group_end, split_tests, tokens_of

PRODUCT = ["api", "worker", "shared"]


@dataclass
class Figures:
    """Of some files, all together."""

    file_lengths: list = field(default_factory=list)
    function_lengths: list = field(default_factory=list)
    lines: int = 0
    test_lines: int = 0
    comment_lines: int = 0
    written_lines: int = 0
    dependencies: int = 0

    def add_file(self, file, is_test):
        text = file.read_text()
        tokens = tokens_of(text)
        production, tests = split_tests(tokens)
        length = text.count("\n")
        self.lines += length
        if is_test:
            self.test_lines += length
            return
        self.test_lines += sum(test[-1].line - test[0].line + 1 for test in tests)
        self.file_lengths.append(length)
        self.function_lengths += function_lengths(production)
        self.comment_lines += sum(token.text.count("\n") + 1 for token in tokens if is_alone(token, text))
        self.written_lines += sum(1 for line in text.splitlines() if line.strip())

    def row(self, name):
        return [
            name,
            len(self.file_lengths),
            *percentiles(self.file_lengths),
            len(self.function_lengths),
            *percentiles(self.function_lengths),
            self.lines,
            percent(self.test_lines, self.lines),
            percent(self.comment_lines, self.written_lines),
            self.dependencies or "",
        ]


HEAD = ["", "files", "p50", "p90", "max", "functions", "p50", "p90", "max", "lines", "tests", "comments", "dependencies"]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[2])
    root = options.parse_args().root
    workspace = Workspace(root)
    crates = {crate.folder for crate in workspace.crates}
    rows = [figures_of([folder], workspace).row(folder.name) for folder in sorted(crates)]
    rows.append(figures_of([root / name for name in PRODUCT], workspace).row("+".join(PRODUCT)))
    rows.append(figures_of(crates, workspace).row("all"))
    print_table([HEAD, *rows])
    print_knots(workspace)
    print_lines(root)


def figures_of(folders, workspace):
    figures = Figures()
    production = {module.file for module in workspace.modules}
    for folder in folders:
        if not folder.exists():
            continue
        for file in sorted([*folder.glob("src/**/*.rs"), *folder.glob("tests/**/*.rs"), *folder.glob("*.rs")]):
            is_test = file.is_relative_to(folder / "tests") or (file not in production and file.name != "build.rs")
            figures.add_file(file, is_test)
        figures.dependencies += dependencies_of(folder / "Cargo.toml")
    return figures


def dependencies_of(manifest):
    section = re.search(r"^\[dependencies\]\n(.*?)(?=^\[|\Z)", manifest.read_text(), re.MULTILINE | re.DOTALL)
    return len(re.findall(r"^[a-z]", section[1], re.MULTILINE)) if section else 0


def function_lengths(tokens):
    """From the line of `fn` to that of the closing brace."""
    for at, token in enumerate(tokens):
        if token.text != "fn" or token.kind != "name":
            continue
        body = at
        while body < len(tokens) and tokens[body].text not in ("{", ";"):
            body = group_end(tokens, body) if tokens[body].text in ("(", "[") else body + 1
        if body < len(tokens) and tokens[body].text == "{":
            yield tokens[group_end(tokens, body) - 1].line - token.line + 1


def is_alone(token, text):
    """A comment with a line to itself."""
    return token.kind == "comment" and text.splitlines()[token.line - 1].lstrip().startswith(("//", "/*"))


def percentiles(values):
    ordered = sorted(values)
    return [ordered[int(share * (len(ordered) - 1))] if ordered else 0 for share in (0.5, 0.9, 1)]


def percent(part, whole):
    return f"{100 * part / whole:.0f} %" if whole else ""


def print_table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).rjust(width) if at else str(cell).ljust(width) for at, (cell, width) in enumerate(zip(row, widths))))


def print_knots(workspace):
    knots = knots_of(links_of(workspace.arrows()))
    print(f"\ncircles: {len(knots)}, of {sum(map(len, knots))} files")


def print_lines(root):
    files = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    groups = {
        "Rust": [name for name in files if name.endswith(".rs")],
        "SQL": [name for name in files if name.endswith(".sql")],
        "scripts": [name for name in files if name.startswith(("scripts/", ".ci/"))],
        "documents": [name for name in files if name.endswith(".md")],
    }
    counted = {group: sum((root / name).read_text().count("\n") for name in names if (root / name).exists()) for group, names in groups.items()}
    print("lines:", ", ".join(f"{group} {lines}" for group, lines in counted.items()), f"; together {sum(counted.values())}")


if __name__ == "__main__":
    main()
