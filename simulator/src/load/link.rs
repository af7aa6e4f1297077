//! One kept-alive HTTP/1.1 connection, opened anew when it breaks.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::target::Target;

/// Longer than the API ever takes to say 503 (its `PUBLISH_TIMEOUT_MS`): beyond, the answer is lost.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why there was no answer. What was sent may or may not have been taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
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
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Link {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target, sender: None }
    }

    /// Connects ahead of the first request.
    pub(super) async fn open(&mut self) -> Result<(), LinkError> {
        self.sender = Some(tokio::time::timeout(ANSWER_TIMEOUT, connect(&self.target)).await??);
        Ok(())
    }

    /// Sends one body and reads the whole answer.
    pub(super) async fn post(&mut self, authorization: &HeaderValue, body: Bytes) -> Result<Answer, LinkError> {
        // Taken out for the time of the exchange: when it fails or is given up, the connection goes with it.
        let open = self.sender.take().filter(|sender| !sender.is_closed());
        let exchange = async {
            let mut sender = match open {
                Some(sender) => sender,
                None => connect(&self.target).await?,
            };
            let answer = exchange(&mut sender, request(&self.target, authorization, body)).await?;
            Ok::<_, LinkError>((sender, answer))
        };
        let (sender, answer) = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await??;
        self.sender = Some(sender);
        Ok(answer)
    }
}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>, LinkError> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    stream.set_nodelay(true)?;
    // Bodies are small: copying one behind its head costs less than gathering both in the kernel.
    let (sender, connection) = Builder::new().writev(false).handshake(TokioIo::new(stream)).await?;
    // Ends by itself with the sender; its error is the exchange's too.
    tokio::spawn(connection);
    Ok(sender)
}

fn request(target: &Target, authorization: &HeaderValue, body: Bytes) -> Request<Full<Bytes>> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(HOST, target.authority.clone());
    headers.insert(AUTHORIZATION, authorization.clone());
    headers.insert(CONTENT_TYPE, JSON);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path.clone();
    *request.headers_mut() = headers;
    request
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, hyper::Error> {
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    Ok(Answer { status, retry_after, body: read_body(response).await? })
}

/// The body; copied only when it came in pieces.
async fn read_body(response: Response<Incoming>) -> Result<Bytes, hyper::Error> {
    let mut incoming = response.into_body();
    let mut body = Bytes::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        body = if body.is_empty() { data } else { joined(&body, &data) };
    }
    Ok(body)
}

fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let mut joined = BytesMut::with_capacity(first.len().saturating_add(second.len()));
    joined.extend_from_slice(first);
    joined.extend_from_slice(second);
    joined.freeze()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
