"""The modules of the workspace's crates, and which file names an item of which other file.

What cannot be seen without a compiler is left out: a method called on a value names no file. A re-exported name counts for
the file that defines it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from source import CLOSING, OPENING, attribute_end, group_end, item_end, split_tests, tokens_of

NAMED_ITEMS = {"fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"}
BEFORE_ITEMS = {"pub", "async", "unsafe", "extern", "default"}
PATH_IN_STRING = re.compile(r'"((?:crate|super|self|[a-z]\w*)(?:::\w+)+)"')


@dataclass(frozen=True)
class Use:
    """One name that a `use` line brings in."""

    path: tuple
    line: int
    public: bool


@dataclass
class Module:
    file: Path
    parent: "Module"
    crate: "Crate"
    items: set = field(default_factory=set)
    children: dict = field(default_factory=dict)
    uses: dict = field(default_factory=dict)
    globs: list = field(default_factory=list)
    code: list = field(default_factory=list)  # lists of tokens in which paths may stand


@dataclass
class Crate:
    name: str
    folder: Path
    root: Module = None


@dataclass(frozen=True)
class Arrow:
    """`line` of `source` names `name`, which is defined in `target`."""

    source: Path
    target: Path
    line: int
    name: str


class Workspace:
    def __init__(self, root):
        self.root = Path(root)
        self.crates = []
        self.libraries = {}
        self.modules = []
        for manifest in sorted(self.root.glob("*/Cargo.toml")):
            self._read_package(manifest)

    def _read_package(self, manifest):
        folder = manifest.parent
        name = re.search(r'^name = "(.*)"', manifest.read_text(), re.MULTILINE)[1].replace("-", "_")
        roots = [folder / "src/lib.rs", folder / "src/main.rs", *folder.glob("tests/*.rs"), *folder.glob("tests/*/main.rs")]
        for file in roots:
            if not file.exists():
                continue
            crate = Crate(name, folder)
            crate.root = self._read_file(file, None, crate, file.parent)
            self.crates.append(crate)
            if file.name == "lib.rs":
                self.libraries[name] = crate

    def _read_file(self, file, parent, crate, folder):
        module = Module(file, parent, crate)
        self.modules.append(module)
        production, _ = split_tests(tokens_of(file.read_text()))
        self._read_items(production, module, folder)
        return module

    def _read_items(self, tokens, module, folder):
        at = 0
        while at < len(tokens):
            end = attribute_end(tokens, at)
            if end is not None:
                module.code.append(tokens[at:end])
            elif tokens[at].text == "use":
                end = item_end_of_use(tokens, at)
                read_use(tokens[at + 1 : end - 1], (), module, is_public(tokens, at))
            elif tokens[at].text == "mod" and at + 2 < len(tokens):
                end = self._read_module(tokens, at, module, folder)
            else:
                end = read_item(tokens, at, module)
            at = end

    def _read_module(self, tokens, at, module, folder):
        name = tokens[at + 1].text
        if tokens[at + 2].text == "{":
            child = Module(module.file, module, module.crate)
            self.modules.append(child)
            end = group_end(tokens, at + 2)
            self._read_items(tokens[at + 3 : end - 1], child, folder / name)
        else:
            end = at + 3
            file = next((path for path in (folder / f"{name}.rs", folder / name / "mod.rs") if path.exists()), None)
            child = self._read_file(file, module, module.crate, folder / name) if file else None
        if child:
            module.children[name] = child
        return end

    def resolve(self, module, path, seen=()):
        """(file, name) of the item that `path` means in `module`; None for modules and other people's crates."""
        if (id(module), path) in seen:
            return None
        seen = (*seen, (id(module), path))
        first, rest = path[0], path[1:]
        if first in ("crate", "$crate"):
            return self._inside(module.crate.root, rest, seen)
        if first == "self":
            return self._inside(module, rest, seen)
        if first == "super":
            return self._inside(module.parent, rest, seen) if module.parent else None
        if first in module.items or first in module.children or first in module.uses:
            return self._inside(module, path, seen)
        if first in self.libraries:
            return self._inside(self.libraries[first].root, rest, seen)
        return self._by_globs(module, path, seen)

    def _is_ours(self, module, path):
        """Does the path begin with something of this workspace? Names by glob apart, which never begin a path of ours."""
        known = {"crate", "self", "super", *module.items, *module.children, *module.uses, *self.libraries}
        return path[0] in known

    def _inside(self, module, path, seen):
        if not path:
            return None
        first, rest = path[0], path[1:]
        if first == "super":
            return self._inside(module.parent, rest, seen) if module.parent else None
        child = module.children.get(first)
        if child and rest:
            return self._inside(child, rest, seen)
        if first in module.items:
            return module.file, first
        if first in module.uses:
            used = module.uses[first].path + rest
            # `use name::name;` can only mean a crate, or a child, of that name.
            return self._outside(used, seen) if used[0] == first and not child else self.resolve(module, used, seen)
        if child:
            return None
        # Macros make items that no line names: they count as the module's own.
        return self._by_globs(module, path, seen) or (module.file, first)

    def _outside(self, path, seen):
        library = self.libraries.get(path[0])
        return self._inside(library.root, path[1:], seen) if library else None

    def _by_globs(self, module, path, seen):
        for use in module.globs:
            found = self._is_ours(module, use.path) and self.resolve(module, use.path + path, seen)
            if found:
                return found
        return None

    def arrows(self):
        """Which file names which, once for each pair of files and name."""
        found = {}
        for module in self.modules:
            for path, line in self._named_paths(module):
                target, name = self.resolve(module, path) or (module.file, None)
                if target != module.file:
                    found.setdefault((module.file, target, name), Arrow(module.file, target, line, name))
        return sorted(found.values(), key=lambda arrow: (arrow.source, arrow.line))

    def _named_paths(self, module):
        for use in [*module.uses.values(), *module.globs]:
            if not (use.public and self._is_below(module, use.path)):
                yield use.path, use.line
        for tokens in module.code:
            yield from paths_in(tokens, module)

    def _is_below(self, module, path):
        """Is it a re-export of what a child holds? Those are the child's affair."""
        path = path[1:] if path[0] == "self" else path
        if path[0] == "crate":
            return path[1] in module.crate.root.children and module.parent is None
        return path[0] in module.children


