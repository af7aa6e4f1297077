//! Counts by key that each HTTP thread keeps for itself and that are merged when they are taken: counting takes no lock
//! that another thread counts under.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A thread's counts. Only [`ThreadCounts::take`] ever contends with the thread for the lock, for one swap.
type Shard<K> = Mutex<HashMap<K, u64>>;

/// The counts of all threads.
#[derive(Debug)]
pub struct ThreadCounts<K>(Mutex<Vec<Arc<Shard<K>>>>);

impl<K> Default for ThreadCounts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> ThreadCounts<K> {
    /// A counter for one thread.
    pub fn counter(&self) -> ThreadCounter<K> {
        let shard = Arc::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&shard));
        ThreadCounter(shard)
    }

    /// Everything counted since the last call, by all threads together.
    pub fn take(&self) -> HashMap<K, u64> {
        let mut shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut merged: HashMap<K, u64> = HashMap::new();
        for shard in shards.iter() {
            let counts = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            if merged.is_empty() {
                merged = counts;
            } else {
                add(&mut merged, counts);
            }
        }
        // A shard that nobody else holds is of a thread that has ended; its counts are in `merged`, or come with the
        // next call.
        shards.retain(|shard| Arc::strong_count(shard) > 1 || !is_empty(shard));
        merged
    }
}

/// One thread's share of the counts.
#[derive(Debug, Clone)]
pub struct ThreadCounter<K>(Arc<Shard<K>>);

impl<K: Eq + Hash> ThreadCounter<K> {
    pub fn add(&self, counts: impl IntoIterator<Item = (K, u64)>) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), counts);
    }
}

fn add<K: Eq + Hash>(counts: &mut HashMap<K, u64>, more: impl IntoIterator<Item = (K, u64)>) {
    for (key, number) in more {
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(number);
    }
}

fn is_empty<K>(shard: &Shard<K>) -> bool {
    shard.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::ThreadCounts;

    #[test]
    fn the_counts_of_all_threads_are_merged_and_taken_once() {
        let counts = ThreadCounts::default();
        let (one, other) = (counts.counter(), counts.counter());
        thread::scope(|scope| {
            scope.spawn(|| (0..1_000).for_each(|_| one.add([("a", 1), ("b", 2)])));
            scope.spawn(|| (0..1_000).for_each(|_| other.add([("a", 1)])));
        });
        assert_eq!(counts.take(), [("a", 2_000), ("b", 2_000)].into());
        assert!(counts.take().is_empty());
        one.add([("a", 1)]);
        assert_eq!(counts.take(), [("a", 1)].into());
    }

    #[test]
    fn what_is_counted_while_counts_are_taken_is_never_lost() {
        let (counts, rounds) = (ThreadCounts::default(), 10_000);
        let counter = counts.counter();
        let taken = thread::scope(|scope| {
            let counting = scope.spawn(move || (0..rounds).for_each(|_| counter.add([("a", 1)])));
            let mut taken = 0;
            while !counting.is_finished() {
                taken += counts.take().values().sum::<u64>();
            }
            taken
        });
        assert_eq!(taken + counts.take().values().sum::<u64>(), rounds);
    }

    #[test]
    fn a_thread_that_has_ended_is_forgotten_with_its_counts_taken() {
        let counts = ThreadCounts::default();
        counts.counter().add([("a", 3)]);
        assert_eq!(counts.take(), [("a", 3)].into());
        assert!(counts.0.lock().unwrap().is_empty());
    }
}
