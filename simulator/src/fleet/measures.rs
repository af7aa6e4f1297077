//! What a device measures.

use std::time::Duration;

/// The state of a device at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It measures and sends.
    Online,
    /// It measures and cannot send.
    Disconnected,
    /// It restarts, and does not measure.
    Restarting,
}

/// What a device measures of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vitals {
    /// %.
    pub cpu_usage: f64,
    /// %.
    pub ram_usage: f64,
    /// %.
    pub disk_free: f64,
    /// °C.
    pub temperature: f64,
    /// ms.
    pub latency: f64,
    /// Whether it reaches the wider network.
    pub connectivity: bool,
    /// When it started, since 1970.
    pub booted_at: Duration,
}

/// What a device's sensors measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surroundings {
    /// °C.
    pub temperature: f64,
    /// %.
    pub humidity: f64,
    /// V.
    pub voltage: f64,
    /// A.
    pub current: f64,
    /// Carbon dioxide, ppm.
    pub co2: f64,
    /// Fine dust, µg/m³.
    pub pm2_5: f64,
    /// Vibration, mm/s.
    pub vibration: f64,
}
