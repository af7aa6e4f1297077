//! The report's table.

use crate::outcome::Outcome;

/// The column names.
pub fn header() -> String {
    row(["case", "load", "accepted", "stored", "lost", "doubled", "recovered in", "verdict"])
}

/// A case's row, and its remarks and violations below it.
pub fn lines(case: &str, outcome: &Outcome) -> Vec<String> {
    let recovered = outcome.recovered_in.map_or_else(|| "-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
    let numbers = [outcome.accepted, outcome.stored, outcome.lost, outcome.doubled].map(|number| number.to_string());
    let [accepted, stored, lost, doubled] = numbers.each_ref().map(String::as_str);
    let mut lines = vec![match &outcome.skipped {
        Some(why) => format!("{:<26}skipped: {why}", case),
        None => row([case, &outcome.load, accepted, stored, lost, doubled, &recovered, outcome.verdict()]),
    }];
    lines.extend(outcome.notes.iter().map(|note| format!("    {note}")));
    lines.extend(outcome.violations.iter().map(|violation| format!("    NOT KEPT: {violation}")));
    lines
}

fn row([case, load, accepted, stored, lost, doubled, recovered, verdict]: [&str; 8]) -> String {
    format!("{case:<26}{load:<18}{accepted:>9}{stored:>9}{lost:>6}{doubled:>9}{recovered:>14}  {verdict}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{header, lines};
    use crate::outcome::Outcome;

    #[test]
    fn a_row_is_aligned_with_its_header_and_violations_are_below_it() {
        let mut outcome = Outcome { load: "300/s".into(), accepted: 2_700, stored: 2_700, ..Outcome::default() };
        outcome.recovered_in = Some(Duration::from_millis(1_250));
        outcome.require(false, "late");
        let lines = lines("rabbitmq/restart", &outcome);
        assert_eq!(lines[0].find("2700"), header().find("accepted").map(|start| start + 4));
        assert!(lines[0].ends_with("1.2 s  FAIL") && lines[1].contains("NOT KEPT: late"), "{lines:?}");
    }
}
