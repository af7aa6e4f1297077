//! Structured logs: one line an event, JSON for machines or text for people.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Plain text.
    Text,
}

/// Where logging is configured.
#[derive(Debug, Clone, Args)]
pub struct LogConfig {
    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// What is logged, in the syntax of tracing's `EnvFilter`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_filter: String,
}

impl LogConfig {
    /// Installs the process-wide subscriber; lines go to standard error.
    ///
    /// # Errors
    /// When the filter cannot be read, or a subscriber is installed already.
    pub fn install(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let filter = EnvFilter::try_new(&self.log_filter)?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Json => builder.json().flatten_event(true).try_init(),
            LogFormat::Text => builder.try_init(),
        }
    }
}
