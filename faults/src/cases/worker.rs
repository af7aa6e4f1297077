//! The worker dies, stops and multiplies.

use std::time::Duration;

use super::{CALM, Ending};
use crate::load::LoadSpec;
use crate::site::Site;
use crate::stack::{Plan, Stack};
use crate::{Failure, database};

/// More than the 20 returns after which RabbitMQ 4 gives a message up by default.
const KILLS: usize = 25;
/// Messages that a worker may have in hand.
const PREFETCH: u32 = 32;

pub async fn kill_again_and_again(site: &Site) -> Ending {
    let plan = Plan { workers: 0, worker: vec![("PREFETCH", PREFETCH.to_string())], ..Plan::default() };
    let mut stack = Stack::start(site, "worker/kill-25", plan).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM + CALM).await;
    let ledger = load.finish().await?;
    // Its beats would come between the messages that are counted.
    for mut api in std::mem::take(&mut stack.apis) {
        api.terminate().await?;
    }
    // The last statement before the commit waits: each worker dies in the midst of its transaction, with the same messages
    // in hand, as many as it may have.
    let lock = database::connect(&site.services.database_url).await?;
    lock.batch_execute("BEGIN; LOCK TABLE device_state IN EXCLUSIVE MODE").await?;
    let waiting = stack.queues.waiting().await?;
    for _ in 0..KILLS {
        stack.run_workers(1).await?;
        until_in_hand(&stack, waiting.saturating_sub(PREFETCH)).await?;
        stack.end_workers(true).await?;
    }
    lock.batch_execute("ROLLBACK").await?;
    stack.run_workers(1).await?;
    let mut outcome = stack.compare(ledger, 0).await?;
    outcome.note(format!("{waiting} messages, {PREFETCH} of them in hand at each of {KILLS} kills"));
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

/// Until the worker has as many in hand as it may.
async fn until_in_hand(stack: &Stack<'_>, left: u32) -> Result<(), Failure> {
    for _ in 0..300 {
        if stack.queues.waiting().await? <= left {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the worker does not take what it may".into())
}

pub async fn sigterm(site: &Site) -> Ending {
    let mut stack = Stack::start(site, "worker/sigterm", Plan::default()).await?;
    let load = stack.load()?;
    for _ in 0..3 {
        tokio::time::sleep(CALM).await;
        // A bad end is a failure of the case.
        stack.end_workers(false).await?;
        stack.run_workers(1).await?;
    }
    let mut outcome = stack.settle(load).await?;
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn scale(site: &Site) -> Ending {
    let mut stack = Stack::start(site, "worker/scale", Plan::default()).await?;
    let load = stack.load()?;
    for workers in [1, 4, 1] {
        stack.run_workers(workers).await?;
        tokio::time::sleep(site.lasting(15, 2)).await;
    }
    let mut outcome = stack.settle(load).await?;
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn interleaved(site: &Site) -> Ending {
    let stack = Stack::start(site, "worker/interleaved", Plan { workers: 2, ..Plan::default() }).await?;
    // All connections send for one device: its timestamps are spread over both workers' batches.
    let spec =
        LoadSpec { array: Some(10), resend_share: 0.5, devices: 1, ..LoadSpec::new(&stack.url(), site.cli.rate) };
    let load = stack.load_of(spec)?;
    tokio::time::sleep(site.lasting(30, 5)).await;
    let mut outcome = stack.settle(load).await?;
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

/// For cases that need a moment in which nothing waits.
pub async fn until_stored(stack: &Stack<'_>) -> Result<(), Failure> {
    for _ in 0..600 {
        if stack.queues.waiting().await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("the queue does not become empty".into())
}
