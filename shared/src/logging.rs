//! Structured logs: one line an event, as JSON or text.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

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
        let filter = EnvFilter::try_new(&self.log_filter)?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
            LogFormat::Text => builder.try_init(),
        }
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
