//! What a test does with a [`Client`]: one line a request, and a failure ends the test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says where"
)]

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use ulid::Ulid;

use crate::client::{Answer, Client};

/// A device that can send.
pub struct Device {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// A client with its token.
    pub client: Client,
}

impl Answer {
    /// The codes of a validation problem, sorted, each with its pointer.
    pub fn faults(&self) -> Vec<(String, String)> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut faults: Vec<_> = errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect();
        faults.sort();
        faults
    }

    /// The address of the next page, where there is one.
    pub fn next_page(&self) -> Option<String> {
        let address = self.header("link")?.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        Some(address.to_owned())
    }

    /// A problem's body without the request's id: what two indistinguishable requests have in common.
    pub fn problem(&self) -> Value {
        let mut body = self.body.clone();
        body.as_object_mut().and_then(|fields| fields.remove("instance")).expect("a problem with an instance");
        body
    }

    /// Itself, if it has that status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Client {
    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// GET with one more header.
    pub async fn get_with(&self, path: &str, header: &str, value: &str) -> Answer {
        self.send(self.request(Method::GET, path).header(header, value)).await
    }

    /// Any method, without a body.
    pub async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(self.request(method.parse().unwrap(), path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// POST with a body as it is, called JSON.
    pub async fn post_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request(Method::POST, path).header("Content-Type", "application/json").body(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Deletes the account of one of [`Self::new_user`]'s, or of any other with that password.
    pub async fn delete_own_account(&self) -> Answer {
        let proof = json!({"current_password": "correct horse"});
        self.send(self.request(Method::DELETE, "/users/me").json(&proof)).await
    }

    /// Registers a new user and signs in.
    pub async fn new_user(&self) -> Self {
        let (username, password) = (Ulid::generate().to_string(), "correct horse");
        let account = json!({"username": username, "password": password});
        let _ = self.post("/auth/register", &account).await.expect(201);
        self.signed_in(&account).await
    }

    /// Signs in with a name and a password, or whatever else `login` says.
    pub async fn signed_in(&self, login: &Value) -> Self {
        self.with_token_of(&self.post("/auth/login", login).await.expect(200))
    }

    /// The same with the access token in `answer`.
    pub fn with_token_of(&self, answer: &Answer) -> Self {
        self.with_token(answer.body["access_token"].as_str().unwrap())
    }

    /// Registers a device of this user and signs it in.
    pub async fn new_device(&self) -> Device {
        let made = self.post("/devices", &json!({"name": "device"})).await.expect(201);
        let id = made.body["id"].as_str().unwrap().to_owned();
        let secret = made.body["credential"]["secret"].as_str().unwrap().to_owned();
        let tokens = self.post("/auth/device", &json!({"device_id": id, "secret": secret})).await.expect(200);
        let client = self.with_token_of(&tokens);
        Device { id, secret, client }
    }
}
