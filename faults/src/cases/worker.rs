//! The worker dies, stops and multiplies.

use std::time::Duration;

use super::{CALM, Ending};
use crate::Failure;
use crate::load::LoadSpec;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// More than the 20 returns after which RabbitMQ 4 gives a message up by default.
const KILLS: usize = 25;

pub async fn kill_again_and_again(site: &Site) -> Ending {
    let plan = Plan { workers: 0, worker: vec![("PREFETCH", "16".to_owned())], ..Plan::default() };
    let mut stack = Stack::start(site, "worker/kill-25", plan).await?;
    let load = stack.load()?;
    tokio::time::sleep(CALM + CALM).await;
    let mut full = 0_usize;
    for _ in 0..KILLS {
        let waiting = stack.queues.waiting().await?;
        stack.run_workers(1).await?;
        let in_hand = waiting.saturating_sub(stack.queues.waiting().await?);
        full = full.saturating_add(usize::from(in_hand > 0));
        stack.end_workers(true).await?;
    }
    stack.run_workers(1).await?;
    let mut outcome = stack.settle(load).await?;
    outcome.note(format!("{KILLS} kills, {full} of them seen with messages in hand"));
    stack.stop(&mut outcome).await;
    Ok(outcome)
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
    let spec = LoadSpec { array: Some(10), resend_share: 0.5, ..LoadSpec::new(&stack.url(), site.cli.rate) };
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
