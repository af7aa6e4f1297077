//! One cell. A spreadsheet runs a text that begins like a formula, whoever wrote it; an apostrophe in front makes it a
//! text again. What comes back from a spreadsheet, or from ourselves, has it taken off.

use std::borrow::Cow;

/// What a formula begins with; the wide forms are read as the narrow ones by some spreadsheets.
const FORMULA_STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The text as a cell that no spreadsheet runs.
pub fn guard(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that a cell stands for.
pub fn unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// Whether it would be run, or only is not because of apostrophes in front: those are guarded too, so that every text
/// comes back as it was.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_STARTS)
}

#[cfg(test)]
mod tests {
    use super::{guard, unguard};

    #[test]
    fn what_begins_like_a_formula_is_guarded_and_all_else_is_left_alone() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5 °C", "'-5 °C"),
            ("@home", "'@home"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("Boiler 3", "Boiler 3"),
            ("'round", "'round"),
            ("", ""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(guard(text), cell);
            assert_eq!(unguard(cell), text);
        }
    }
}
