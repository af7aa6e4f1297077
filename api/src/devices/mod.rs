//! Devices and their credentials. A device belongs to the user who registered it; nobody else can see that it exists.

mod registry;

pub use registry::{DeviceFacts, DeviceName, DeviceRegistry};
