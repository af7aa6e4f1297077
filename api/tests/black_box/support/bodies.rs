//! Bodies as senders make them, and senders that take their time.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use pulso_testkit::{Client, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A connection on which nothing is sent but what a test sends.
pub struct RawConnection(TcpStream);

impl RawConnection {
    pub async fn open(client: &Client) -> Self {
        Self(TcpStream::connect(Proxy::upstream_of(client.base())).await.unwrap())
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// A POST that announces `length` bytes, and brings as many of them as `body` has.
    pub async fn begin_post(&mut self, path: &str, headers: &str, length: usize, body: &[u8]) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.send(head.as_bytes()).await;
        self.send(body).await;
    }

    /// The status of the answer.
    pub async fn status(&mut self) -> u16 {
        let mut line = [0; 12];
        self.0.read_exact(&mut line).await.unwrap();
        std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
    }
}
