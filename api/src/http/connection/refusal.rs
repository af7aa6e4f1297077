//! What the server's parser refuses, as a problem.

use actix_web::http::StatusCode;

use super::requests::Requests;
use crate::http::error::Problem;
use crate::http::metrics::count_response;
use crate::http::request_id::{REQUEST_ID, RequestId};

/// Longest head of a refusal: a status line and three headers.
const MAX_BYTES: usize = 256;

/// The server's empty answer to what it could not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    status_line: &'a str,
    status: StatusCode,
    date: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    /// The one that the server had no time for.
    pub const BAD_REQUEST: Refusal<'static> =
        Refusal { status_line: "HTTP/1.1 400 Bad Request", status: StatusCode::BAD_REQUEST, date: None };

    /// The refusal that ends these bytes, and what is before it. It is empty and has none of the headers that an answer
    /// of ours has; and it is the last thing on a connection.
    pub fn at_the_end_of(bytes: &'a [u8]) -> Option<(&'a [u8], Self)> {
        if !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let tail = bytes.len().saturating_sub(MAX_BYTES);
        let start = bytes.get(tail..)?.windows(7).rposition(|window| window == b"HTTP/1.")?;
        let (before, head) = bytes.split_at_checked(tail.saturating_add(start))?;
        Some((before, Self::of(std::str::from_utf8(head).ok()?)?))
    }

    fn of(head: &'a str) -> Option<Self> {
        let mut lines = head.strip_suffix("\r\n\r\n")?.split("\r\n");
        let status_line = lines.next()?;
        let status =
            status_line.split(' ').nth(1)?.parse::<StatusCode>().ok().filter(|status| status.as_u16() >= 400)?;
        let (mut is_empty, mut date) = (false, None);
        for line in lines {
            match line.split_once(": ")? {
                ("content-length", "0") => is_empty = true,
                ("connection", _) => {}
                ("date", value) => date = Some(value),
                _ => return None,
            }
        }
        is_empty.then_some(Self { status_line, status, date })
    }

    /// What is sent instead.
    pub fn problem(&self, requests: &Requests) -> Vec<u8> {
        let (status, id) = (self.status, RequestId::generate());
        let (kind, title, detail) = match (requests.fault(), status) {
            (Some(fault), StatusCode::BAD_REQUEST) => ("unreadable", "Unreadable request", fault.to_string()),
            (_, StatusCode::BAD_REQUEST) if requests.has_bad_chunk() => {
                ("unreadable", "Unreadable request", BAD_CHUNK.to_owned())
            }
            (_, StatusCode::BAD_REQUEST) => ("unreadable", "Unreadable request", MALFORMED.to_owned()),
            (_, StatusCode::REQUEST_TIMEOUT) => ("timeout", "Too slow", SLOW.to_owned()),
            (_, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => ("too-large", "Too large", LARGE.to_owned()),
            _ => ("internal", "Internal error", "Something went wrong on our side.".to_owned()),
        };
        count_response(status);
        tracing::debug!(request_id = id.as_str(), status = status.as_u16(), error = detail, "request refused");
        let kind = format!("/problems/{kind}");
        let instance = Some(id.as_str());
        let problem = Problem { kind, title, status: status.as_u16(), detail, instance, limit: None, errors: &[] };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        self.render(&body, id.as_str(), requests.is_head_method())
    }

    fn render(&self, body: &[u8], id: &str, is_head_method: bool) -> Vec<u8> {
        let Self { status_line, date, .. } = self;
        let length = body.len();
        let date = date.map_or_else(String::new, |date| format!("date: {date}\r\n"));
        let head = format!(
            "{status_line}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\nconnection: close\r\n\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\n{REQUEST_ID}: {id}\r\n{date}\r\n"
        );
        let body = if is_head_method { &[] } else { body };
        [head.as_bytes(), body].concat()
    }
}

const MALFORMED: &str = "The request is not HTTP/1.1: its request line or one of its headers cannot be read.";
const BAD_CHUNK: &str = "A chunk of the body is malformed.";
const SLOW: &str = "The head of the request took too long to arrive.";
const LARGE: &str = "The head of the request is too large: at most 96 headers, and 128 KiB in all.";

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn only_an_empty_answer_without_our_headers_is_a_refusal() {
        let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: d\r\n\r\n";
        for before in ["", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"] {
            let text = format!("{before}{refusal}");
            let (found, _) = Refusal::at_the_end_of(text.as_bytes()).unwrap();
            assert_eq!(found, before.as_bytes());
        }
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 204 No Content\r\ndate: d\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: d\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: a\r\ndate: d\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\ndate: d\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: d\r\n\r\nmore",
        ] {
            assert_eq!(Refusal::at_the_end_of(other.as_bytes()), None, "{other:?}");
        }
    }
}
