//! How many devices one account may have, and how soon one may count as offline.

use diesel_async::AsyncPgConnection;

use super::offline_after::OfflineAfter;
use super::store;
use crate::auth::caller::ACCOUNT_GONE;
use crate::http::error::{ApiError, FieldError};
use crate::ids::UserId;

/// What one account may ask of its devices.
#[derive(Debug, Clone, Copy)]
pub struct DeviceLimits {
    /// Most devices of one account; 0 sets no limit.
    pub max_per_account: u32,
    /// Least `offline_after_s`: each time a device falls silent and comes back its timeline grows.
    pub offline_after_min_s: i32,
}

impl DeviceLimits {
    /// Makes room for `new` devices until the end of the caller's transaction: of two that add devices at once, the
    /// second waits and counts those of the first. 409 where they are too many, 401 where the owner is gone.
    pub async fn reserve(self, connection: &mut AsyncPgConnection, owner: UserId, new: usize) -> Result<(), ApiError> {
        if !store::lock_owner(connection, owner).await? {
            return Err(ACCOUNT_GONE);
        }
        let most = self.max_per_account;
        if most == 0 {
            return Ok(());
        }
        let present = store::count_devices(connection, owner, most).await?;
        let wanted = u64::try_from(new).unwrap_or(u64::MAX).saturating_add(present.unsigned_abs());
        if wanted <= u64::from(most) {
            return Ok(());
        }
        let detail = format!("would be too many: an account may have {most} devices");
        Err(ApiError::Conflicts(vec![FieldError::new("devices", "too_many_devices", detail)]))
    }

    /// 422 for a device that would count as offline too soon.
    pub fn check(self, offline_after: Option<OfflineAfter>) -> Result<(), ApiError> {
        let least = self.offline_after_min_s;
        if offline_after.is_none_or(|silence| silence.as_secs() >= least) {
            return Ok(());
        }
        Err(ApiError::field("offline_after_s", "out_of_range", format!("must be at least {least} s")))
    }
}
