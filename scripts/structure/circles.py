"""Circles between files, and arrows against the layers of docs/architecture.md."""

import argparse
import sys
from collections import defaultdict, deque
from pathlib import Path

from modules import Workspace

# Top-level modules of api/src, the lowest layer first: a module names only its own layer and those below.
# A folder that is not listed is a domain.
DOMAINS = "domains"
LAYERS = [
    ("config", {"config"}),
    ("ground", {"db", "ids", "schema"}),
    ("http", {"http"}),
    ("infrastructure", {"auth", "broker", "rate_limit", "redis"}),
    (DOMAINS, {"money", "state"}),
    ("routes", {"openapi", "routes"}),
    ("app", {"app", "cli", "healthcheck", "lib", "main", "migrate"}),
]
# Programs that talk to each other by messages and tables alone.
CRATES_APART = {"pulso_api": {"pulso_worker"}, "pulso_worker": {"pulso_api"}, "pulso_shared": {"pulso_api", "pulso_worker"}}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[2])
    root = options.parse_args().root
    workspace = Workspace(root)
    arrows = workspace.arrows()
    faults = [*circle_faults(arrows, root), *layer_faults(arrows, root), *crate_faults(arrows, workspace, root)]
    print("\n\n".join(faults) or f"circles: none; {len({module.file for module in workspace.modules})} files, {len(links_of(arrows))} arrows")
    sys.exit(1 if faults else 0)


def links_of(arrows):
    return {(arrow.source, arrow.target) for arrow in arrows}


def circle_faults(arrows, root):
    """One text for each knot: a set of files that all reach one another."""
    named = defaultdict(list)
    for arrow in arrows:
        named[arrow.source, arrow.target].append(arrow)
    for knot in knots_of(named):
        circles = circles_in(knot, named)
        lines = [f"circle: {len(knot)} files that reach one another:"]
        for circle in circles:
            lines += ["", *(describe(named[source, target], root) for source, target in zip(circle, [*circle[1:], circle[0]]))]
        yield "\n".join(lines)


def describe(arrows, root):
    first = arrows[0]
    names = ", ".join(sorted({arrow.name for arrow in arrows}))
    return f"  {first.source.relative_to(root)}:{first.line} -> {first.target.relative_to(root)}  ({names})"


def knots_of(links):
    """Sets of at least two files that all reach one another, the largest first."""
    forward, backward = defaultdict(set), defaultdict(set)
    for source, target in links:
        forward[source].add(target)
        backward[target].add(source)
    knots, done = [], set()
    for file in sorted(forward):
        if file not in done:
            knot = reached_from(file, forward) & reached_from(file, backward)
            done |= knot
            if len(knot) > 1:
                knots.append(knot)
    return sorted(knots, key=lambda knot: (-len(knot), min(knot)))


def reached_from(start, links):
    seen, waiting = {start}, [start]
    while waiting:
        for file in links[waiting.pop()] - seen:
            seen.add(file)
            waiting.append(file)
    return seen


def circles_in(knot, links):
    """For each file of the knot the shortest circle that it lies on."""
    forward = defaultdict(set)
    for source, target in links:
        if source in knot and target in knot:
            forward[source].add(target)
    circles = {}
    for file in sorted(knot):
        circle = shortest_circle(file, forward)
        start = circle.index(min(circle))
        circles[frozenset(circle)] = circle[start:] + circle[:start]
    return sorted(circles.values(), key=lambda circle: (len(circle), circle))


def shortest_circle(start, forward):
    came_from, waiting = {}, deque([start])
    while waiting:
        file = waiting.popleft()
        for target in sorted(forward[file]):
            if target == start:
                circle = [file]
                while circle[-1] != start:
                    circle.append(came_from[circle[-1]])
                return circle[::-1]
            if target not in came_from:
                came_from[target] = file
                waiting.append(target)
    raise ValueError(f"{start} lies on no circle")


def layer_faults(arrows, root):
    source_folder = root / "api/src"
    for arrow in arrows:
        if not (arrow.source.is_relative_to(source_folder) and arrow.target.is_relative_to(source_folder)):
            continue
        (source_rank, source_layer), (target_rank, target_layer) = layer_of(arrow.source, root), layer_of(arrow.target, root)
        if source_rank < target_rank:
            yield f"layers: {source_layer} names {target_layer}:\n{describe([arrow], root)}"


def layer_of(file, root):
    top = file.relative_to(root / "api/src").parts[0].removesuffix(".rs")
    for rank, (name, modules) in enumerate(LAYERS):
        if top in modules or (name == DOMAINS and top not in listed()):
            return rank, name
    raise ValueError(f"{file} belongs to no layer")


def listed():
    return set().union(*(modules for _, modules in LAYERS))


def crate_faults(arrows, workspace, root):
    crate_of = {module.file: module.crate.name for module in workspace.modules}
    for arrow in arrows:
        source, target = crate_of[arrow.source], crate_of[arrow.target]
        if target in CRATES_APART.get(source, ()):
            yield f"crates: {source} names {target}:\n{describe([arrow], root)}"


if __name__ == "__main__":
    main()
