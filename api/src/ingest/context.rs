//! Everything that decides about an item besides the item.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;

use super::parts::{IngestParts, IngestThread};
use super::rules::ItemRules;
use super::target::{self, TargetError};
use crate::auth::caller::Caller;
use crate::devices::DeviceFacts;
use crate::http::holder::Holder;
use crate::http::rate_limit_headers::RateLimitExceeded;

/// What is known of a request before its items are.
#[derive(Clone, Copy)]
pub struct ItemContext<'a> {
    pub thread: &'a IngestThread,
    pub rules: ItemRules<'a>,
    /// Who pays for items that are no device's.
    pub holder: Holder,
}

impl<'a> ItemContext<'a> {
    pub fn parts(&self) -> &'a IngestParts {
        self.thread.parts()
    }

    /// The present, for what had to wait.
    pub fn now(&self) -> DateTime<Utc> {
        self.parts().clock.now()
    }

    /// Whether this caller may send for the device that was found under the item's name, if one was.
    pub fn decide(&self, device: Option<DeviceFacts>) -> Result<DeviceId, TargetError> {
        let parts = self.parts();
        target::decide(self.rules.caller, device, &parts.auth.revocations, parts.allow_open, self.rules.unknown)
    }

    /// Takes an item that was sent alone out of its device's budget, before it is judged: a bad one costs what a good
    /// one does.
    pub fn charge_single(&self, device: Option<DeviceId>) -> Result<(), RateLimitExceeded> {
        let limiter = &self.parts().limiter;
        match (device, self.rules.caller) {
            (Some(device), _) | (None, Caller::Device(device)) => limiter.take_live(self.thread.usage(), device),
            (None, _) => limiter.take_refused(self.holder, NonZeroU32::MIN),
        }
    }

    /// Takes an array's items out of their device's budget, or out of the sender's where they are no device's.
    pub fn charge_array(&self, device: Option<DeviceId>, items: usize) -> Result<(), RateLimitExceeded> {
        let items = u32::try_from(items).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let limiter = &self.parts().limiter;
        match (device, self.rules.caller) {
            (Some(device), _) | (None, Caller::Device(device)) => {
                limiter.take_backlog(self.thread.usage(), device, items)
            }
            (None, _) => limiter.take_refused(self.holder, items),
        }
    }
}
