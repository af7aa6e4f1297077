//! Secrets of devices: made, replaced, deleted, exchanged for tokens.
//!
//! A secret that is replaced with a grace ends at an instant that is known when it happens: the credential's
//! `expires_at`, a revocation dated to it, and a bound on the life of every token made from it all say the same.

use std::time::Duration;

use crate::ids::{CredentialId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::ids::DeviceId;
use uuid::Uuid;

use super::answer::{DeviceTokenResponse, NewCredentialResponse};
use super::body::{CredentialBody, DeviceLoginBody};
use super::credential_store::{self, CredentialRow, SecretRow};
use super::spans::token_ttl_s;
use super::types::MAX_CREDENTIALS;
use super::{NO_DEVICE, store};
use crate::auth::revocations;
use crate::auth::secret::{self, SecretHash};
use crate::auth::tokens::Subject;
use crate::http::error::ApiError;
use crate::state::AppState;

/// One text for an unknown device and a wrong secret: nobody learns which devices exist.
const WRONG_SECRET: ApiError = ApiError::Unauthorized("The device or its secret is not right.");
const TOO_MANY: ApiError = ApiError::Conflict(
    "This device has 20 secrets that still count; delete some, or replace them with a shorter grace.",
);

/// Adds a secret to a device, in the caller's transaction.
///
/// # Errors
/// The database's.
pub async fn add(
    connection: &mut AsyncPgConnection,
    device: DeviceId,
    now: DateTime<Utc>,
) -> QueryResult<NewCredentialResponse> {
    let (id, secret) = (CredentialId::generate(), secret::generate());
    credential_store::insert_credential(connection, id, device, &SecretHash::of(&secret), now).await?;
    Ok(NewCredentialResponse::new(id, device, &secret))
}

/// Replaces a device's secrets by a new one.
///
/// # Errors
/// 404, and 409 when too many still count.
pub async fn replace(
    state: &AppState,
    owner: UserId,
    device: DeviceId,
    body: CredentialBody,
) -> Result<NewCredentialResponse, ApiError> {
    let now = state.clock.now();
    let ends_at = now + TimeDelta::seconds(body.grace_s.as_secs().into());
    let mut connection = state.db.get().await?;
    let replaced = connection.transaction(async |connection| {
        // Locked, so that of two who replace at once each sees, and ends, the other's.
        store::lock_device(connection, owner, device).await?.ok_or(NO_DEVICE)?;
        credential_store::delete_expired(connection, device, now).await?;
        let ended = credential_store::expire_all(connection, device, ends_at).await?;
        let subjects: Vec<_> = ended.into_iter().map(CredentialId::as_uuid).collect();
        revocations::insert(connection, &subjects, ends_at, keep_for(state)).await?;
        if credential_store::list_live(connection, device, now).await?.len() >= MAX_CREDENTIALS {
            return Err(TOO_MANY);
        }
        Ok((subjects, add(connection, device, now).await?))
    });
    let (subjects, credential) = replaced.await?;
    if ends_at <= now {
        announce(state, &subjects).await;
    }
    Ok(credential)
}

/// The secrets of a device that count.
///
/// # Errors
/// 404.
pub async fn list(state: &AppState, owner: UserId, device: DeviceId) -> Result<Vec<CredentialRow>, ApiError> {
    let mut connection = state.db.get().await?;
    store::find_device(&mut connection, owner, device).await?.ok_or(NO_DEVICE)?;
    Ok(credential_store::list_live(&mut connection, device, state.clock.now()).await?)
}

/// Deletes a secret; it and every token made from it stop working.
///
/// # Errors
/// 404.
pub async fn delete(
    state: &AppState,
    owner: UserId,
    device: DeviceId,
    credential: CredentialId,
) -> Result<(), ApiError> {
    let (now, subjects) = (state.clock.now(), [credential.as_uuid()]);
    let mut connection = state.db.get().await?;
    let deleted = connection.transaction(async |connection| {
        store::lock_device(connection, owner, device).await?.ok_or(NO_DEVICE)?;
        if !credential_store::delete_credential(connection, device, credential).await? {
            return Err(ApiError::NotFound("credential"));
        }
        Ok(revocations::insert(connection, &subjects, now, keep_for(state)).await?)
    });
    deleted.await?;
    announce(state, &subjects).await;
    Ok(())
}

/// Exchanges a secret for a token.
///
/// # Errors
/// 401 for an unknown device and a wrong secret alike.
pub async fn sign_in(state: &AppState, body: DeviceLoginBody) -> Result<DeviceTokenResponse, ApiError> {
    let DeviceLoginBody { device_id, secret } = body;
    let now = state.clock.now();
    let secrets = credential_store::list_live_secrets(&mut *state.db.get().await?, device_id, now).await?;
    let credential = matching(&SecretHash::of(&secret), &secrets).ok_or(WRONG_SECRET)?;
    let ttl_s = token_ttl_s(state.config.auth.device_token_ttl_s, credential.expires_at, now).ok_or(WRONG_SECRET)?;
    let subject = Subject::Device { device_id, credential_id: credential.id };
    let access_token = state.auth.tokens.issue(subject, now, Duration::from_secs(ttl_s.into()))?;
    Ok(DeviceTokenResponse { access_token, token_type: "bearer", expires_in: ttl_s })
}

fn matching<'a>(hash: &SecretHash, secrets: &'a [SecretRow]) -> Option<&'a SecretRow> {
    // Compares with every one, found or not, so that the time tells nothing.
    let compared = secrets.iter().map(|row| (row, hash.ct_matches(&row.secret_hash)));
    compared.fold(None, |found, (row, matches)| if bool::from(matches) { Some(row) } else { found })
}

/// Makes credentials and devices that were revoked just now count no longer, here and elsewhere.
pub async fn announce(state: &AppState, subjects: &[Uuid]) {
    state.auth.revocations.announce(&state.redis, subjects, keep_for(state)).await;
}

fn keep_for(state: &AppState) -> Duration {
    revocations::keep_for(state.config.auth.device_token_ttl_s)
}
