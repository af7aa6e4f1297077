//! Large answers: each is held in memory until its client has taken it, however slowly. So one holder has so many of them,
//! and all together; and whoever takes nothing at all is hung up on ([`crate::app`] sets how soon).

use crate::http::error::ApiError;
use crate::http::holder::Holder;
use crate::http::shares::{Share, ShareLimit, Shares};

/// Up to this size an answer needs no share.
pub const SMALL_ANSWER_BYTES: u64 = 32 * 1024;
/// A share is counted in these.
const MIB: u64 = 1024 * 1024;
/// Of one holder: the largest answer there is (24 MiB of points) fits.
const MIB_PER_HOLDER: u32 = 24;
const MIB_IN_ALL: u32 = 96;
/// What a stream holds: its next piece, and what that is made of.
const MIB_OF_STREAM: u32 = 1;
/// Streams in all; one holder's are a setting.
const STREAMS_IN_ALL: u32 = 64;
const WHAT: &str = "Room for large answers";

/// The shares of a process.
#[derive(Clone)]
pub struct LargeAnswers {
    bytes: Shares<Holder>,
    streams: Shares<Holder>,
}

/// What one large answer has of them.
#[derive(Debug)]
pub struct AnswerShare {
    _bytes: Share<Holder>,
    _stream: Option<Share<Holder>>,
}

impl LargeAnswers {
    /// So many streams of one holder at once.
    #[must_use]
    pub fn new(streams_per_holder: u32) -> Self {
        let limit = |name, per_holder, in_all| Shares::new(ShareLimit { name, what: WHAT, per_holder, in_all });
        Self {
            bytes: limit("large-answers", MIB_PER_HOLDER, MIB_IN_ALL),
            streams: limit("streams", streams_per_holder, STREAMS_IN_ALL),
        }
    }

    /// A share for an answer of so many bytes; `None`: a stream.
    pub fn take(&self, holder: Holder, bytes: Option<u64>) -> Result<AnswerShare, ApiError> {
        let stream = if bytes.is_none() { Some(self.streams.take(holder, 1)?) } else { None };
        let mib = bytes.map_or(MIB_OF_STREAM, |bytes| u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX));
        // Whoever holds nothing else may always have one.
        let bytes = self.bytes.take(holder, mib.min(MIB_PER_HOLDER))?;
        Ok(AnswerShare { _bytes: bytes, _stream: stream })
    }
}
