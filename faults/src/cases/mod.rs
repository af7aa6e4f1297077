//! The cases, by group; each is a small function: start, break under load, mend, compare.

mod api;
mod network;
mod poison;
mod postgres;
mod presence;
mod rabbitmq;
mod redis;
mod soak;
mod time;
mod whole;
mod worker;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use crate::Failure;
use crate::outcome::Outcome;
use crate::probe::Answers;
use crate::site::Site;
use crate::stack::{Plan, Stack};

/// How a case ends.
type Ending = Result<Outcome, Failure>;

/// A case by its name.
pub struct Case {
    group: &'static str,
    name: &'static str,
    /// What it does, for `--list`.
    pub about: &'static str,
    /// Does it.
    pub run: for<'a> fn(&'a Site) -> LocalBoxFuture<'a, Ending>,
}

impl Case {
    /// `group/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Whether `--only WANTED` means this one.
    pub fn is_meant_by(&self, wanted: &str) -> bool {
        wanted == self.group || wanted == self.full_name()
    }
}

macro_rules! case {
    ($group:ident / $name:literal, $function:ident, $about:literal) => {
        Case { group: stringify!($group), name: $name, about: $about, run: |site| Box::pin($group::$function(site)) }
    };
}

/// All of them, in the order of the table.
pub fn all() -> Vec<Case> {
    [processes(), broker(), stores(), world()].into_iter().flatten().collect()
}

fn processes() -> Vec<Case> {
    vec![
        case!(
            worker / "kill-25",
            kill_again_and_again,
            "kill -9 of the worker 25 times in a row, each with a full prefetch"
        ),
        case!(worker / "sigterm", sigterm, "SIGTERM of the worker under load, three times"),
        case!(worker / "scale", scale, "1, 4, 1 workers under load"),
        case!(
            worker / "interleaved",
            interleaved,
            "two workers, one device's interleaved batches, half of them sent twice"
        ),
        case!(api / "kill", kill, "kill -9 of the API under load, three times"),
        case!(api / "sigterm", sigterm, "SIGTERM of the API under load: no request in flight fails"),
        case!(api / "two-replicas", two_replicas, "two APIs behind a balancer, one is killed"),
    ]
}

fn broker() -> Vec<Case> {
    vec![
        case!(rabbitmq / "restart", restart, "RabbitMQ stopped in good order and started again"),
        case!(rabbitmq / "kill", kill, "RabbitMQ killed and started again"),
        case!(rabbitmq / "down", down, "RabbitMQ away for 2 minutes"),
        case!(rabbitmq / "memory-alarm", memory_alarm, "RabbitMQ blocks publishers for lack of memory"),
        case!(rabbitmq / "queue-full", queue_full, "no worker, and the store queue is full"),
        case!(rabbitmq / "lost-confirm", lost_confirm, "connections cut between publish and confirm, again and again"),
        case!(rabbitmq / "half-open", half_open, "the connection is there, and nothing passes"),
        case!(rabbitmq / "unroutable", unroutable, "the queue is taken off the exchange, again and again"),
        case!(rabbitmq / "cluster", cluster, "a three-node cluster, one node killed at a time"),
    ]
}

fn stores() -> Vec<Case> {
    vec![
        case!(postgres / "restart", restart, "PostgreSQL stopped in good order and started again"),
        case!(postgres / "kill", kill, "PostgreSQL killed and started again"),
        case!(postgres / "down", down, "PostgreSQL away for 2 minutes"),
        case!(postgres / "lock", long_lock, "somebody holds a lock on the table"),
        case!(postgres / "disk-full", disk_full, "no space left where the rows are written"),
        case!(postgres / "bad-row", bad_row, "one row in each hundred is refused by the database"),
        case!(redis / "down", down, "Redis away: ingest and sign-in go on"),
        case!(redis / "flushall", flush_all, "Redis forgets everything: what was revoked stays revoked"),
        case!(redis / "slow", slow, "Redis answers after 2 s"),
    ]
}

fn world() -> Vec<Case> {
    vec![
        case!(network / "latency", latency, "500 ms more to devices, broker and database"),
        case!(
            network / "resets",
            resets,
            "5 % of what devices send ends in a reset; the broker's and the database's too, now and then"
        ),
        case!(network / "slow", slow, "10 KB/s to devices, broker and database"),
        case!(whole / "down", down, "API and worker away for 5 minutes with live devices, and some that die"),
        case!(whole / "servers-down", servers_down, "the same, and PostgreSQL, RabbitMQ and Redis with them"),
        case!(whole / "storage-behind", storage_behind, "no worker for 3 minutes; some devices die"),
        case!(presence / "flapping", flapping, "10,000 devices, a tenth of which come and go"),
        case!(poison / "unreadable", unreadable, "messages that nobody can read, under load"),
        case!(poison / "device-deleted", device_deleted, "a device deleted while its data waits"),
        case!(poison / "replay", replay, "refused rows put back by route and by command"),
        case!(time / "devices", devices, "devices that live in 1970 and 2099"),
        case!(time / "server-clock", server_clock, "the servers' clock jumps by an hour, forth and back"),
        case!(time / "midnight", midnight, "a day ends: with its partition made ahead, and without"),
        case!(soak / "steady", steady, "30 minutes: memory, descriptors and connections stay flat"),
    ]
}

/// Sending before something is broken, and after it works again.
const CALM: Duration = Duration::from_secs(2);

/// What has to work again for a case to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recovery {
    /// The API takes data.
    Accepting,
    /// Data is stored.
    Storing,
}

/// A stack of its own, broken [`under_load`].
async fn through(
    site: &Site,
    case: &str,
    plan: Plan,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Stack<'_>) -> Result<Instant, Failure>,
) -> Result<(Outcome, Answers), Failure> {
    let mut stack = Stack::start(site, case, plan).await?;
    let (mut outcome, answers, _) = under_load(&mut stack, recovery, fault).await?;
    stack.stop(&mut outcome).await;
    Ok((outcome, answers))
}

/// Under load: breaks something, mends it, waits until it works again, and compares. `fault` returns when it has mended
/// what it broke, and tells when that was. Answered are, besides, the device's answers meanwhile, and when it worked
/// again.
async fn under_load(
    stack: &mut Stack<'_>,
    recovery: Recovery,
    fault: impl AsyncFnOnce(&mut Stack<'_>) -> Result<Instant, Failure>,
) -> Result<(Outcome, Answers, Instant), Failure> {
    let (load, probe) = (stack.load()?, stack.probe()?);
    tokio::time::sleep(CALM).await;
    let broken = Instant::now();
    let mended = fault(stack).await?;
    let recovered_in = match recovery {
        Recovery::Accepting => probe.recovery(mended).await?,
        Recovery::Storing => stack.storing_again(mended).await?,
    };
    tokio::time::sleep(CALM).await;
    let answers = probe.answers(broken, mended);
    drop(probe);
    let mut outcome = stack.settle(load).await?;
    outcome.recovered_in = Some(recovered_in);
    outcome.note(format!("meanwhile: {}", answers.summary()));
    outcome.require(answers.slowest < LONGEST_ANSWER, "an answer took longer than every time limit");
    Ok((outcome, answers, mended + recovered_in))
}

/// Publishing has 5 s, and what comes before and after it is short.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
