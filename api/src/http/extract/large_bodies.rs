//! Room for large bodies. A body of some kilobytes costs nothing worth counting; one of a megabyte is held in memory while
//! it arrives, however slowly, and takes a thread for milliseconds to be parsed. So each large body needs a permit from
//! the moment it is large until it has been parsed, and it is parsed beside the HTTP threads, a few at a time.
//!
//! ```text
//!  body ─▶ up to 32 KiB: no permit, parsed where it is
//!     └──▶ beyond: LargeBodies ─┬ callers with a verified token: an eighth of all each
//!                               ├ strangers: a sixteenth each address, a quarter together; the rest is the callers'
//!                               └ one address, whoever speaks from it: half
//! ```

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::available_parallelism;

use actix_web::HttpRequest;
use pulso_shared::ids::Uuid;
use tokio::sync::Semaphore;

use crate::http::error::ApiError;
use crate::http::holder::address_of;
use crate::http::shares::{Share, ShareLimit, Shares};

/// Up to this size a body needs no permit.
pub const SMALL_BODY_BYTES: usize = 32 * 1024;
/// What a permit stands for.
const PERMIT_BYTES: usize = 1024 * 1024;
const WHAT: &str = "Room for large bodies";

/// The permits of a process.
#[derive(Clone)]
pub struct LargeBodies {
    of_caller: Shares<Uuid>,
    of_strangers: Shares<IpAddr>,
    of_address: Shares<IpAddr>,
    parsers: Arc<Semaphore>,
    per_caller: u32,
}

impl LargeBodies {
    /// So many permits in all, each for a body of up to 1 MiB.
    #[must_use]
    pub fn new(most: NonZeroU32) -> Self {
        let part = |divisor: u32| (most.get() / divisor).max(1);
        let limit = |name, per_holder, in_all| Shares::new(ShareLimit { name, what: WHAT, per_holder, in_all });
        // As many as there are HTTP threads by default: large bodies never have more of the machine than these.
        let parsers = available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self {
            of_caller: limit("large-bodies", part(8), most.get()),
            of_strangers: Shares::new(ShareLimit {
                name: "large-bodies-anonymous",
                what: WHAT,
                per_holder: part(16),
                in_all: part(4),
            }),
            of_address: Shares::new(ShareLimit {
                name: "large-bodies-address",
                what: WHAT,
                per_holder: part(2),
                in_all: most.get(),
            }),
            parsers: Arc::new(Semaphore::new(parsers)),
            per_caller: part(8),
        }
    }
}

/// The permit that a body may come to need.
pub struct Room {
    large: LargeBodies,
    caller: Option<Uuid>,
    address: IpAddr,
    permits: u32,
    taken: Option<Permit>,
}

/// A large body's permit.
#[derive(Debug)]
pub struct Permit {
    parsers: Arc<Semaphore>,
    _of_address: Share<IpAddr>,
    _of_caller: Option<Share<Uuid>>,
    _of_stranger: Option<Share<IpAddr>>,
}

impl Room {
    /// For a body of at most `limit` bytes, of a request whose token named `caller`.
    pub fn of(request: &HttpRequest, caller: Option<Uuid>, limit: usize) -> Result<Self, ApiError> {
        let large = request.app_data::<LargeBodies>().cloned();
        let large = large.ok_or_else(|| ApiError::Internal("the application has no room for large bodies".into()))?;
        // Whoever has no other may always have one body, however few permits there are.
        let permits = u32::try_from(limit.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).min(large.per_caller);
        Ok(Self { large, caller, address: address_of(request), permits, taken: None })
    }

    /// Takes the permit as soon as the body has more than a few bytes.
    pub fn hold(&mut self, bytes: usize) -> Result<(), ApiError> {
        if bytes > SMALL_BODY_BYTES && self.taken.is_none() {
            self.taken = Some(self.take()?);
        }
        Ok(())
    }

    fn take(&self) -> Result<Permit, ApiError> {
        let Self { large, address, permits, .. } = self;
        let of_caller = self.caller.map(|caller| large.of_caller.take(caller, *permits)).transpose()?;
        let of_stranger = match self.caller {
            Some(_) => None,
            None => Some(large.of_strangers.take(*address, *permits)?),
        };
        let of_address = large.of_address.take(*address, *permits)?;
        let parsers = Arc::clone(&large.parsers);
        Ok(Permit { parsers, _of_address: of_address, _of_caller: of_caller, _of_stranger: of_stranger })
    }

    /// Whether the permit was needed already.
    pub fn is_held(&self) -> bool {
        self.taken.is_some()
    }

    /// The permit, if it was needed.
    pub fn into_permit(self) -> Option<Permit> {
        self.taken
    }
}

impl Permit {
    /// Runs `work` beside the HTTP threads, in its turn; gives it the permit to keep.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce(Self) -> T + Send + 'static) -> Result<T, ApiError> {
        let turn = Arc::clone(&self.parsers).acquire_owned().await;
        let turn = turn.map_err(|closed| ApiError::Internal(Box::new(closed)))?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(self);
            drop(turn);
            result
        });
        done.await.map_err(|error| ApiError::Internal(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use actix_web::test::TestRequest;
    use pulso_shared::ids::Uuid;

    use super::{LargeBodies, Permit, Room, SMALL_BODY_BYTES};

    fn take(large: &LargeBodies, caller: Option<Uuid>, peer: &str) -> Option<Permit> {
        let request = TestRequest::post().app_data(large.clone()).peer_addr(format!("{peer}:1").parse().unwrap());
        let mut room = Room::of(&request.to_http_request(), caller, 1_000).unwrap();
        room.hold(SMALL_BODY_BYTES).unwrap();
        room.hold(SMALL_BODY_BYTES + 1).ok()?;
        room.into_permit()
    }

    #[test]
    fn strangers_leave_room_for_callers_and_nobody_has_all_of_it() {
        let large = LargeBodies::new(NonZeroU32::new(64).unwrap());
        let strangers: Vec<_> = (0..8).flat_map(|n| (0..8).map(move |_| format!("192.0.2.{n}"))).collect();
        let held: Vec<_> = strangers.iter().filter_map(|address| take(&large, None, address)).collect();
        assert_eq!(held.len(), 16, "4 an address, a quarter in all");
        let caller = Uuid::from_u128(1);
        let own: Vec<_> = (0..20).filter_map(|_| take(&large, Some(caller), "198.51.100.1")).collect();
        assert_eq!(own.len(), 8);
        let crowd: Vec<_> = (2..60).filter_map(|n| take(&large, Some(Uuid::from_u128(n)), "198.51.100.1")).collect();
        assert_eq!(crowd.len(), 24, "half of all, from one address");
        assert!(take(&large, Some(Uuid::from_u128(99)), "198.51.100.2").is_some());
        drop((held, own, crowd));
        assert!(take(&large, None, "192.0.2.1").is_some());
    }
}
