//! Who may read a device's history: its owner, and the device itself; and whose share of the database its queries take.

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use diesel_async::AsyncPgConnection;
use futures_util::future::LocalBoxFuture;
use pulso_shared::ids::DeviceId;

use super::store::{self, DeviceSummary};
use crate::auth::caller::{AuthUser, Caller};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::holder::Holder;
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// The caller, as the owner of devices or as one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    User(UserId),
    Device(DeviceId),
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::extract(request).into_inner();
        // A person's token is asked about in Redis too, so that a logout on another replica takes effect at once.
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
    /// `device`, if it is this reader's to read; else 404: nobody else can see that it exists.
    pub async fn find(self, connection: &mut AsyncPgConnection, device: DeviceId) -> Result<DeviceSummary, ApiError> {
        let found = store::find_device(connection, device).await?.ok_or(ApiError::NotFound("device"))?;
        let allowed = match self {
            Self::Device(own) => own == device,
            Self::User(user) => found.owner_id == user,
        };
        if allowed { Ok(found) } else { Err(ApiError::NotFound("device")) }
    }
}

/// What a reader's queries run on. A device's count for its owner: however many devices somebody has, they have one share.
pub struct ReaderDb(pub HeavyDb);

impl FromRequest for ReaderDb {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (caller, db) = (Caller::extract(request).into_inner(), HeavyDb::extract(request).into_inner());
        let pool = Data::<DbPool>::extract(request).into_inner();
        Box::pin(async move {
            let Caller::Device(id) = caller? else { return Ok(Self(db?)) };
            let pool = pool.map_err(|error| ApiError::Internal(error.to_string().into()))?;
            let device = store::find_device(&mut *pool.get().await?, id).await?.ok_or(ApiError::NotFound("device"))?;
            Ok(Self(db?.in_the_name_of(Holder::Caller(device.owner_id.as_uuid()))))
        })
    }
}
