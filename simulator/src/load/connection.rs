//! One HTTP/1.1 keep-alive connection, opened again when it breaks.
//!
//! Written by hand instead of with an HTTP client: the generator runs on the cores it measures, and a client takes as much
//! processor time for a request as the server's own work does. It speaks only what a device needs: a POST, and a response
//! with a `Content-Length`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, RETRY_AFTER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::target::Target;

/// Longer than the API takes to answer 503 (its `PUBLISH_TIMEOUT_MS`): after that, the response is lost.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Headers of a response that are read; the API sends about a dozen.
const MAX_HEADERS: usize = 32;

/// Longer than a response's head ever is.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Buffer for one read: a response to one heartbeat and some more.
const READ_BYTES: usize = 1024;

/// Why there was no response. What was sent may or may not have been accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
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
    #[error("no answer within {} s", RESPONSE_TIMEOUT.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
}

/// The server's response.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// A connection to the target; opened when it is needed, and dropped after a failure.
pub(super) struct Connection {
    target: Arc<Target>,
    open: Option<OpenConnection>,
}

impl Connection {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target, open: None }
    }

    /// Connects ahead of the first request.
    pub(super) async fn open(&mut self) -> Result<(), ConnectionError> {
        self.open = Some(tokio::time::timeout(RESPONSE_TIMEOUT, OpenConnection::open(&self.target)).await??);
        Ok(())
    }

    /// Sends one body and reads the whole response.
    pub(super) async fn post(&mut self, authorization: &HeaderValue, body: &[u8]) -> Result<Response, ConnectionError> {
        // Taken out for the time of the exchange: when that fails or is cancelled, the connection is dropped.
        let open = self.open.take();
        let exchange = async {
            let mut connection = match open {
                Some(connection) => connection,
                None => OpenConnection::open(&self.target).await?,
            };
            connection.send(&self.target, authorization, body).await?;
            let (head, body) = connection.receive().await?;
            let reusable = head.is_kept_alive.then_some(connection);
            Ok::<_, ConnectionError>((reusable, Response { status: head.status, retry_after: head.retry_after, body }))
        };
        let (reusable, response) = tokio::time::timeout(RESPONSE_TIMEOUT, exchange).await??;
        self.open = reusable;
        Ok(response)
    }
}

struct OpenConnection {
    stream: TcpStream,
    outgoing: Vec<u8>,
    incoming: BytesMut,
}

/// The parts of a response's head that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: StatusCode,
    retry_after: Option<Duration>,
    is_kept_alive: bool,
    head_bytes: usize,
    body_bytes: usize,
}

impl OpenConnection {
    async fn open(target: &Target) -> Result<Self, ConnectionError> {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(ConnectionError::Connect)?;
        stream.set_nodelay(true).map_err(ConnectionError::Connect)?;
        Ok(Self { stream, outgoing: Vec::new(), incoming: BytesMut::new() })
    }

    async fn send(&mut self, target: &Target, authorization: &HeaderValue, body: &[u8]) -> Result<(), ConnectionError> {
        self.outgoing.clear();
        self.outgoing.extend_from_slice(&target.head);
        self.outgoing.extend_from_slice(b"\r\nauthorization: ");
        self.outgoing.extend_from_slice(authorization.as_bytes());
        self.outgoing.extend_from_slice(b"\r\ncontent-length: ");
        self.outgoing.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        self.outgoing.extend_from_slice(b"\r\n\r\n");
        self.outgoing.extend_from_slice(body);
        self.stream.write_all(&self.outgoing).await.map_err(ConnectionError::Broken)
    }

    async fn receive(&mut self) -> Result<(Head, Bytes), ConnectionError> {
        let head = loop {
            self.read().await?;
            if let Some(head) = Head::parse(&self.incoming)? {
                break head;
            }
            if self.incoming.len() > MAX_HEAD_BYTES {
                return Err(ConnectionError::Unusable("head is too long"));
            }
        };
        let whole = head.head_bytes.saturating_add(head.body_bytes);
        while self.incoming.len() < whole {
            self.read().await?;
        }
        let mut response = self.incoming.split_to(whole);
        let body = response.split_off(head.head_bytes).freeze();
        Ok((head, body))
    }

    async fn read(&mut self) -> Result<(), ConnectionError> {
        // Reuses the memory of the previous response, which is no longer referred to.
        self.incoming.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.incoming).await {
            Ok(0) => Err(ConnectionError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(ConnectionError::Broken(error)),
        }
    }
}

impl Head {
    /// `None` while it is incomplete.
    fn parse(received: &[u8]) -> Result<Option<Self>, ConnectionError> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = response.parse(received)? else { return Ok(None) };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let is_closed =
            text(response.headers, CONNECTION.as_str()).is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Ok(Some(Self {
            status: status.ok_or(ConnectionError::Unusable("status is invalid"))?,
            retry_after: number(response.headers, RETRY_AFTER.as_str()).map(Duration::from_secs),
            is_kept_alive: !is_closed,
            head_bytes,
            body_bytes: number(response.headers, CONTENT_LENGTH.as_str())
                .ok_or(ConnectionError::Unusable("length is missing"))?,
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

    use super::{ConnectionError, Head};

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let response =
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 12\r\nRetry-After: 2\r\nConnection: close\r\n\r\n{}";
        for end in 0..response.len() - 2 {
            assert_eq!(Head::parse(&response[..end]).unwrap(), None);
        }
        let head = Head {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(2)),
            is_kept_alive: false,
            head_bytes: response.len() - 2,
            body_bytes: 12,
        };
        assert_eq!(Head::parse(response).unwrap(), Some(head));
    }

    #[test]
    fn a_response_without_a_length_and_one_that_is_not_http_are_errors() {
        assert!(matches!(Head::parse(b"HTTP/1.1 202 Accepted\r\n\r\n"), Err(ConnectionError::Unusable(_))));
        assert!(matches!(Head::parse(b"SSH-2.0-OpenSSH_9.2\r\n"), Err(ConnectionError::Unreadable(_))));
    }
}
