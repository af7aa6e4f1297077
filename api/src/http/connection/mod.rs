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
mod refusal;
mod requests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use refusal::Refusal;
use requests::Requests;

/// A connection as the server sees it.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    requests: Requests,
    /// What is still to be written in place of a refusal, the last thing on a connection.
    problem: Vec<u8>,
}

impl<S> Connection<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, requests: Requests::default(), problem: Vec::new() }
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    fn poll_write_problem(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.problem.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.problem))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.problem.drain(..written.min(self.problem.len()));
        }
        Poll::Ready(Ok(()))
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_write_problem(context))?;
        match Refusal::at_the_end_of(bytes) {
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
            Some(([], refusal)) => {
                self.problem = refusal.problem(&self.requests);
                Poll::Ready(Ok(bytes.len()))
            }
            // What comes before it first.
            Some((before, _)) => Pin::new(&mut self.stream).poll_write(context, before),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_problem(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_problem(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
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
        written.await.unwrap();
        let (before, problem) = read.split_at(read.find("HTTP/1.1 400").unwrap());
        assert!(before.ends_with("\r\n\r\n{}"), "{before}");
        assert!(problem.contains("content-type: application/problem+json\r\n"), "{problem}");
        assert!(problem.contains("date: today\r\n") && problem.contains("connection: close\r\n"), "{problem}");
        assert!(problem.ends_with('}'), "{problem}");
    }
}
