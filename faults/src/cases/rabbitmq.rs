//! RabbitMQ goes away, fills up, forgets and falls silent.

use std::time::Duration;

use pulso_testkit::Proxy;
use tokio::time::Instant;

use super::{CALM, Ending, Recovery, through};
use crate::cluster::{Cluster, NODES};
use crate::outcome::Outcome;
use crate::probe::Answers;
use crate::services::Server;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// The promise: accepting again so soon after the broker is back.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// A fault that is repeated comes back after this.
const AGAIN_AFTER: Duration = Duration::from_millis(700);

/// While the broker is away there is no 2xx without a confirm (the ledger shows that) and every refusal is a 503 that
/// says when to come again; soon after it is back everything is taken.
fn judge((mut outcome, answers): (Outcome, Answers)) -> Outcome {
    outcome.require(answers.only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(answers.without_advice == 0, format!("{} × 503 without Retry-After", answers.without_advice));
    let soon = outcome.recovered_in.is_some_and(|time| time <= BACK_WITHIN);
    outcome.require(soon, "not back within 5 s of the broker");
    outcome
}

async fn outage(site: &Site, case: &str, kill: bool, lasting: Duration) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        let services = &stack.site.services;
        if kill {
            services.kill(Server::RabbitMq).await?
        } else {
            services.stop(Server::RabbitMq).await?
        }
        tokio::time::sleep(lasting).await;
        services.up().await?;
        Ok(Instant::now())
    };
    through(site, case, Plan::default(), Recovery::Accepting, fault).await.map(judge)
}

pub async fn restart(site: &Site) -> Ending {
    outage(site, "rabbitmq/restart", false, Duration::ZERO).await
}

pub async fn kill(site: &Site) -> Ending {
    outage(site, "rabbitmq/kill", true, Duration::ZERO).await
}

pub async fn down(site: &Site) -> Ending {
    outage(site, "rabbitmq/down", false, site.lasting(120, 5)).await
}

pub async fn memory_alarm(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        let services = &stack.site.services;
        services.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await?;
        tokio::time::sleep(stack.site.lasting(60, 5)).await;
        services.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await?;
        Ok(Instant::now())
    };
    let (outcome, answers) =
        through(site, "rabbitmq/memory-alarm", Plan::default(), Recovery::Accepting, fault).await?;
    let refused = answers.statuses.contains_key(&503);
    let mut outcome = judge((outcome, answers));
    outcome.require(refused, "nothing was refused: was there an alarm?");
    Ok(outcome)
}

pub async fn queue_full(site: &Site) -> Ending {
    let plan = Plan { workers: 0, ..Plan::default() }.both("QUEUE_MAX_BYTES", "200000");
    let fault = async |stack: &mut Stack<'_>| {
        tokio::time::sleep(stack.site.lasting(60, 6)).await;
        stack.run_workers(1).await?;
        Ok(Instant::now())
    };
    let (outcome, answers) = through(site, "rabbitmq/queue-full", plan, Recovery::Accepting, fault).await?;
    let refused = answers.statuses.contains_key(&503);
    let mut outcome = judge((outcome, answers));
    outcome.require(refused, "nothing was refused: the queue has no limit");
    Ok(outcome)
}

/// A Pulso whose way to the broker leads through a proxy.
async fn proxied(site: &Site) -> (Plan, Proxy) {
    let proxy = Proxy::open(Proxy::upstream_of(&site.services.amqp_url)).await;
    // Short heartbeats: both ends give a dead connection up soon.
    let url = format!("{}?heartbeat=2", proxy.through(&site.services.amqp_url));
    (Plan::default().both("AMQP_URL", &url), proxy)
}

pub async fn lost_confirm(site: &Site) -> Ending {
    let (plan, proxy) = proxied(site).await;
    let fault = async |stack: &mut Stack<'_>| {
        for _ in 0..stack.site.lasting(40, 8).as_secs() {
            // What is published now arrives, and its confirm does not.
            proxy.mute();
            tokio::time::sleep(AGAIN_AFTER / 2).await;
            proxy.cut();
            proxy.restore();
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        Ok(Instant::now())
    };
    through(site, "rabbitmq/lost-confirm", plan, Recovery::Accepting, fault).await.map(judge)
}

pub async fn half_open(site: &Site) -> Ending {
    let (plan, proxy) = proxied(site).await;
    let fault = async |stack: &mut Stack<'_>| {
        proxy.freeze();
        tokio::time::sleep(stack.site.lasting(60, 7)).await;
        // New connections work; the frozen ones stay frozen, and nobody ends them for us.
        proxy.restore();
        Ok(Instant::now())
    };
    through(site, "rabbitmq/half-open", plan, Recovery::Accepting, fault).await.map(judge)
}

pub async fn unroutable(site: &Site) -> Ending {
    let fault = async |stack: &mut Stack<'_>| {
        for _ in 0..stack.site.lasting(30, 6).as_secs() {
            stack.queues.unbind().await?;
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        Ok(Instant::now())
    };
    through(site, "rabbitmq/unroutable", Plan::default(), Recovery::Accepting, fault).await.map(judge)
}

pub async fn cluster(site: &Site) -> Ending {
    let cluster = Cluster::start(&site.cli.scripts, &site.cli.home, &site.cli.home.join("cases")).await?;
    let ending = nodes_die(site, &cluster).await;
    cluster.remove().await?;
    ending
}

async fn nodes_die(site: &Site, cluster: &Cluster) -> Ending {
    let upstreams = cluster.amqp_urls.iter().map(|url| Proxy::upstream_of(url)).collect();
    let balancer = Proxy::balance(upstreams).await;
    let first = cluster.amqp_urls.first().ok_or("a cluster without nodes")?;
    let url = balancer.through(first);
    let mut plan = Plan::default().both("AMQP_URL", &url);
    plan.amqp_url = Some(url);
    let fault = async |_: &mut Stack<'_>| {
        let mut killed = Instant::now();
        for node in NODES {
            cluster.kill(node).await?;
            killed = Instant::now();
            tokio::time::sleep(site.lasting(20, 6)).await;
            // Returns when the node has what it missed: a queue lives on a majority, so no other may die before.
            cluster.up().await?;
            tokio::time::sleep(CALM).await;
        }
        Ok(killed)
    };
    let (mut outcome, answers) = through(site, "rabbitmq/cluster", plan, Recovery::Accepting, fault).await?;
    outcome.require(answers.only(&[202, 503]), "something else than 202 and 503 was answered");
    outcome.require(answers.without_advice == 0, format!("{} × 503 without Retry-After", answers.without_advice));
    outcome.note("recovered in: from the last kill, with two nodes of three; a balancer chooses the node");
    Ok(outcome)
}
