//! An ingest request over HTTP: taken apart, taken in, and answered.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::ack::{Ack, Reached};
use super::context::ItemContext;
use super::intake::{Intake, Taking};
use super::item::{Body, Kind, parse};
use super::parts::IngestThread;
use super::types::IngestResponse;
use crate::auth::caller::Caller;
use crate::http::error::ApiError;
use crate::http::extract::body::{MAX_BODY_BYTES, read_body};
use crate::http::extract::json::check_content_type;
use crate::http::request_id::RequestId;

/// What every ingest handler needs of its request.
pub struct IngestRequest {
    thread: IngestThread,
    caller: Caller,
    request_id: RequestId,
    ack: Ack,
    body: Bytes,
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
    pub submission: Option<Box<Submission>>,
}

impl FromRequest for IngestRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = request_parts(request);
        let body = read_body(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            let (thread, caller, request_id, ack) = parts?;
            let body = body.await?;
            Ok(Self { thread, caller, request_id, ack, body })
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
    pub async fn take(self, path_device: Option<DeviceId>, kind: Kind, shape: Shape) -> Result<Taken, ApiError> {
        let in_flight = self.publish(path_device, kind, shape)?.await?;
        let (thread, ack) = (self.thread.clone(), self.ack);
        drop(self);
        let (mut response, submission) = in_flight.confirmed().await?;
        let reached = match (ack, &submission) {
            (Ack::Stored(timeout), Some(submission)) => {
                Reached::after_wait(thread.parts().stored_watch.wait(submission, timeout).await)
            }
            _ => Reached::Confirmed,
        };
        response.stored = (reached == Reached::Stored).then_some(response.accepted);
        Ok(Taken { response, reached, submission })
    }

    fn publish(&self, path_device: Option<DeviceId>, kind: Kind, shape: Shape) -> Result<Taking<'_>, ApiError> {
        let body = parse(&self.body)?;
        if shape == Shape::One && matches!(body, Body::Array(_)) {
            return Err(ApiError::Unreadable("The body must be one JSON object.".into()));
        }
        let keep_submission = shape == Shape::One || self.ack != Ack::Confirmed;
        let received_at = self.thread.parts().clock.now();
        let context = ItemContext { thread: &self.thread, caller: self.caller, path_device, kind, received_at };
        Ok(Intake { context, request_id: &self.request_id, keep_submission }.take(body))
    }
}

impl Taken {
    /// 202; 200 once all of it is committed.
    pub fn into_response(self) -> HttpResponse {
        HttpResponse::build(self.reached.status(StatusCode::ACCEPTED)).json(self.response)
    }
}
