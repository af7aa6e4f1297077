//! Everybody who calls: people, devices, and whoever shows a token that is worth nothing.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use pulso_shared::ids::Ulid;
use pulso_testkit::{Client, Device, Pulso};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::accounts::{PASSWORD, administrator, signed_in_administrator};

/// What the tokens of this test are signed with.
pub const JWT_SECRET: &str = "a secret of the authorization matrix";

/// Someone with an account.
pub struct Person {
    pub id: String,
    pub username: String,
    pub client: Client,
}

impl Person {
    pub async fn register(client: &Client) -> Self {
        let username = Ulid::generate().to_string().to_lowercase();
        let account = json!({"username": username, "password": PASSWORD});
        let made = client.post("/auth/register", &account).await.expect(201);
        let id = made.body["id"].as_str().unwrap().to_owned();
        let person = Self { id, username, client: client.clone() };
        let signed_in = person.sign_in(client).await;
        Self { client: client.with_token_of(&signed_in), ..person }
    }

    /// Signs in once more.
    pub async fn sign_in(&self, client: &Client) -> pulso_testkit::Answer {
        client.post("/auth/login", &json!({"username": self.username, "password": PASSWORD})).await.expect(200)
    }
}

/// The callers, as the columns of the table have them.
pub struct Callers {
    pub nobody: Client,
    pub other: Person,
    pub owner: Person,
    pub device: Device,
    pub other_device: Device,
    pub administrator: Person,
    pub worthless: Vec<(&'static str, Client)>,
}

impl Callers {
    pub async fn gather(pulso: &Pulso) -> Self {
        let nobody = pulso.client.clone();
        let (owner, other) = (Person::register(&nobody).await, Person::register(&nobody).await);
        let administrator = promoted(&nobody).await;
        let device = owner.client.new_device().await;
        let other_device = other.client.new_device().await;
        let worthless = worthless(&owner, &administrator, &nobody).await;
        Self { nobody, other, owner, device, other_device, administrator, worthless }
    }

    /// Each with its name and its column in the table.
    pub fn each(&self) -> Vec<(&'static str, usize, &Client)> {
        let known = [
            ("nobody", 0, &self.nobody),
            ("another user", 1, &self.other.client),
            ("the owner", 2, &self.owner.client),
            ("a device of the owner", 3, &self.device.client),
            ("another device", 4, &self.other_device.client),
            ("an administrator", 5, &self.administrator.client),
        ];
        known.into_iter().chain(self.worthless.iter().map(|(name, client)| (*name, 6, client))).collect()
    }

    /// Signs the people in once more: a session was ended.
    pub async fn sign_in_again(&mut self) {
        for person in [&mut self.owner, &mut self.other, &mut self.administrator] {
            person.client = self.nobody.with_token_of(&person.sign_in(&self.nobody).await);
        }
    }
}

/// The variables of an API whose first administrator is `root`.
pub fn settings() -> Vec<(&'static str, String)> {
    administrator().into_iter().chain([("JWT_SECRET", JWT_SECRET.to_owned())]).collect()
}

/// An administrator beside the first one, who could not leave.
async fn promoted(client: &Client) -> Person {
    let root = signed_in_administrator(client).await;
    let person = Person::register(client).await;
    let _ = root.patch(&format!("/users/{}", person.id), &json!({"is_admin": true})).await.expect(200);
    Person { client: client.with_token_of(&person.sign_in(client).await), ..person }
}

/// Tokens that were good once, are good for something else, or are somebody's invention.
async fn worthless(owner: &Person, administrator: &Person, client: &Client) -> Vec<(&'static str, Client)> {
    let signed_out = client.with_token_of(&owner.sign_in(client).await);
    let _ = signed_out.post("/auth/logout", &json!({})).await.expect(204);
    let refresh = owner.sign_in(client).await.body["refresh_token"].as_str().unwrap().to_owned();
    let revoked = owner.client.new_device().await;
    let _ = owner.client.delete(&format!("/devices/{}", revoked.id)).await.expect(204);
    let expiring = owner.client.new_device().await;
    let (person, device) = (token(&owner.client), token(&expiring.client));
    let expired = |token: &str| client.with_token(&signed_anew(token, JWT_SECRET, 90_000));
    vec![
        ("a session that was signed out", signed_out),
        ("an expired token of the owner", expired(person)),
        ("an expired token of an administrator", expired(token(&administrator.client))),
        ("an expired token of a device", expired(device)),
        ("a token of a deleted device", revoked.client),
        ("a refresh token", client.with_token(&refresh)),
        ("a token signed by somebody else", client.with_token(&signed_anew(person, "a secret of somebody else", 0))),
        ("a token without a signature", client.with_token(person.rsplit_once('.').unwrap().0)),
    ]
}

pub fn token(client: &Client) -> &str {
    client.token().unwrap()
}

/// The same token as if it had been made so many seconds earlier, signed with `secret`.
pub fn signed_anew(token: &str, secret: &str, earlier_s: i64) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap()).unwrap();
    for time in ["iat", "exp"] {
        claims[time] = json!(claims[time].as_i64().unwrap() - earlier_s);
    }
    let message = format!("{}.{}", parts[0], BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}
