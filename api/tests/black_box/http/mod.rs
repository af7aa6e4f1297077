//! What browsers, proxies and other people's programs may expect of every response.

mod compression;
mod connections;
mod cors;
mod errors;
mod large_answers;
mod large_bodies;
mod refusals;
mod requests;
mod security_headers;
mod upgrades;
