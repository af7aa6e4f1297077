//! Connections below the requests.

use std::time::Duration;

use pulso_testkit::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::start_api;

#[tokio::test]
async fn a_connection_that_was_opened_ahead_is_not_told_to_go_away() {
    let pulso = start_api(Vec::new()).await;
    let mut connection = TcpStream::connect(Proxy::upstream_of(pulso.client.base())).await.unwrap();
    // Nothing may be said to us before we have asked: we would take it for the answer to what we ask next.
    let mut said = [0; 64];
    let silence = tokio::time::timeout(Duration::from_secs(7), connection.read(&mut said)).await;
    assert!(silence.is_err(), "{}", String::from_utf8_lossy(&said));
    connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    connection.read_exact(&mut said[..12]).await.unwrap();
    assert_eq!(&said[..12], b"HTTP/1.1 200");
    pulso.finish().await;
}
