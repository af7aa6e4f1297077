//! Why something could not be done.

/// The text is what the user reads.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
