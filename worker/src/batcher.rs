//! Gathers items until a batch is full or due. It knows neither AMQP nor SQL, and it has no clock: the caller tells
//! the time.
//!
//! A batch that follows a quiet moment is due at once: nothing waits for company that may not come. Under load each one
//! is due an interval after the one before, and has gathered what came meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// When a batch is full or due.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Full at this many rows,
    pub max_rows: usize,
    /// or at this many items, whatever they hold.
    pub max_items: usize,
    /// Due this long after the one before it was taken.
    pub interval: Duration,
}

/// A batch in the making.
#[derive(Debug)]
pub struct Batcher<T> {
    limits: BatchLimits,
    items: Vec<T>,
    rows: usize,
    opened_at: Option<Instant>,
    taken_at: Option<Instant>,
}

impl<T> Batcher<T> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, items: Vec::new(), rows: 0, opened_at: None, taken_at: None }
    }

    /// Adds an item of so many rows.
    pub fn push(&mut self, item: T, rows: usize, now: Instant) {
        self.opened_at.get_or_insert(now);
        self.rows = self.rows.saturating_add(rows);
        self.items.push(item);
    }

    /// Whether nothing more should be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= self.limits.max_rows || self.items.len() >= self.limits.max_items
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// When it should be written: at once when full, else when the one before was taken long enough ago.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        let opened_at = self.opened_at?;
        let next_at = self.taken_at.map(|taken_at| taken_at + self.limits.interval);
        Some(next_at.filter(|_| !self.is_full()).map_or(opened_at, |next_at| next_at.max(opened_at)))
    }

    /// Takes what there is and starts anew.
    pub fn take(&mut self, now: Instant) -> Vec<T> {
        self.taken_at = Some(now);
        self.opened_at = None;
        self.rows = 0;
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{BatchLimits, Batcher};

    const INTERVAL: Duration = Duration::from_millis(100);

    fn batcher() -> Batcher<&'static str> {
        Batcher::new(BatchLimits { max_rows: 10, max_items: 3, interval: INTERVAL })
    }

    #[test]
    fn an_empty_batch_is_never_due() {
        assert_eq!(batcher().due_at(), None);
    }

    #[test]
    fn after_a_quiet_moment_a_batch_is_due_at_once() {
        let (mut batcher, start) = (batcher(), Instant::now());
        batcher.push("a", 1, start);
        assert_eq!(batcher.due_at(), Some(start));
        assert_eq!(batcher.take(start), ["a"]);
        let later = start + INTERVAL * 2;
        batcher.push("b", 1, later);
        assert_eq!(batcher.due_at(), Some(later));
    }

    #[test]
    fn under_load_batches_are_an_interval_apart() {
        let (mut batcher, start) = (batcher(), Instant::now());
        batcher.push("a", 1, start);
        assert_eq!(batcher.take(start), ["a"]);
        batcher.push("b", 1, start + INTERVAL / 2);
        batcher.push("c", 1, start + INTERVAL);
        assert_eq!(batcher.due_at(), Some(start + INTERVAL));
        assert_eq!(batcher.take(start + INTERVAL), ["b", "c"]);
        assert!(batcher.is_empty() && !batcher.is_full());
    }

    #[test]
    fn full_by_rows_or_by_items_is_due_at_once() {
        let start = Instant::now();
        for items in [vec![("a", 10)], vec![("a", 1), ("b", 1), ("c", 1)]] {
            let mut batcher = batcher();
            batcher.push("before", 1, start);
            let _ = batcher.take(start);
            for (item, rows) in items {
                assert!(!batcher.is_full());
                batcher.push(item, rows, start);
            }
            assert!(batcher.is_full());
            assert_eq!(batcher.due_at(), Some(start));
        }
    }
}
