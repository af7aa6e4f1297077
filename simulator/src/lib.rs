//! Simulated devices, used as a program ([`cli`]) and as a library by the benchmark and the fault suite
//! ([`load`], [`enrolment`], [`ledger`], [`presence`]).

pub mod account;
pub mod api_client;
pub mod cli;
pub mod device_token;
mod duration;
pub mod enrolment;
mod failure;
mod fleet;
pub mod ledger;
pub mod load;
mod load_command;
pub mod presence;
mod progress;
mod random;
pub mod rates;
mod retry;
pub mod screen;
mod seed;

pub use cli::run;
