//! Output for the user: on a terminal a live line that is rewritten, elsewhere a line from time to time.

use std::io::{IsTerminal, Write, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the live line changes on a terminal.
const TERMINAL_EVERY: Duration = Duration::from_millis(500);
/// How often it is printed where lines pile up, such as in a log.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Standard output.
pub struct Screen {
    is_terminal: bool,
    is_silent: bool,
    state: Mutex<State>,
}

struct State {
    /// When the live line was last written.
    shown_at: Option<Instant>,
    /// Whether the cursor stands behind a live line.
    is_live: bool,
}

impl Default for Screen {
    fn default() -> Self {
        let is_terminal = stdout().is_terminal();
        // In a log, the first line comes after the first interval.
        let shown_at = (!is_terminal).then(Instant::now);
        Self { is_terminal, is_silent: false, state: Mutex::new(State { shown_at, is_live: false }) }
    }
}

impl Screen {
    /// One that shows nothing, for steps of another program.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    /// How often a live line is worth making.
    pub fn interval(&self) -> Duration {
        if self.is_terminal { TERMINAL_EVERY } else { PLAIN_EVERY }
    }

    /// Shows a live line, unless one was shown a moment ago.
    pub fn live(&self, text: &str) {
        if self.is_silent {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // A tenth less than the interval: a timer that fires slightly early must not be skipped.
        if state.shown_at.is_some_and(|shown_at| now.duration_since(shown_at) < self.interval().mul_f64(0.9)) {
            return;
        }
        state.shown_at = Some(now);
        if self.is_terminal {
            // Rewrites the line, and erases the rest of a longer one.
            write(&format!("\r{text}\x1b[K"));
            state.is_live = true;
        } else {
            write(&format!("{text}\n"));
        }
    }

    /// Prints a line that stays.
    pub fn line(&self, text: &str) {
        if self.is_silent {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let clear = if std::mem::take(&mut state.is_live) { "\r\x1b[K" } else { "" };
        write(&format!("{clear}{text}\n"));
    }
}

/// A closed pipe (`| head`) is no reason to stop.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