def item_end_of_use(tokens, at):
    while tokens[at].text != ";":
        at += 1
    return at + 1


def is_public(tokens, at):
    return tokens[at - 1].text == "pub" or (tokens[at - 1].text == ")" and "pub" in [token.text for token in tokens[max(0, at - 6) : at]])


def read_use(tokens, prefix, module, public):
    """`a::{b, c as d, e::*}` as one `Use` for each name."""
    path, at, line = prefix, 0, tokens[0].line if tokens else 0
    alias = None
    while at < len(tokens):
        token = tokens[at]
        if token.text == "{":
            end = group_end(tokens, at)
            for part in split_by_comma(tokens[at + 1 : end - 1]):
                read_use(part, path, module, public)
            return
        if token.text == "*":
            module.globs.append(Use(path, line, public))
            return
        if token.text == "as":
            alias = tokens[at + 1].text
            break
        if token.kind == "name" and not (token.text == "self" and path):
            path += (token.text,)
        at += 1
    if path and path != prefix or alias or prefix:
        name = alias or path[-1]
        module.uses[f"_{line}{path}" if name == "_" else name] = Use(path, line, public)


def split_by_comma(tokens):
    parts, start, at = [], 0, 0
    while at < len(tokens):
        if tokens[at].text == ",":
            parts.append(tokens[start:at])
            start = at + 1
        at = group_end(tokens, at) if tokens[at].text in OPENING else at + 1
    return [part for part in [*parts, tokens[start:]] if part]


def read_item(tokens, at, module):
    """Notes an item's name and its code; gives the index behind it."""
    text = tokens[at].text
    if text in BEFORE_ITEMS or text in CLOSING or text in (";", ","):
        return at + 1
    if text == "(":
        return group_end(tokens, at)  # of `pub(crate)`
    if text == "const" and tokens[at + 1].text in ("fn", "unsafe", "async", "extern"):
        return at + 1
    if text in NAMED_ITEMS:
        module.items.add(next(token.text for token in tokens[at + 1 :] if token.kind == "name" and token.text != "mut"))
    end = value_end(tokens, at) if text in ("const", "static", "type") else item_end_without_comma(tokens, at)
    module.code.append(tokens[at:end])
    return max(end, at + 1)


def item_end_without_comma(tokens, start):
    """A comma at the top of an item stands between type parameters."""
    end = item_end(tokens, start)
    while tokens[end - 1].text == "," and end < len(tokens):
        end = item_end(tokens, end)
    return end


def value_end(tokens, at):
    """`const X: T = T { … };` ends at the semicolon."""
    while at < len(tokens) and tokens[at].text != ";":
        at = group_end(tokens, at) if tokens[at].text in OPENING else at + 1
    return at + 1


def paths_in(tokens, module):
    """Paths named in code, with their lines; also a single name that the module re-exports from a child."""
    at = 0
    while at < len(tokens):
        token = tokens[at]
        before = tokens[at - 1].text if at else ""
        if token.kind == "string" and (found := PATH_IN_STRING.fullmatch(token.text)):
            yield tuple(found[1].split("::")), token.line
        if token.text == "use" and token.kind == "name":
            end = item_end_of_use(tokens, at)
            inner = Module(module.file, module.parent, module.crate)
            read_use(tokens[at + 1 : end - 1], (), inner, False)
            for use in [*inner.uses.values(), *inner.globs]:
                yield use.path, use.line
            module.uses.update(inner.uses)
            at = end
            continue
        if token.kind != "name" or before in (".", "::", "fn"):
            at += 1
            continue
        path, line = [token.text], token.line
        if before == "$":
            path[0] = f"${token.text}"
        while at + 2 < len(tokens) and tokens[at + 1].text == "::" and tokens[at + 2].kind == "name":
            path.append(tokens[at + 2].text)
            at += 2
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if len(path) > 1 or is_reexported(path[0], following, module):
            yield tuple(path), line
        at += 1


def is_reexported(name, following, module):
    use = module.uses.get(name)
    return bool(use and use.public and (name[0].isupper() or following in ("(", "!", "::")))
