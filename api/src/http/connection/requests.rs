//! Follows the requests that come in on a connection, byte by byte and whatever the pieces, as far as it takes to know
//! which bytes are a head's. It judges nothing: that is the server's parser's.

use super::chunks::{Chunks, Step};
use super::head::{Head, HeadFault, Next};

/// What the next byte belongs to.
#[derive(Debug)]
enum Place {
    Head(Head),
    /// A body of so many more bytes.
    Body(u64),
    ChunkedBody(Chunks),
    /// A chunk that the server will refuse.
    BadChunk,
    /// A head that the server will refuse, or one behind which no requests come.
    Last(Option<HeadFault>),
}

/// The requests of a connection.
#[derive(Debug)]
pub struct Requests {
    place: Place,
    /// Whether the newest of them is a HEAD, whose answer has no body.
    is_head_method: bool,
    /// How many heads have come.
    heads: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self { place: Place::Head(Head::default()), is_head_method: false, heads: 0 }
    }
}

impl Requests {
    /// Follows the next bytes, in which an offer of another protocol becomes illegible.
    pub fn follow(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let used = self.step(bytes);
            let Some((_, rest)) = bytes.split_at_mut_checked(used) else { return };
            bytes = rest;
        }
    }

    /// Takes some of the bytes; returns how many.
    fn step(&mut self, bytes: &mut [u8]) -> usize {
        let all = bytes.len();
        let (used, next) = match &mut self.place {
            Place::Head(head) => {
                let (used, next) = head.follow(bytes);
                self.is_head_method = head.is_head_method();
                self.heads = self.heads.saturating_add(next.is_some().into());
                (used, next.map(Place::from))
            }
            Place::Body(left) => {
                let used = usize::try_from(*left).map_or(all, |left| left.min(all));
                *left = left.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX));
                (used, (*left == 0).then(|| Place::Head(Head::default())))
            }
            Place::ChunkedBody(chunks) => match chunks.follow(bytes) {
                (used, Step::More) => (used, None),
                (used, Step::End) => (used, Some(Place::Head(Head::default()))),
                (used, Step::Bad) => (used, Some(Place::BadChunk)),
            },
            Place::BadChunk | Place::Last(_) => (all, None),
        };
        if let Some(next) = next {
            self.place = next;
        }
        used
    }

    /// Why the head that came last will be refused, where that is known.
    pub fn fault(&self) -> Option<HeadFault> {
        if let Place::Last(fault) = self.place { fault } else { None }
    }

    /// How many heads have come.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    pub fn has_bad_chunk(&self) -> bool {
        matches!(self.place, Place::BadChunk)
    }

    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }
}

impl From<Next> for Place {
    fn from(next: Next) -> Self {
        match next {
            Next::Head => Self::Head(Head::default()),
            Next::Body(bytes) => Self::Body(bytes),
            Next::Chunks => Self::ChunkedBody(Chunks::default()),
            Next::Nothing(fault) => Self::Last(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HeadFault, Requests};

    /// The same whatever the pieces.
    fn follow(text: &str) -> (String, Requests) {
        let mut whole = text.as_bytes().to_vec();
        let mut requests = Requests::default();
        requests.follow(&mut whole);
        for length in [1, 2, 3, 7] {
            let mut pieces = text.as_bytes().to_vec();
            let mut requests = Requests::default();
            pieces.chunks_mut(length).for_each(|piece| requests.follow(piece));
            assert_eq!(pieces, whole, "in pieces of {length}");
        }
        (String::from_utf8(whole).unwrap(), requests)
    }

    #[test]
    fn an_offer_of_another_protocol_becomes_illegible_and_nothing_else_changes() {
        for (header, expected) in [
            ("Connection: Upgrade, HTTP2-Settings", "Connection: Upgrad-, HTTP2-Settings"),
            ("connection:keep-alive,\tUPGRADE", "connection:keep-alive,\tUPGRAD-"),
            ("CONNECTION: close, upgrade ,x", "CONNECTION: close, upgrad- ,x"),
            ("Upgrade: h2c", "Upgrade: -2c"),
            ("upgrade:websocket", "upgrade:-ebsocket"),
            ("Connection: keep-alive", "Connection: keep-alive"),
            ("X-Connection: upgrade", "X-Connection: upgrade"),
            ("Upgrade-Insecure-Requests: 1", "Upgrade-Insecure-Requests: 1"),
            ("X: Connection: upgrade", "X: Connection: upgrade"),
        ] {
            let text = format!("GET /Upgrade: HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
            assert_eq!(follow(&text).0, text.replace(header, expected), "{header}");
        }
    }

    #[test]
    fn what_looks_like_an_offer_in_a_body_is_a_body() {
        let offer = "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n";
        let length = offer.len();
        let size = format!("{length:x}");
        for body in [
            format!("content-length: {length}\r\n\r\n{offer}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{size}\r\n{offer}\r\n0\r\n\r\n"),
            format!("Transfer-Encoding: CHUNKED\r\n\r\n1;a=b\r\nC\r\n{size} \r\n{offer}\r\n00\r\nX: y\r\n\r\n"),
        ] {
            let text = format!("POST / HTTP/1.1\nHost: x\r\n{body}\r\n\nGET / HTTP/1.1\r\nHost: x\r\n");
            let (followed, requests) = follow(&format!("{text}Upgrade: h2c\r\n\r\n"));
            assert_eq!(followed, format!("{text}Upgrade: -2c\r\n\r\n"));
            assert_eq!((requests.fault(), requests.has_bad_chunk()), (None, false));
        }
    }

    #[test]
    fn it_says_what_is_wrong_with_a_head() {
        for (headers, expected) in [
            ("Host: x", None),
            ("X: y", Some(HeadFault::NoHost)),
            ("Host: x\r\nHost: y", Some(HeadFault::SeveralHosts)),
            ("Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", Some(HeadFault::LengthAndChunked)),
            ("Host: x\r\nContent-Length: 1\r\nContent-Length: 1", Some(HeadFault::Length)),
            ("Host: x\r\nContent-Length: +1", Some(HeadFault::Length)),
            ("Host: x\r\nContent-Length: 1, 1", Some(HeadFault::Length)),
            ("Host: x\r\nContent-Length: 99999999999999999999", Some(HeadFault::Length)),
            ("Host: x\r\nTransfer-Encoding: gzip", Some(HeadFault::TransferEncoding)),
            ("Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Some(HeadFault::TransferEncoding)),
        ] {
            let (_, requests) = follow(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"));
            assert_eq!(requests.fault(), expected, "{headers}");
        }
        let (_, requests) = follow("HEAD / HTTP/1.0\r\n\r\n");
        assert_eq!((requests.fault(), requests.is_head_method()), (None, true));
    }

    #[test]
    fn a_bad_chunk_is_noticed() {
        for chunks in ["x\r\n", "5\r\nabcdeX", "5\n", "\r\n", "1\r\nab\r\n", "11111111111111111\r\n"] {
            let (_, requests) =
                follow(&format!("POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"));
            assert!(requests.has_bad_chunk(), "{chunks:?}");
        }
    }
}
