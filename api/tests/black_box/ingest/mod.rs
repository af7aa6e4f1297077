//! Heartbeats and readings: what is taken, refused, stored, and what outages do to it.

mod ack_stored;
mod broker_outages;
mod faults;
mod hostile_bodies;
mod items;
mod limits;
mod names;
mod not_finite;
mod one_row;
mod thingsboard;
mod timestamps;
mod unreliable_lines;
