//! A body that is JSON or a form (`application/x-www-form-urlencoded`), by its own word.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::body::{MAX_BODY_BYTES, read_body};
use super::fields::{FromFields, from_object};
use super::json::{check_content_type, parse};
use crate::http::error::ApiError;
use crate::http::holder::KnownCaller;

/// A body of type `T`, in either form.
pub struct JsonOrForm<T>(pub T);

impl<T: FromFields + Send + 'static> FromRequest for JsonOrForm<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let checked = if is_form { Ok(()) } else { check_content_type(request) };
        let body = read_body(request, payload, MAX_BODY_BYTES, KnownCaller::of(request));
        Box::pin(async move {
            checked?;
            let body = body.await?;
            body.read(move |bytes| if is_form { parse_form(bytes) } else { parse(bytes) }).await?.map(Self)
        })
    }
}

fn parse_form<T: FromFields>(bytes: &[u8]) -> Result<T, ApiError> {
    let not_a_form = || ApiError::Unreadable("The body is not a form.".into());
    let text = std::str::from_utf8(bytes).map_err(|_| not_a_form())?;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).map_err(|_| not_a_form())?;
    from_object(pairs.into_inner().into_iter().map(|(name, value)| (name, value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::parse_form;
    use crate::http::extract::fields::{body, optional, required};

    body! {
        pub struct Pair {
            pub a: String = required,
            pub b: Option<String> = optional,
        }
    }

    #[test]
    fn a_form_is_decoded() {
        let pair: Pair = parse_form(b"a=x%40y+z&c=ignored").unwrap();
        assert_eq!((pair.a.as_str(), pair.b), ("x@y z", None));
        assert!(parse_form::<Pair>(b"b=only").is_err());
        assert!(parse_form::<Pair>(b"a=\xff").is_err());
    }
}
