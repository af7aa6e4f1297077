//! Simulated devices, used as a program ([`cli`]) and as a library by the benchmark ([`load`]).

pub mod backoff;
pub mod draw;
pub mod load;
