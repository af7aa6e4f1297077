//! The end of a connection on which something was refused: the problem is written, and what the client still sends is read
//! away until it hangs up, for a second at most. A socket that is closed with unread bytes is reset, and the client may
//! lose the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long the client's last bytes are read away.
const LINGER: Duration = Duration::from_secs(1);

/// What is left to be done.
#[derive(Debug)]
pub enum LastWords {
    /// What is left of the problem.
    Write(Vec<u8>),
    Linger(Pin<Box<Sleep>>),
    Done,
}

impl LastWords {
    pub fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self {
                Self::Write(problem) if problem.is_empty() => {
                    ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                    *self = Self::Linger(Box::pin(sleep(LINGER)));
                }
                Self::Write(problem) => {
                    let written = ready!(Pin::new(&mut *stream).poll_write(context, problem))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    problem.drain(..written.min(problem.len()));
                }
                Self::Linger(time) => {
                    if time.as_mut().poll(context).is_pending() {
                        ready!(read_away(stream, context));
                    }
                    *self = Self::Done;
                }
                Self::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// Until the client hangs up.
fn read_away<S: AsyncRead + Unpin>(stream: &mut S, context: &mut Context<'_>) -> Poll<()> {
    let mut bytes = [0; 4_096];
    loop {
        let mut buffer = ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer));
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(());
        }
    }
}
