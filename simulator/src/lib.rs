//! Simulated devices, used as a program ([`cli`]) and as a library by the benchmark and the fault suite
//! ([`load`], [`enrolment`], [`ledger`]).

pub mod account;
pub mod api_client;
pub mod backoff;
pub mod cli;
pub mod device_token;
pub mod draw;
mod duration;
pub mod enrolment;
pub mod fleet;
pub mod ledger;
pub mod load;
pub mod load_command;
pub mod presence;
mod progress;
pub mod rates;
pub mod screen;
pub mod seed;

pub use cli::run;
