//! One kept-alive HTTP/1.1 connection, opened anew when it breaks.
//!
//! No HTTP client stands between: one takes as long as the server's own work does, on the cores that are measured.
//! What is spoken is the little that a device speaks: a POST, and an answer whose length is told.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, RETRY_AFTER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::target::Target;

/// Longer than the API ever takes to say 503 (its `PUBLISH_TIMEOUT_MS`): beyond, the answer is lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Headers of an answer that are read; the API sends about a dozen.
const MAX_HEADERS: usize = 32;

/// Longer than an answer's head ever is.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Room for one read: an answer to one heartbeat and some more.
const READ_BYTES: usize = 1024;

/// Why there was no answer. What was sent may or may not have been taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke: {0}")]
    Broken(std::io::Error),
    #[error("the connection was closed before the answer was whole")]
    Closed,
    #[error("the answer is not HTTP: {0}")]
    Unreadable(#[from] httparse::Error),
    #[error("the answer's {0}")]
    Unusable(&'static str),
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
}

/// What the server said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// A connection to the target; there is none until it is needed, and none after a failure.
pub(super) struct Link {
    target: Arc<Target>,
    connection: Option<Connection>,
}

impl Link {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target, connection: None }
    }

    /// Connects ahead of the first request.
    pub(super) async fn open(&mut self) -> Result<(), LinkError> {
        self.connection = Some(tokio::time::timeout(ANSWER_TIMEOUT, Connection::open(&self.target)).await??);
        Ok(())
    }

    /// Sends one body and reads the whole answer.
    pub(super) async fn post(&mut self, authorization: &HeaderValue, body: &[u8]) -> Result<Answer, LinkError> {
        // Taken out for the time of the exchange: when it fails or is given up, the connection goes with it.
        let open = self.connection.take();
        let exchange = async {
            let mut connection = match open {
                Some(connection) => connection,
                None => Connection::open(&self.target).await?,
            };
            connection.send(&self.target, authorization, body).await?;
            let (head, body) = connection.receive().await?;
            let kept = head.is_kept_alive.then_some(connection);
            Ok::<_, LinkError>((kept, Answer { status: head.status, retry_after: head.retry_after, body }))
        };
        let (kept, answer) = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await??;
        self.connection = kept;
        Ok(answer)
    }
}

struct Connection {
    stream: TcpStream,
    outgoing: Vec<u8>,
    incoming: BytesMut,
}

/// What of an answer's head matters here.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: StatusCode,
    retry_after: Option<Duration>,
    is_kept_alive: bool,
    head_bytes: usize,
    body_bytes: usize,
}

impl Connection {
    async fn open(target: &Target) -> Result<Self, LinkError> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(LinkError::Connect)?;
        stream.set_nodelay(true).map_err(LinkError::Connect)?;
        Ok(Self { stream, outgoing: Vec::new(), incoming: BytesMut::new() })
    }

    async fn send(&mut self, target: &Target, authorization: &HeaderValue, body: &[u8]) -> Result<(), LinkError> {
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&target.head);
        self.outgoing.extend_from_slice(b"\r\nauthorization: ");
        self.outgoing.extend_from_slice(authorization.as_bytes());
        self.outgoing.extend_from_slice(b"\r\ncontent-length: ");
        self.outgoing.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        self.outgoing.extend_from_slice(b"\r\n\r\n");
        self.outgoing.extend_from_slice(body);
        self.stream.write_all(&self.outgoing).await.map_err(LinkError::Broken)
    }

    async fn receive(&mut self) -> Result<(Head, Bytes), LinkError> {
        let head = loop {
            self.read().await?;
            if let Some(head) = Head::parse(&self.incoming)? {
                break head;
            }
            if self.incoming.len() > MAX_HEAD_BYTES {
                return Err(LinkError::Unusable("head is too long"));
            }
        };
        let whole = head.head_bytes.saturating_add(head.body_bytes);
        while self.incoming.len() < whole {
            self.read().await?;
        }
        let mut answer = self.incoming.split_to(whole);
        let body = answer.split_off(head.head_bytes).freeze();
        Ok((head, body))
    }

    async fn read(&mut self) -> Result<(), LinkError> {
        // Takes back the room of the answer before, which nobody looks at any more.
        self.incoming.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.incoming).await {
            Ok(0) => Err(LinkError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(LinkError::Broken(error)),
        }
    }
}

impl Head {
    /// `None` while it is not whole.
    fn parse(received: &[u8]) -> Result<Option<Self>, LinkError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = response.parse(received)? else { return Ok(None) };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let is_closed =
            text(response.headers, CONNECTION.as_str()).is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(Some(Self {
            status: status.ok_or(LinkError::Unusable("status is none"))?,
            retry_after: number(response.headers, RETRY_AFTER.as_str()).map(Duration::from_secs),
            is_kept_alive: !is_closed,
            head_bytes,
            body_bytes: number(response.headers, CONTENT_LENGTH.as_str())
                .ok_or(LinkError::Unusable("length is not told"))?,
        }))
    }
}

fn number<T: FromStr>(headers: &[httparse::Header<'_>], name: &str) -> Option<T> {
    text(headers, name)?.parse().ok()
}

fn text<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::{Head, LinkError};

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 12\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{}";
        for end in 0..answer.len() - 2 {
            assert_eq!(Head::parse(&answer[..end]).unwrap(), None);
        }
        let head = Head {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(2)),
            is_kept_alive: false,
            head_bytes: answer.len() - 2,
            body_bytes: 12,
        };
        assert_eq!(Head::parse(answer).unwrap(), Some(head));
    }

    #[test]
    fn an_answer_without_a_length_and_one_that_is_not_http_are_errors() {
        assert!(matches!(Head::parse(b"HTTP/1.1 202 Accepted\r\n\r\n"), Err(LinkError::Unusable(_))));
        assert!(matches!(Head::parse(b"SSH-2.0-OpenSSH_9.2\r\n"), Err(LinkError::Unreadable(_))));
    }
}
