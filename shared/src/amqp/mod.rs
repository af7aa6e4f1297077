//! The road between the API and the worker: what a message holds, where it goes, how we get a connection.

pub mod beat;
pub mod connection;
pub mod dead_letters;
pub mod message;
pub mod topology;
mod wire;
