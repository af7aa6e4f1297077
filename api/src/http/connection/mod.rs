//! A client's connection, between the socket and the HTTP server. The server follows the protocol in all but two things,
//! and has no setting for either:
//!
//! - It takes an `Upgrade` that nobody here speaks (Java's client offers h2c with every first request, browsers offer
//!   WebSocket) for granted: it answers `Connection: upgrade` and hangs up. RFC 9110 (7.8) has it ignored. So its name is
//!   made illegible on the way in, where nothing else is changed and no byte is added or taken.
//! - What its parser refuses is answered with an empty body. On the way out that becomes a problem like any other.
//!
//! ```text
//!  socket ─▶ Requests: where is a head? ─▶ `Upgrade` made illegible ─▶ server
//!  socket ◀─ refusal: an empty one becomes a problem ◀──────────────── server
//! ```

mod chunks;
mod head;
mod last_words;
mod refusal;
mod requests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use last_words::LastWords;
use refusal::Refusal;
use requests::Requests;

/// A connection as the server sees it.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    requests: Requests,
    /// How many heads had come when something was last answered.
    answered: u64,
    /// After a refusal, which is the last that the server writes.
    last_words: Option<LastWords>,
}

impl<S> Connection<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, requests: Requests::default(), answered: 0, last_words: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.requests.follow(buffer.filled_mut().get_mut(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Of a request with a bad chunk, whether its handler has answered it: then nothing more is said.
    fn is_answered(&self) -> bool {
        self.requests.has_bad_chunk() && self.answered == self.requests.heads()
    }

    fn poll_last_words(&mut self, context: &mut Context<'_>, refusal: &Refusal<'_>) -> Poll<io::Result<()>> {
        if self.last_words.is_none() {
            let problem = if self.is_answered() { Vec::new() } else { refusal.problem(&self.requests) };
            self.last_words = Some(LastWords::Write(problem));
        }
        self.last_words.as_mut().map_or(Poll::Ready(Ok(())), |words| words.poll(&mut self.stream, context))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let answer = match Refusal::at_the_end_of(bytes) {
            Some(([], refusal)) => {
                // Taken only when all is done: the server drops the connection once it has nothing more to write.
                ready!(self.poll_last_words(context, &refusal))?;
                return Poll::Ready(Ok(bytes.len()));
            }
            // What comes before it first.
            Some((before, _)) => before,
            None => bytes,
        };
        if !answer.starts_with(b"HTTP/1.1 100 ") {
            self.answered = self.requests.heads();
        }
        Pin::new(&mut self.stream).poll_write(context, answer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// A handler that waits for something when its request turns out to be broken is dropped without an answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.last_words {
            Some(LastWords::Done) => Poll::Ready(Ok(())),
            _ if self.requests.has_bad_chunk() => self.poll_last_words(context, &Refusal::BAD_REQUEST),
            _ => Pin::new(&mut self.stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::Connection;

    #[tokio::test]
    async fn a_refusal_becomes_a_problem_behind_what_was_written_before_it() {
        let (ours, mut theirs) = duplex(64);
        let mut connection = Connection::new(ours);
        let written = tokio::spawn(async move {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: a\r\n\r\n{}";
            let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
            connection.write_all(&[answer.as_slice(), refusal].concat()).await.unwrap();
            connection.shutdown().await.unwrap();
        });
        let mut read = String::new();
        theirs.read_to_string(&mut read).await.unwrap();
        // What is still sent is read away.
        theirs.write_all(&[0; 1_000]).await.unwrap();
        drop(theirs);
        written.await.unwrap();
        let (before, problem) = read.split_at(read.find("HTTP/1.1 400").unwrap());
        assert!(before.ends_with("\r\n\r\n{}"), "{before}");
        assert!(problem.contains("content-type: application/problem+json\r\n"), "{problem}");
        assert!(problem.contains("date: today\r\n") && problem.contains("connection: close\r\n"), "{problem}");
        assert!(problem.ends_with('}'), "{problem}");
    }
}
