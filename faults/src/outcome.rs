//! The result of a case: the numbers of its row, and the promises that were not kept.

use std::time::Duration;

use pulso_simulator::ledger::Proof;

/// The result of a case.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Description of what was sent.
    pub load: String,
    /// Readings that got a 2xx.
    pub accepted: u64,
    /// Of those, stored.
    pub stored: u64,
    /// Of those, not stored.
    pub lost: u64,
    /// Readings that are stored twice, or as they were never sent.
    pub doubled: u64,
    /// From the repair until Pulso worked again.
    pub recovered_in: Option<Duration>,
    /// Remarks for the report.
    pub notes: Vec<String>,
    /// Promises that were not kept.
    pub violations: Vec<String>,
    /// Why the case could not be run here.
    pub skipped: Option<String>,
}

impl Outcome {
    /// A case that this machine cannot run.
    pub fn skipped(why: impl ToString) -> Self {
        Self { skipped: Some(why.to_string()), ..Self::default() }
    }

    /// From the comparison of the ledger.
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

    /// Records a violation, unless the promise was kept.
    pub fn require(&mut self, kept: bool, violation: impl ToString) {
        if !kept {
            self.violations.push(violation.to_string());
        }
    }

    /// Adds a remark.
    pub fn note(&mut self, note: impl ToString) {
        self.notes.push(note.to_string());
    }

    /// Whether every promise was kept.
    pub fn passed(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.violations.is_empty()
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
    use pulso_simulator::ledger::Proof;

    use super::Outcome;

    #[test]
    fn one_loss_one_double_or_one_violation_fails_a_case() {
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

    #[test]
    fn a_proof_counts_its_losses_and_whatever_is_stored_without_having_been_accepted() {
        let verdict = |proof| Outcome::of(String::new(), &proof).verdict();
        let good = Proof { accepted: 10, unanswered: 2, unanswered_stored: 1, ..Proof::default() };
        assert_eq!(verdict(good), "pass");
        for bad in [
            Proof::default(),
            Proof { missing: 1, ..good },
            Proof { twice: 1, ..good },
            Proof { different: 1, ..good },
            Proof { unknown: 1, ..good },
            Proof { torn: 1, ..good },
        ] {
            assert_eq!(verdict(bad), "FAIL", "{bad:?}");
        }
        let lost = Outcome::of(String::new(), &Proof { missing: 3, twice: 2, ..good });
        assert_eq!((lost.stored, lost.lost, lost.doubled), (7, 3, 2));
    }
}
