//! Cross-replica rate-limit reconciliation: once a second each replica adds its busy devices' usage to sums in Redis,
//! reads the sums of the second before, to which by now every replica has added, and charges what the others used.

use std::collections::HashMap;

use super::usage::{BudgetKey, BudgetKind, LocalUsage, RemoteUsage};
use crate::redis::{RedisClient, RedisError};

/// What this replica shared a second ago.
#[derive(Default)]
pub struct Reconciliation {
    second: i64,
    shared: HashMap<BudgetKey, u32>,
    /// What devices were charged with then.
    remote: HashMap<BudgetKey, u32>,
}

impl Reconciliation {
    /// One round, in one round trip; `min_shared` is the least usage of a kind that is worth sharing.
    pub async fn run(
        &mut self,
        (local, remote): (&LocalUsage, &RemoteUsage),
        min_shared: impl Fn(BudgetKind) -> u32,
        (redis, prefix): (&RedisClient, &str),
        second: i64,
    ) -> Result<(), RedisError> {
        let key = |second: i64, (device, kind): &BudgetKey| format!("{prefix}:use:{second}:{}:{device}", kind.as_str());
        let used = local.take(min_shared);
        let before: Vec<_> = std::mem::take(&mut self.shared).into_iter().collect();
        let add: Vec<_> = used.iter().map(|(budget, readings)| (key(second, budget), *readings)).collect();
        let read: Vec<_> = before.iter().map(|(budget, _)| key(self.second, budget)).collect();
        (self.second, self.shared) = (second, used);
        if add.is_empty() && read.is_empty() {
            self.remote.clear();
        } else {
            let sums = redis.exchange_usage(&add, &read).await?;
            self.remote = self.used_elsewhere(before, sums);
        }
        remote.set(self.remote.iter().map(|(budget, readings)| (*budget, *readings)));
        Ok(())
    }

    fn used_elsewhere(&self, own: Vec<(BudgetKey, u32)>, sums: Vec<Option<u32>>) -> HashMap<BudgetKey, u32> {
        let elsewhere = own.into_iter().zip(sums).map(|((budget, own), sum)| {
            let others = sum.unwrap_or_default().saturating_sub(own);
            // Halfway from the last charge: otherwise two replicas would refuse all in one second and nothing in the
            // next.
            (budget, u32::midpoint(self.remote.get(&budget).copied().unwrap_or_default(), others))
        });
        elsewhere.filter(|(_, readings)| *readings > 0).collect()
    }
}
