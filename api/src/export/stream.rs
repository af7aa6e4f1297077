//! A response in chunks: each is made when the client has taken the one before, and none is held in memory longer.

use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::{self, LocalBoxStream};
use futures_util::{Stream, StreamExt};

use crate::http::error::ApiError;
use crate::http::extract::accept::Format;
use crate::http::extract::etag::TaggedBody;
use crate::http::request_id::RequestId;

/// The chunks of one JSON array.
pub trait ChunkSource {
    /// The next chunk; `None` after the last one.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError>;

    /// Whether the last chunk was made.
    fn is_complete(&self) -> bool;
}

/// What is sent.
pub enum Export {
    /// A body that was short enough for one chunk, or cached.
    Whole(TaggedBody),
    Chunks(LocalBoxStream<'static, Result<Bytes, ApiError>>),
}

impl Export {
    /// `first`, which was made before anything is sent, so that a failure can still have a status; and what follows it.
    pub fn of_chunks(first: Bytes, source: impl ChunkSource + 'static) -> Self {
        if source.is_complete() {
            return Self::Whole(TaggedBody::new(first));
        }
        Self::Chunks(stream::once(std::future::ready(Ok(first))).chain(remaining(source)).boxed_local())
    }

    pub fn respond(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Whole(body) => body.respond(request, Format::Json.media_type()),
            Self::Chunks(chunks) => {
                let id = RequestId::of_request(request);
                let chunks = chunks.inspect(move |chunk| {
                    if let Err(error) = chunk {
                        tracing::error!(request_id = id.as_str(), %error, cause = error.cause(), "response aborted");
                    }
                });
                HttpResponse::Ok().insert_header(ContentType::json()).streaming(chunks)
            }
        }
    }
}

fn remaining(source: impl ChunkSource) -> impl Stream<Item = Result<Bytes, ApiError>> {
    stream::try_unfold(source, async |mut source| Ok(source.next().await?.map(|chunk| (chunk, source))))
}
