//! Follows a request's head line by line, makes an offer of another protocol in it illegible, and remembers what the length
//! of the body depends on.

use std::io::BufRead;

/// Longest header name that matters here: `transfer-encoding`.
const MAX_NAME_BYTES: usize = 17;

/// Why the server will refuse a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    #[error("The request has no Host header, which HTTP/1.1 requires.")]
    NoHost,
    #[error("The request has more than one Host header.")]
    SeveralHosts,
    #[error("The request has both Content-Length and Transfer-Encoding; send one of them.")]
    LengthAndChunked,
    #[error("Content-Length is not one whole number.")]
    Length,
    #[error("Transfer-Encoding must be chunked, once.")]
    TransferEncoding,
}

/// What comes behind a head.
#[derive(Debug)]
pub enum Next {
    /// Another head: the request has no body.
    Head,
    /// A body of so many bytes.
    Body(u64),
    Chunks,
    /// Nothing that would have to be understood.
    Nothing(Option<HeadFault>),
}

/// A word of a line, in lower case, as far as it matters.
#[derive(Debug, Default, Clone, Copy)]
struct Word {
    bytes: [u8; MAX_NAME_BYTES],
    length: usize,
}

impl Word {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte.to_ascii_lowercase();
        }
        self.length = self.length.saturating_add(1);
    }

    fn is(&self, word: &[u8]) -> bool {
        self.bytes.get(..self.length) == Some(word)
    }
}

/// What the rest of a line is.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// The method, at the start of the request line.
    Method,
    /// A header's name.
    Name,
    /// The value of `Connection`, at one of its options.
    Connection,
    /// The value of `Upgrade`, before its first character.
    Upgrade,
    Length,
    TransferEncoding,
    /// Nothing that matters.
    Other,
}

/// A head.
#[derive(Debug)]
pub struct Head {
    rest: Rest,
    /// Of the present line: the method, the name, the option, the value.
    word: Word,
    /// Nothing has come of the present line but a carriage return.
    is_blank: bool,
    is_request_line: bool,
    /// The last character of the request line: 1 in HTTP/1.1.
    version: u8,
    is_head_method: bool,
    is_connect: bool,
    hosts: u32,
    lengths: u32,
    length: Option<u64>,
    encodings: u32,
    is_chunked: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            rest: Rest::Method,
            word: Word::default(),
            is_blank: true,
            is_request_line: true,
            version: 0,
            is_head_method: false,
            is_connect: false,
            hosts: 0,
            lengths: 0,
            length: None,
            encodings: 0,
            is_chunked: false,
        }
    }
}

impl Head {
    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }

    /// Takes bytes up to the end of a line; returns how many it took, and what comes next where the head ends there.
    pub fn follow(&mut self, bytes: &mut [u8]) -> (usize, Option<Next>) {
        // The standard library's fastest search for a byte.
        let used = (&*bytes).skip_until(b'\n').unwrap_or(bytes.len());
        let line = bytes.get_mut(..used).unwrap_or_default();
        let (line, is_whole) = match line {
            [line @ .., b'\n'] => (line, true),
            line => (line, false),
        };
        self.is_blank &= matches!(&*line, [] | [b'\r']);
        if self.is_request_line {
            self.version = line.iter().rev().copied().find(|byte| *byte != b'\r').unwrap_or(self.version);
        }
        let mut line = line.iter_mut();
        while !matches!(self.rest, Rest::Other) {
            let Some(byte) = line.next() else { break };
            self.take(byte);
        }
        (used, if is_whole { self.end_line() } else { None })
    }

    fn take(&mut self, byte: &mut u8) {
        match (self.rest, *byte) {
            (Rest::Method, b' ') => {
                self.is_head_method = self.word.is(b"head");
                self.is_connect = self.word.is(b"connect");
                self.rest = Rest::Other;
            }
            (Rest::Name, b':') => self.begin_value(),
            // No name that matters begins with another letter, or is longer.
            (Rest::Name, first) if self.word.length == 0 && !b"chtuCHTU".contains(&first) => self.rest = Rest::Other,
            (Rest::Name, _) if self.word.length > MAX_NAME_BYTES => self.rest = Rest::Other,
            (Rest::Connection, b',' | b' ' | b'\t') => self.word = Word::default(),
            (Rest::Connection, _) => {
                self.word.push(*byte);
                if self.word.is(b"upgrade") {
                    *byte = b'-';
                }
            }
            (Rest::Upgrade, byte_before) if !matches!(byte_before, b' ' | b'\t' | b'\r') => {
                *byte = b'-';
                self.rest = Rest::Other;
            }
            (Rest::Length | Rest::TransferEncoding, b' ' | b'\t' | b'\r') if self.word.length == 0 => {}
            (Rest::Method | Rest::Name | Rest::Length | Rest::TransferEncoding, byte) => self.word.push(byte),
            (Rest::Upgrade | Rest::Other, _) => {}
        }
    }

    fn begin_value(&mut self) {
        self.rest = match self.word {
            name if name.is(b"connection") => Rest::Connection,
            name if name.is(b"upgrade") => Rest::Upgrade,
            name if name.is(b"content-length") => Rest::Length,
            name if name.is(b"transfer-encoding") => Rest::TransferEncoding,
            name => {
                self.hosts = self.hosts.saturating_add(name.is(b"host").into());
                Rest::Other
            }
        };
        self.word = Word::default();
    }

    fn end_line(&mut self) -> Option<Next> {
        match self.rest {
            Rest::Length => {
                self.lengths = self.lengths.saturating_add(1);
                self.length = number(&self.word);
            }
            Rest::TransferEncoding => {
                self.encodings = self.encodings.saturating_add(1);
                self.is_chunked = trimmed(&self.word) == b"chunked";
            }
            _ => {}
        }
        let is_end = self.is_blank && !self.is_request_line;
        // Empty lines in front of a request are none of it.
        self.is_request_line &= self.is_blank;
        self.rest = if self.is_request_line { Rest::Method } else { Rest::Name };
        self.word = Word::default();
        self.is_blank = true;
        is_end.then(|| self.next())
    }

    fn next(&self) -> Next {
        match (self.fault(), self.length) {
            (Some(fault), _) => Next::Nothing(Some(fault)),
            _ if self.is_connect => Next::Nothing(None),
            _ if self.is_chunked => Next::Chunks,
            (None, None | Some(0)) => Next::Head,
            (None, Some(bytes)) => Next::Body(bytes),
        }
    }

    fn fault(&self) -> Option<HeadFault> {
        match (self.hosts, self.lengths, self.encodings) {
            (0, _, _) if self.version == b'1' => Some(HeadFault::NoHost),
            (2.., _, _) => Some(HeadFault::SeveralHosts),
            (_, 1.., 1..) => Some(HeadFault::LengthAndChunked),
            (_, 2.., _) => Some(HeadFault::Length),
            (_, 1, _) if self.length.is_none() => Some(HeadFault::Length),
            (_, _, 2..) => Some(HeadFault::TransferEncoding),
            (_, _, 1) if !self.is_chunked => Some(HeadFault::TransferEncoding),
            _ => None,
        }
    }
}

fn trimmed(word: &Word) -> &[u8] {
    word.bytes.get(..word.length).unwrap_or_default().trim_ascii_end()
}

/// Nothing where it is no whole number, or longer than a body can be.
fn number(word: &Word) -> Option<u64> {
    let digits = trimmed(word);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
