//! An item as it came. Deserialized by hand, because a field may come under any of several names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use pulso_shared::telemetry::MAX_METRICS;

use super::field::{Field, Key, Named};

/// What a device may be named by.
const DEVICE_NAMES: [&str; 5] = ["device_id", "device_uuid", "deviceId", "device_sn", "server_ulid"];

/// A heartbeat or a reading as it came: every accepted name mapped to its field, no value judged.
#[derive(Debug, Default, PartialEq)]
pub struct RawItem<'a> {
    pub device: Option<Named<'a>>,
    pub timestamp: Option<Named<'a>>,
    pub cpu_usage: Option<Named<'a>>,
    pub ram_usage: Option<Named<'a>>,
    pub disk_free: Option<Named<'a>>,
    pub temperature: Option<Named<'a>>,
    pub latency: Option<Named<'a>>,
    pub connectivity: Option<Named<'a>>,
    pub boot_time: Option<Named<'a>>,
    pub humidity: Option<Named<'a>>,
    pub voltage: Option<Named<'a>>,
    pub current: Option<Named<'a>>,
    pub metrics: Option<RawMetrics<'a>>,
}

/// The value of `metrics`.
#[derive(Debug, PartialEq)]
pub enum RawMetrics<'a> {
    Object(Vec<Named<'a>>),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawItem<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = RawItem<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RawItem<'de>, A::Error> {
                let mut item = RawItem::default();
                while let Some(Key(name)) = fields.next_key()? {
                    item.take(name, &mut fields)?;
                }
                Ok(item)
            }
        }

        deserializer.deserialize_map(ItemVisitor)
    }
}

impl RawItem<'_> {
    /// The name under which the item tells its device, or may.
    pub fn device_field(&self) -> &'static str {
        let given = self.device.as_ref().map_or("device_id", |named| named.name.as_ref());
        DEVICE_NAMES.into_iter().find(|name| *name == given).unwrap_or("device_id")
    }
}

impl<'de> RawItem<'de> {
    /// Puts a field where its name belongs. Where one thing comes under two names, the first that is not null counts.
    fn take<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error> {
        let slot = match name.as_ref() {
            "device_id" | "device_uuid" | "deviceId" | "device_sn" | "server_ulid" => &mut self.device,
            "timestamp" => &mut self.timestamp,
            "cpu_usage" | "cpu" | "cpuUsage" => &mut self.cpu_usage,
            "ram_usage" | "ram" | "ramUsage" => &mut self.ram_usage,
            "disk_free" | "free_disk" | "free_disk_space" | "diskFree" | "hd_space_remaining" => &mut self.disk_free,
            "temperature" => &mut self.temperature,
            "latency" | "latency_ms" | "dns_latency" | "dns_latency_ms" => &mut self.latency,
            "connectivity" | "is_connected" => &mut self.connectivity,
            "boot_time" | "boot_date" | "boot_timestamp" | "bootTime" => &mut self.boot_time,
            "humidity" => &mut self.humidity,
            "voltage" => &mut self.voltage,
            "current" => &mut self.current,
            "metrics" => {
                if let Some(metrics) = fields.next_value()? {
                    self.metrics.get_or_insert(metrics);
                }
                return Ok(());
            }
            _ => {
                fields.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        if let Some(value) = fields.next_value()? {
            slot.get_or_insert(Named { name, value });
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawMetrics<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetricsVisitor;

        impl<'de> Visitor<'de> for MetricsVisitor {
            type Value = RawMetrics<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of numbers")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(RawMetrics::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(RawMetrics::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(RawMetrics::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(RawMetrics::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(RawMetrics::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(RawMetrics::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut metrics = Vec::new();
                while let Some((Key(name), value)) = fields.next_entry::<_, Option<Field<'_>>>()? {
                    // One too many is kept, which is a fault already; a million would be memory.
                    metrics.extend(value.map(|value| Named { name, value }).filter(|_| metrics.len() <= MAX_METRICS));
                }
                Ok(RawMetrics::Object(metrics))
            }
        }

        deserializer.deserialize_any(MetricsVisitor)
    }
}
