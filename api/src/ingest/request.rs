//! What an ingest handler takes out of its request, and how it is sent and answered.

use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use pulso_shared::amqp::message::Submission;
use pulso_shared::ids::DeviceId;

use super::ack::Ack;
use super::body::{Body, RawItem, parse};
use super::intake::Intake;
use super::sent::{Sending, Taken};
use super::types::Kind;
use crate::auth::caller::Caller;
use crate::broker::Lane;
use crate::http::error::ApiError;
use crate::http::extract::body::{MAX_BODY_BYTES, read_body};
use crate::http::extract::json::check_content_type;
use crate::http::request_id::RequestId;
use crate::state::AppState;

/// What every ingest handler needs of its request.
pub struct IngestRequest {
    state: Data<AppState>,
    lane: Lane,
    caller: Caller,
    request_id: RequestId,
    ack: Ack,
    body: Bytes,
}

impl FromRequest for IngestRequest {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = ingest_parts(request);
        let body = read_body(request, payload, MAX_BODY_BYTES);
        Box::pin(async move {
            let (state, lane, caller, request_id, ack) = parts?;
            let body = body.await?;
            Ok(Self { state, lane, caller, request_id, ack, body })
        })
    }
}

fn ingest_parts(request: &HttpRequest) -> Result<(Data<AppState>, Lane, Caller, RequestId, Ack), ApiError> {
    check_content_type(request)?;
    let ack = Ack::parse(request.query_string())?;
    let caller = Caller::extract(request).into_inner()?;
    let missing = || ApiError::Internal("the application has no state".into());
    let state = request.app_data::<Data<AppState>>().cloned().ok_or_else(missing)?;
    let lane = request.app_data::<Lane>().cloned().ok_or_else(missing)?;
    Ok((state, lane, caller, RequestId::of_request(request), ack))
}

impl IngestRequest {
    fn intake(&self, path_device: Option<DeviceId>, kind: Kind) -> Intake<'_> {
        let keep_submission = self.ack != Ack::Confirmed;
        Intake { state: &self.state, caller: self.caller, path_device, kind, keep_submission }
    }

    /// Takes the body, one item or several, and answers.
    ///
    /// # Errors
    /// When nothing of it was taken, and why.
    pub async fn take(self, path_device: Option<DeviceId>, kind: Kind) -> Result<HttpResponse, ApiError> {
        let sent = match self.send(path_device, kind)? {
            Sending::Sent(sent) => sent,
            Sending::LookUp(sending) => sending.await?,
        };
        let (state, ack) = (self.state.clone(), self.ack);
        drop(self);
        let Taken { mut response, submission } = sent.confirmed(&state.throughput).await?;
        if let Some(submission) = submission
            && stored(&state, ack, &submission).await == Some(true)
        {
            response.stored = Some(response.accepted);
            return Ok(HttpResponse::Ok().json(response));
        }
        Ok(HttpResponse::Accepted().json(response))
    }

    fn send(&self, path_device: Option<DeviceId>, kind: Kind) -> Result<Sending<'_>, ApiError> {
        self.intake(path_device, kind).send(parse(&self.body)?, &self.lane, &self.request_id)
    }

    /// Takes a body that is one item, and waits for its commit where that is asked for.
    ///
    /// # Errors
    /// When it was not taken, and why.
    pub async fn take_one(&self, kind: Kind) -> Result<(Submission, Option<bool>), ApiError> {
        let taken = self.intake(None, kind).take_one(&self.single()?, &self.lane, &self.request_id).await?;
        let stored = stored(&self.state, self.ack, &taken).await;
        Ok((taken, stored))
    }

    fn single(&self) -> Result<RawItem<'_>, ApiError> {
        match parse(&self.body)? {
            Body::Single(raw) => Ok(raw),
            Body::Array(_) => Err(ApiError::Unreadable("The body must be one JSON object.".into())),
        }
    }
}

/// Whether the rows of `submission` were committed in time; `None` where nobody wants to know.
async fn stored(state: &AppState, ack: Ack, submission: &Submission) -> Option<bool> {
    match ack {
        Ack::Confirmed => None,
        Ack::Stored(timeout) => Some(state.stored_watch.wait(submission, timeout).await),
    }
}
