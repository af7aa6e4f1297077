//! Access tokens (JWT, HS256): claims, signing, verification. Whether one has been revoked is
//! [`crate::auth::revocations`]' question.
//!
//! HS256, because verifying it costs 2 µs where EdDSA costs 40. A device sends the same token for a day, so each thread
//! caches the ones it has verified: a tenth of that.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use pulso_shared::ids::{DeviceId, Uuid};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::hs256;
use crate::config::TokenLives;
use crate::http::error::ApiError;
use crate::ids::{CredentialId, SessionId, UserId};

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A person, signed in.
    User {
        #[serde(rename = "sub")]
        user_id: UserId,
        #[serde(rename = "sid")]
        session_id: SessionId,
        /// Whether they were an administrator then.
        #[serde(rename = "adm")]
        is_admin: bool,
    },
    Device {
        #[serde(rename = "sub")]
        device_id: DeviceId,
        /// By which of its secrets.
        #[serde(rename = "cid")]
        credential_id: CredentialId,
        /// Whose it is: a deleted account's devices are refused at once. Tokens of before do not say it.
        #[serde(rename = "own", default, skip_serializing_if = "Option::is_none")]
        owner_id: Option<UserId>,
    },
}

impl Subject {
    /// The id of the person or device.
    pub fn uuid(self) -> Uuid {
        match self {
            Self::User { user_id, .. } => user_id.as_uuid(),
            Self::Device { device_id, .. } => device_id.as_uuid(),
        }
    }

    /// The person, if it is one.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::User { user_id, .. } => Some(user_id),
            Self::Device { .. } => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    #[serde(flatten)]
    subject: Subject,
    iat: i64,
    exp: i64,
}

/// Replicas' clocks may differ by this much, s.
const LEEWAY_S: i64 = 5;

/// Verified tokens in a thread's cache: some 300 bytes each. When it is full it begins anew.
const MAX_VERIFIED: usize = 8_192;

/// Signs and verifies access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    validation: Validation,
    lives: TokenLives,
    /// Tells this instance's verified tokens from another's.
    instance: Uuid,
}

/// A token that was verified.
#[derive(Debug, Clone, Copy)]
struct Verified {
    subject: Subject,
    /// The last second in which it counts, since 1970.
    until: i64,
}

/// The tokens that one thread has verified for one instance of [`Tokens`]. A process has one instance; should a thread
/// serve another one, it begins anew.
#[derive(Default)]
struct VerifiedTokens {
    instance: Uuid,
    /// By the whole token: what merely resembles one of them is verified like any other.
    by_token: HashMap<Box<str>, Verified>,
}

thread_local! {
    static VERIFIED: RefCell<VerifiedTokens> = RefCell::default();
}

impl VerifiedTokens {
    fn find(&self, instance: Uuid, token: &str) -> Option<Verified> {
        if self.instance == instance { self.by_token.get(token).copied() } else { None }
    }

    fn insert(&mut self, instance: Uuid, token: &str, verified: Verified) {
        if self.instance != instance || self.by_token.len() >= MAX_VERIFIED {
            self.by_token.clear();
            self.instance = instance;
        }
        self.by_token.insert(token.into(), verified);
    }
}

