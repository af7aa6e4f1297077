//! Pulso itself is away or behind, while its devices live, and some of them die.

use std::time::Duration;

use pulso_simulator::presence::Witnesses;
use tokio::time::Instant;

use super::{Ending, Recovery, under_load};
use crate::Failure;
use crate::outcome::Outcome;
use crate::presence;
use crate::probe::Answers;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// With `--quick` an outage is still longer than its witnesses may be silent: otherwise it would show nothing.
const QUICK_S: u64 = 16;

pub async fn down(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>, witnesses: &Witnesses| {
        end_programs(stack).await?;
        half_time(stack.site.lasting(300, QUICK_S), witnesses).await;
        let mended = Instant::now();
        start_programs(stack).await?;
        Ok(mended)
    };
    let (mut outcome, _) = watched(site, "whole/down", Recovery::Accepting, fault).await?;
    outcome.note("recovered in: with the new processes' start");
    Ok(outcome)
}

pub async fn servers_down(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>, witnesses: &Witnesses| {
        end_programs(stack).await?;
        stack.site.services.down().await?;
        half_time(stack.site.lasting(300, QUICK_S), witnesses).await;
        let mended = Instant::now();
        stack.site.services.up().await?;
        start_programs(stack).await?;
        Ok(mended)
    };
    let (mut outcome, _) = watched(site, "whole/servers-down", Recovery::Accepting, fault).await?;
    outcome.note("recovered in: with the start of all servers and processes");
    Ok(outcome)
}

pub async fn storage_behind(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>, witnesses: &Witnesses| {
        stack.end_workers(true).await?;
        half_time(stack.site.lasting(180, QUICK_S), witnesses).await;
        let mended = Instant::now();
        stack.run_workers(1).await?;
        Ok(mended)
    };
    let (mut outcome, answers) = watched(site, "whole/storage-behind", Recovery::Storing, fault).await?;
    outcome.require(answers.only(&[202]), "a device was refused because storage is behind");
    Ok(outcome)
}

async fn end_programs(stack: &mut Stack<'_>) -> Result<(), Failure> {
    for api in &mut stack.apis {
        api.kill().await?;
    }
    stack.end_workers(true).await
}

async fn start_programs(stack: &mut Stack<'_>) -> Result<(), Failure> {
    stack.run_workers(1).await?;
    stack.restart_api(0).await
}

/// The outage; in the middle of it those devices die that are to.
async fn half_time(lasting: Duration, witnesses: &Witnesses) {
    tokio::time::sleep(lasting / 2).await;
    witnesses.let_die();
    tokio::time::sleep(lasting / 2).await;
}

/// Under load, and before the eyes of devices that live through it, or die in it.
async fn watched(
    site: &Site,
    case: &str,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Stack<'_>, &Witnesses) -> Result<Instant, Failure>,
) -> Result<(Outcome, Answers), Failure> {
    let mut stack = Stack::start(site, case, Plan::default()).await?;
    let witnesses = presence::witnesses(&stack).await?;
    let broken = async |stack: &mut Stack<'_>| fault(stack, &witnesses).await;
    let (mut outcome, answers, recovered) = under_load(&mut stack, recovery, broken).await?;
    let unheard = recovery == Recovery::Accepting;
    presence::judge(&stack, witnesses, recovered, unheard, &mut outcome).await?;
    stack.stop(&mut outcome).await;
    Ok((outcome, answers))
}
