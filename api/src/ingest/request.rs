//! An ingest request over HTTP: taken apart, taken in, and answered.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::DeviceId;
use pulso_shared::telemetry::Reading;

use super::accepted::Accepted;
use super::ack::{Ack, Reached};
use super::context::ItemContext;
use super::in_flight::InFlight;
use super::intake::{Intake, Taking};
use super::item::{Body, Kind, parse};
use super::parts::IngestThread;
use super::rules::ItemRules;
use super::stored::Settled;
use super::types::IngestResponse;
use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::extract::body::{MAX_BODY_BYTES, Received, read_body};
use crate::http::extract::json::check_content_type;
use crate::http::holder::Holder;
use crate::http::request_id::RequestId;

/// What every ingest handler needs of its request.
pub struct IngestRequest {
    thread: IngestThread,
    caller: Caller,
    request_id: RequestId,
    ack: Ack,
    body: Received,
    holder: Holder,
}

/// Which bodies a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One item, or several in an array.
    OneOrMany,
    /// One item, which its response speaks of.
    One,
}

/// What was accepted of a request.
pub struct Taken {
    pub response: IngestResponse,
    pub reached: Reached,
    /// Where the shape was [`Shape::One`], or the commit was waited for.
    pub accepted: Option<Box<Accepted>>,
    /// Where the commit was waited for: the row of a single sensor reading.
    pub stored_reading: Option<Reading>,
}

impl Shape {
    fn check(self, body: Body<'_>) -> Result<Body<'_>, ApiError> {
        match body {
            Body::Array(_) if self == Self::One => {
                Err(ApiError::Unreadable("The body must be one JSON object.".into()))
            }
            body => Ok(body),
        }
    }
}

impl FromRequest for IngestRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Who it is comes first: a bad credential is refused before its body has arrived.
        let parts = request_parts(request);
        let caller = parts.as_ref().ok().and_then(|parts| parts.1.uuid());
        let (body, holder) = (read_body(request, payload, MAX_BODY_BYTES, caller), Holder::new(caller, request));
        Box::pin(async move {
            let (thread, caller, request_id, ack) = parts?;
            let body = body.await?;
            Ok(Self { thread, caller, request_id, ack, body, holder })
        })
    }
}

fn request_parts(request: &HttpRequest) -> Result<(IngestThread, Caller, RequestId, Ack), ApiError> {
    check_content_type(request)?;
    let ack = Ack::parse(request.query_string())?;
    let caller = Caller::extract(request).into_inner()?;
    let missing = || ApiError::Internal("this thread has no ingest parts".into());
    let thread = request.app_data::<IngestThread>().cloned().ok_or_else(missing)?;
    Ok((thread, caller, RequestId::of_request(request), ack))
}

impl IngestRequest {
    /// Takes the body in and waits until it is confirmed, or committed where that was asked for. An error means that
    /// nothing of it was accepted.
    pub async fn take(mut self, path_device: Option<DeviceId>, kind: Kind, shape: Shape) -> Result<Taken, ApiError> {
        let in_flight = if self.body.is_large() {
            Box::pin(self.publish_large(path_device, kind, shape)).await?
        } else {
            self.publish(path_device, kind, shape)?.await?
        };
        let (thread, ack) = (self.thread.clone(), self.ack);
        drop(self);
        let (mut response, accepted) = in_flight.confirmed().await?;
        let (reached, settled) = match (ack, &accepted) {
            (Ack::Stored(timeout), Some(accepted)) => {
                let settled = thread.parts().stored_watch.wait(accepted, timeout).await;
                (Reached::after_wait(settled.is_some()), settled.unwrap_or_default())
            }
            _ => (Reached::Confirmed, Settled::default()),
        };
        response.stored = (reached == Reached::Stored).then_some(response.accepted);
        response.conflicting = settled.conflicting;
        Ok(Taken { response, reached, accepted, stored_reading: settled.reading })
    }

    fn publish(&self, path_device: Option<DeviceId>, kind: Kind, shape: Shape) -> Result<Taking<'_>, ApiError> {
        let parts = self.thread.parts();
        let received_at = parts.clock.now();
        let intake = self.intake(ItemRules { parts, caller: self.caller, path_device, kind, received_at }, shape);
        match parse(&self.body).and_then(|body| shape.check(body)) {
            Ok(body) => Ok(intake.take(body)),
            Err(error) => Err(intake.refuse(&self.body, error)),
        }
    }

    /// The same with a body that is parsed and judged beside the HTTP threads.
    async fn publish_large(
        &mut self,
        path_device: Option<DeviceId>,
        kind: Kind,
        shape: Shape,
    ) -> Result<InFlight, ApiError> {
        let (body, caller) = (std::mem::take(&mut self.body), self.caller);
        let (parts, shared) = (self.thread.parts(), self.thread.shared_parts());
        let judge = move |bytes: &Bytes| {
            // Not before its turn has come: data must not look older than it is to the watermark.
            let received_at = shared.clock.now();
            let rules = ItemRules { parts: &shared, caller, path_device, kind, received_at };
            let judged = parse(bytes).and_then(|body| shape.check(body)).map(|body| rules.judge(body));
            (received_at, judged.map_err(|error| (error, bytes.clone())))
        };
        let (received_at, judged) = body.read(judge).await?;
        let intake = self.intake(ItemRules { parts, caller, path_device, kind, received_at }, shape);
        match judged {
            Ok(judged) => intake.take_judged(judged).await,
            Err((error, bytes)) => Err(intake.refuse(&bytes, error)),
        }
    }

    fn intake<'a>(&'a self, rules: ItemRules<'a>, shape: Shape) -> Intake<'a> {
        let keep_submission = shape == Shape::One || self.ack != Ack::Confirmed;
        let context = ItemContext { thread: &self.thread, rules, holder: self.holder };
        Intake { context, request_id: &self.request_id, keep_submission }
    }
}

impl Taken {
    /// 202; 200 once all of it is committed.
    pub fn into_response(self) -> HttpResponse {
        HttpResponse::build(self.reached.status(StatusCode::ACCEPTED)).json(self.response)
    }
}
