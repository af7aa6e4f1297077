//! Structured logs: one line an event, as JSON or text; of a flood of equal ones some lines and a count.

mod flood_limit;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use flood_limit::FloodLimit;
pub use flood_limit::report_suppressed;

/// Where the counts come from.
const COUNTS: &str = "pulso_shared::logging::flood_limit=info";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Plain text.
    Text,
}

/// Logging.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// The format of log lines.
    #[arg(long, env = "LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Levels and targets to log, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,
}

impl LogConfig {
    /// Installs the process-wide subscriber, which writes to standard error.
    pub fn install(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // The counts are said whatever the filter selects: what they count, it has let through.
        let filter = EnvFilter::try_new(&self.log_filter)?.add_directive(COUNTS.parse()?);
        let registry = tracing_subscriber::registry().with(filter).with(FloodLimit);
        let lines = fmt::layer().with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
            LogFormat::Text => registry.with(lines).try_init()?,
        }
        Ok(())
    }
}

/// Counts the lines that were left out, for as long as the process runs. The last ones are said by
/// [`report_suppressed`] at its end.
pub async fn keep_reporting_suppressed() {
    loop {
        tokio::time::sleep(flood_limit::WINDOW).await;
        report_suppressed();
    }
}

#[cfg(test)]
mod tests {
    use super::{LogConfig, LogFormat};

    #[test]
    fn a_filter_that_cannot_be_parsed_is_refused_and_a_subscriber_is_installed_once() {
        let install = |log_filter: &str| {
            LogConfig { log_format: LogFormat::Json, log_filter: log_filter.to_owned() }.install().is_ok()
        };
        assert!(!install("pulso=loud"));
        assert!(install("off"));
        assert!(!install("off"), "the second one");
    }
}
