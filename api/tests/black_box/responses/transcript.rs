//! Requests and their responses, written down for a snapshot.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pulso_testkit::{Answer, Client};
use reqwest::header::HeaderMap;
use reqwest::{Method, Request, RequestBuilder};
use serde_json::Value;

use crate::support::redaction::Redaction;

const PREFIX: &str = "/api/v1";

/// Headers that are the same in every response, or different each time; other tests check them.
const OMITTED: [&str; 11] = [
    "connection",
    "content-length",
    "content-security-policy",
    "date",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "transfer-encoding",
    "vary",
    "x-content-type-options",
    "x-request-id",
];

/// The operations of the OpenAPI document, such as `GET /api/v1/devices/{id}`.
pub struct Operations(BTreeSet<String>);

impl Operations {
    /// Read from the document that the API serves.
    pub async fn of(client: &Client) -> Self {
        let document = client.get("/api-docs/openapi.json").await.expect(200).body;
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in ["get", "post", "put", "patch", "delete"].iter().filter(|method| item.get(**method).is_some())
            {
                names.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert!(names.len() > 60, "the document was not read: {names:?}");
        Self(names)
    }

    pub fn names(&self) -> &BTreeSet<String> {
        &self.0
    }

    /// The operation that answers this request: of several that fit, the one with the fewest placeholders.
    fn of_request(&self, method: &Method, path: &str) -> String {
        let wanted = format!("{method} {path}");
        let fits = |name: &&String| {
            let (name, wanted) = (name.split('/'), wanted.split('/'));
            name.clone().count() == wanted.clone().count()
                && name.zip(wanted).all(|(part, wanted)| part == wanted || part.starts_with('{'))
        };
        let fitting = self.0.iter().filter(fits).min_by_key(|name| name.matches('{').count());
        assert!(fitting.is_some(), "the document has no {wanted}");
        fitting.unwrap().clone()
    }
}

/// What a scene shows.
pub struct Transcript<'a> {
    operations: &'a Operations,
    redaction: Redaction,
    shown: Vec<String>,
    text: String,
}

impl<'a> Transcript<'a> {
    pub fn new(operations: &'a Operations) -> Self {
        Self { operations, redaction: Redaction::default(), shown: Vec::new(), text: String::new() }
    }

    pub fn shown(&self) -> &[String] {
        &self.shown
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub async fn get(&mut self, client: &Client, path: &str) -> Answer {
        self.send(client, request(client, Method::GET, path)).await
    }

    pub async fn post(&mut self, client: &Client, path: &str, body: &Value) -> Answer {
        self.send(client, request(client, Method::POST, path).json(body)).await
    }

    pub async fn put(&mut self, client: &Client, path: &str, body: &Value) -> Answer {
        self.send(client, request(client, Method::PUT, path).json(body)).await
    }

    pub async fn patch(&mut self, client: &Client, path: &str, body: &Value) -> Answer {
        self.send(client, request(client, Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&mut self, client: &Client, path: &str) -> Answer {
        self.send(client, request(client, Method::DELETE, path)).await
    }

    /// Sends a request and writes down what was sent and what came back.
    pub async fn send(&mut self, client: &Client, request: RequestBuilder) -> Answer {
        let sent = request.try_clone().unwrap().build().unwrap();
        self.write_request(&sent);
        let answer = client.send(request).await;
        assert!((200..300).contains(&answer.status), "{sent:?}: {}", answer.text);
        self.write_response(&answer);
        answer
    }

    fn write_request(&mut self, request: &Request) {
        let (method, url) = (request.method(), request.url());
        let name = self.operations.of_request(method, url.path());
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        writeln!(self.text, "## {name}{}\n", self.redaction.text(&query)).unwrap();
        self.shown.push(name);
        if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let body = serde_json::from_str(&body).map_or(body, |value| self.redaction.body(&value).to_string());
            writeln!(self.text, "{}\n", visible(&body)).unwrap();
        }
    }

    fn write_response(&mut self, answer: &Answer) {
        writeln!(self.text, "{}", answer.status).unwrap();
        for (name, value) in sorted(&answer.headers) {
            let value = match name {
                "etag" => "[tag]".to_owned(),
                _ => self.redaction.text(value),
            };
            writeln!(self.text, "{name}: {value}").unwrap();
        }
        let body = match &answer.body {
            Value::String(text) => visible(text),
            body => format!("{:#}", self.redaction.body(body)),
        };
        if !body.is_empty() {
            writeln!(self.text, "{body}").unwrap();
        }
        self.text.push('\n');
    }
}

/// A request under the documented prefix.
pub fn request(client: &Client, method: Method, path: &str) -> RequestBuilder {
    client.request(method, &format!("{PREFIX}{path}"))
}

/// The headers that are shown, by name.
fn sorted(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let all = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut shown: Vec<_> = all.filter(|(name, _)| !OMITTED.contains(name)).collect();
    shown.sort_unstable();
    shown
}

/// With visible line ends: CSV has CR LF, and a snapshot would lose the CR.
fn visible(text: &str) -> String {
    text.replace('\r', "␍").trim_end().to_owned()
}
