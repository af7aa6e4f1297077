//! The API dies and stops.

use pulso_testkit::Proxy;
use tokio::time::Instant;

use super::{CALM, Ending, Recovery, through};
use crate::load::LoadSpec;
use crate::site::Site;
use crate::stack::{Plan, Stack};

pub async fn kill(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        let mut mended = Instant::now();
        for _ in 0..3 {
            for api in &mut stack.apis {
                api.kill().await?;
            }
            mended = Instant::now();
            stack.restart_api(0).await?;
            tokio::time::sleep(CALM).await;
        }
        Ok(mended)
    };
    let (mut outcome, _) = through(site, "api/kill", Plan::default(), Recovery::Accepting, fault).await?;
    outcome.note("recovered in: from the last kill, with the new process's start");
    Ok(outcome)
}

pub async fn sigterm(site: &Site) -> Ending {
    let mut stack = Stack::start(site, "api/sigterm", Plan::default()).await?;
    let load = stack.load()?;
    for _ in 0..3 {
        tokio::time::sleep(CALM).await;
        for api in &mut stack.apis {
            api.terminate().await?;
        }
        stack.restart_api(0).await?;
    }
    tokio::time::sleep(CALM).await;
    let tally = load.tally();
    let mut outcome = stack.settle(load).await?;
    let failed: u64 = tally.statuses.range(300..).map(|(_, count)| count).sum();
    outcome.require(failed == 0, format!("{failed} requests were answered with something else than 2xx"));
    stack.stop(&mut outcome).await;
    Ok(outcome)
}

pub async fn two_replicas(site: &Site) -> Ending {
    let mut stack = Stack::start(site, "api/two-replicas", Plan { replicas: 2, ..Plan::default() }).await?;
    let upstreams = stack.api_recipes.iter().map(|recipe| Proxy::upstream_of(&recipe.ready_url)).collect();
    let balancer = Proxy::balance(upstreams).await;
    let url = format!("http://{}", balancer.address());
    let (load, probe) = (stack.load_of(LoadSpec::new(&url, site.cli.rate))?, stack.probe_at(&url)?);
    tokio::time::sleep(CALM).await;
    if let Some(first) = stack.apis.first_mut() {
        first.kill().await?;
    }
    let killed = Instant::now();
    let recovered_in = probe.recovery(killed).await?;
    tokio::time::sleep(CALM + CALM).await;
    let answers = probe.answers(killed, Instant::now());
    stack.restart_api(0).await?;
    tokio::time::sleep(CALM).await;
    let mut outcome = stack.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("with one of two: {}", answers.summary()));
    outcome.require(answers.only(&[0, 202]), "the replica that was left refused something");
    stack.stop(&mut outcome).await;
    Ok(outcome)
}
