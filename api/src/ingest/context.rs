//! Everything that decides about an item besides the item.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;

use super::item::{Kind, Measured, RawItem, TimeRules, check};
use super::parts::{IngestParts, IngestThread};
use super::target::{self, Target, TargetError};
use crate::auth::caller::Caller;
use crate::devices::DeviceFacts;
use crate::http::error::FieldError;

/// What is known of a request before its items are.
#[derive(Clone, Copy)]
pub struct ItemContext<'a> {
    pub thread: &'a IngestThread,
    pub caller: Caller,
    /// The device in the path.
    pub path_device: Option<DeviceId>,
    pub kind: Kind,
    pub received_at: DateTime<Utc>,
}

impl<'a> ItemContext<'a> {
    pub fn parts(&self) -> &'a IngestParts {
        self.thread.parts()
    }

    /// The present, for what had to wait.
    pub fn now(&self) -> DateTime<Utc> {
        self.parts().clock.now()
    }

    /// Which device the item is for, as far as that is known without the database.
    pub fn target(&self, raw: &RawItem<'_>) -> Result<Target, TargetError> {
        target::read(self.caller, self.path_device, raw.device.as_ref())
    }

    /// Whether this caller may send for the device that was found under the item's name, if one was.
    pub fn decide(&self, device: Option<DeviceFacts>) -> Result<DeviceId, TargetError> {
        let parts = self.parts();
        target::decide(self.caller, device, &parts.auth.revocations, parts.allow_open)
    }

    pub fn check(&self, raw: &RawItem<'_>) -> Result<Measured, Vec<FieldError>> {
        let parts = self.parts();
        let time = TimeRules { now: self.received_at, max_age: parts.max_age, given: &parts.given_timestamps };
        check(raw, self.kind, time)
    }

    /// All faults of an item whose device is at fault.
    pub fn faults_beside(&self, raw: &RawItem<'_>, of_device: FieldError) -> Vec<FieldError> {
        let others = self.check(raw).err();
        std::iter::once(of_device).chain(others.into_iter().flatten()).collect()
    }
}
