//! An item as it came. Deserialized by hand, because a field may come under any of several names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::field::Named;
use super::ignored::UnknownNames;
use super::object::{FromFields, ObjectOr, take_all};
use super::values::{RawMetrics, RawValues, VALUES};

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
    pub metrics: Option<ObjectOr<RawMetrics<'a>>>,
    /// ThingsBoard's form of a reading; on the heap, since it is large and most items have none.
    pub values: Option<Box<RawValues<'a>>>,
    pub unknown: UnknownNames<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawItem<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = RawItem<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<RawItem<'de>, A::Error> {
                take_all(fields)
            }
        }

        deserializer.deserialize_map(ItemVisitor)
    }
}

impl<'a> RawItem<'a> {
    /// The name under which the item tells its device, or may.
    pub fn device_field(&self) -> &'static str {
        let given = self.device.as_ref().map_or("device_id", |named| named.name.as_ref());
        DEVICE_NAMES.into_iter().find(|name| *name == given).unwrap_or("device_id")
    }

    /// What only a heartbeat has.
    pub fn of_heartbeat(&self) -> impl Iterator<Item = &Named<'a>> {
        let fields =
            [&self.cpu_usage, &self.ram_usage, &self.disk_free, &self.latency, &self.connectivity, &self.boot_time];
        fields.into_iter().flatten()
    }

    /// What only a sensor reading has, apart from `metrics` and `values`.
    pub fn of_reading(&self) -> impl Iterator<Item = &Named<'a>> {
        [&self.humidity, &self.voltage, &self.current].into_iter().flatten()
    }

    /// Tells each name that means nothing in an item of this kind, behind the object it is in.
    pub fn tell_unknown(&self, is_reading: bool, mut tell: impl FnMut(&str, &str)) {
        if is_reading {
            self.of_heartbeat().for_each(|field| tell("", &field.name));
            self.values.iter().flat_map(|values| values.unknown.iter()).for_each(|name| tell(VALUES, name));
        } else {
            self.of_reading().for_each(|field| tell("", &field.name));
            self.metrics.iter().for_each(|_| tell("", "metrics"));
            self.values.iter().for_each(|_| tell("", "values"));
        }
        self.unknown.iter().for_each(|name| tell("", name));
    }
}

impl<'de> FromFields<'de> for RawItem<'de> {
    /// Puts a field where its name belongs. Where one thing comes under two names, the first that is not null counts.
    fn take<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error> {
        let slot = match name.as_ref() {
            "device_id" | "device_uuid" | "deviceId" | "device_sn" | "server_ulid" => &mut self.device,
            "timestamp" | "time" | "ts" => &mut self.timestamp,
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
            "metrics" | "values" => return self.take_object(name, fields),
            _ => return self.unknown.take(name, fields),
        };
        if let Some(value) = fields.next_value()?
            && let Err(name) = Named::put(slot, name, value)
        {
            self.unknown.add(name);
        }
        Ok(())
    }
}

impl<'de> RawItem<'de> {
    fn take_object<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, fields: &mut A) -> Result<(), A::Error> {
        let is_put = if name == "metrics" {
            fields.next_value::<Option<_>>()?.is_none_or(|metrics| put(&mut self.metrics, metrics))
        } else {
            match fields.next_value()? {
                Some(ObjectOr::Object(values)) => put(&mut self.values, Box::new(values)),
                Some(ObjectOr::Other) => false,
                None => true,
            }
        };
        if !is_put {
            self.unknown.add(name);
        }
        Ok(())
    }
}

/// Whether an object was put where there was none yet, or is the one that is there: the first counts.
fn put<T: PartialEq>(slot: &mut Option<T>, object: T) -> bool {
    slot.as_ref().is_none_or(|first| *first == object) && {
        slot.get_or_insert(object);
        true
    }
}
