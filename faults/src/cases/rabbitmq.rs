//! RabbitMQ is down, full, cut off and silent.

use std::time::Duration;

use pulso_testkit::Proxy;
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, STEADY, run_under_load};
use crate::cluster::{Cluster, NODES};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::outcome::Outcome;
use crate::private_servers::Server;
use crate::probe::ProbeResponses;
use crate::testbed::Testbed;

/// The promise: data is accepted again so soon after the broker is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Between two repetitions of a fault.
const REPEAT_INTERVAL: Duration = Duration::from_millis(700);

/// While the broker is unavailable there is no 2xx without a confirm (the ledger shows that) and every refusal is a 503
/// with `Retry-After`; soon after it is back everything is accepted.
fn check((mut outcome, responses): (Outcome, ProbeResponses)) -> Outcome {
    outcome.require(responses.are_only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(
        responses.without_retry_after == 0,
        format!("{} × 503 without Retry-After", responses.without_retry_after),
    );
    let soon = outcome.recovered_in.is_some_and(|time| time <= BACK_WITHIN);
    outcome.require(soon, "not back within 5 s of the broker");
    outcome
}

async fn outage(testbed: &Testbed, case: &str, kill: bool, lasting: Duration) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        let servers = &deployment.testbed.servers;
        if kill {
            servers.kill(Server::RabbitMq).await?
        } else {
            servers.stop(Server::RabbitMq).await?
        }
        tokio::time::sleep(lasting).await;
        servers.up().await?;
        Ok(Instant::now())
    };
    run_under_load(testbed, case, DeploymentPlan::default(), Recovery::Accepting, fault).await.map(check)
}

pub async fn restart(testbed: &Testbed) -> CaseResult {
    outage(testbed, "rabbitmq/restart", false, Duration::ZERO).await
}

pub async fn kill(testbed: &Testbed) -> CaseResult {
    outage(testbed, "rabbitmq/kill", true, Duration::ZERO).await
}

pub async fn down(testbed: &Testbed) -> CaseResult {
    outage(testbed, "rabbitmq/down", false, testbed.lasting(120, 5)).await
}

pub async fn memory_alarm(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        let servers = &deployment.testbed.servers;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await?;
        tokio::time::sleep(deployment.testbed.lasting(60, 5)).await;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
        Ok(Instant::now())
    };
    let (outcome, responses) =
        run_under_load(testbed, "rabbitmq/memory-alarm", DeploymentPlan::default(), Recovery::Accepting, fault).await?;
    let refused = responses.statuses.contains_key(&503);
    let mut outcome = check((outcome, responses));
    outcome.require(refused, "nothing was refused: was there an alarm?");
    Ok(outcome)
}

pub async fn queue_full(testbed: &Testbed) -> CaseResult {
    let plan = DeploymentPlan { workers: 0, ..DeploymentPlan::default() }.both("QUEUE_MAX_BYTES", "200000");
    let fault = async |deployment: &mut Deployment<'_>| {
        tokio::time::sleep(deployment.testbed.lasting(60, 6)).await;
        deployment.run_workers(1).await?;
        Ok(Instant::now())
    };
    let (outcome, responses) = run_under_load(testbed, "rabbitmq/queue-full", plan, Recovery::Accepting, fault).await?;
    let refused = responses.statuses.contains_key(&503);
    let mut outcome = check((outcome, responses));
    outcome.require(refused, "nothing was refused: the queue has no limit");
    Ok(outcome)
}

/// A plan with a proxy between Pulso and the broker.
async fn proxied(testbed: &Testbed) -> (DeploymentPlan, Proxy) {
    let proxy = Proxy::open(Proxy::upstream_of(&testbed.servers.amqp_url)).await;
    // Short heartbeats: both ends detect a dead connection soon.
    let url = format!("{}?heartbeat=2", proxy.through(&testbed.servers.amqp_url));
    (DeploymentPlan::default().both("AMQP_URL", &url), proxy)
}

pub async fn lost_confirm(testbed: &Testbed) -> CaseResult {
    let (plan, proxy) = proxied(testbed).await;
    let fault = async |deployment: &mut Deployment<'_>| {
        for _ in 0..deployment.testbed.lasting(40, 8).as_secs() {
            // What is published now arrives, but its confirm does not.
            proxy.mute();
            tokio::time::sleep(REPEAT_INTERVAL / 2).await;
            proxy.cut();
            proxy.restore();
            tokio::time::sleep(REPEAT_INTERVAL).await;
        }
        Ok(Instant::now())
    };
    run_under_load(testbed, "rabbitmq/lost-confirm", plan, Recovery::Accepting, fault).await.map(check)
}

pub async fn half_open(testbed: &Testbed) -> CaseResult {
    let (plan, proxy) = proxied(testbed).await;
    let fault = async |deployment: &mut Deployment<'_>| {
        proxy.freeze();
        tokio::time::sleep(deployment.testbed.lasting(60, 7)).await;
        // New connections work; the frozen ones stay frozen, and are not closed.
        proxy.restore();
        Ok(Instant::now())
    };
    run_under_load(testbed, "rabbitmq/half-open", plan, Recovery::Accepting, fault).await.map(check)
}

pub async fn unroutable(testbed: &Testbed) -> CaseResult {
    let fault = async |deployment: &mut Deployment<'_>| {
        for _ in 0..deployment.testbed.lasting(30, 6).as_secs() {
            deployment.queues.unbind().await?;
            tokio::time::sleep(REPEAT_INTERVAL).await;
        }
        Ok(Instant::now())
    };
    run_under_load(testbed, "rabbitmq/unroutable", DeploymentPlan::default(), Recovery::Accepting, fault)
        .await
        .map(check)
}

pub async fn cluster(testbed: &Testbed) -> CaseResult {
    let cluster = Cluster::start(&testbed.cli.scripts, &testbed.cli.home, &testbed.cli.home.join("cases")).await?;
    let ending = kill_nodes(testbed, &cluster).await;
    cluster.remove().await?;
    ending
}

async fn kill_nodes(testbed: &Testbed, cluster: &Cluster) -> CaseResult {
    let upstreams = cluster.amqp_urls.iter().map(|url| Proxy::upstream_of(url)).collect();
    let balancer = Proxy::balance(upstreams).await;
    let first = cluster.amqp_urls.first().ok_or("a cluster without nodes")?;
    let url = balancer.through(first);
    let mut plan = DeploymentPlan::default().both("AMQP_URL", &url);
    plan.amqp_url = Some(url);
    let fault = async |_: &mut Deployment<'_>| {
        let mut killed = Instant::now();
        for node in NODES {
            cluster.kill(node).await?;
            killed = Instant::now();
            tokio::time::sleep(testbed.lasting(20, 6)).await;
            // Returns when the node has caught up: a quorum queue needs a majority, so no other may be killed before.
            cluster.up().await?;
            tokio::time::sleep(STEADY).await;
        }
        Ok(killed)
    };
    let (mut outcome, responses) =
        run_under_load(testbed, "rabbitmq/cluster", plan, Recovery::Accepting, fault).await?;
    outcome.require(responses.are_only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(
        responses.without_retry_after == 0,
        format!("{} × 503 without Retry-After", responses.without_retry_after),
    );
    outcome.note("recovered in: from the last kill, with two nodes of three; a balancer chooses the node");
    Ok(outcome)
}
