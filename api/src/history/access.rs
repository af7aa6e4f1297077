//! Who may read a device's history: its owner, and the device itself.

use crate::ids::UserId;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel_async::AsyncPgConnection;
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::DeviceId;

use super::store::{self, Known};
use crate::auth::caller::{AuthUser, Caller};
use crate::http::error::ApiError;

/// Whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A person, signed in.
    User(UserId),
    /// A device.
    Device(DeviceId),
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::extract(request).into_inner();
        // A person's token is asked about in Redis too, so that a logout on another replica counts at once.
        let user = AuthUser::from_request(request, payload);
        Box::pin(async move {
            match caller? {
                Caller::Device(id) => Ok(Self::Device(id)),
                Caller::User(_) | Caller::Anonymous => Ok(Self::User(user.await?.user_id)),
            }
        })
    }
}

impl Reader {
    /// What is known of `device`, if it is this reader's to read.
    ///
    /// # Errors
    /// 404 where it is not: nobody else can see that it exists.
    pub async fn find(self, connection: &mut AsyncPgConnection, device: DeviceId) -> Result<Known, ApiError> {
        let known = store::find_known(connection, device).await?.ok_or(ApiError::NotFound("device"))?;
        let allowed = match self {
            Self::Device(own) => own == device,
            Self::User(user) => known.owner_id == user,
        };
        if allowed { Ok(known) } else { Err(ApiError::NotFound("device")) }
    }
}
