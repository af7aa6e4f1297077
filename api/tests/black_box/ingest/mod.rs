//! Heartbeats and readings: what is taken, refused, stored, and what outages do to it.

mod ack_stored;
mod broker_outages;
mod faults;
mod hostile_bodies;
mod items;
mod limits;
mod one_row;
mod unreliable_lines;
