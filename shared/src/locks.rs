//! PostgreSQL advisory locks: one number space for a whole database, so all of Pulso's are listed here.

/// What a lock protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdvisoryLock {
    /// Migrations: one process applies them, others that start meanwhile wait.
    Migrate,
    /// Partitions: one worker creates them at a time.
    CreatePartitions,
    /// Shared by storage transactions; exclusive while the rollup watermark moves, so that no row is stored meanwhile.
    StoreRows,
    /// Offline detection: the worker that holds it decides which devices went offline.
    DetectOffline,
    /// Rollups: the worker that holds it computes them.
    ComputeRollups,
    /// Retention: the worker that holds it deletes what is too old.
    ApplyRetention,
    /// The first administrator: one replica creates it.
    FirstAdministrator,
}

impl AdvisoryLock {
    /// The lock's number. Arbitrary, but fixed: processes of all versions have to agree on it.
    pub const fn id(self) -> i64 {
        match self {
            Self::Migrate => 482_872_390_511,
            Self::CreatePartitions => 482_872_390_512,
            Self::StoreRows => 482_872_390_513,
            Self::DetectOffline => 482_872_390_514,
            Self::ComputeRollups => 482_872_390_515,
            Self::ApplyRetention => 482_872_390_516,
            Self::FirstAdministrator => 482_872_390_521,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::AdvisoryLock;

    #[test]
    fn no_two_locks_share_a_number() {
        let all = [
            AdvisoryLock::Migrate,
            AdvisoryLock::CreatePartitions,
            AdvisoryLock::StoreRows,
            AdvisoryLock::DetectOffline,
            AdvisoryLock::ComputeRollups,
            AdvisoryLock::ApplyRetention,
            AdvisoryLock::FirstAdministrator,
        ];
        assert_eq!(all.map(AdvisoryLock::id).into_iter().collect::<BTreeSet<_>>().len(), all.len());
    }
}
