//! The fault proxy does to connections what it says, and nothing else.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says where it stops")]

use std::time::Duration;

use pulso_testkit::{Line, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// Longer than anything on the loopback interface takes.
const LONG: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

/// A server that echoes what it receives, behind its name; its address.
async fn echo_server(name: u8) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let answer = [&[name], &buffer[..count]].concat();
                    if stream.write_all(&answer).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends one byte; what is answered, `None` when the connection has ended.
async fn exchange(stream: &mut TcpStream) -> Option<[u8; 2]> {
    let mut answer = [0; 2];
    let exchanged = async {
        stream.write_all(b"x").await.ok()?;
        stream.read_exact(&mut answer).await.ok()
    };
    timeout(LONG, exchanged).await.expect("an answer or an end").map(|_| answer)
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(SILENCE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn a_cut_closes_every_connection_and_refuses_new_ones_until_it_is_restored() {
    let proxy = Proxy::open(echo_server(b'a').await).await;
    let mut stream = connect(&proxy).await;
    assert_eq!(exchange(&mut stream).await, Some(*b"ax"));
    proxy.cut();
    assert_eq!(exchange(&mut stream).await, None);
    assert_eq!(exchange(&mut connect(&proxy).await).await, None);
    proxy.restore();
    assert_eq!(exchange(&mut connect(&proxy).await).await, Some(*b"ax"));
}

#[tokio::test]
async fn a_cut_that_is_restored_at_once_has_closed_every_connection() {
    let proxy = Proxy::open(echo_server(b'a').await).await;
    let mut stream = connect(&proxy).await;
    assert_eq!(exchange(&mut stream).await, Some(*b"ax"));
    proxy.cut();
    proxy.restore();
    assert_eq!(timeout(LONG, stream.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
}

#[tokio::test]
async fn a_frozen_connection_stays_open_and_silent_and_new_ones_work_after_the_restoration() {
    let proxy = Proxy::open(echo_server(b'a').await).await;
    let mut stream = connect(&proxy).await;
    assert_eq!(exchange(&mut stream).await, Some(*b"ax"));
    proxy.freeze();
    stream.write_all(b"x").await.unwrap();
    assert!(is_silent(&mut stream).await);
    proxy.restore();
    assert!(is_silent(&mut stream).await, "it stays frozen");
    assert_eq!(exchange(&mut connect(&proxy).await).await, Some(*b"ax"));
}

#[tokio::test]
async fn a_muted_connection_reaches_the_server_and_hears_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::open(listener.local_addr().unwrap().to_string()).await;
    let mut client = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"1").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'1');
    proxy.mute();
    client.write_all(b"2").await.unwrap();
    assert_eq!(timeout(LONG, server.read_u8()).await.unwrap().unwrap(), b'2');
    server.write_all(b"answer").await.unwrap();
    assert!(is_silent(&mut client).await);
}

#[tokio::test]
async fn a_balancer_takes_turns_and_passes_over_a_server_that_is_down() {
    let (first, second) = (echo_server(b'a').await, echo_server(b'b').await);
    let balancer = Proxy::balance(vec![first.clone(), second]).await;
    let mut answers = [0, 0];
    for answer in &mut answers {
        *answer = exchange(&mut connect(&balancer).await).await.unwrap()[0];
    }
    answers.sort_unstable();
    assert_eq!(answers, *b"ab");
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let balancer = Proxy::balance(vec![down, first]).await;
    for _ in 0..4 {
        assert_eq!(exchange(&mut connect(&balancer).await).await, Some(*b"ax"));
    }
}

#[tokio::test]
async fn latency_is_added_in_each_direction_and_bandwidth_is_limited() {
    let proxy = Proxy::open(echo_server(b'a').await).await;
    let mut stream = connect(&proxy).await;
    assert_eq!(exchange(&mut stream).await, Some(*b"ax"));
    proxy.degrade(Line { latency: Duration::from_millis(60), ..Line::default() });
    let started = Instant::now();
    assert_eq!(exchange(&mut stream).await, Some(*b"ax"));
    assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());
    proxy.degrade(Line { bytes_per_s: Some(10_000), ..Line::default() });
    let (started, mut answer) = (Instant::now(), vec![0; 1_001]);
    stream.write_all(&[b'x'; 1_000]).await.unwrap();
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    // 1 kB takes 100 ms in each direction; the two overlap.
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_unreliable_line_resets_connections() {
    let proxy = Proxy::open(echo_server(b'a').await).await;
    proxy.degrade(Line { reset_chance: 1.0, ..Line::default() });
    assert_eq!(exchange(&mut connect(&proxy).await).await, None);
}

#[test]
fn a_url_is_led_through_the_proxy_with_everything_else_as_it_was() {
    assert_eq!(Proxy::upstream_of("amqp://user:secret@localhost:5672/vhost"), "localhost:5672");
    assert_eq!(Proxy::upstream_of("http://127.0.0.1:80/readyz"), "127.0.0.1:80");
}
