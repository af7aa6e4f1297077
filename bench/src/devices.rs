//! The devices that the load is sent for.

use jsonwebtoken::{EncodingKey, Header, encode};
use pulso_shared::clock::Clock;
use pulso_shared::ids::{CredentialId, DeviceId};
use serde::Serialize;

use crate::Failure;
use crate::database::Counter;

#[derive(Serialize)]
struct Claims {
    kind: &'static str,
    sub: DeviceId,
    cid: CredentialId,
    iat: i64,
    exp: i64,
}

/// Makes devices and their tokens.
pub async fn make(counter: &Counter, jwt_secret: &str, count: u32) -> Result<Vec<String>, Failure> {
    let ids: Vec<_> = (0..count).map(|_| DeviceId::generate()).collect();
    counter.insert_devices(&ids).await?;
    let key = EncodingKey::from_secret(jwt_secret.as_bytes());
    let iat = Clock.now().timestamp();
    let exp = iat.saturating_add(86_400);
    let token = |sub| {
        let claims = Claims { kind: "device", sub, cid: CredentialId::generate(), iat, exp };
        Ok(encode(&Header::default(), &claims, &key)?)
    };
    ids.into_iter().map(token).collect()
}
