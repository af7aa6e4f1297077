//! The settings that a program has, held against the documents that tell them: the table in `README.md`, `.env.example` and
//! `docker-compose.yaml`.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::fs;

use clap::Command;

/// A default as the README's table has it: nothing for what is required, `none` for what may stay unset.
type Settings = BTreeMap<String, String>;

/// Fails where the documents and what `pulso-{program} {subcommand}` reads are not the same.
pub fn assert_documented(command: &Command, subcommand: &str, program: &str) {
    let settings = settings_of(command, subcommand);
    assert_eq!(readme_settings(program), settings, "left: README.md, right: pulso-{program} {subcommand} --help");
    let (examples, compose) = (env_examples(), read("docker-compose.yaml"));
    for (name, default) in &settings {
        let passed_on = compose.lines().any(|line| line.trim_start().starts_with(&format!("{name}:")));
        assert!(passed_on, "docker-compose.yaml does not pass {name} on");
        match examples.get(name) {
            Some(example) if default == "none" || default.is_empty() => assert_ne!(example, "none", "{name}"),
            Some(example) => assert_eq!(example, default, "{name} in .env.example and its default"),
            None => assert!(compose_sets(&compose, name), "{name} is not in .env.example"),
        }
    }
}

/// Fails where `.env.example` has a line that neither a program nor `docker-compose.yaml` reads.
pub fn assert_no_unknown_example() {
    let (api, worker, compose) = (readme_settings("api"), readme_settings("worker"), read("docker-compose.yaml"));
    for name in env_examples().keys() {
        let is_read = compose.contains(&format!("${{{name}:"));
        assert!(is_read || api.contains_key(name) || worker.contains_key(name), "nobody reads {name} of .env.example");
    }
}

/// Every setting of the api and the worker with its default, as the README has them.
pub fn documented_defaults() -> BTreeMap<String, String> {
    readme_settings("api").into_iter().chain(readme_settings("worker")).collect()
}

/// Whether its value is made there, from the names of other services or of other variables.
fn compose_sets(compose: &str, name: &str) -> bool {
    compose.lines().any(|line| {
        let value = line.trim_start().strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        value.is_some_and(|value| !value.is_empty())
    })
}

fn settings_of(command: &Command, subcommand: &str) -> Settings {
    let command = command.find_subcommand(subcommand).expect("a subcommand");
    let with_default = command.get_arguments().filter_map(|arg| {
        let name = arg.get_env()?.to_str()?.to_owned();
        let default = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect::<String>();
        let shown = match default.as_str() {
            "" if arg.is_required_set() => "",
            "" => "none",
            default => default,
        };
        Some((name, shown.to_owned()))
    });
    with_default.collect()
}

/// The rows of the README's table that have a cross in the program's column.
fn readme_settings(program: &str) -> Settings {
    let readme = read("README.md");
    let table = readme.lines().skip_while(|line| !line.starts_with("| variable | api | worker |"));
    let mut rows = table.take_while(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim).collect());
    let head: Vec<&str> = rows.next().expect("the table's head");
    let column = |name: &str| head.iter().position(|cell| *cell == name).expect("a column");
    let (at, default) = (column(program), column("default"));
    let marked = rows.filter(|cells: &Vec<&str>| cells[at] == "×");
    let of_row = |cells: Vec<&str>| {
        let default = cells[default].trim_matches('`').to_owned();
        let names = cells[1].split(", ").map(|name| name.trim_matches('`').to_owned());
        names.map(|name| (name, default.clone())).collect::<Vec<_>>()
    };
    marked.flat_map(of_row).collect()
}

/// `NAME=value`, also as a comment.
fn env_examples() -> Settings {
    let text = read(".env.example");
    let lines = text.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let named = lines.filter(|(name, _)| !name.is_empty() && !name.contains(' '));
    named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(name: &str) -> String {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
