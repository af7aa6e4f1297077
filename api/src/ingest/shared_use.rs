//! What devices use on several replicas at once, told through Redis once a second: no heartbeat waits for it.
//!
//! ```text
//!  heartbeat ─▶ IngestLimiter (memory) ─▶ Use: how much of its budget a device took in this second
//!                     ▲                       │ every second, of those that took much of it
//!                     └ Debts: took elsewhere ┴▶ Redis: the sum over all replicas
//! ```
//!
//! So a device that spreads what it sends over replicas has its limit once after a second or two. While Redis is away
//! each replica counts for itself.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pulso_shared::ids::DeviceId;

/// A device's budget for one reading at a time, or the one for arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BudgetKind {
    /// One reading a request.
    Live,
    /// Arrays.
    Backlog,
}

impl BudgetKind {
    /// As it is called in Redis.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backlog => "backlog",
        }
    }
}

/// One budget of one device.
pub type BudgetKey = (DeviceId, BudgetKind);

/// Readings taken out of budgets since the last look.
#[derive(Debug, Default)]
pub struct Use(Mutex<HashMap<BudgetKey, u32>>);

impl Use {
    /// Counts readings.
    pub fn add(&self, key: BudgetKey, readings: u32) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(readings);
    }

    /// Takes what was counted: those budgets that gave at least as much as `worth_telling` says of their kind.
    pub fn take(&self, worth_telling: impl Fn(BudgetKind) -> u32) -> HashMap<BudgetKey, u32> {
        let mut counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        counts.retain(|(_, kind), count| *count >= worth_telling(*kind));
        counts
    }
}

/// What devices owe here for what they took elsewhere: taken off what there is before they are given anything.
#[derive(Debug, Default)]
pub struct Debts {
    owed: Mutex<HashMap<BudgetKey, u32>>,
    /// Nearly always nobody owes anything.
    any: AtomicBool,
}

impl Debts {
    /// Puts these in place of all earlier ones.
    pub fn set(&self, debts: HashMap<BudgetKey, u32>) {
        self.any.store(!debts.is_empty(), Ordering::Relaxed);
        *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = debts;
    }

    /// Pays what is owed with what `take` gives: all of it, else by halves, else nothing for now.
    pub fn settle(&self, key: &BudgetKey, take: impl Fn(NonZeroU32) -> bool) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(debt) = owed.get_mut(key) else { return };
        let mut piece = *debt;
        while let Some(readings) = NonZeroU32::new(piece.min(*debt)) {
            if take(readings) {
                *debt = debt.saturating_sub(readings.get());
            } else {
                piece /= 2;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::num::NonZeroU32;

    use pulso_shared::ids::DeviceId;

    use super::{BudgetKind, Debts, Use};

    #[test]
    fn a_debt_is_paid_once_and_with_what_there_is() {
        let (debts, key, room) = (Debts::default(), (DeviceId::generate(), BudgetKind::Live), Cell::new(7_u32));
        let take = |readings: NonZeroU32| {
            let left = room.get().checked_sub(readings.get());
            left.inspect(|left| room.set(*left)).is_some()
        };
        debts.settle(&key, take);
        assert_eq!(room.get(), 7);
        debts.set([(key, 10)].into());
        debts.settle(&key, take);
        assert_eq!(room.get(), 0);
        room.set(20);
        debts.settle(&key, take);
        debts.settle(&key, take);
        assert_eq!(room.get(), 17);
    }

    #[test]
    fn only_what_is_worth_telling_is_told_and_all_of_it_is_forgotten() {
        let (used, busy, calm) = (Use::default(), DeviceId::generate(), DeviceId::generate());
        for _ in 0..5 {
            used.add((busy, BudgetKind::Live), 1);
        }
        used.add((calm, BudgetKind::Live), 4);
        used.add((busy, BudgetKind::Backlog), 49);
        let worth_telling = |kind| if kind == BudgetKind::Live { 5 } else { 50 };
        let told = used.take(worth_telling);
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [((busy, BudgetKind::Live), 5)]);
        assert!(used.take(worth_telling).is_empty());
    }
}
