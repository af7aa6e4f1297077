//! Pulso itself is away or behind, while its devices live.

use tokio::time::Instant;

use super::{Ending, Recovery, through};
use crate::site::Site;
use crate::stack::{Plan, Stack};

pub async fn down(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        for api in &mut stack.apis {
            api.kill().await?;
        }
        stack.end_workers(true).await?;
        tokio::time::sleep(stack.site.lasting(300, 10)).await;
        let mended = Instant::now();
        stack.run_workers(1).await?;
        stack.restart_api(0).await?;
        Ok(mended)
    };
    let (mut outcome, _) = through(site, "whole/down", Plan::default(), Recovery::Accepting, fault).await?;
    outcome.note("recovered in: with the new processes' start");
    outcome.note(PRESENCE);
    Ok(outcome)
}

pub async fn storage_behind(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        stack.end_workers(true).await?;
        tokio::time::sleep(stack.site.lasting(180, 10)).await;
        let mended = Instant::now();
        stack.run_workers(1).await?;
        Ok(mended)
    };
    let (mut outcome, answers) =
        through(site, "whole/storage-behind", Plan::default(), Recovery::Storing, fault).await?;
    outcome.require(answers.only(&[202]), "a device was refused because storage is behind");
    outcome.note(PRESENCE);
    Ok(outcome)
}

/// What these two do not judge.
const PRESENCE: &str = "who was called offline meanwhile is judged by the offline clock's own measurement";
