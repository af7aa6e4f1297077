//! What browsers, proxies and other people's programs may expect of every response.

mod compression;
mod connections;
mod cors;
mod errors;
mod requests;
mod security_headers;

use pulso_testkit::{Answer, Client};
use reqwest::Method;

async fn ask(client: &Client, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = client.request(method, path);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}
