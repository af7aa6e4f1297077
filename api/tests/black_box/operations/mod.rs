//! What those who run Pulso look at.

mod dead_letters;
mod logs;
mod metrics;
mod pipeline;
