//! Gathers items until a batch is full or due. Knows neither AMQP nor SQL, and has no clock: the caller passes the
//! time.
//!
//! A batch that follows a quiet moment is due at once, without waiting for items that may not come. Under load each
//! batch is due one interval after the one before it, with all that came meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// When a batch is full or due.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// A batch is full at this many rows,
    pub max_rows: usize,
    /// or at this many items, whatever they hold.
    pub max_items: usize,
    /// A batch is due this long after the one before it was taken.
    pub interval: Duration,
}

/// The batch that is being gathered.
#[derive(Debug)]
pub struct Batcher<T> {
    limits: BatchLimits,
    items: Vec<T>,
    rows: usize,
    opened_at: Option<Instant>,
    taken_at: Option<Instant>,
}

impl<T> Batcher<T> {
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, items: Vec::new(), rows: 0, opened_at: None, taken_at: None }
    }

    /// Adds an item that holds `rows` rows.
    pub fn push(&mut self, item: T, rows: usize, now: Instant) {
        self.opened_at.get_or_insert(now);
        self.rows = self.rows.saturating_add(rows);
        self.items.push(item);
    }

    /// Whether nothing more may be added.
    pub fn is_full(&self) -> bool {
        self.rows >= self.limits.max_rows || self.items.len() >= self.limits.max_items
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// When the batch is to be written: at once when it is full, else an interval after the one before it was taken.
    pub fn due_at(&self) -> Option<Instant> {
        let opened_at = self.opened_at?;
        let next_at = self.taken_at.map(|taken_at| taken_at + self.limits.interval);
        Some(next_at.filter(|_| !self.is_full()).map_or(opened_at, |next_at| next_at.max(opened_at)))
    }

    /// Takes the batch and begins the next one.
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

    use proptest::prelude::proptest;
    use proptest::{collection, prop_assert};
    use tokio::time::Instant;

    use super::{BatchLimits, Batcher};

    const INTERVAL: Duration = Duration::from_millis(100);
    const LIMITS: BatchLimits = BatchLimits { max_rows: 10, max_items: 3, interval: INTERVAL };

    fn batcher() -> Batcher<&'static str> {
        Batcher::new(LIMITS)
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
    #[test]
    fn what_comes_after_a_full_batch_was_taken_waits_for_the_interval_again() {
        let (mut batcher, start) = (batcher(), Instant::now());
        batcher.push("a", 10, start);
        assert_eq!(batcher.take(start), ["a"]);
        batcher.push("b", 1, start);
        assert_eq!(batcher.due_at(), Some(start + INTERVAL), "it is not full itself");
    }

    #[test]
    fn items_without_rows_count_as_items() {
        let (mut batcher, start) = (batcher(), Instant::now());
        for item in ["a", "b", "c"] {
            assert!(!batcher.is_full());
            batcher.push(item, 0, start);
        }
        assert!(batcher.is_full());
    }

    proptest! {
        /// Items come at random times and sizes; a caller takes each batch when it is due or full.
        #[test]
        fn every_item_is_in_exactly_one_batch_in_order_and_waits_no_longer_than_an_interval(
            arrivals in collection::vec((0_u64..250, 0_usize..7), 0..80),
        ) {
            let (mut batcher, start) = (Batcher::new(LIMITS), Instant::now());
            let (mut taken, mut now) = (Vec::new(), start);
            for (index, (gap, rows)) in arrivals.iter().enumerate() {
                let arrival = now + Duration::from_millis(*gap);
                while let Some(due_at) = batcher.due_at().filter(|due_at| *due_at <= arrival) {
                    taken.extend(take_due(&mut batcher, due_at));
                }
                now = arrival;
                prop_assert!(!batcher.is_full(), "a full batch is due at once");
                batcher.push((index, arrival), *rows, arrival);
            }
            while let Some(due_at) = batcher.due_at() {
                taken.extend(take_due(&mut batcher, due_at));
            }
            prop_assert!(taken.iter().copied().eq(0..arrivals.len()), "{taken:?}");
        }
    }

    /// Takes a batch when it is due; the items' numbers.
    fn take_due(batcher: &mut Batcher<(usize, Instant)>, now: Instant) -> Vec<usize> {
        let batch = batcher.take(now);
        assert!((1..=LIMITS.max_items).contains(&batch.len()));
        assert!(batch.iter().all(|(_, arrival)| now - *arrival <= LIMITS.interval));
        batch.into_iter().map(|(number, _)| number).collect()
    }
}
