//! All raw readings in one response, and the API's memory meanwhile: read as fast as possible, and by a slow reader.

use std::time::Duration;

use pulso_simulator::screen::Screen;
use pulso_testkit::{Client, Failure};
use reqwest::header::ACCEPT_ENCODING;
use reqwest::{Method, Response};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::dataset::Dataset;
use super::deployment::{Deployment, sign_in};
use super::progress::{Progress, share};
use crate::processes::{memory, reset_peak};

/// The target of the API's memory, MB.
pub const MOST_MB: f64 = 100.0;
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The rate of the slow reader.
const SLOW_BYTES_PER_S: f64 = 1_000_000.0;
const SLOW_FOR: Duration = Duration::from_secs(10);

/// A response that was read, to its end or for a while.
#[derive(Debug, Clone, Serialize)]
pub struct StreamResult {
    /// How it was read.
    pub name: &'static str,
    /// Readings in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// How long it was read, s.
    pub seconds: f64,
    /// The API's resident memory before, MB.
    pub before_mb: f64,
    /// Its peak meanwhile, MB.
    pub peak_mb: f64,
    /// Whether it held everything that was loaded; `None` for the slow reader, who does not wait for the end.
    pub is_whole: Option<bool>,
}

/// Reads all readings, slowly and fast.
pub async fn measure(
    deployment: &mut Deployment,
    data: &Dataset,
    screen: &Screen,
) -> Result<Vec<StreamResult>, Failure> {
    let url = deployment.api_url();
    let http = reqwest::Client::builder().read_timeout(STALL_TIMEOUT).build()?;
    let client = Client::over(url, http).with_token(sign_in(url, "owner").await?.token());
    let get = async || -> Result<Response, Failure> {
        // Uncompressed: the bytes that the API makes are counted.
        let request = client.request(Method::GET, "/api/v1/data").header(ACCEPT_ENCODING, "identity");
        Ok(request.send().await?.error_for_status()?)
    };
    let pid = deployment.api_pid();
    let mut slow = watched(pid, "GET /data, a slow reader (1 MB/s)", async || read_slowly(get().await?).await).await?;
    slow.is_whole = None;
    let mut whole =
        watched(pid, "GET /data, all readings", async || read_all(get().await?, data, screen).await).await?;
    whole.is_whole = Some(whole.rows == data.readings && whole.is_whole == Some(true));
    deployment.check()?;
    Ok(vec![whole, slow])
}

/// What was read of a response.
#[derive(Default)]
struct Received {
    rows: u64,
    bytes: u64,
    last: Option<u8>,
}

impl Received {
    /// Counts the readings by their opening braces: the data set has no nested objects, and no text with a brace.
    fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.rows += u64::try_from(piece.iter().filter(|byte| **byte == b'{').count())?;
        self.bytes += u64::try_from(piece.len())?;
        self.last = piece.last().copied().or(self.last);
        Ok(())
    }
}

async fn watched(
    pid: u32,
    name: &'static str,
    read: impl AsyncFnOnce() -> Result<Received, Failure>,
) -> Result<StreamResult, Failure> {
    let before_mb = memory(pid).now_mb;
    reset_peak(pid);
    let started = Instant::now();
    let Received { rows, bytes, last } = read().await?;
    let (seconds, peak_mb) = (started.elapsed().as_secs_f64(), memory(pid).peak_mb);
    Ok(StreamResult { name, rows, bytes, seconds, before_mb, peak_mb, is_whole: Some(last == Some(b']')) })
}

async fn read_all(mut response: Response, data: &Dataset, screen: &Screen) -> Result<Received, Failure> {
    let (mut received, progress) = (Received::default(), Progress::start(0.0));
    while let Some(piece) = response.chunk().await? {
        received.add(&piece)?;
        screen.live(&format!(
            "reading all of GET /data: {} rows, {}",
            received.rows,
            progress.describe(share(received.rows, data.readings))
        ));
    }
    Ok(received)
}

async fn read_slowly(mut response: Response) -> Result<Received, Failure> {
    let (mut received, started) = (Received::default(), Instant::now());
    while started.elapsed() < SLOW_FOR {
        let Some(piece) = response.chunk().await? else { break };
        received.add(&piece)?;
        let due = Duration::from_secs(received.bytes).as_secs_f64() / SLOW_BYTES_PER_S;
        sleep_until(started + Duration::from_secs_f64(due)).await;
    }
    Ok(received)
}
