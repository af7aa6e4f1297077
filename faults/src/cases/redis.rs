//! Redis is down, empty or slow. Ingest and sign-in go on.

use std::time::Duration;

use pulso_testkit::{Client, Failure, Line, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::under_load::{CaseResult, Recovery, run_under_load};
use crate::deployment::Deployment;
use crate::deployment_plan::DeploymentPlan;
use crate::testbed::Testbed;

/// How long a sign-in may take while Redis is down or slow.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(3);

/// Route of the signed-in user.
const WHO_AM_I: &str = "/api/v1/users/me";

/// Less often than the limit of sign-ins from one address.
const SIGN_IN_EVERY: Duration = Duration::from_secs(3);

/// A plan with a proxy between Pulso and Redis.
async fn proxied(testbed: &Testbed) -> (DeploymentPlan, Proxy) {
    let proxy = Proxy::open(Proxy::upstream_of(&testbed.servers.redis_url)).await;
    let plan = DeploymentPlan {
        api: vec![("REDIS_URL", proxy.through(&testbed.servers.redis_url))],
        ..DeploymentPlan::default()
    };
    (plan, proxy)
}

pub async fn down(testbed: &Testbed) -> CaseResult {
    let (plan, proxy) = proxied(testbed).await;
    without_redis(testbed, "redis/down", plan, || proxy.cut(), || proxy.restore()).await
}

pub async fn slow(testbed: &Testbed) -> CaseResult {
    let (plan, proxy) = proxied(testbed).await;
    let slow = Line { latency: Duration::from_secs(2), ..Line::default() };
    without_redis(testbed, "redis/slow", plan, || proxy.degrade(slow), || proxy.degrade(Line::default())).await
}

async fn without_redis(
    testbed: &Testbed,
    case: &str,
    plan: DeploymentPlan,
    inject: impl Fn(),
    repair: impl Fn(),
) -> CaseResult {
    let mut slowest = Duration::ZERO;
    let fault = async |deployment: &mut Deployment<'_>| {
        inject();
        let end = Instant::now() + deployment.testbed.lasting(30, 4);
        while Instant::now() < end {
            let started = Instant::now();
            sign_in_and_out(deployment).await?;
            slowest = slowest.max(started.elapsed());
            tokio::time::sleep_until(started + SIGN_IN_EVERY).await;
        }
        repair();
        Ok(Instant::now())
    };
    let (mut outcome, responses) = run_under_load(testbed, case, plan, Recovery::Accepting, fault).await?;
    outcome.require(responses.are_only(&[202]), "a device was refused because of Redis");
    outcome.note(format!("sign-in, a request, sign-out, a refused request: {:.1} s at most", slowest.as_secs_f64()));
    outcome.require(slowest < SIGN_IN_LIMIT * 2, "signing in and out took too long");
    Ok(outcome)
}

/// Signs in, makes a request, signs out, and checks that the token is revoked.
async fn sign_in_and_out(deployment: &Deployment<'_>) -> Result<(), Failure> {
    let session = deployment.administrator().await?;
    expect(who_am_i(deployment, &session).await?, 200)?;
    sign_out(deployment, &session).await?;
    expect(who_am_i(deployment, &session).await?, 401)
}

async fn sign_out(deployment: &Deployment<'_>, session: &str) -> Result<(), Failure> {
    let client = deployment.client().with_token(session);
    client.try_ask("POST", "/api/v1/auth/logout").await?.success().map(drop)
}

async fn who_am_i(deployment: &Deployment<'_>, session: &str) -> Result<u16, Failure> {
    Ok(deployment.client().with_token(session).try_get(WHO_AM_I).await?.status)
}

fn expect(status: u16, expected: u16) -> Result<(), Failure> {
    if status == expected { Ok(()) } else { Err(format!("{status} instead of {expected}").into()) }
}

pub async fn flush_all(testbed: &Testbed) -> CaseResult {
    let plan = DeploymentPlan { replicas: 2, ..DeploymentPlan::default() };
    let fault = async |deployment: &mut Deployment<'_>| {
        let revoked = deployment.administrator().await?;
        let kept = deployment.administrator().await?;
        sign_out(deployment, &revoked).await?;
        flush(&deployment.testbed.servers.redis_url).await?;
        // What Redis knew is read from the database, on every replica.
        for replica in &deployment.api_replicas {
            for (session, status) in [(&revoked, 401), (&kept, 200)] {
                until(replica.url(), session, status).await?;
            }
        }
        Ok(Instant::now())
    };
    let (mut outcome, responses) = run_under_load(testbed, "redis/flushall", plan, Recovery::Accepting, fault).await?;
    outcome.require(responses.are_only(&[202]), "a device was refused because of Redis");
    Ok(outcome)
}

/// A revocation reaches every replica within 5 s.
async fn until(url: &str, session: &str, status: u16) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(6);
    loop {
        let answered = Client::new(url).with_token(session).try_get(WHO_AM_I).await?.status;
        if answered == status {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(format!("{url} answers {answered} instead of {status} after FLUSHALL").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends FLUSHALL by hand: nothing else here needs a Redis client.
async fn flush(url: &str) -> Result<(), Failure> {
    let (password, server) = url.trim_start_matches("redis://:").split_once('@').ok_or("no password in REDIS_URL")?;
    let server = server.split('/').next().unwrap_or(server);
    let mut connection = TcpStream::connect(server).await?;
    connection.write_all(format!("AUTH {password}\r\nFLUSHALL\r\nQUIT\r\n").as_bytes()).await?;
    let mut reply = String::new();
    tokio::time::timeout(Duration::from_secs(5), connection.read_to_string(&mut reply)).await??;
    if reply == "+OK\r\n+OK\r\n+OK\r\n" { Ok(()) } else { Err(format!("FLUSHALL: {reply}").into()) }
}
