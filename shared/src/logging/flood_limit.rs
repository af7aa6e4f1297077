//! Says first, then counts: of each place in the code that logs, so many lines in a window are written, and the rest is
//! counted. An outage fails every request, and a line for each of them would only add a full disk to it.
//!
//! What people ask for by name (debug, trace) is not limited.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// How long lines are counted together.
pub const WINDOW: Duration = Duration::from_secs(5);
/// Lines of one place in a window: enough to see several causes side by side.
const LINES: u64 = 50;

/// Those that have logged, by their place in the code: as many as the programs have, so the table does not grow.
static SITES: LazyLock<RwLock<HashMap<Identifier, Site>>> = LazyLock::new(RwLock::default);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The layer. It sees only events that the filter lets through.
pub struct FloodLimit;

impl<S: Subscriber> Layer<S> for FloodLimit {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::INFO || metadata.target() == module_path!() || admit(event)
    }
}

/// Writes a line for every place of which lines were left out since the last call.
pub fn report_suppressed() {
    let sites = SITES.read().unwrap_or_else(PoisonError::into_inner);
    for site in sites.values() {
        let Some((suppressed, example)) = site.take_suppressed() else { continue };
        let (level, source, line) = (site.metadata.level(), site.metadata.file(), site.metadata.line());
        match *level {
            Level::ERROR => tracing::error!(suppressed, source, line, example, "similar lines were left out"),
            Level::WARN => tracing::warn!(suppressed, source, line, example, "similar lines were left out"),
            _ => tracing::info!(suppressed, source, line, example, "similar lines were left out"),
        }
    }
}

fn admit(event: &Event<'_>) -> bool {
    let now_ms = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
    let id = event.metadata().callsite();
    if let Some(site) = SITES.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return site.admit(now_ms, event);
    }
    let mut sites = SITES.write().unwrap_or_else(PoisonError::into_inner);
    sites.entry(id).or_insert_with(|| Site::new(event.metadata())).admit(now_ms, event)
}

/// A place in the code that logs. Its numbers need not be exact at the edge of a window, where threads may meet; no line
/// is left out uncounted.
struct Site {
    metadata: &'static Metadata<'static>,
    window_began_ms: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
    /// The first line that was left out.
    example: Mutex<String>,
}

impl Site {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        let zero = AtomicU64::default;
        let (window_began_ms, lines, suppressed) = (zero(), zero(), zero());
        Self { metadata, window_began_ms, lines, suppressed, example: Mutex::default() }
    }

    /// Whether the line is written.
    fn admit(&self, now_ms: u64, line: &impl Describe) -> bool {
        let began_ms = self.window_began_ms.load(Relaxed);
        if u128::from(now_ms.saturating_sub(began_ms)) >= WINDOW.as_millis()
            && self.window_began_ms.compare_exchange(began_ms, now_ms, Relaxed, Relaxed).is_ok()
        {
            self.lines.store(0, Relaxed);
        }
        // Not counted further than that, so that a flood does not fight for the number.
        if self.lines.load(Relaxed) < LINES && self.lines.fetch_add(1, Relaxed) < LINES {
            return true;
        }
        if self.suppressed.fetch_add(1, Relaxed) == 0 {
            *self.example.lock().unwrap_or_else(PoisonError::into_inner) = line.describe();
        }
        false
    }

    fn take_suppressed(&self) -> Option<(u64, String)> {
        match self.suppressed.swap(0, Relaxed) {
            0 => None,
            suppressed => Some((suppressed, self.example.lock().unwrap_or_else(PoisonError::into_inner).clone())),
        }
    }
}

/// A line in words.
trait Describe {
    fn describe(&self) -> String;
}

impl Describe for Event<'_> {
    fn describe(&self) -> String {
        let mut words = Words(String::new());
        self.record(&mut words);
        words.0
    }
}

/// `message name=value name=value`
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{separator}{value:?}"),
            name => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing::Metadata;
    use tracing::callsite::{Callsite, DefaultCallsite};

    use super::{Describe, LINES, Site, WINDOW};

    impl Describe for &str {
        fn describe(&self) -> String {
            (*self).to_owned()
        }
    }

    static SITE: DefaultCallsite = DefaultCallsite::new(&META);
    static META: Metadata<'static> = tracing::metadata! {
        name: "test", target: "test", level: tracing::Level::WARN, fields: &[], callsite: &SITE,
        kind: tracing::metadata::Kind::EVENT
    };

    fn admitted(site: &Site, now_ms: u64, lines: u64) -> u64 {
        (0..lines).map(|n| u64::from(site.admit(now_ms, &format!("line {n}").as_str()))).sum()
    }

    #[test]
    fn a_flood_is_said_first_and_then_counted() {
        let site = Site::new(SITE.metadata());
        assert_eq!(admitted(&site, 10, LINES), LINES);
        assert_eq!(site.take_suppressed(), None, "a few lines are no flood");
        assert_eq!(admitted(&site, 20, 100_000), 0);
        assert_eq!(site.take_suppressed(), Some((100_000, "line 0".to_owned())));
        assert_eq!(site.take_suppressed(), None, "each is counted once");
    }

    #[test]
    fn the_next_window_begins_anew() {
        let (site, window) = (Site::new(SITE.metadata()), u64::try_from(WINDOW.as_millis()).unwrap());
        assert_eq!(admitted(&site, window, 2 * LINES), LINES);
        assert_eq!(admitted(&site, 2 * window - 1, LINES), 0);
        assert_eq!(admitted(&site, 2 * window, LINES + 7), LINES);
        assert_eq!(site.take_suppressed().map(|(suppressed, _)| suppressed), Some(2 * LINES + 7));
    }
}
