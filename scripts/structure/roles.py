"""The same file names in every domain of the API, and SQL only where they say so."""

import argparse
import re
import sys
from pathlib import Path

from circles import describe, listed
from modules import Workspace
from source import split_tests, tokens_of

# mod: what the domain is, and what others may use. routes: HTTP. types: bodies, responses, rules. commands: what changes.
# queries: what is read. store: SQL.
ROLES = {"mod", "routes", "types", "commands", "queries", "store"}

# A role names none that stands higher.
RANKS = {"types": 0, "store": 1, "queries": 2, "commands": 2, "routes": 3}
MOST = max(RANKS.values())

# Things that only one domain has: its folder and file or folder, and why it is none of the roles.
THINGS_OF_THEIR_OWN = {
    "accounts/administrator": "the first administrator, made at the start from configuration",
    "accounts/audit_events": "what the audit log says of accounts, without their names",
    "accounts/names": "user name, e-mail and full name: one rule for what may sign in",
    "aggregation/buckets": "where time buckets begin and end",
    "aggregation/plan": "which buckets come from rollups and which from raw rows",
    "aggregation/points": "points as they are sent, a bucket each",
    "aggregation/statistic": "mean, minimum, maximum, count, percentile, and how partial ones add up",
    "aggregation/time_zone": "days and hours of an IANA zone",
    "catalogue/import": "products of a feed, fetched and taken over",
    "catalogue/list_query": "filter, order and cursor of the list",
    "catalogue/money": "prices: minor units and a currency",
    "devices/credentials": "a device's secrets: a sub-folder with the same roles",
    "devices/kind": "device or server, and what their senders have to prove",
    "devices/limits": "how many devices an account may have, and how soon one counts as offline",
    "devices/list_query": "filter and cursor of the list",
    "devices/offline_after": "how long a device may be silent",
    "devices/registry": "devices remembered for ingest",
    "devices/serial_number": "the rule for serial numbers",
    "devices/servers": "the older contract's routes: a sub-folder with the same roles",
    "devices/sheet": "devices as CSV: a sub-folder with the same roles",
    "export/means": "aggregated rows, a range of time after the other",
    "export/raw": "rows of many devices in the order of time",
    "export/response_cache": "responses about closed times, and when they are still valid",
    "export/stream": "a response in chunks, as the client takes them",
    "history/access": "who may read a device's history",
    "history/csv": "rows as CSV",
    "history/properties": "what the fuzzer tries to break",
    "history/windows": "widening windows into a time range",
    "ingest/accepted": "what was accepted of a request, kept for its answer",
    "ingest/ack": "?ack=stored: a request waits for the commit",
    "ingest/array": "items of an array, each judged on its own",
    "ingest/context": "what decides about an item besides the item",
    "ingest/in_flight": "readings in flight to the broker",
    "ingest/intake": "the way of an item from its request to the publisher",
    "ingest/item": "a body becomes a valid item, or its faults",
    "ingest/limit": "how much each device may send",
    "ingest/metrics": "what ingest counts",
    "ingest/parts": "what ingest uses of the process",
    "ingest/properties": "what the fuzzer tries to break",
    "ingest/rejections": "items of an array that were not taken, and what is told of them",
    "ingest/request": "the extractor of an ingest request",
    "ingest/rules": "rules of an item that need neither the database nor the request's thread",
    "ingest/stored": "waiting for the commit",
    "ingest/target": "which device an item is of",
    "operations/rates": "rates from the counts of two samples",
    "orders/checkout": "lock, stock, idempotency and audit of one purchase, told as one story",
    "orders/idempotency": "an order that may be sent again: key and digest",
    "presence/probe": "watermark probes that this replica publishes",
    "sessions/cookies": "a session kept in a browser's cookies",
    "sessions/sign_in_limits": "how often a sign-in may be tried",
    "tasks/folding": "titles without case and accents, for search",
    "tasks/list_query": "filter, cursor or page number of the list",
    "throughput/recorder": "writes this replica's counts down",
}

# Folders of api/src that are no domains, though circles.py takes them for such.
NO_DOMAINS = {"openapi"}

SQL_NAMES = {"sql_query", "batch_execute"}
SQL_TEXT = re.compile(r'[bcr#]*"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|LOCK)\s', re.DOTALL)
SQL_FILE = re.compile(r'"[^"]*\.sql"')


OUR_ROOT = Path(__file__).resolve().parents[2]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("root", nargs="?", type=Path, default=OUR_ROOT)
    root = options.parse_args().root
    source_folder = root / "api/src"
    # Of our own tree alone: another one, such as a test's, has none of these.
    gone = allowed_but_gone(source_folder) if root.resolve() == OUR_ROOT else ()
    domains = [folder for folder in sorted(source_folder.iterdir()) if is_domain(folder)]
    faults = [*name_faults(domains), *arrow_faults(domains, root), *text_faults(domains, root), *gone]
    print("\n".join(faults) or f"roles: {len(domains)} domains, {len(THINGS_OF_THEIR_OWN)} things of their own")
    sys.exit(1 if faults else 0)


def is_domain(path):
    return path.is_dir() and path.name not in listed() | NO_DOMAINS


def name_faults(domains):
    for domain in domains:
        strange = [path.name for path in sorted(domain.iterdir()) if path.suffix != ".sql" and not is_known(domain, path)]
        if strange:
            yield f"roles: api/src/{domain.name}: neither a role nor listed in scripts/structure/roles.py: {', '.join(strange)}"


def is_known(domain, path):
    return path.stem in ROLES or f"{domain.name}/{path.stem}" in THINGS_OF_THEIR_OWN


def allowed_but_gone(source_folder):
    for name in THINGS_OF_THEIR_OWN:
        if not any(path.exists() for path in (source_folder / name, source_folder / f"{name}.rs")):
            yield f"roles: scripts/structure/roles.py lists {name}, which is not there"


def arrow_faults(domains, root):
    """Inside a domain: routes -> commands, queries -> store -> types; the tables' names in stores only."""
    for arrow in Workspace(root).arrows():
        domain = next((folder for folder in domains if arrow.source.is_relative_to(folder)), None)
        if domain is None:
            continue
        source, target = arrow.source.stem, arrow.target.stem
        if arrow.target.name == "schema.rs" and not is_store(arrow.source):
            yield f"roles: SQL outside of a store:\n{describe([arrow], root)}"
        if arrow.target.is_relative_to(domain) and RANKS.get(source, MOST) < RANKS.get(target, 0):
            yield f"roles: {source} names {target}:\n{describe([arrow], root)}"


def text_faults(domains, root):
    for file in sorted(file for domain in domains for file in domain.glob("**/*.rs")):
        for token in split_tests(tokens_of(file.read_text()))[0]:
            if is_sql(token) and not is_store(file):
                yield f"roles: SQL outside of a store:\n  {file.relative_to(root)}:{token.line}  {token.text[:60]!r}"
            if token.text == "actix_web" and file.stem == "types":
                yield f"roles: types names actix_web:\n  {file.relative_to(root)}:{token.line}"


def is_store(file):
    """`store.rs` or what begins so, and what lies in a folder `store`."""
    return file.stem.startswith("store") or file.parent.name == "store"


def is_sql(token):
    if token.kind == "string":
        return bool(SQL_TEXT.match(token.text) or SQL_FILE.fullmatch(token.text))
    return token.kind == "name" and token.text in SQL_NAMES


if __name__ == "__main__":
    main()
