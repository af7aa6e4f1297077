//! The report as text.

use crate::report::{Bound, Report, TargetCheck};
use crate::results::{BareResult, FloorResult, LoadResult};

/// All lines of the report.
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![String::new(), heading(report)];
    lines.extend(loads(report));
    lines.extend(floors(report));
    lines.extend(targets(report));
    lines
}

fn heading(report: &Report) -> String {
    let quick = if report.quick { "; shortened runs: a first look, not a measurement to lean on" } else { "" };
    let placement = match &report.api_cpus {
        Some(cpus) => format!("; the API and the bare route on processors {cpus}"),
        None => String::new(),
    };
    format!(
        "Pulso end to end, everything (with the load generator) on this machine's {} cores{placement}{quick}",
        report.cores
    )
}

fn loads(report: &Report) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<28}{:>10}{:>10}{:>8}{:>8}{:>8}{:>8}{:>9}{:>8}{:>9}  accepted = stored",
            "HTTP to committed row",
            "accepted/s",
            "stored/s",
            "p50 ms",
            "p99 ms",
            "a msg",
            "a batch",
            "backlog",
            "drained",
            "429+503"
        ),
    ];
    lines.extend(named_loads(report).map(|(name, outcome)| load_line(&name, outcome)));
    lines.push(String::new());
    lines.push(format!(
        "{:<28}{:>8}{:>8}{:>8}{:>9}{:>8}{:>9}{:>16}{:>18}",
        "CPU-s per million",
        "api",
        "broker",
        "worker",
        "database",
        "sum",
        "(load)",
        "api MB (peak)",
        "worker MB (peak)"
    ));
    lines.extend(named_loads(report).map(|(name, outcome)| cost_line(&name, outcome)));
    lines
}

fn named_loads(report: &Report) -> impl Iterator<Item = (String, &LoadResult)> {
    let rounds = report
        .rounds
        .iter()
        .enumerate()
        .map(|(place, round)| (format!("single, 256 connections, {}", place.saturating_add(1)), &round.path));
    let others = [
        ("single, 64 connections", &report.few),
        ("single, 1,000 connections", &report.many),
        ("single, at half of the rate", &report.half),
        ("arrays of 100, 32 conn.", &report.arrays),
    ];
    rounds.chain(others.into_iter().filter_map(|(name, outcome)| Some((name.to_owned(), outcome.as_ref()?))))
}

fn load_line(name: &str, outcome: &LoadResult) -> String {
    let truth = if outcome.is_consistent() {
        format!("yes, {}", outcome.stored)
    } else {
        format!(
            "NO: {} accepted, {} stored, {} without an answer",
            outcome.accepted, outcome.stored, outcome.unanswered
        )
    };
    format!(
        "{name:<28}{:>10.0}{:>10.0}{:>8.1}{:>8.1}{:>8.0}{:>8.0}{:>9}{:>7.1}s{:>9}  {truth}",
        outcome.accepted_per_s,
        outcome.stored_per_s,
        outcome.p50_ms,
        outcome.p99_ms,
        outcome.readings_per_message,
        outcome.rows_per_batch,
        outcome.backlog,
        outcome.drained_s,
        outcome.slowed,
    )
}

fn cost_line(name: &str, outcome: &LoadResult) -> String {
    let cpu = outcome.cpu_per_million;
    let memory = |memory: crate::processes::Memory| format!("{:.0} ({:.0})", memory.now_mb, memory.peak_mb);
    format!(
        "{name:<28}{:>8.1}{:>8.1}{:>8.1}{:>9.1}{:>8.1}{:>9.1}{:>16}{:>18}",
        cpu.api,
        cpu.broker,
        cpu.worker,
        cpu.database,
        cpu.system(),
        cpu.load,
        memory(outcome.api_memory),
        memory(outcome.worker_memory),
    )
}

fn floors(report: &Report) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "{:<40}{:>12}{:>14}{:>14}{:>14}",
            "The parts on their own", "units/s", "heartbeats/s", "client CPU/M", "server CPU/M"
        ),
    ];
    let bare = |bare: &BareResult| {
        format!(
            "{:<40}{:>12.0}{:>14.0}{:>14.1}{:>14.1}",
            format!("bare route, {} connections", bare.connections),
            bare.answers_per_s,
            bare.answers_per_s,
            bare.load_cpu_per_million,
            bare.cpu_per_million
        )
    };
    lines.extend(report.bare.iter().map(bare));
    if let Some(floors) = &report.floors {
        lines.push(floor_line("confirmed publish of 100, one in flight", &floors.publish_one));
        lines.push(floor_line("confirmed publish of 100, two in flight", &floors.publish_two));
        lines.push(floor_line("the same, consumed and acknowledged", &floors.publish_and_consume));
        lines.push(floor_line("bare insert, batches of 1,500", &floors.insert));
    }
    lines.extend(report.floor_cpu().map(|sum| format!("{:<40}{sum:>54.1}", "sum of the parts, CPU-s per million")));
    lines
}

fn floor_line(name: &str, floor: &FloorResult) -> String {
    format!(
        "{name:<40}{:>12.0}{:>14.0}{:>14.1}{:>14.1}",
        floor.units_per_s, floor.heartbeats_per_s, floor.client_cpu_per_million, floor.server_cpu_per_million
    )
}

fn targets(report: &Report) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("{:<40}{:>12}  {:<32}verdict", "Measured against the targets", "measured", "target"),
    ];
    let truth = if report.is_consistent() { "met" } else { "NOT MET" };
    lines.push(format!(
        "{:<40}{:>12}  {:<32}{truth}",
        "accepted = stored, everywhere",
        if report.is_consistent() { "yes" } else { "no" },
        "yes"
    ));
    lines.extend(report.target_checks().iter().map(target_line));
    let cpu = report.over_rounds(|round| round.path.cpu_per_million.system());
    lines.extend(
        cpu.zip(report.floor_cpu())
            .map(|(cpu, floor)| format!("{:<40}{:>12.2}", "whole path's CPU ÷ sum of the parts", cpu / floor)),
    );
    lines
}

fn target_line(check: &TargetCheck) -> String {
    let target = match check.bound {
        Bound::AtLeast(least, aim) => format!("at least {least:.2}, aim {aim:.2}"),
        Bound::AtMost(most, aim) => format!("at most {most:.0}, aim {aim:.0}"),
    };
    let word = if check.met { "met" } else { "NOT MET" };
    format!("{:<40}{:>12.2}  {target:<32}{word}", check.name, check.measured)
}
