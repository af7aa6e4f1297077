//! A Pulso of one case's own, and its devices.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::{EnrolledDevice, enrol};
use serde_json::{Value, json};
use tokio::time::Instant;
use ulid::Ulid;

use crate::load::{DEVICES, Ledger, Load, LoadSpec};
use crate::outcome::Outcome;
use crate::probe::Probe;
use crate::program::{Program, Recipe};
use crate::programs::{self, Variables};
use crate::queue::Queues;
use crate::site::Site;
use crate::{Failure, database};

/// Workers that a case may start; only some of them run.
const WORKER_PLACES: usize = 4;
/// How long storing may take to begin again.
const STORING_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a case wants otherwise.
pub struct Plan {
    /// Variables of the API.
    pub api: Variables,
    /// Variables of the worker.
    pub worker: Variables,
    /// APIs.
    pub replicas: usize,
    /// Workers that run at first.
    pub workers: usize,
    /// Where the broker is, for us who look at the queues.
    pub amqp_url: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { api: Variables::new(), worker: Variables::new(), replicas: 1, workers: 1, amqp_url: None }
    }
}

impl Plan {
    /// A variable of both.
    pub fn both(mut self, name: &'static str, value: &str) -> Self {
        self.api.push((name, value.to_owned()));
        self.worker.push((name, value.to_owned()));
        self
    }
}

/// The processes, and who sends.
pub struct Stack<'a> {
    /// What it runs on.
    pub site: &'a Site,
    /// How each API is started.
    pub api_recipes: Vec<Recipe>,
    /// How each worker is started.
    pub worker_recipes: Vec<Recipe>,
    /// The APIs.
    pub apis: Vec<Program>,
    /// The workers that run.
    pub workers: Vec<Program>,
    /// Its queues.
    pub queues: Queues,
    /// The devices' owner.
    pub owner: AccountArgs,
    /// The same, signed in at the first API.
    pub account: Account,
    /// The devices; the last one knocks.
    pub devices: Vec<EnrolledDevice>,
    /// Their tokens.
    pub tokens: Vec<String>,
    folder: PathBuf,
}

impl<'a> Stack<'a> {
    /// Starts it, and registers the devices.
    pub async fn start(site: &'a Site, case: &str, plan: Plan) -> Result<Self, Failure> {
        let folder = site.case_folder(case)?;
        let name = Ulid::generate().to_string().to_lowercase();
        let prefix = format!("faults-{name}");
        let api_recipe = |place| programs::api(site, place, &prefix, &plan.api, &folder);
        let api_recipes = (0..plan.replicas).map(api_recipe).collect::<Result<Vec<_>, _>>()?;
        let worker_recipe = |place| programs::worker(site, place, &prefix, &plan.worker, &folder);
        let worker_recipes = (0..WORKER_PLACES).map(worker_recipe).collect::<Result<Vec<_>, _>>()?;
        let apis = start_all(&api_recipes).await?;
        let workers = start_all(worker_recipes.get(..plan.workers).unwrap_or_default()).await?;
        let url = api_recipes.first().map(base_url).unwrap_or_default();
        let password = site.secret.clone().into();
        let owner = AccountArgs { url, username: name.clone(), password, sign_up: true };
        let account = Account::sign_in(&owner).await?;
        // What this says is for people who simulate a fleet.
        let silent = pulso_simulator::screen::Screen::silent();
        let devices = enrol(&account, &name, DEVICES + 1, &silent).await?;
        let tokens = exchange_all(&account.client, &devices).await?;
        let amqp_url = plan.amqp_url.as_deref().unwrap_or(&site.services.amqp_url);
        let queues = Queues::new(amqp_url, &prefix);
        Ok(Self { site, api_recipes, worker_recipes, apis, workers, queues, owner, account, devices, tokens, folder })
    }

    /// The address of the first API.
    pub fn url(&self) -> String {
        self.api_recipes.first().map(base_url).unwrap_or_default()
    }

    /// Begins to send at the usual rate.
    pub fn load(&self) -> Result<Load, Failure> {
        self.load_of(LoadSpec::new(&self.url(), self.site.cli.rate))
    }

    /// Begins to send.
    pub fn load_of(&self, spec: LoadSpec) -> Result<Load, Failure> {
        let ids = self.devices.iter().take(spec.devices).map(|device| device.id).collect();
        let tokens = self.tokens.iter().take(spec.devices).cloned().collect();
        let file = self.folder.join(format!("ledger-{}.txt", Ulid::generate()));
        Load::start(spec, ids, tokens, file)
    }

