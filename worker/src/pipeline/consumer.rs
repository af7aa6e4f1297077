//! Consumes the store queue: one session after the other. On any doubt a session is dropped, and the broker delivers
//! again what was not acked.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use pulso_shared::shutdown::Shutdown;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::drain::drain;
use super::in_flight::InFlight;
use super::session::{Session, SessionError, SessionSettings};
use super::writer::Writer;
use crate::backoff;
use crate::health::Readiness;

/// Each failed session costs the broker a redelivery of all that was in flight.
const RECONNECT: ExponentialBuilder = backoff::between(Duration::from_millis(500), Duration::from_secs(4));
/// How often a worker without a fresh watermark looks whether it has one.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A session that lasted this long resets the backoff.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Consumes until the shutdown, then drains what is in flight.
pub async fn run(settings: SessionSettings, writer: Writer, readiness: Arc<Readiness>, mut shutdown: Shutdown) {
    let writer = Arc::new(Mutex::new(writer));
    let mut delays = RECONNECT.build();
    while !shutdown.is_requested() {
        let started = Instant::now();
        until_reported(&settings.in_flight, &mut shutdown).await;
        if shutdown.is_requested() {
            return;
        }
        match Session::open(&settings, Arc::clone(&writer)).await {
            Ok(session) => match consume(session, &readiness, &mut shutdown).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "session ended; the broker delivers again what was not acked"),
            },
            Err(error) => tracing::warn!(%error, "broker not reachable"),
        }
        if started.elapsed() >= GOOD_SESSION {
            delays = RECONNECT.build();
        }
        tokio::select! {
            () = tokio::time::sleep(delays.next().unwrap_or_default()) => {}
            () = shutdown.requested() => {}
        }
    }
}

/// Waits for a fresh watermark: what is taken without one, devices would be judged without.
async fn until_reported(in_flight: &InFlight, shutdown: &mut Shutdown) {
    while !in_flight.may_grow() {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// One session. Returns without an error at the shutdown, when what was in flight is stored.
async fn consume(mut session: Session, readiness: &Readiness, shutdown: &mut Shutdown) -> Result<(), SessionError> {
    tracing::info!("consuming");
    readiness.set_consuming(true);
    let ended = match session.run(shutdown).await {
        Ok(()) => drain(&mut session).await,
        Err(error) => Err(error),
    };
    // Like one that waits with a batch in hand, a worker that waits for PostgreSQL to report to still counts as consuming.
    readiness.set_consuming(matches!(ended, Err(SessionError::Unreported)));
    session.close().await;
    ended
}
