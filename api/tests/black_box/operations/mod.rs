//! What those who run Pulso look at.

mod dead_letters;
mod metrics;
mod pipeline;