    /// Begins to knock.
    pub fn probe(&self) -> Result<Probe, Failure> {
        self.probe_at(&self.url())
    }

    /// Begins to knock somewhere else.
    pub fn probe_at(&self, url: &str) -> Result<Probe, Failure> {
        Probe::start(url, self.tokens.last().map(String::as_str).unwrap_or_default())
    }

    /// Signs the administrator in; their access token.
    pub async fn administrator(&self) -> Result<String, Failure> {
        let body = json!({"username": programs::ADMINISTRATOR, "password": self.site.secret});
        let request = reqwest::Client::new().post(format!("{}/api/v1/auth/login", self.url())).json(&body);
        let session: Value = request.send().await?.error_for_status()?.json().await?;
        Ok(session.get("access_token").and_then(Value::as_str).ok_or("no access token")?.to_owned())
    }

    /// Runs a command of the worker's binary; what it said.
    pub async fn worker_command(&self, arguments: &[&str]) -> Result<String, Failure> {
        let recipe = self.worker_recipes.first().ok_or("there is no worker")?;
        let mut command = tokio::process::Command::new(&recipe.program);
        command.args(arguments).env_clear().envs(recipe.environment.iter().cloned());
        let done = command.output().await?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        Err(format!("pulso-worker {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr)).into())
    }

    /// Starts the API `place` again.
    pub async fn restart_api(&mut self, place: usize) -> Result<(), Failure> {
        let recipe = self.api_recipes.get(place).ok_or("there is no such API")?;
        let program = recipe.start_ready().await?;
        if let Some(api) = self.apis.get_mut(place) {
            *api = program;
        }
        Ok(())
    }

    /// Ends all workers that run: kills them, or asks them.
    pub async fn end_workers(&mut self, kill: bool) -> Result<(), Failure> {
        for mut worker in std::mem::take(&mut self.workers) {
            if kill { worker.kill().await? } else { worker.terminate().await? }
        }
        Ok(())
    }

    /// Sees to it that so many workers run: starts more, or asks the newest to stop.
    pub async fn run_workers(&mut self, count: usize) -> Result<(), Failure> {
        while self.workers.len() > count {
            if let Some(mut worker) = self.workers.pop() {
                worker.terminate().await?;
            }
        }
        while self.workers.len() < count {
            let recipe = self.worker_recipes.get(self.workers.len()).ok_or("too many workers")?;
            self.workers.push(recipe.start_ready().await?);
        }
        Ok(())
    }

    /// How long after `mended` a row that was written later was there.
    pub async fn storing_again(&self, mended: Instant) -> Result<Duration, Failure> {
        let probe = self.devices.last().map(|device| device.id.as_uuid()).unwrap_or_default();
        let sql = format!("SELECT count(*) FROM heartbeats WHERE device_id = '{probe}'");
        let url = &self.site.services.database_url;
        let growing = async {
            let mut first = None;
            loop {
                if let Ok(count) = database::count(url, &sql).await
                    && count > *first.get_or_insert(count)
                {
                    return mended.elapsed();
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let waited = tokio::time::timeout(STORING_TIMEOUT, growing).await;
        waited.map_err(|_| format!("nothing stored within {} s", STORING_TIMEOUT.as_secs()).into())
    }

    /// Ends the sending, compares, and looks at the dead letters: there are none, unless the case says otherwise.
    pub async fn settle(&self, load: Load) -> Result<Outcome, Failure> {
        self.settle_with_dead(load, 0).await
    }

    /// The same, where so many dead letters are right.
    pub async fn settle_with_dead(&self, load: Load, dead: u32) -> Result<Outcome, Failure> {
        self.compare(load.finish().await?, dead).await
    }

    /// Compares what was accepted with what is stored, and looks at the dead letters.
    pub async fn compare(&self, ledger: Ledger, dead: u32) -> Result<Outcome, Failure> {
        let proof = ledger.compare(&self.site.services.database_url).await?;
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

async fn start_all(recipes: &[Recipe]) -> Result<Vec<Program>, Failure> {
    let mut programs = recipes.iter().map(Recipe::start).collect::<Result<Vec<_>, _>>()?;
    for program in &mut programs {
        program.ready().await?;
    }
    Ok(programs)
}

fn base_url(recipe: &Recipe) -> String {
    recipe.ready_url.trim_end_matches("/readyz").to_owned()
}
