//! Secrets of devices: created, replaced, deleted, exchanged for tokens.
//!
//! A secret that is replaced with a grace ends at an instant that is known when it happens: the credential's
//! `expires_at`, a revocation dated to it, and a bound on the life of every token made from it all say the same.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::DeviceId;

use super::super::store as devices;
use super::super::types::NO_DEVICE;
use super::store::{self, SecretRow};
use super::types::{
    CredentialBody, DeviceLoginBody, DeviceTokenResponse, MAX_CREDENTIALS, NewCredentialResponse, token_ttl_s,
};
use crate::auth::secret::{self, SecretHash};
use crate::auth::tokens::Subject;
use crate::auth::{Auth, revocations};
use crate::config::{AuthConfig, whole_seconds};
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::{CredentialId, UserId};

/// One text for an unknown device and a wrong secret: nobody learns which devices exist.
const WRONG_SECRET: ApiError = ApiError::Unauthorized("The device or its secret is not right.");
const TOO_MANY: ApiError = ApiError::Conflict(
    "This device has 20 secrets that still count; delete some, or replace them with a shorter grace.",
);

/// Adds a secret to a device, in the caller's transaction.
pub async fn add(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<NewCredentialResponse> {
    let (id, secret) = (CredentialId::generate(), secret::generate());
    store::insert_credential(connection, id, device, &SecretHash::of(&secret), now).await?;
    Ok(NewCredentialResponse::new(id, device, &secret))
}

/// Replaces a device's secrets by a new one; the older ones stay valid for a grace.
pub async fn replace(
    db: &DbPool,
    auth: &Auth,
    owner: UserId,
    device: DeviceId,
    body: CredentialBody,
) -> Result<NewCredentialResponse, ApiError> {
    let now = auth.clock.now();
    let ends_at = now + TimeDelta::seconds(body.grace_s.as_secs().into());
    let mut connection = db.get().await?;
    let replaced = connection.transaction(async |connection| {
        // Locked, so that of two who replace at once each sees, and ends, the other's.
        devices::lock_device(connection, owner, device).await?.ok_or(NO_DEVICE)?;
        store::delete_expired(connection, device, now).await?;
        let ended = store::expire_all(connection, device, ends_at).await?;
        let subjects: Vec<_> = ended.into_iter().map(CredentialId::as_uuid).collect();
        revocations::insert(connection, &subjects, ends_at, keep_for(&auth.config)).await?;
        if store::list_live(connection, device, now).await?.len() >= MAX_CREDENTIALS {
            return Err(TOO_MANY);
        }
        Ok((subjects, add(connection, device, now).await?))
    });
    let (subjects, credential) = replaced.await?;
    if ends_at <= now {
        auth.announce_revoked(&subjects, keep_for(&auth.config)).await;
    }
    Ok(credential)
}

/// Deletes a secret; it and every token made from it stop working.
pub async fn delete(
    db: &DbPool,
    auth: &Auth,
    owner: UserId,
    device: DeviceId,
    credential: CredentialId,
) -> Result<(), ApiError> {
    let (now, subjects) = (auth.clock.now(), [credential.as_uuid()]);
    let mut connection = db.get().await?;
    let deleted = connection.transaction(async |connection| {
        devices::lock_device(connection, owner, device).await?.ok_or(NO_DEVICE)?;
        if !store::delete_credential(connection, device, credential).await? {
            return Err(ApiError::NotFound("credential"));
        }
        Ok(revocations::insert(connection, &subjects, now, keep_for(&auth.config)).await?)
    });
    deleted.await?;
    auth.announce_revoked(&subjects, keep_for(&auth.config)).await;
    Ok(())
}

/// Exchanges a secret for a token.
pub async fn sign_in(db: &DbPool, auth: &Auth, body: DeviceLoginBody) -> Result<DeviceTokenResponse, ApiError> {
    let DeviceLoginBody { device_id, secret } = body;
    let now = auth.clock.now();
    let secrets = store::list_live_secrets(&mut *db.get().await?, device_id, now).await?;
    let credential = matching(&SecretHash::of(&secret), &secrets).ok_or(WRONG_SECRET)?;
    let ttl_s =
        token_ttl_s(whole_seconds(auth.config.device_token_ttl), credential.expires_at, now).ok_or(WRONG_SECRET)?;
    let subject = Subject::Device { device_id, credential_id: credential.id, owner_id: Some(credential.owner_id) };
    let access_token = auth.tokens.issue(subject, now, Duration::from_secs(ttl_s.into()))?;
    Ok(DeviceTokenResponse { access_token, token_type: "bearer", expires_in: ttl_s })
}

fn matching<'a>(hash: &SecretHash, secrets: &'a [SecretRow]) -> Option<&'a SecretRow> {
    // Compares with every one, found or not, so that the time reveals nothing.
    let compared = secrets.iter().map(|row| (row, hash.ct_matches(&row.secret_hash)));
    compared.fold(None, |found, (row, matches)| if bool::from(matches) { Some(row) } else { found })
}

/// How long a revocation of a credential or a device has to be kept.
pub fn keep_for(config: &AuthConfig) -> Duration {
    revocations::keep_for(config.device_token_ttl)
}
