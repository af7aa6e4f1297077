//! A TCP proxy that can be cut: an outage of a server that other tests go on using.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Open,
    /// Ends what there is and accepts nothing: the server is down.
    Cut,
    /// Keeps connections and passes nothing on: the cable is out.
    Frozen,
}

/// A door to a server.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Opens a door to `upstream` (`host:port`).
    pub async fn open(upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, watched) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                tokio::spawn(forward(inbound, upstream.clone(), watched.clone()));
            }
        });
        Self { address, mode }
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
        self.mode.send_replace(Mode::Cut);
    }

    /// Keeps every connection and passes nothing on.
    pub fn freeze(&self) {
        self.mode.send_replace(Mode::Frozen);
    }

    /// Passes everything on again; frozen connections stay dead.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

async fn forward(mut inbound: TcpStream, upstream: String, mut mode: watch::Receiver<Mode>) {
    if *mode.borrow_and_update() == Mode::Cut {
        return;
    }
    let Ok(mut outbound) = TcpStream::connect(upstream).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut inbound, &mut outbound) => return,
        _ = mode.wait_for(|mode| *mode != Mode::Open) => {}
    }
    // Frozen: both sockets stay open, and silent, until the connection is cut.
    let _ = mode.wait_for(|mode| *mode == Mode::Cut).await;
}
