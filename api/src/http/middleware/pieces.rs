//! Large answers in small pieces: the server copies a piece whole into the connection's buffer, where it stays until the
//! client has taken it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::web::Bytes;

use crate::http::error::ApiError;
use crate::http::holder::{Holder, KnownCaller};
use crate::http::large_answers::{AnswerShare, LargeAnswers, SMALL_ANSWER_BYTES};

/// Longest piece.
const PIECE_BYTES: usize = 64 * 1024;

/// A large body, piece by piece, with its share.
struct Pieces {
    size: BodySize,
    body: BoxBody,
    rest: Bytes,
    _share: AnswerShare,
}

impl MessageBody for Pieces {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        // An empty piece would end the body.
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

/// The share that a response needs, where it is a large one; 429 or 503 where there is none left. What says what was done
/// needs none: it cannot be asked for again, and its body was bounded on the way in.
pub fn share_for(response: &ServiceResponse<BoxBody>) -> Result<Option<AnswerShare>, ApiError> {
    if !response.request().method().is_safe() {
        return Ok(None);
    }
    let bytes = match response.response().body().size() {
        BodySize::None => return Ok(None),
        BodySize::Sized(bytes) if bytes <= SMALL_ANSWER_BYTES => return Ok(None),
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::Stream => None,
    };
    let request = response.request();
    let Some(answers) = request.app_data::<LargeAnswers>() else { return Ok(None) };
    answers.take(Holder::new(KnownCaller::of(request), request), bytes).map(Some)
}

/// The response with its body in pieces, which keeps its share until it has been read.
pub fn in_pieces(response: ServiceResponse<BoxBody>, share: AnswerShare) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| Pieces { size: body.size(), body, rest: Bytes::new(), _share: share }.boxed())
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody, to_bytes};
    use actix_web::dev::ServiceResponse;
    use actix_web::test::TestRequest;
    use actix_web::{HttpResponse, web::Bytes};
    use futures_util::stream;

    use super::{PIECE_BYTES, in_pieces, share_for};
    use crate::http::error::ApiError;
    use crate::http::large_answers::LargeAnswers;

    fn respond(answers: &LargeAnswers, response: HttpResponse) -> Result<ServiceResponse, ApiError> {
        let response = TestRequest::get().app_data(answers.clone()).to_srv_request().into_response(response);
        share_for(&response).map(|share| in_pieces(response, share.expect("a large one")))
    }

    #[actix_web::test]
    async fn what_was_done_is_told_however_little_room_is_left_for_large_answers() {
        let answers = LargeAnswers::new(0);
        let told = |request: TestRequest| {
            let request = request.app_data(answers.clone()).to_srv_request();
            let body = stream::iter([Ok::<_, actix_web::Error>(Bytes::from("a"))]);
            share_for(&request.into_response(HttpResponse::Created().streaming(body))).map(|share| share.is_some())
        };
        assert!(told(TestRequest::get()).is_err());
        assert!(matches!(told(TestRequest::post()), Ok(false)));
    }

    #[actix_web::test]
    async fn a_large_body_comes_whole_in_small_pieces() {
        let answers = LargeAnswers::new(4);
        let text: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        let held = respond(&answers, HttpResponse::Ok().body(text.clone())).unwrap();
        let mut body = held.into_body();
        assert_eq!(body.size(), BodySize::Sized(200_000));
        let mut pieces = Vec::new();
        while let Some(piece) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_next(context)).await {
            pieces.push(piece.unwrap());
        }
        assert!(pieces.iter().all(|piece| (1..=PIECE_BYTES).contains(&piece.len())));
        assert_eq!(pieces.concat(), text);
    }

    #[actix_web::test]
    async fn one_holder_has_so_many_streams_until_they_are_read() {
        let answers = LargeAnswers::new(2);
        let chunks = || stream::iter(["a", "", "b"].map(|chunk| Ok::<_, actix_web::Error>(Bytes::from(chunk))));
        let begin = || respond(&answers, HttpResponse::Ok().streaming(chunks()));
        let (one, two) = (begin().unwrap(), begin().unwrap());
        assert!(begin().is_err());
        assert_eq!(to_bytes(one.into_body()).await.unwrap_or_default(), "ab");
        assert!(begin().is_ok());
        drop(two);
    }
}
