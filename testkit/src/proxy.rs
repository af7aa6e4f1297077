//! The fault proxy: a TCP proxy that can be cut, frozen, slowed and made unreliable. It stands for faults of a network, or
//! of one server that other programs go on using.
//!
//! ```text
//!  client ─▶ reader ─▶ (due time, chunk)… ─▶ writer ─▶ server        and the same for the server's answers
//!              └ a chunk may end the connection by a reset      └ waits until the chunk is due, and for the bandwidth
//! ```
#![expect(clippy::unwrap_used, reason = "without a port on the loopback interface no test can go on")]

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Bytes forwarded at a time; a slow line forwards less, so that it is slow rather than jerky.
const CHUNK_BYTES: usize = 16 * 1024;
const SLOW_CHUNK_BYTES: usize = 512;
/// Chunks in flight in one direction; beyond, the sender has to wait.
const CHUNKS_IN_FLIGHT: usize = 256;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Forwards everything.
    Open,
    /// Closes every connection and accepts none: the server is down.
    Cut,
    /// Keeps connections and forwards nothing: the cable is unplugged.
    Frozen,
    /// Forwards to the server, and holds back its answers.
    Mute,
}

/// What connections watch. Cuts are counted, so that one that is restored at once still closes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Traffic {
    mode: Mode,
    cuts: u64,
}

/// How bad the line is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    /// Added latency, in each direction.
    pub latency: Duration,
    /// The chance of a chunk to end its connection by a reset, 0 to 1.
    pub reset_chance: f64,
    /// Bytes a second of each connection in each direction.
    pub bytes_per_s: Option<u32>,
}

/// A proxy for a server, or for several of which one has to be up.
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    line: watch::Sender<Line>,
}

impl Proxy {
    /// A proxy for `upstream` (`host:port`).
    pub async fn open(upstream: String) -> Self {
        Self::balance(vec![upstream]).await
    }

    /// A proxy for several servers: round robin, over those that accept connections.
    pub async fn balance(upstreams: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, traffic_watched) = watch::channel(Traffic { mode: Mode::Open, cuts: 0 });
        let (line, line_watched) = watch::channel(Line::default());
        tokio::spawn(async move {
            let upstreams: Arc<[String]> = upstreams.into();
            let mut next = 0_usize;
            while let Ok((inbound, _)) = listener.accept().await {
                next = next.wrapping_add(1);
                let state = State { traffic: traffic_watched.clone(), line: line_watched.clone() };
                tokio::spawn(forward(inbound, Arc::clone(&upstreams), next, state));
            }
        });
        Self { address, traffic, line }
    }

    /// Where it listens (`host:port`).
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The `host:port` that `url` names.
    pub fn upstream_of(url: &str) -> String {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.split('/').next().unwrap_or(rest);
        authority.rsplit('@').next().unwrap_or(authority).to_owned()
    }

    /// `url` with the proxy in place of its server.
    pub fn through(&self, url: &str) -> String {
        url.replacen(&Self::upstream_of(url), &self.address.to_string(), 1)
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.traffic.send_modify(|now| *now = Traffic { mode: Mode::Cut, cuts: now.cuts + 1 });
    }

    /// Keeps every connection and forwards nothing.
    pub fn freeze(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Frozen);
    }

    /// Forwards to the server, and holds back every answer.
    pub fn mute(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Mute);
    }

    /// Forwards everything again; connections that were frozen or muted stay so until they are cut.
    pub fn restore(&self) {
        self.traffic.send_modify(|now| now.mode = Mode::Open);
    }

    /// Gives the line these faults, for open and new connections.
    pub fn degrade(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// What a connection watches while it is open.
#[derive(Clone)]
struct State {
    traffic: watch::Receiver<Traffic>,
    line: watch::Receiver<Line>,
}

async fn forward(inbound: TcpStream, upstreams: Arc<[String]>, first: usize, state: State) {
    let mut watched = state.traffic.clone();
    let opened = *watched.borrow_and_update();
    if opened.mode == Mode::Cut {
        return;
    }
    let Some(outbound) = connect(&upstreams, first).await else { return };
    let _ = (inbound.set_nodelay(true), outbound.set_nodelay(true));
    let (from_client, to_client) = inbound.into_split();
    let (from_server, to_server) = outbound.into_split();
    tokio::select! {
        () = both(
            forward_one_way(from_client, to_server, state.clone(), |mode| mode == Mode::Frozen),
            forward_one_way(from_server, to_client, state, |mode| matches!(mode, Mode::Frozen | Mode::Mute)),
        ) => {}
        _ = watched.wait_for(|now| now.cuts != opened.cuts) => {}
    }
}

/// The first upstream from the place `first` on, around the list, that accepts a connection.
async fn connect(upstreams: &[String], first: usize) -> Option<TcpStream> {
    for upstream in upstreams.iter().cycle().skip(first % upstreams.len().max(1)).take(upstreams.len()) {
        if let Ok(stream) = TcpStream::connect(upstream).await {
            return Some(stream);
        }
    }
    None
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its sender has finished; the other direction may go on.
    Finished,
    /// The connection is broken.
    Broken,
}

/// Until both directions have ended, or one has broken.
async fn both(there: impl Future<Output = End>, back: impl Future<Output = End>) {
    let (mut there, mut back) = (pin!(there), pin!(back));
    tokio::select! {
        end = &mut there => if end == End::Finished { back.await; },
        end = &mut back => if end == End::Finished { there.await; },
    }
}

/// Forwards one direction. Once `held` is true of the mode, it never forwards anything again.
async fn forward_one_way(from: OwnedReadHalf, to: OwnedWriteHalf, mut state: State, held: fn(Mode) -> bool) -> End {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let line = state.line.clone();
    let mut forwarding = pin!(async {
        let (read, written) = tokio::join!(read(from, sender, line.clone()), write(to, receiver, line));
        if read == End::Broken { read } else { written }
    });
    tokio::select! {
        end = &mut forwarding => return end,
        _ = state.traffic.wait_for(|now| held(now.mode)) => {}
    }
    // Not dropped: it owns its halves of the connections, and dropping one would tell the other side that it is closed.
    std::future::pending().await
}

async fn read(mut from: OwnedReadHalf, sender: mpsc::Sender<(Instant, Vec<u8>)>, line: watch::Receiver<Line>) -> End {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let most = if line.borrow().bytes_per_s.is_some() { SLOW_CHUNK_BYTES } else { CHUNK_BYTES };
        let count = match from.read(buffer.get_mut(..most).unwrap_or_default()).await {
            Ok(0) => return End::Finished,
            Ok(count) => count,
            Err(_) => return End::Broken,
        };
        // As the line is now: it may have changed while there was nothing to read.
        let now = *line.borrow();
        if now.reset_chance > 0.0 && next_random() < now.reset_chance {
            // Without lingering, closing sends a reset instead of an orderly end.
            let _ = from.as_ref().set_zero_linger();
            return End::Broken;
        }
        let chunk = buffer.get(..count).unwrap_or_default().to_vec();
        if sender.send((Instant::now() + now.latency, chunk)).await.is_err() {
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

/// A number from 0 to 1; the same sequence in each run (splitmix64).
fn next_random() -> f64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut mixed = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
