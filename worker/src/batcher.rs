//! Gathers items until a batch is full or due. It knows neither AMQP nor SQL, and it has no clock: the caller tells
//! the time.

use std::time::Duration;

use tokio::time::Instant;

/// When a batch is full or due.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Full at this many rows,
    pub max_rows: usize,
    /// or at this many items, whatever they hold.
    pub max_items: usize,
    /// Due this long after its first item came.
    pub linger: Duration,
}

/// A batch in the making.
#[derive(Debug)]
pub struct Batcher<T> {
    limits: BatchLimits,
    items: Vec<T>,
    rows: usize,
    opened_at: Option<Instant>,
}

impl<T> Batcher<T> {
    /// An empty one.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, items: Vec::new(), rows: 0, opened_at: None }
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

    /// When it should be written: at once when full, else when its first item has waited long enough.
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        let opened_at = self.opened_at?;
        Some(if self.is_full() { opened_at } else { opened_at + self.limits.linger })
    }

    /// Takes what there is and starts anew.
    pub fn take(&mut self) -> Vec<T> {
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

    const LINGER: Duration = Duration::from_millis(50);

    fn batcher() -> Batcher<&'static str> {
        Batcher::new(BatchLimits { max_rows: 10, max_items: 3, linger: LINGER })
    }

    #[test]
    fn an_empty_batch_is_never_due() {
        assert_eq!(batcher().due_at(), None);
    }

    #[test]
    fn the_timer_starts_with_the_first_item() {
        let (mut batcher, start) = (batcher(), Instant::now());
        batcher.push("a", 1, start);
        batcher.push("b", 1, start + LINGER / 2);
        assert_eq!(batcher.due_at(), Some(start + LINGER));
    }

    #[test]
    fn full_by_rows_or_by_items_is_due_at_once() {
        let start = Instant::now();
        for items in [vec![("a", 10)], vec![("a", 1), ("b", 1), ("c", 1)]] {
            let mut batcher = batcher();
            for (item, rows) in items {
                assert!(!batcher.is_full());
                batcher.push(item, rows, start);
            }
            assert!(batcher.is_full());
            assert_eq!(batcher.due_at(), Some(start));
        }
    }

    #[test]
    fn taking_starts_anew() {
        let (mut batcher, start) = (batcher(), Instant::now());
        batcher.push("a", 10, start);
        assert_eq!(batcher.take(), ["a"]);
        assert!(batcher.is_empty() && !batcher.is_full());
        batcher.push("b", 1, start + LINGER);
        assert_eq!(batcher.due_at(), Some(start + LINGER + LINGER));
    }
}
