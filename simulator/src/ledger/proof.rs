//! What the comparison of ledger and database found.

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// Readings that got a 2xx.
    pub accepted: u64,
    /// Of those, not in the database.
    pub missing: u64,
    /// Readings that are in the database more than once.
    pub twice: u64,
    /// Of the accepted, stored with another `cpu_usage`.
    pub different: u64,
    /// Rows of these devices in this time that are not in the ledger at all.
    pub unknown: u64,
    /// Readings that never got an answer; they may be stored or not.
    pub unanswered: u64,
    /// Of those, stored.
    pub unanswered_stored: u64,
    /// Lines of the file that are torn.
    pub torn: u64,
}

impl Proof {
    /// Whether exactly what was accepted is stored.
    pub fn holds(&self) -> bool {
        self.accepted > 0 && self.missing == 0 && self.twice == 0 && self.different == 0 && self.unknown == 0
    }

    /// The lines that the user reads.
    pub fn table(&self) -> Vec<String> {
        let row = |name: &str, value: u64, note: &str| format!("  {name:<26}{value:>12}  {note}");
        let stored = self.accepted.saturating_sub(self.missing);
        let mut lines = vec![
            row("accepted (2xx)", self.accepted, ""),
            row("of those stored", stored, ""),
            row("accepted - stored", self.missing, must_be_zero(self.missing)),
            row("stored twice", self.twice, must_be_zero(self.twice)),
            row("stored with other values", self.different, must_be_zero(self.different)),
            row("stored but never sent", self.unknown, must_be_zero(self.unknown)),
            row("never answered", self.unanswered, "may be stored or not"),
            row("of those stored", self.unanswered_stored, ""),
        ];
        if self.torn > 0 {
            lines.push(row("torn lines in the file", self.torn, "left out: the simulator was killed while writing"));
        }
        lines.push(match (self.holds(), self.accepted) {
            (true, _) => "proved: every accepted reading is stored, exactly once, as it was sent".to_owned(),
            (false, 0) => "NOT proved: nothing was accepted".to_owned(),
            (false, _) => "NOT proved: what is stored is not what was accepted".to_owned(),
        });
        lines
    }
}

fn must_be_zero(value: u64) -> &'static str {
    if value == 0 { "ok" } else { "MUST BE 0" }
}

#[cfg(test)]
mod tests {
    use super::Proof;

    #[test]
    fn a_proof_holds_only_when_everything_fits() {
        let good = Proof { accepted: 10, unanswered: 3, unanswered_stored: 1, ..Proof::default() };
        assert!(good.holds());
        for bad in [
            Proof::default(),
            Proof { missing: 1, ..good },
            Proof { twice: 1, ..good },
            Proof { different: 1, ..good },
            Proof { unknown: 1, ..good },
        ] {
            assert!(!bad.holds(), "{bad:?}");
            assert!(bad.table().last().unwrap().starts_with("NOT proved"));
        }
    }
}
