//! How much of their budgets devices have used, here and on other replicas.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::ArcSwap;
use pulso_shared::ids::DeviceId;

use crate::http::thread_counts::{ThreadCounter, ThreadCounts};

/// Which of a device's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetKind {
    /// One reading a request.
    Live,
    /// Arrays.
    Backlog,
}

impl BudgetKind {
    /// Its name in Redis.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backlog => "backlog",
        }
    }
}

/// One budget of one device.
pub type BudgetKey = (DeviceId, BudgetKind);

/// What devices take of their budgets on one HTTP thread.
pub type UsageCounter = ThreadCounter<BudgetKey>;

/// What devices took of their budgets on this replica since it was last reconciled.
#[derive(Debug, Default)]
pub struct LocalUsage(ThreadCounts<BudgetKey>);

impl LocalUsage {
    pub fn counter(&self) -> UsageCounter {
        self.0.counter()
    }

    /// Takes what was counted: the budgets of which at least `min_shared` of their kind was used.
    pub fn take(&self, min_shared: impl Fn(BudgetKind) -> u32) -> HashMap<BudgetKey, u32> {
        let counts = self.0.take().into_iter().map(|(key, count)| (key, u32::try_from(count).unwrap_or(u32::MAX)));
        counts.filter(|((_, kind), count)| *count >= min_shared(*kind)).collect()
    }
}

/// What devices took on other replicas and have not been charged for here. Read without a lock: nearly always there is
/// none.
#[derive(Debug, Default)]
pub struct RemoteUsage(ArcSwap<HashMap<BudgetKey, AtomicU32>>);

impl RemoteUsage {
    /// Replaces all of it.
    pub fn set(&self, usage: impl IntoIterator<Item = (BudgetKey, u32)>) {
        let usage = usage.into_iter().map(|(key, readings)| (key, AtomicU32::new(readings)));
        self.0.store(Arc::new(usage.collect()));
    }

    /// Charges a device with what `take` grants: all of it, else by halves, else nothing for now.
    pub fn settle(&self, key: &BudgetKey, take: impl Fn(NonZeroU32) -> bool) {
        let uncharged = self.0.load();
        let Some(uncharged) = uncharged.get(key) else { return };
        // Out of the others' sight meanwhile, so that two requests of a device are not charged for the same readings.
        let mut rest = uncharged.swap(0, Ordering::Relaxed);
        let mut piece = rest;
        while let Some(readings) = NonZeroU32::new(piece.min(rest)) {
            if take(readings) {
                rest = rest.saturating_sub(readings.get());
            } else {
                piece /= 2;
            }
        }
        uncharged.fetch_add(rest, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::num::NonZeroU32;

    use pulso_shared::ids::DeviceId;

    use super::{BudgetKind, LocalUsage, RemoteUsage};

    #[test]
    fn a_device_is_charged_once_and_with_what_there_is() {
        let (remote, key, room) = (RemoteUsage::default(), (DeviceId::generate(), BudgetKind::Live), Cell::new(7_u32));
        let take = |readings: NonZeroU32| {
            let left = room.get().checked_sub(readings.get());
            left.inspect(|left| room.set(*left)).is_some()
        };
        remote.settle(&key, take);
        assert_eq!(room.get(), 7);
        remote.set([(key, 10)]);
        remote.settle(&key, take);
        assert_eq!(room.get(), 0);
        room.set(20);
        remote.settle(&key, take);
        remote.settle(&key, take);
        assert_eq!(room.get(), 17);
    }

    #[test]
    fn only_much_usage_is_taken_and_all_of_it_is_forgotten() {
        let (local, busy, calm) = (LocalUsage::default(), DeviceId::generate(), DeviceId::generate());
        let (one, other) = (local.counter(), local.counter());
        one.add([((busy, BudgetKind::Live), 2), ((calm, BudgetKind::Live), 4)]);
        other.add([((busy, BudgetKind::Live), 3), ((busy, BudgetKind::Backlog), 49)]);
        let min_shared = |kind| if kind == BudgetKind::Live { 5 } else { 50 };
        let taken = local.take(min_shared);
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [((busy, BudgetKind::Live), 5)]);
        assert!(local.take(min_shared).is_empty());
    }
}
