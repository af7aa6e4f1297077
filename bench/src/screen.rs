//! What the user sees. A reader that has gone away (`| head`) is no reason to stop measuring.

use std::io::Write;

/// Prints a line.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
