//! What came of a case: the numbers of its row, and what else was wrong.

use std::time::Duration;

use pulso_simulator::ledger::Proof;

/// A case's end.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was sent, for people.
    pub load: String,
    /// Readings that got a 2xx.
    pub accepted: u64,
    /// Of those, stored.
    pub stored: u64,
    /// Of those, not stored.
    pub lost: u64,
    /// Readings that are stored twice, or as they were never sent.
    pub doubled: u64,
    /// From the mending of what was broken until Pulso worked again.
    pub recovered_in: Option<Duration>,
    /// What there is to know besides.
    pub notes: Vec<String>,
    /// Promises that were not kept.
    pub complaints: Vec<String>,
    /// Why the case could not be run here.
    pub skipped: Option<String>,
}

impl Outcome {
    /// A case that this machine cannot run.
    pub fn skipped(why: impl ToString) -> Self {
        Self { skipped: Some(why.to_string()), ..Self::default() }
    }

    /// The ledger's part.
    pub fn of(load: String, proof: &Proof) -> Self {
        let mut outcome = Self {
            load,
            accepted: proof.accepted,
            stored: proof.accepted.saturating_sub(proof.missing),
            lost: proof.missing,
            doubled: proof.twice.saturating_add(proof.different).saturating_add(proof.unknown),
            ..Self::default()
        };
        outcome.require(proof.accepted > 0, "nothing was accepted at all");
        outcome.require(proof.torn == 0, "the ledger has torn lines");
        outcome
    }

    /// Something that has to be true.
    pub fn require(&mut self, kept: bool, complaint: impl ToString) {
        if !kept {
            self.complaints.push(complaint.to_string());
        }
    }

    /// Something worth knowing.
    pub fn note(&mut self, note: impl ToString) {
        self.notes.push(note.to_string());
    }

    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.complaints.is_empty()
    }

    /// In one word.
    pub fn verdict(&self) -> &'static str {
        match (&self.skipped, self.passed()) {
            (Some(_), _) => "skipped",
            (None, true) => "pass",
            (None, false) => "FAIL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn one_loss_one_double_or_one_complaint_fails_a_case() {
        assert_eq!(Outcome { accepted: 5, stored: 5, ..Outcome::default() }.verdict(), "pass");
        assert_eq!(Outcome { lost: 1, ..Outcome::default() }.verdict(), "FAIL");
        assert_eq!(Outcome { doubled: 1, ..Outcome::default() }.verdict(), "FAIL");
        let mut outcome = Outcome::default();
        outcome.require(true, "is so");
        assert!(outcome.passed());
        outcome.require(false, "is not so");
        assert_eq!(outcome.verdict(), "FAIL");
        assert_eq!(Outcome::skipped("no mount").verdict(), "skipped");
    }
}
