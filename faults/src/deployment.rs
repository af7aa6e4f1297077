//! The Pulso of one case, and its devices.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::{EnrolledDevice, enrol};
use pulso_testkit::{Client, Failure, RunningProgram};
use serde_json::{Value, json};
use tokio::time::Instant;
use ulid::Ulid;

use crate::database;
use crate::deployment_plan::DeploymentPlan;
use crate::load::{DEVICES, Ledger, Load, LoadSpec};
use crate::outcome::Outcome;
use crate::probe::Probe;
use crate::queues::Queues;
use crate::replica::{ADMINISTRATOR, Replica};
use crate::testbed::Testbed;

/// Workers that a case may start.
const MAX_WORKERS: usize = 4;
/// How long storing may take to start again.
const STORING_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the store queue may take to become empty.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// The processes, and the devices.
pub struct Deployment<'a> {
    /// The servers and settings.
    pub testbed: &'a Testbed,
    /// How each API is started.
    pub api_replicas: Vec<Replica>,
    /// How each worker is started.
    pub worker_replicas: Vec<Replica>,
    /// The running APIs.
    pub apis: Vec<RunningProgram>,
    /// The running workers.
    pub workers: Vec<RunningProgram>,
    /// Its queues.
    pub queues: Queues,
    /// The devices' owner.
    pub owner: AccountArgs,
    /// The owner, signed in at the first API.
    pub account: Account,
    /// The devices; the last one is the probe's, and not in the ledger.
    pub devices: Vec<EnrolledDevice>,
    /// Their tokens.
    pub tokens: Vec<String>,
    folder: PathBuf,
}

impl<'a> Deployment<'a> {
    /// Starts it, and registers the devices.
    pub async fn start(testbed: &'a Testbed, case: &str, plan: DeploymentPlan) -> Result<Self, Failure> {
        let folder = testbed.case_folder(case)?;
        let name = Ulid::generate().to_string().to_lowercase();
        let prefix = format!("faults-{name}");
        let api = |place| Replica::api(testbed, place, &prefix, &plan.api_variables(place), &folder);
        let api_replicas = (0..plan.replicas).map(api).collect::<Result<Vec<_>, _>>()?;
        let worker = |place| Replica::worker(testbed, place, &prefix, &plan.worker, &folder);
        let worker_replicas = (0..MAX_WORKERS).map(worker).collect::<Result<Vec<_>, _>>()?;
        let apis = Replica::start_all(&api_replicas).await?;
        let workers = Replica::start_all(worker_replicas.get(..plan.workers).unwrap_or_default()).await?;
        let url = api_replicas.first().map(Replica::url).unwrap_or_default().to_owned();
        let password = testbed.secret.clone().into();
        let owner = AccountArgs { url, username: name.clone(), password, sign_up: true };
        let account = Account::sign_in(&owner).await?;
        // Its progress is for users of the simulator.
        let silent = pulso_simulator::screen::Screen::silent();
        let devices = enrol(&account, &name, DEVICES + 1, &silent).await?;
        let tokens = exchange_all(&account.client, &devices).await?;
        let amqp_url = plan.amqp_url.as_deref().unwrap_or(&testbed.servers.amqp_url);
        let queues = Queues::new(amqp_url, &prefix);
        Ok(Self {
            testbed,
            api_replicas,
            worker_replicas,
            apis,
            workers,
            queues,
            owner,
            account,
            devices,
            tokens,
            folder,
        })
    }

    /// The address of the first API.
    pub fn url(&self) -> String {
        self.api_replicas.first().map(Replica::url).unwrap_or_default().to_owned()
    }

    /// Starts to send at the default rate.
    pub fn load(&self) -> Result<Load, Failure> {
        self.load_of(LoadSpec::new(&self.url(), self.testbed.cli.rate))
    }

    /// Starts to send.
    pub fn load_of(&self, spec: LoadSpec) -> Result<Load, Failure> {
        let ids = self.devices.iter().take(spec.devices).map(|device| device.id).collect();
        let tokens = self.tokens.iter().take(spec.devices).cloned().collect();
        let file = self.folder.join(format!("ledger-{}.txt", Ulid::generate()));
        Load::start(spec, ids, tokens, file)
    }

    /// Starts the probe at the first API.
    pub fn probe(&self) -> Result<Probe, Failure> {
        self.probe_at(&self.url())
    }

    /// Starts the probe at another address.
    pub fn probe_at(&self, url: &str) -> Result<Probe, Failure> {
        Probe::start(url, self.tokens.last().map(String::as_str).unwrap_or_default())
    }

    /// A client of the first API, without a token.
    pub fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// A client with the token of a device, counted from the last one, which is not in the ledger.
    pub fn device_client(&self, from_last: usize) -> Result<Client, Failure> {
        let token = self.tokens.iter().nth_back(from_last).ok_or("no such device")?;
        Ok(self.client().with_token(token))
    }

