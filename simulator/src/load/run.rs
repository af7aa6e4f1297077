//! A load's threads, and the tallies of what they did.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderValue, InvalidHeaderValue};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::LoadClient;
use super::composer::{Composer, Device, Grid};
use super::connection::Connection;
use super::plan::LoadPlan;
use super::run_state::RunState;
use super::tally::Tally;
use crate::retry::RetryDelays;

/// Why a load could not be sent; not what the server answered, which is in the tally.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No thread, or no event loop in it.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread ended before its connections did.
    #[error("a thread of the load generator failed")]
    Failed(#[from] oneshot::error::RecvError),
    /// No device to send for.
    #[error("there are no devices")]
    NoDevices,
    /// A token with characters that a header cannot hold.
    #[error("a device's token cannot be sent in a header")]
    Token(#[from] InvalidHeaderValue),
}

/// A load under way.
pub struct LoadRun {
    state: Arc<RunState>,
    tallies: Vec<Arc<Mutex<Tally>>>,
    threads: Vec<oneshot::Receiver<()>>,
}

impl LoadRun {
    /// Starts the threads.
    pub fn start(plan: LoadPlan) -> Result<Self, LoadError> {
        let devices = devices(&plan)?;
        let connections = plan.connections.get();
        let threads = plan.threads.get().min(connections);
        let state = Arc::new(RunState::new(plan));
        let mut started = Self { state, tallies: Vec::new(), threads: Vec::new() };
        for thread in 0..threads {
            started.start_thread((thread..connections).step_by(threads), &devices)?;
        }
        Ok(started)
    }

    /// Everything so far.
    pub fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        for tally in &self.tallies {
            sum.add(&tally.lock().unwrap_or_else(PoisonError::into_inner));
        }
        sum
    }

    /// When the sending began: as soon as all connections were open.
    pub fn started_at(&self) -> Option<Instant> {
        self.state.started_at()
    }

    /// Ends the sending early; what is in flight still gets its response.
    pub fn stop(&self) {
        self.state.stop.cancel();
    }

    /// Whether it was stopped early.
    pub fn is_stopped(&self) -> bool {
        self.state.stop.is_cancelled()
    }

    /// Waits for the last response. Cancel safe.
    pub async fn wait(&mut self) -> Result<(), LoadError> {
        while let Some(thread) = self.threads.last_mut() {
            let ended = thread.await;
            self.threads.pop();
            ended?;
        }
        Ok(())
    }

    /// Waits for the last response; the tally of everything.
    pub async fn finish(mut self) -> Result<Tally, LoadError> {
        self.wait().await?;
        Ok(self.tally())
    }

    fn start_thread(
        &mut self,
        connections: impl Iterator<Item = usize>,
        devices: &[Device],
    ) -> Result<(), std::io::Error> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let clients: Vec<_> = connections.map(|place| client(&self.state, &tally, devices, place)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("load".into()).spawn(move || {
            runtime.block_on(async {
                let mut working: JoinSet<()> = clients.into_iter().map(LoadClient::work).collect();
                while working.join_next().await.is_some() {}
            });
            // Nobody listens any more when the run was dropped.
            let _ = ended.send(());
        })?;
        self.tallies.push(tally);
        self.threads.push(end);
        Ok(())
    }
}

impl Drop for LoadRun {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.state.stop.cancel();
        }
    }
}

fn devices(plan: &LoadPlan) -> Result<Vec<Device>, LoadError> {
    let device = |(index, token): (usize, &String)| {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))?;
        authorization.set_sensitive(true);
        Ok(Device { index, authorization })
    };
    let devices: Vec<_> = plan.tokens.iter().enumerate().map(device).collect::<Result<_, LoadError>>()?;
    if devices.is_empty() { Err(LoadError::NoDevices) } else { Ok(devices) }
}

fn client(state: &Arc<RunState>, tally: &Arc<Mutex<Tally>>, devices: &[Device], place: usize) -> LoadClient {
    let connections = state.plan.connections.get();
    let mine = devices_of(place, connections, devices.len());
    let seed = u64::try_from(place).unwrap_or(0);
    let composer = Composer::new(
        mine.filter_map(|index| devices.get(index).cloned()).collect(),
        Grid::new(connections.div_ceil(devices.len()), place / devices.len()),
        state.plan.array.map(std::num::NonZeroU32::get),
        state.plan.journal.is_some(),
        seed,
    );
    LoadClient {
        state: Arc::clone(state),
        connection: Connection::new(Arc::new(state.plan.target.clone())),
        composer,
        tally: Arc::clone(tally),
        remembered: std::collections::VecDeque::new(),
        delays: RetryDelays::new(seed),
    }
}

/// The devices of the connection at `place`: every one has exactly one connection, or, where there are fewer devices
/// than connections, every connection has exactly one device.
fn devices_of(place: usize, connections: usize, devices: usize) -> impl Iterator<Item = usize> {
    let (first, step) = if devices >= connections { (place, connections) } else { (place % devices, devices) };
    (first..devices).step_by(step)
}

#[cfg(test)]
mod tests {
    use super::devices_of;

    #[test]
    fn every_device_has_one_connection_or_every_connection_one_device() {
        let spread = |connections, devices| -> Vec<Vec<usize>> {
            (0..connections).map(|place| devices_of(place, connections, devices).collect()).collect()
        };
        assert_eq!(spread(2, 5), [vec![0, 2, 4], vec![1, 3]]);
        assert_eq!(spread(3, 2), [vec![0], vec![1], vec![0]]);
        assert_eq!(spread(2, 2), [vec![0], vec![1]]);
    }
}
