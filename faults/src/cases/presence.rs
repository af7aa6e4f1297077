//! Devices that come and go, as many as Pulso promises to watch.

use tokio::time::Instant;

use pulso_simulator::presence::{Flapping, Population};
use pulso_simulator::screen::Screen;

use super::Ending;
use crate::outcome::Outcome;
use crate::presence;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// Of a hundred devices, so many come and go.
const FLAPPING: u32 = 10;
/// How late a silence may be noticed, at the 99th percentile, ms.
const LIMIT_MS: u32 = 2_000;

pub async fn flapping(site: &Site) -> Ending {
    // All devices and their owner at one address: no limit of requests may decide what is measured.
    let without = |name| (name, "0".to_owned());
    let api = vec![without("ADDRESS_MAX_PER_MINUTE"), without("USER_MAX_PER_MINUTE")];
    let stack = Stack::start(site, "presence/flapping", Plan { api, ..Plan::default() }).await?;
    let (devices, offline_after_s, interval_s) = if site.cli.quick { (300, 5, 2) } else { (10_000, 15, 5) };
    let started = Instant::now();
    let spec = presence::spec(&stack, devices, offline_after_s, interval_s)?;
    let population = Population::ready(spec, &Screen::silent()).await?;
    let ready_s = started.elapsed().as_secs_f64();
    let duration = site.lasting(120, 30);
    let flapping = Flapping { share: FLAPPING, duration, limit_ms: LIMIT_MS };
    let (verdict, diaries) = flapping.measure(&population, &site.screen).await?;
    let load = format!("{devices} dev × {} s", duration.as_secs());
    let mut outcome = Outcome { load, ..Outcome::default() };
    outcome.note(format!("{devices} devices registered, set and signed in within {ready_s:.0} s"));
    verdict.figures().into_iter().for_each(|figure| outcome.note(figure));
    for complaint in verdict.complaints() {
        outcome.require(false, complaint);
    }
    presence::add_rows(&stack, &population, &diaries, &mut outcome).await?;
    let dead = stack.queues.dead_letters().await?.total;
    outcome.require(dead == 0, format!("{dead} dead letters"));
    stack.stop(&mut outcome).await;
    Ok(outcome)
}
