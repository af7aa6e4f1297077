//! A body as it arrives: within its limit of bytes, and no slower than a bad line carries it.

use std::task::Poll;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::large_bodies::Room;
use crate::http::error::ApiError;

/// How long a body may take whatever its size, as over a line that has just come up;
const GRACE: Duration = Duration::from_secs(5);
/// beyond that, so many bytes must have arrived in each second: half of them is a bad line of a mobile network.
const MIN_BYTES_PER_S: f64 = 8_192.0;

/// What has arrived of a body. Most come in one piece, which is then used as it is.
#[derive(Default)]
struct Gathered {
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    fn push(
        &mut self,
        chunk: Result<Bytes, PayloadError>,
        limit: usize,
        room: Option<&mut Room>,
    ) -> Result<(), ApiError> {
        let chunk = chunk.map_err(|_| broken())?;
        if self.len().saturating_add(chunk.len()) > limit {
            return Err(too_large());
        }
        if self.len() == 0 {
            self.first = chunk;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.all.extend_from_slice(&chunk);
        }
        room.map_or(Ok(()), |room| room.hold(self.len()))
    }

    fn len(&self) -> usize {
        self.first.len().saturating_add(self.all.len())
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// The whole body; `room` takes its permit where it turns out to be large.
pub async fn gather(mut payload: Payload, limit: usize, room: &mut Option<Room>) -> Result<Bytes, ApiError> {
    let mut gathered = Gathered::default();
    // What is here already needs no timer.
    while let Poll::Ready(chunk) = futures_util::poll!(payload.next()) {
        match chunk {
            Some(chunk) => gathered.push(chunk, limit, room.as_mut())?,
            None => return Ok(gathered.finish()),
        }
    }
    Box::pin(gather_slowly(payload, gathered, limit, room)).await
}

async fn gather_slowly(
    mut payload: Payload,
    mut gathered: Gathered,
    limit: usize,
    room: &mut Option<Room>,
) -> Result<Bytes, ApiError> {
    let began = Instant::now();
    loop {
        let deadline = began + time_for(gathered.len());
        let chunk = tokio::time::timeout_at(deadline, payload.next()).await.map_err(|_| ApiError::BodyTimeout)?;
        let Some(chunk) = chunk else { return Ok(gathered.finish()) };
        gathered.push(chunk, limit, room.as_mut())?;
    }
}

/// How long so many bytes may have taken by the time that the next one comes.
fn time_for(bytes: usize) -> Duration {
    let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
    GRACE + Duration::from_secs_f64(bytes / MIN_BYTES_PER_S)
}

pub fn too_large() -> ApiError {
    ApiError::TooLarge("The body is too large.".into())
}

pub fn broken() -> ApiError {
    ApiError::Unreadable("The body could not be read: is it whole, and encoded as it says?".into())
}
