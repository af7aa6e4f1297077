//! The rules of an item that need neither the database nor the thread of its request: a large body's items are judged
//! beside the HTTP threads.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;

use super::item::{Body, IgnoredNames, ItemFaults, Items, Kind, Measured, RawItem, TimeRules, check, unreadable_value};
use super::parts::IngestParts;
use super::target::{self, Target, TargetError, UnknownDevice};
use crate::auth::caller::Caller;
use crate::http::error::MAX_FAULTS;

/// What an item is judged by.
#[derive(Clone, Copy)]
pub struct ItemRules<'a> {
    pub parts: &'a IngestParts,
    pub caller: Caller,
    /// The device in the path.
    pub path_device: Option<DeviceId>,
    pub kind: Kind,
    pub unknown: UnknownDevice,
    pub received_at: DateTime<Utc>,
}

/// An item, judged as far as is possible without the database; an error where it could not even be read.
pub type JudgedItem = Result<ReadItem, ItemFaults>;

/// An item that could be read.
#[derive(Debug)]
pub struct ReadItem {
    pub target: Result<Target, TargetError>,
    /// The name under which it tells its device.
    pub device_field: &'static str,
    pub measured: Result<Measured, ItemFaults>,
}

/// A body's items, and the names in the valid ones that were ignored.
#[derive(Debug)]
pub struct JudgedBody {
    pub items: JudgedItems,
    pub ignored: IgnoredNames,
}

/// A body's items.
#[derive(Debug)]
pub enum JudgedItems {
    Single(Box<ReadItem>),
    Array(Vec<JudgedItem>),
}

impl ItemRules<'_> {
    /// Which device the item is for, as far as that is known without the database.
    pub fn target(&self, raw: &RawItem<'_>) -> Result<Target, TargetError> {
        target::read(self.caller, self.path_device, raw.device.as_ref(), self.unknown)
    }

    /// What the item measured, and what of it was ignored; the error lists up to `room` faults.
    pub fn check(&self, raw: &RawItem<'_>, room: usize) -> Result<(Measured, IgnoredNames), ItemFaults> {
        let time =
            TimeRules { now: self.received_at, max_age: self.parts.max_age, given: &self.parts.given_timestamps };
        let (measured, mut ignored) = check(raw, self.kind, time, room)?;
        if let (Some(path_device), Some(named)) = (self.path_device, &raw.device)
            && !target::is_named(path_device, named)
        {
            ignored.add("", &named.name);
        }
        Ok((measured, ignored))
    }

    pub fn judge(&self, body: Body<'_>) -> JudgedBody {
        let mut ignored = IgnoredNames::default();
        let items = match body {
            Body::Single(raw) => JudgedItems::Single(Box::new(self.judge_item(&raw, MAX_FAULTS, &mut ignored))),
            Body::Array(items) => JudgedItems::Array(self.judge_array(items, &mut ignored)),
        };
        JudgedBody { items, ignored }
    }

    /// Judges every item, so that the good ones are taken; what exactly is wrong with the others is told of the first
    /// faults only.
    fn judge_array(&self, items: Items<'_>, ignored: &mut IgnoredNames) -> Vec<JudgedItem> {
        let mut room = MAX_FAULTS;
        let judge = |item: Result<RawItem<'_>, serde_json::Error>| {
            let judged = match item {
                Ok(raw) => Ok(self.judge_item(&raw, room, ignored)),
                Err(error) if room > 0 => Err(ItemFaults::one(unreadable_value(&error))),
                Err(_) => Err(ItemFaults { code: "invalid", listed: Vec::new(), is_complete: false }),
            };
            room = room.saturating_sub(faults_of(&judged));
            judged
        };
        items.into_iter().map(judge).collect()
    }

    fn judge_item(&self, raw: &RawItem<'_>, room: usize, ignored: &mut IgnoredNames) -> ReadItem {
        let measured = self.check(raw, room).map(|(measured, names)| {
            ignored.extend(names);
            measured
        });
        ReadItem { target: self.target(raw), device_field: raw.device_field(), measured }
    }
}

fn faults_of(judged: &JudgedItem) -> usize {
    let listed = |faults: &ItemFaults| faults.listed.len();
    match judged {
        Ok(item) => usize::from(item.target.is_err()).saturating_add(item.measured.as_ref().err().map_or(0, listed)),
        Err(faults) => listed(faults),
    }
}
