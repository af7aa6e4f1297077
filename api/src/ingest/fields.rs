//! How JSON becomes [`RawItem`]s: by hand, so that a field may come under any of its names and nothing is judged yet.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::body::{Field, MAX_ITEMS, Named, RawItem, RawMetrics};
use crate::http::error::{ApiError, FieldError};

/// The elements of an array, counted to its end but kept only up to [`MAX_ITEMS`]: a huge array costs no memory.
pub(super) struct Bounded<T> {
    items: Vec<T>,
    count: usize,
}

impl<T> Bounded<T> {
    /// All of them, if they are not too many.
    pub(super) fn checked(self) -> Result<Vec<T>, ApiError> {
        if self.count <= MAX_ITEMS {
            return Ok(self.items);
        }
        let detail = format!("an array may hold at most {MAX_ITEMS} items, this one holds {}", self.count);
        Err(ApiError::Validation(vec![FieldError { pointer: String::new(), code: "too_many_items", detail }]))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<T> {
            type Value = Bounded<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Bounded<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_ITEMS {
                    match elements.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Bounded { count: items.len(), items }),
                    }
                }
                let mut count = items.len();
                while elements.next_element::<IgnoredAny>()?.is_some() {
                    count = count.saturating_add(1);
                }
                Ok(Bounded { items, count })
            }
        }

        deserializer.deserialize_seq(BoundedVisitor(std::marker::PhantomData))
    }
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

/// A field's name, borrowed from the body unless it holds an escape.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Field::deserialize(deserializer)? {
            Field::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a field's name must be a string")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Field::Number(value))
    }

    #[expect(clippy::as_conversions, reason = "JSON has one kind of number; beyond 2^53 it is rounded as everywhere")]
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(value as f64))
    }

    #[expect(clippy::as_conversions, reason = "JSON has one kind of number; beyond 2^53 it is rounded as everywhere")]
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Field::Number(value as f64))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
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
                    metrics.extend(value.map(|value| Named { name, value }));
                }
                Ok(RawMetrics::Object(metrics))
            }
        }

        deserializer.deserialize_any(MetricsVisitor)
    }
}