    /// Signs the administrator in; the access token.
    pub async fn administrator(&self) -> Result<String, Failure> {
        let body = json!({"username": ADMINISTRATOR, "password": self.testbed.secret});
        let session = self.client().try_post("/api/v1/auth/login", &body).await?.success()?.body;
        Ok(session.get("access_token").and_then(Value::as_str).ok_or("no access token")?.to_owned())
    }

    /// Runs a command of the worker's executable; what it printed.
    pub async fn worker_command(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.worker_replicas.first().ok_or("there is no worker")?.run_command(arguments).await
    }

    /// Starts the API `place` again.
    pub async fn restart_api(&mut self, place: usize) -> Result<(), Failure> {
        let program = self.api_replicas.get(place).ok_or("there is no such API")?.start().await?;
        if let Some(api) = self.apis.get_mut(place) {
            *api = program;
        }
        Ok(())
    }

    /// Ends all running workers: kills them, or stops them in order.
    pub async fn end_workers(&mut self, kill: bool) -> Result<(), Failure> {
        for mut worker in std::mem::take(&mut self.workers) {
            if kill { worker.kill().await? } else { worker.terminate().await? }
        }
        Ok(())
    }

    /// Starts workers, or stops the newest ones, until so many run.
    pub async fn run_workers(&mut self, count: usize) -> Result<(), Failure> {
        while self.workers.len() > count {
            if let Some(mut worker) = self.workers.pop() {
                worker.terminate().await?;
            }
        }
        while self.workers.len() < count {
            let replica = self.worker_replicas.get(self.workers.len()).ok_or("too many workers")?;
            self.workers.push(replica.start().await?);
        }
        Ok(())
    }

    /// Waits until nothing waits to be stored.
    pub async fn until_stored(&self) -> Result<(), Failure> {
        let stored = async {
            while self.queues.waiting().await? > 0 {
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        let waited = tokio::time::timeout(DRAIN_TIMEOUT, stored).await;
        waited.unwrap_or_else(|_| Err("the queue does not become empty".into()))
    }

    /// How long after `repaired` a new row of the probe's device was stored.
    pub async fn storing_again(&self, repaired: Instant) -> Result<Duration, Failure> {
        let probe = self.devices.last().map(|device| device.id.as_uuid()).unwrap_or_default();
        let sql = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{probe}'");
        let url = &self.testbed.servers.database_url;
        let growing = async {
            let mut first = None;
            loop {
                if let Ok(count) = database::count(url, &sql).await
                    && count > *first.get_or_insert(count)
                {
                    return repaired.elapsed();
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let waited = tokio::time::timeout(STORING_TIMEOUT, growing).await;
        waited.map_err(|_| format!("nothing stored within {} s", STORING_TIMEOUT.as_secs()).into())
    }

    /// Ends the sending, compares, and requires that there are no dead letters.
    pub async fn settle(&self, load: Load) -> Result<Outcome, Failure> {
        self.settle_with_dead(load, 0).await
    }

    /// The same, with so many dead letters.
    pub async fn settle_with_dead(&self, load: Load, dead: u32) -> Result<Outcome, Failure> {
        self.compare(load.finish().await?, dead).await
    }

    /// Compares what was accepted with what is stored, and counts the dead letters.
    pub async fn compare(&self, ledger: Ledger, dead: u32) -> Result<Outcome, Failure> {
        let proof = ledger.compare(&self.testbed.servers.database_url).await?;
        let Ledger { spec, tally, lasted, .. } = ledger;
        let size = spec.array.map(|size| format!(" by {size}")).unwrap_or_default();
        let mut outcome = Outcome::of(format!("{}/s{size} × {} s", spec.rate, lasted.as_secs()), &proof);
        let listing = self.queues.dead_letters().await?;
        if listing.total != dead {
            let reason = listing.letters.first().map(|letter| format!("{}: {}", letter.reason, letter.detail));
            outcome.require(false, format!("{} dead letters instead of {dead} ({reason:?})", listing.total));
        }
        if let Some(refusal) = &tally.first_refusal {
            outcome.note(format!("{} refused, the first: {refusal}", tally.refused));
        }
        outcome.note(format!("{} sent again after no answer or a 503, {} on purpose", tally.retried, tally.resent));
        Ok(outcome)
    }

    /// Stops everything in order.
    pub async fn stop(mut self, outcome: &mut Outcome) {
        for mut program in std::mem::take(&mut self.apis).into_iter().chain(std::mem::take(&mut self.workers)) {
            if let Err(failure) = program.terminate().await {
                outcome.require(false, failure);
            }
        }
    }
}
