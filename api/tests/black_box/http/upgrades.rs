//! Offers of another protocol: ignored, and the connection goes on.

use std::process::Command;

use pulso_testkit::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::start_api;

/// What Java's client sends with every first request.
const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n";
const OFFERS: [&str; 7] = [
    H2C,
    "connection: upgrade\r\nupgrade: h2c\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "UPGRADE: WebSocket\r\nCONNECTION: UPGRADE\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: h2c\r\n",
];

/// A connection, and what was read of it beyond the last answer.
struct Raw {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Raw {
    async fn open(base: &str) -> Self {
        Self { stream: TcpStream::connect(Proxy::upstream_of(base)).await.unwrap(), rest: Vec::new() }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer's head, in lower case; its body is read away.
    async fn answer(&mut self, has_body: bool) -> String {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let length = length.filter(|_| has_body).unwrap_or(0);
        while self.rest.len() < length {
            self.read().await;
        }
        self.rest.drain(..length);
        head
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.rest).await.unwrap();
        assert_ne!(read, 0, "the connection was closed behind {:?}", String::from_utf8_lossy(&self.rest));
    }
}

fn assert_goes_on(head: &str, status: u16, what: &str) {
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{what}: {head}");
    assert!(!head.contains("\nconnection:") && !head.contains("\nupgrade:"), "{what}: {head}");
}

#[tokio::test]
async fn an_offer_is_ignored_with_every_method_with_and_without_a_body() {
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let bearer = format!("Host: x\r\nAuthorization: Bearer {}\r\n", user.token().unwrap());
    let mut connection = Raw::open(pulso.client.base()).await;
    let mut asked = 0;
    for offer in OFFERS {
        for (method, path, body, status) in [
            ("GET", "/livez", "", 200),
            ("HEAD", "/livez", "", 200),
            ("OPTIONS", "/tasks", "", 405),
            ("GET", "/tasks", "", 200),
            ("POST", "/tasks", r#"{"title": "Connection: upgrade"}"#, 201),
            ("POST", "/heartbeats", "{}", 422),
            ("PUT", "/tasks/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", r#"{"title": "x"}"#, 404),
            ("PATCH", "/tasks/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "{}", 404),
            ("DELETE", "/tasks/01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "", 404),
            ("TRACE", "/tasks", "", 405),
            ("GET", "/nowhere", "", 404),
        ] {
            let what = format!("{method} {path} with {offer:?}");
            let json = "Content-Type: application/json\r\n";
            let length = body.len();
            let requests = match body {
                "" => vec![format!("{method} {path} HTTP/1.1\r\n{bearer}{offer}\r\n")],
                body => vec![
                    format!("{method} {path} HTTP/1.1\r\n{offer}{bearer}{json}Content-Length: {length}\r\n\r\n{body}"),
                    format!(
                        "{method} {path} HTTP/1.1\r\n{bearer}{json}Transfer-Encoding: chunked\r\n{offer}\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
                    ),
                ],
            };
            for request in requests {
                connection.write(&request).await;
                let head = connection.answer(method != "HEAD").await;
                assert_goes_on(&head, status, &what);
                asked += 1;
            }
        }
    }
    assert_eq!(asked, OFFERS.len() * 15, "all of them on one connection");
    let titles = user.get("/tasks").await.expect(200);
    let titles = titles.body.as_array().unwrap();
    assert_eq!(titles.len(), OFFERS.len() * 2);
    assert!(titles.iter().all(|task| task["title"] == "Connection: upgrade"), "a body is left as it is: {titles:?}");
    pulso.finish().await;
}

#[tokio::test]
async fn offers_in_pieces_and_in_a_pipeline_are_ignored_too() {
    let pulso = start_api(Vec::new()).await;
    let mut connection = Raw::open(pulso.client.base()).await;
    for offer in OFFERS {
        let one = format!("GET /livez HTTP/1.1\r\nHost: x\r\n{offer}\r\n");
        connection.write(&one.repeat(5)).await;
        for _ in 0..5 {
            assert_goes_on(&connection.answer(true).await, 200, offer);
        }
    }
    // Each byte in a packet of its own.
    connection.stream.set_nodelay(true).unwrap();
    for byte in format!("GET /livez HTTP/1.1\r\nHost: x\r\n{H2C}\r\n").as_bytes() {
        connection.stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_goes_on(&connection.answer(true).await, 200, "in pieces");
    // A tunnel is none of ours, whatever is offered with it.
    let mut tunnel = Raw::open(pulso.client.base()).await;
    tunnel.write(&format!("CONNECT /livez HTTP/1.1\r\nHost: x\r\n{H2C}\r\n")).await;
    assert!(tunnel.answer(true).await.starts_with("http/1.1 405 "));
    // Who wants to close still does.
    connection.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n").await;
    assert!(connection.answer(true).await.contains("\r\nconnection: close\r\n"));
    assert_eq!(connection.stream.read(&mut [0]).await.unwrap(), 0);
    pulso.finish().await;
}

const JAVA: &str = r#"
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Posts {
    public static void main(String[] arguments) throws Exception {
        for (int client = 0; client < 4; client++) {
            HttpClient http = HttpClient.newHttpClient();
            for (int number = 0; number < 20; number++) {
                HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0] + "/tasks"))
                    .header("Content-Type", "application/json")
                    .header("Authorization", "Bearer " + arguments[1])
                    .POST(HttpRequest.BodyPublishers.ofString("{\"title\": \"from Java\"}"))
                    .build();
                HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
                if (response.statusCode() != 201) {
                    throw new IllegalStateException(response.statusCode() + " " + response.body());
                }
            }
        }
    }
}
"#;

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn tell_skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[tokio::test]
async fn javas_own_client_posts_without_a_failure() {
    // Runs a source file by itself since Java 11; a JRE without the compiler cannot.
    if !Command::new("javac").arg("-version").output().is_ok_and(|output| output.status.success()) {
        return tell_skipped("Java's client is not tried: there is no JDK on this machine");
    }
    let pulso = start_api(Vec::new()).await;
    let user = pulso.client.new_user().await;
    let folder = std::env::temp_dir().join(format!("pulso-java-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder.join("Posts.java");
    std::fs::write(&source, JAVA).unwrap();
    let (base, token) = (user.base().to_owned(), user.token().unwrap().to_owned());
    let run = move || Command::new("java").arg(source).args([base, token]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(pulso.database.count("SELECT count(*) FROM tasks").await, 80);
    pulso.finish().await;
}
