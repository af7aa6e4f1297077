//! How many devices one account may have.

use diesel_async::AsyncPgConnection;

use super::store;
use crate::auth::caller::ACCOUNT_GONE;
use crate::http::error::{ApiError, FieldError};
use crate::ids::UserId;

/// Most devices of one account; 0 sets no limit.
#[derive(Debug, Clone, Copy)]
pub struct DeviceQuota(pub u32);

impl DeviceQuota {
    /// Makes room for `new` devices until the end of the caller's transaction: of two that add devices at once, the
    /// second waits and counts those of the first. 409 where they are too many, 401 where the owner is gone.
    pub async fn reserve(self, connection: &mut AsyncPgConnection, owner: UserId, new: usize) -> Result<(), ApiError> {
        if !store::lock_owner(connection, owner).await? {
            return Err(ACCOUNT_GONE);
        }
        if self.0 == 0 {
            return Ok(());
        }
        let present = store::count_devices(connection, owner, self.0).await?;
        let wanted = u64::try_from(new).unwrap_or(u64::MAX).saturating_add(present.unsigned_abs());
        if wanted <= u64::from(self.0) { Ok(()) } else { Err(self.exceeded()) }
    }

    fn exceeded(self) -> ApiError {
        let detail = format!("would be too many: an account may have {} devices", self.0);
        ApiError::Conflicts(vec![FieldError::new("devices", "too_many_devices", detail)])
    }
}
