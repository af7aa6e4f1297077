//! What has to go: today, what deleted devices have left behind.

mod purge;

pub use purge::purge_deleted_devices;
