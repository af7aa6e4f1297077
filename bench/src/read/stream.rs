//! All raw readings in one answer, and what that takes of the API's memory: read as fast as it comes, and by somebody slow.

use std::time::Duration;

use pulso_simulator::screen::Screen;
use reqwest::header::ACCEPT_ENCODING;
use reqwest::{Client, Response};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::dataset::Dataset;
use super::progress::{Progress, share};
use super::site::{Site, sign_in};
use crate::Failure;
use crate::processes::{forget_peak, memory};

/// What the API's process may hold at most, MB.
pub const MOST_MB: f64 = 100.0;
const STALLED: Duration = Duration::from_secs(60);
/// What a slow reader takes, bytes a second.
const SLOW_BYTES_PER_S: f64 = 1_000_000.0;
const SLOW_FOR: Duration = Duration::from_secs(10);

/// An answer that was read, whole or for a while.
#[derive(Debug, Clone, Serialize)]
pub struct Streamed {
    /// How it was read.
    pub name: &'static str,
    /// Readings in it.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// How long it was read.
    pub seconds: f64,
    /// The API's resident memory before, MB.
    pub before_mb: f64,
    /// Its highest meanwhile, MB.
    pub peak_mb: f64,
    /// Whether all that was loaded was in it and it ended well; a slow reader does not wait for the end.
    pub is_whole: Option<bool>,
}

/// Reads them.
pub async fn measure(site: &mut Site, data: &Dataset, screen: &Screen) -> Result<Vec<Streamed>, Failure> {
    let token = sign_in(site.api_url(), "owner").await?.token().to_owned();
    let http = Client::builder().read_timeout(STALLED).build()?;
    let ask = async || -> Result<Response, Failure> {
        // Uncompressed: what the API makes is what is counted.
        let request = http.get(format!("{}/api/v1/data", site.api_url())).header(ACCEPT_ENCODING, "identity");
        Ok(request.bearer_auth(&token).send().await?.error_for_status()?)
    };
    let pid = site.api_pid();
    let mut slow = watched(pid, "GET /data, a slow reader (1 MB/s)", async || read_slowly(ask().await?).await).await?;
    slow.is_whole = None;
    let mut whole =
        watched(pid, "GET /data, all readings", async || read_all(ask().await?, data, screen).await).await?;
    whole.is_whole = Some(whole.rows == data.readings && whole.is_whole == Some(true));
    site.check()?;
    Ok(vec![whole, slow])
}

/// What was read of an answer.
#[derive(Default)]
struct Taken {
    rows: u64,
    bytes: u64,
    last: Option<u8>,
}

impl Taken {
    /// A reading is an object without any other in it (the data set has no further numbers), and no text of it holds a
    /// brace.
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
    read: impl AsyncFnOnce() -> Result<Taken, Failure>,
) -> Result<Streamed, Failure> {
    let before_mb = memory(pid).now_mb;
    forget_peak(pid);
    let began = Instant::now();
    let Taken { rows, bytes, last } = read().await?;
    let (seconds, peak_mb) = (began.elapsed().as_secs_f64(), memory(pid).peak_mb);
    Ok(Streamed { name, rows, bytes, seconds, before_mb, peak_mb, is_whole: Some(last == Some(b']')) })
}

async fn read_all(mut answer: Response, data: &Dataset, screen: &Screen) -> Result<Taken, Failure> {
    let (mut taken, progress) = (Taken::default(), Progress::begin(0.0));
    while let Some(piece) = answer.chunk().await? {
        taken.add(&piece)?;
        screen.live(&format!(
            "reading all of GET /data: {} rows, {}",
            taken.rows,
            progress.tell(share(taken.rows, data.readings))
        ));
    }
    Ok(taken)
}

async fn read_slowly(mut answer: Response) -> Result<Taken, Failure> {
    let (mut taken, began) = (Taken::default(), Instant::now());
    while began.elapsed() < SLOW_FOR {
        let Some(piece) = answer.chunk().await? else { break };
        taken.add(&piece)?;
        let due = Duration::from_secs(taken.bytes).as_secs_f64() / SLOW_BYTES_PER_S;
        sleep_until(began + Duration::from_secs_f64(due)).await;
    }
    Ok(taken)
}
