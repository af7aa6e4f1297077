//! Redis goes away, forgets and is slow. Ingest and sign-in do not notice.

use std::time::Duration;

use pulso_testkit::{Line, Proxy};
use reqwest::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{Ending, Recovery, through};
use crate::Failure;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// How long a sign-in may take while Redis is away or slow.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(3);

/// As often as one address may sign in, and less.
const SIGN_IN_EVERY: Duration = Duration::from_secs(3);

/// A Pulso whose way to Redis leads through a proxy.
async fn proxied(site: &Site) -> (Plan, Proxy) {
    let proxy = Proxy::open(Proxy::upstream_of(&site.services.redis_url)).await;
    let plan = Plan { api: vec![("REDIS_URL", proxy.through(&site.services.redis_url))], ..Plan::default() };
    (plan, proxy)
}

pub async fn down(site: &Site) -> Ending {
    let (plan, proxy) = proxied(site).await;
    without_redis(site, "redis/down", plan, || proxy.cut(), || proxy.restore()).await
}

pub async fn slow(site: &Site) -> Ending {
    let (plan, proxy) = proxied(site).await;
    let slow = Line { latency: Duration::from_secs(2), ..Line::default() };
    without_redis(site, "redis/slow", plan, || proxy.degrade(slow), || proxy.degrade(Line::default())).await
}

async fn without_redis(site: &Site, case: &str, plan: Plan, spoil: impl Fn(), mend: impl Fn()) -> Ending {
    let mut slowest = Duration::ZERO;
    let fault = async |stack: &mut Stack<'_>| {
        spoil();
        let end = Instant::now() + stack.site.lasting(30, 4);
        while Instant::now() < end {
            let started = Instant::now();
            sign_in_and_out(stack).await?;
            slowest = slowest.max(started.elapsed());
            tokio::time::sleep_until(started + SIGN_IN_EVERY).await;
        }
        mend();
        Ok(Instant::now())
    };
    let (mut outcome, answers) = through(site, case, plan, Recovery::Accepting, fault).await?;
    outcome.require(answers.only(&[202]), "a device was refused because of Redis");
    outcome.note(format!("sign-in, a look, sign-out, a refused look: {:.1} s at most", slowest.as_secs_f64()));
    outcome.require(slowest < SIGN_IN_LIMIT * 2, "signing in and out took too long");
    Ok(outcome)
}

/// Signs in, looks, signs out, and finds the token revoked.
async fn sign_in_and_out(stack: &Stack<'_>) -> Result<(), Failure> {
    let session = stack.administrator().await?;
    expect(look(stack, &session).await?, 200)?;
    sign_out(stack, &session).await?;
    expect(look(stack, &session).await?, 401)
}

async fn sign_out(stack: &Stack<'_>, session: &str) -> Result<(), Failure> {
    let address = format!("{}/api/v1/auth/logout", stack.url());
    Client::new().post(address).bearer_auth(session).send().await?.error_for_status()?;
    Ok(())
}

async fn look(stack: &Stack<'_>, session: &str) -> Result<u16, Failure> {
    let address = format!("{}/api/v1/users/me", stack.url());
    Ok(Client::new().get(address).bearer_auth(session).send().await?.status().as_u16())
}

fn expect(status: u16, expected: u16) -> Result<(), Failure> {
    if status == expected { Ok(()) } else { Err(format!("{status} instead of {expected}").into()) }
}

pub async fn flush_all(site: &Site) -> Ending {
    let plan = Plan { replicas: 2, ..Plan::default() };
    let fault = async |stack: &mut Stack<'_>| {
        let revoked = stack.administrator().await?;
        let kept = stack.administrator().await?;
        sign_out(stack, &revoked).await?;
        flush(&stack.site.services.redis_url).await?;
        // What Redis knew is known from the database, on every replica.
        for url in stack.api_recipes.iter().map(|recipe| recipe.ready_url.replace("/readyz", "/api/v1/users/me")) {
            for (session, status) in [(&revoked, 401), (&kept, 200)] {
                until(&url, session, status).await?;
            }
        }
        Ok(Instant::now())
    };
    let (mut outcome, answers) = through(site, "redis/flushall", plan, Recovery::Accepting, fault).await?;
    outcome.require(answers.only(&[202]), "a device was refused because of Redis");
    Ok(outcome)
}

/// A revocation reaches every replica within 5 s.
async fn until(url: &str, session: &str, status: u16) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(6);
    loop {
        let answered = Client::new().get(url).bearer_auth(session).send().await?.status().as_u16();
        if answered == status {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(format!("{url} answers {answered} instead of {status} after FLUSHALL").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Tells Redis to forget everything, in its own words: no client of it is needed here otherwise.
async fn flush(url: &str) -> Result<(), Failure> {
    let (password, server) = url.trim_start_matches("redis://:").split_once('@').ok_or("no password in REDIS_URL")?;
    let server = server.split('/').next().unwrap_or(server);
    let mut connection = TcpStream::connect(server).await?;
    connection.write_all(format!("AUTH {password}\r\nFLUSHALL\r\nQUIT\r\n").as_bytes()).await?;
    let mut said = String::new();
    tokio::time::timeout(Duration::from_secs(5), connection.read_to_string(&mut said)).await??;
    if said == "+OK\r\n+OK\r\n+OK\r\n" { Ok(()) } else { Err(format!("FLUSHALL: {said}").into()) }
}
