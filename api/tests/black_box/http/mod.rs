//! What browsers, proxies and other people's programs may expect of every response.

mod compression;
mod connections;
mod cors;
mod errors;
mod requests;
mod security_headers;
