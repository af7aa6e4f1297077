//! The table of limits (`docs/limits.md`), row by row: what it names exists, and is what the program has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pulso_testkit::settings;

const COLUMNS: [&str; 7] = ["what", "per", "how much", "beyond it", "setting", "metric", "test"];

/// A row's cells by their column.
type Row = BTreeMap<&'static str, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

fn rows() -> Vec<Row> {
    let document = read("docs/limits.md");
    let heading = format!("| {} |", COLUMNS.join(" | "));
    let table = document.lines().skip_while(|line| *line != heading).skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        assert_eq!(cells.len(), COLUMNS.len(), "{line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "an empty cell: {line}");
        COLUMNS.into_iter().zip(cells).collect()
    };
    table.map(row).collect()
}

/// What stands in backticks in a cell that has to be `-` or such names; the rest of it by name.
fn names(row: &Row, column: &str) -> Vec<(String, String)> {
    let cell = &row[column];
    if cell == "-" {
        return Vec::new();
    }
    let mut parts = cell.split('`').skip(1);
    let mut names = Vec::new();
    while let Some(name) = parts.next() {
        let behind = parts.next().expect("a closing backtick");
        names.push((name.to_owned(), behind.trim().to_owned()));
    }
    assert!(!names.is_empty(), "{column}: neither - nor a name in backticks in {row:?}");
    names
}

/// The names of all metrics in the tables of `docs/operations.md`.
fn documented_metrics() -> BTreeSet<String> {
    let document = read("docs/operations.md");
    let first_cells = document.lines().filter_map(|line| line.strip_prefix("| `pulso_")?.split('`').next());
    first_cells.map(|name| format!("pulso_{}", name.split('{').next().unwrap())).collect()
}

/// The names of all test functions of the black-box tests and of the fault suite.
fn test_functions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = ["api/tests", "worker/tests", "faults"].map(|folder| root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of tests") {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let names = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn the_table_of_limits_is_true() {
    let (defaults, metrics, tests) = (settings::documented_defaults(), documented_metrics(), test_functions());
    let rows = rows();
    assert!(rows.len() >= 20 && metrics.len() >= 10 && tests.len() >= 100, "the documents were not read");
    let mut wrong = Vec::new();
    for row in &rows {
        for (name, behind) in names(row, "setting") {
            let named = behind.trim_matches([',', ' ']).strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            match (defaults.get(&name), named) {
                (None, _) => wrong.push(format!("no program has the setting {name}")),
                (Some(default), Some(named)) if default != named => {
                    wrong.push(format!("the default of {name} is {default}, not {named}"));
                }
                (Some(_), _) => {}
            }
        }
        for (name, _) in names(row, "metric") {
            if !metrics.contains(name.split('{').next().unwrap()) {
                wrong.push(format!("docs/operations.md has no metric {name}"));
            }
        }
        let named = names(row, "test");
        if named.is_empty() {
            wrong.push(format!("no test fills the limit of {}", row["what"]));
        }
        wrong.extend(named.iter().filter(|(name, _)| !tests.contains(name)).map(|(name, _)| format!("no test {name}")));
    }
    assert!(wrong.is_empty(), "docs/limits.md:\n{}", wrong.join("\n"));
}

#[test]
fn every_setting_of_a_limit_has_its_row() {
    let named: BTreeSet<_> = rows().iter().flat_map(|row| names(row, "setting")).map(|(name, _)| name).collect();
    let limits = settings::documented_defaults().into_keys().filter(|name| name.contains("_MAX_PER_"));
    let missing: Vec<_> = limits.filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "docs/limits.md has no row of {missing:?}");
}
