//! A TCP proxy that can be cut, slowed and made unreliable: faults of a network, or of a server that others go on using.
//!
//! ```text
//!  client ─▶ reader ─▶ (due time, chunk)… ─▶ writer ─▶ server        and the same for what the server answers
//!              └ a chunk may end the connection by a reset      └ waits until the chunk is due, and for the bandwidth
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes passed on at a time; a slow line passes less, so that it is slow rather than jerky.
const CHUNK_BYTES: usize = 16 * 1024;
const SLOW_CHUNK_BYTES: usize = 512;
/// Chunks on their way in one direction; beyond, the sender has to wait.
const CHUNKS_ON_THE_WAY: usize = 256;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Open,
    /// Ends what there is and accepts nothing: the server is down.
    Cut,
    /// Keeps connections and passes nothing on: the cable is out.
    Frozen,
    /// Passes on what goes to the server, and keeps back what it answers.
    Mute,
}

/// What connections look at. A cut is counted as well: one that is mended at once has ended them all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traffic {
    mode: Mode,
    cuts: u64,
}

/// How bad the line is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    /// Added in each direction.
    pub latency: Duration,
    /// The chance of a chunk to end its connection by a reset, 0 to 1.
    pub reset_chance: f64,
    /// Bytes a second of each connection in each direction.
    pub bytes_per_s: Option<u32>,
}

/// A door to a server, or to several of which one has to be there.
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    line: watch::Sender<Line>,
}

impl Proxy {
    /// Opens a door to `upstream` (`host:port`).
    pub async fn open(upstream: String) -> Self {
        Self::balance(vec![upstream]).await
    }

    /// Opens a door to several servers: each connection goes to the next one that takes it.
    pub async fn balance(upstreams: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, traffic_watched) = watch::channel(Traffic { mode: Mode::Open, cuts: 0 });
        let (line, line_watched) = watch::channel(Line::default());
        tokio::spawn(async move {
            let upstreams: Arc<[String]> = upstreams.into();
            let mut turn = 0_usize;
            while let Ok((inbound, _)) = listener.accept().await {
                turn = turn.wrapping_add(1);
                let state = State { traffic: traffic_watched.clone(), line: line_watched.clone() };
                tokio::spawn(forward(inbound, Arc::clone(&upstreams), turn, state));
            }
        });
        Self { address, traffic, line }
    }

    /// Where it listens (`host:port`).
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// `url` with its host and port replaced by the proxy's, and the upstream it named.
    #[must_use]
    pub fn upstream_of(url: &str) -> String {
        let (_, rest) = url.split_once("://").expect("a URL");
        let authority = rest.split('/').next().unwrap_or(rest);
        authority.rsplit('@').next().unwrap_or(authority).to_owned()
    }

    /// `url` with the proxy in the place of its server.
    #[must_use]
    pub fn through(&self, url: &str) -> String {
        url.replacen(&Self::upstream_of(url), &self.address.to_string(), 1)
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        self.traffic.send_modify(|now| *now = Traffic { mode: Mode::Cut, cuts: now.cuts + 1 });
    }

    /// Keeps every connection and passes nothing on.
    pub fn freeze(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Frozen);
    }

    /// Passes on what goes to the server, and keeps back every answer.
    pub fn mute(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Mute);
    }

    /// Passes everything on again; connections that were frozen or muted stay so until they are cut.
    pub fn restore(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Open);
    }

    /// Makes the line as bad as that, for connections old and new.
    pub fn degrade(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// What a connection looks at all the time.
#[derive(Clone)]
struct State {
    traffic: watch::Receiver<Traffic>,
    line: watch::Receiver<Line>,
}

async fn forward(inbound: TcpStream, upstreams: Arc<[String]>, turn: usize, state: State) {
    let mut watched = state.traffic.clone();
    let opened = *watched.borrow_and_update();
    if opened.mode == Mode::Cut {
        return;
    }
    let Some(outbound) = connect(&upstreams, turn).await else { return };
    let _ = (inbound.set_nodelay(true), outbound.set_nodelay(true));
    let (from_client, to_client) = inbound.into_split();
    let (from_server, to_server) = outbound.into_split();
    tokio::select! {
        () = both(
            pass(from_client, to_server, state.clone(), |mode| mode == Mode::Frozen),
            pass(from_server, to_client, state, |mode| matches!(mode, Mode::Frozen | Mode::Mute)),
        ) => {}
        _ = watched.wait_for(|now| now.cuts != opened.cuts) => {}
    }
}

async fn connect(upstreams: &[String], turn: usize) -> Option<TcpStream> {
    for place in 0..upstreams.len() {
        if let Ok(stream) = TcpStream::connect(&upstreams[(turn + place) % upstreams.len()]).await {
            return Some(stream);
        }
    }
    None
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its sender has said all; the other direction may go on.
    Finished,
    /// The connection is over.
    Broken,
}

/// Until both directions have ended, or one has broken.
async fn both(there: impl Future<Output = End>, back: impl Future<Output = End>) {
    let (there, back) = (std::pin::pin!(there), std::pin::pin!(back));
    match select(there, back).await {
        Either::Left((End::Finished, other)) => _ = other.await,
        Either::Right((End::Finished, other)) => _ = other.await,
        Either::Left((End::Broken, _)) | Either::Right((End::Broken, _)) => {}
    }
}

/// Passes one direction on. Once `held` is true of the mode, it never passes anything again.
async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, mut state: State, held: fn(Mode) -> bool) -> End {
    let (sender, receiver) = mpsc::channel(CHUNKS_ON_THE_WAY);
    let line = state.line.clone();
    let moving = async {
        let (read, written) = tokio::join!(read(from, sender, line.clone()), write(to, receiver, line));
        if read == End::Broken { read } else { written }
    };
    tokio::select! {
        end = moving => return end,
        _ = state.traffic.wait_for(|now| held(now.mode)) => {}
    }
    std::future::pending().await
}

async fn read(mut from: OwnedReadHalf, sender: mpsc::Sender<(Instant, Vec<u8>)>, line: watch::Receiver<Line>) -> End {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let now = *line.borrow();
        let most = if now.bytes_per_s.is_some() { SLOW_CHUNK_BYTES } else { CHUNK_BYTES };
        let count = match from.read(&mut buffer[..most]).await {
            Ok(0) => return End::Finished,
            Ok(count) => count,
            Err(_) => return End::Broken,
        };
        if now.reset_chance > 0.0 && chance() < now.reset_chance {
            // Closed with nothing lingering: a reset instead of an orderly end.
            let _ = from.as_ref().set_zero_linger();
            return End::Broken;
        }
        if sender.send((Instant::now() + now.latency, buffer[..count].to_vec())).await.is_err() {
            return End::Broken;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
    line: watch::Receiver<Line>,
) -> End {
    while let Some((due, chunk)) = chunks.recv().await {
        tokio::time::sleep_until(due).await;
        let bytes_per_s = line.borrow().bytes_per_s;
        if let Some(bytes_per_s) = bytes_per_s {
            let bytes = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            tokio::time::sleep(Duration::from_secs_f64(f64::from(bytes) / f64::from(bytes_per_s))).await;
        }
        if to.write_all(&chunk).await.is_err() {
            return End::Broken;
        }
    }
    let _ = to.shutdown().await;
    End::Finished
}

/// A number from 0 to 1; the same in each run, as far as the order of events is (splitmix64).
fn chance() -> f64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut mixed = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
