//! The list of all cases.

use std::pin::Pin;

use super::under_load::CaseResult;
use super::{api, network, poison, postgres, presence, rabbitmq, redis, soak, time, whole, worker};
use crate::testbed::Testbed;

/// A case by its name.
pub struct Case {
    group: &'static str,
    name: &'static str,
    /// Its line of `--list`.
    pub about: &'static str,
    /// Runs it.
    pub run: for<'a> fn(&'a Testbed) -> Pin<Box<dyn Future<Output = CaseResult> + 'a>>,
}

impl Case {
    /// `group/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Whether `--only WANTED` selects this one.
    pub fn is_selected_by(&self, wanted: &str) -> bool {
        wanted == self.group || wanted == self.full_name()
    }
}

macro_rules! case {
    ($group:ident / $name:literal, $function:ident, $about:literal) => {
        Case {
            group: stringify!($group),
            name: $name,
            about: $about,
            run: |testbed| Box::pin($group::$function(testbed)),
        }
    };
}

/// All of them, in the order of the report.
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
        case!(rabbitmq / "down", down, "RabbitMQ unavailable for 2 minutes"),
        case!(rabbitmq / "memory-alarm", memory_alarm, "RabbitMQ blocks publishers for lack of memory"),
        case!(rabbitmq / "queue-full", queue_full, "no worker, and the store queue is full"),
        case!(rabbitmq / "lost-confirm", lost_confirm, "connections cut between publish and confirm, again and again"),
        case!(rabbitmq / "half-open", half_open, "the connection is open, and nothing gets through"),
        case!(rabbitmq / "unroutable", unroutable, "the queue is unbound from the exchange, again and again"),
        case!(rabbitmq / "cluster", cluster, "a three-node cluster, one node killed at a time"),
    ]
}

fn stores() -> Vec<Case> {
    vec![
        case!(postgres / "restart", restart, "PostgreSQL stopped in good order and started again"),
        case!(postgres / "kill", kill, "PostgreSQL killed and started again"),
        case!(postgres / "down", down, "PostgreSQL unavailable for 2 minutes"),
        case!(postgres / "lock", long_lock, "a lock is held on the table"),
        case!(postgres / "disk-full", disk_full, "no space left where the rows are written"),
        case!(postgres / "bad-row", bad_row, "one row in each hundred is refused by the database"),
        case!(redis / "down", down, "Redis unavailable: ingest and sign-in go on"),
        case!(redis / "flushall", flush_all, "Redis loses all data: what was revoked stays revoked"),
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
        case!(whole / "down", down, "API and worker down for 5 minutes with devices that send, and some that fail"),
        case!(whole / "servers-down", servers_down, "the same, and PostgreSQL, RabbitMQ and Redis with them"),
        case!(whole / "storage-behind", storage_behind, "no worker for 3 minutes; some devices fail"),
        case!(presence / "flapping", flapping, "10,000 devices, a tenth of which flap"),
        case!(
            presence / "replica-cut-off",
            replica_cut_off,
            "one of two APIs is cut off from the broker; devices stick to it"
        ),
        case!(poison / "unreadable", unreadable, "messages that cannot be decoded, under load"),
        case!(poison / "device-deleted", device_deleted, "a device deleted while its data waits"),
        case!(poison / "replay", replay, "refused rows put back by route and by command"),
        case!(time / "devices", devices, "devices that live in 1970 and 2099"),
        case!(time / "server-clock", server_clock, "the servers' clock jumps by an hour, forth and back"),
        case!(time / "midnight", midnight, "a day ends: with its partition made ahead, and without"),
        case!(soak / "steady", steady, "30 minutes: memory, descriptors and connections stay flat"),
    ]
}
