//! The messaging contract between the API and the worker: messages, topology, connections.

pub mod connect;
pub mod dead_letters;
mod declare_queue;
pub mod message;
pub mod topology;
pub mod watermark;
