//! Access tokens (JWT, HS256): what they say, how they are made and read. Whether one still counts is
//! [`crate::revocations`]' question.
//!
//! HS256, because verifying it costs 2 µs where EdDSA costs 40, on every heartbeat.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use pulso_shared::ids::{CredentialId, DeviceId, SessionId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A person, signed in.
    User {
        /// Who.
        #[serde(rename = "sub")]
        user_id: UserId,
        /// By which sign-in.
        #[serde(rename = "sid")]
        session_id: SessionId,
        /// Whether they were an administrator then.
        #[serde(rename = "adm")]
        is_admin: bool,
    },
    /// A device.
    Device {
        /// Which.
        #[serde(rename = "sub")]
        device_id: DeviceId,
        /// By which of its secrets.
        #[serde(rename = "cid")]
        credential_id: CredentialId,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(flatten)]
    subject: Subject,
    iat: i64,
    exp: i64,
}

/// Makes and reads access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    validation: Validation,
}

impl Tokens {
    /// Tokens signed with `secret`.
    #[must_use]
    pub fn new(secret: &SecretString) -> Self {
        let bytes = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        // Replicas' clocks may differ by this much, s.
        validation.leeway = 5;
        Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            header: Header::new(Algorithm::HS256),
            validation,
        }
    }

    /// A token for `subject`, good from `now` for `ttl`.
    ///
    /// # Errors
    /// When it cannot be signed, which would be our own fault.
    pub fn issue(&self, subject: Subject, now: DateTime<Utc>, ttl: Duration) -> Result<String, ApiError> {
        let iat = now.timestamp();
        let exp = iat.saturating_add_unsigned(ttl.as_secs());
        encode(&self.header, &Claims { subject, iat, exp }, &self.encoding)
            .map_err(|error| ApiError::Internal(Box::new(error)))
    }

    /// What a page has to send along with a cookie of this session (a signature of the session's id): another page,
    /// whose requests the browser adds the cookie to, cannot know it.
    ///
    /// # Errors
    /// When it cannot be made, which would be our own fault.
    pub fn csrf_token(&self, session: SessionId) -> Result<String, ApiError> {
        // No JWT's signature: what a JWT signs has a dot and no colon.
        let message = format!("csrf:{session}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::HS256);
        signature.map_err(|error| ApiError::Internal(Box::new(error)))
    }

    /// Who a token speaks for, if its signature is ours and its time has not run out.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Subject> {
        decode::<Claims>(token, &self.decoding, &self.validation).ok().map(|token| token.claims.subject)
    }
}