impl Tokens {
    /// Tokens signed with `secret`.
    pub fn new(secret: &SecretString, lives: TokenLives) -> Self {
        hs256::install();
        let bytes = secret.expose_secret().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        // Compared below, with our own clock, since a cached token runs out too.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
            header: Header::new(Algorithm::HS256),
            validation,
            lives,
            instance: Uuid::from_u128(rand::random()),
        }
    }

    /// A token for `subject`, good from `now` for `ttl`.
    pub fn issue(&self, subject: Subject, now: DateTime<Utc>, ttl: Duration) -> Result<String, ApiError> {
        let iat = now.timestamp();
        let exp = iat.saturating_add_unsigned(ttl.as_secs());
        encode(&self.header, &Claims { subject, iat, exp }, &self.encoding)
            .map_err(|error| ApiError::Internal(Box::new(error)))
    }

    /// What a page has to send along with a cookie of this session (a signature of the session's id): another page,
    /// whose requests the browser adds the cookie to, cannot know it.
    pub fn csrf_token(&self, session: SessionId) -> Result<String, ApiError> {
        // No JWT's signature: what a JWT signs has a dot and no colon.
        let message = format!("csrf:{session}");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::HS256);
        signature.map_err(|error| ApiError::Internal(Box::new(error)))
    }

    /// The refresh token that `refresh_token` is exchanged for: always the same one, so that whoever asks twice, because
    /// an answer was lost or two tabs asked at once, holds one token and not two.
    pub fn successor(&self, refresh_token: &SecretString) -> Result<SecretString, ApiError> {
        let message = format!("refresh:{}", refresh_token.expose_secret());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::HS256);
        signature.map(SecretString::from).map_err(|error| ApiError::Internal(Box::new(error)))
    }

    /// Who a token speaks for, if its signature is ours and its time has not run out.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Option<Subject> {
        let remembered = VERIFIED.with_borrow(|verified| verified.find(self.instance, token));
        let verified = match remembered {
            Some(verified) => verified,
            None => {
                let verified = self.verify(token)?;
                VERIFIED.with_borrow_mut(|all| all.insert(self.instance, token, verified));
                verified
            }
        };
        (now.timestamp() <= verified.until).then_some(verified.subject)
    }

    /// A token lives as long as it says, but no longer than tokens of its kind live now: revocations are kept for that
    /// long, so one made when they lived longer must not outlive its revocation.
    fn verify(&self, token: &str) -> Option<Verified> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        let life = match claims.subject {
            Subject::User { .. } => self.lives.user,
            Subject::Device { .. } => self.lives.device,
        };
        let until = claims.exp.min(claims.iat.saturating_add_unsigned(life.as_secs())).saturating_add(LEEWAY_S);
        Some(Verified { subject: claims.subject, until })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::ids::CredentialId;
    use chrono::{DateTime, TimeDelta};
    use pulso_shared::ids::DeviceId;
    use secrecy::ExposeSecret;

    use super::{Subject, TokenLives, Tokens};

    fn tokens(device_s: u64) -> Tokens {
        Tokens::new(
            &"x".repeat(32).into(),
            TokenLives { user: Duration::from_secs(900), device: Duration::from_secs(device_s) },
        )
    }

    fn subject() -> Subject {
        Subject::Device { device_id: DeviceId::generate(), credential_id: CredentialId::generate(), owner_id: None }
    }

    #[test]
    fn a_token_counts_until_its_time_has_run_out_also_when_it_is_cached() {
        let (tokens, subject, now) = (tokens(3_600), subject(), DateTime::UNIX_EPOCH);
        let token = tokens.issue(subject, now, Duration::from_secs(60)).unwrap();
        for _ in 0..2 {
            assert_eq!(tokens.read(&token, now + TimeDelta::seconds(65)), Some(subject));
            assert_eq!(tokens.read(&token, now + TimeDelta::seconds(66)), None);
        }
    }

    #[test]
    fn a_token_made_when_they_lived_longer_lives_no_longer_than_they_do_now() {
        let (subject, now) = (subject(), DateTime::UNIX_EPOCH);
        let token = tokens(86_400).issue(subject, now, Duration::from_secs(86_400)).unwrap();
        assert_eq!(tokens(3_600).read(&token, now + TimeDelta::seconds(3_606)), None);
    }

    #[test]
    fn a_token_that_was_tampered_with_counts_for_nobody() {
        let (tokens, subject, now) = (tokens(3_600), subject(), DateTime::UNIX_EPOCH);
        let token = tokens.issue(subject, now, Duration::from_secs(60)).unwrap();
        assert_eq!(tokens.read(&token, now), Some(subject));
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = head.split_once('.').unwrap();
        let other = tokens.issue(self::subject(), now, Duration::from_secs(60)).unwrap();
        let other_claims = other.split('.').nth(1).unwrap();
        for forged in
            [format!("{header}.{other_claims}.{signature}"), format!("{header}.{claims}."), token.to_lowercase()]
        {
            assert_eq!(tokens.read(&forged, now), None, "{forged}");
        }
    }

    #[test]
    fn a_refresh_token_has_one_successor_on_every_replica_and_another_under_another_secret() {
        let lives = TokenLives { user: Duration::from_secs(900), device: Duration::from_secs(3_600) };
        let (one, replica, other) = ["x", "x", "y"].map(|byte| Tokens::new(&byte.repeat(32).into(), lives)).into();
        let successor =
            |tokens: &Tokens, token: &str| tokens.successor(&token.into()).unwrap().expose_secret().to_owned();
        assert_eq!(successor(&one, "first"), successor(&replica, "first"));
        assert_ne!(successor(&one, "first"), successor(&other, "first"));
        assert_ne!(successor(&one, "first"), successor(&one, "second"));
    }

    #[test]
    fn what_one_instance_has_verified_counts_for_no_other_on_the_same_thread() {
        let lives = TokenLives { user: Duration::from_secs(900), device: Duration::from_secs(3_600) };
        let (one, other) = (Tokens::new(&"x".repeat(32).into(), lives), Tokens::new(&"y".repeat(32).into(), lives));
        let (subject, now) = (subject(), DateTime::UNIX_EPOCH);
        let token = one.issue(subject, now, Duration::from_secs(60)).unwrap();
        for _ in 0..2 {
            assert_eq!(one.read(&token, now), Some(subject));
            assert_eq!(other.read(&token, now), None);
        }
    }
}
