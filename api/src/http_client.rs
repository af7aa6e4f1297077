//! The client for other servers, over HTTP and HTTPS. Its calls block: they belong on the blocking threads.

use ureq::Agent;

/// Builds it. It follows no redirect and asks no proxy: the operator says where to go, and nobody else. The roots that
/// browsers trust are built in: a container has none of its own.
pub fn build() -> Agent {
    let config = Agent::config_builder().user_agent("pulso").max_redirects(0).proxy(None).http_status_as_error(false);
    config.build().into()
}
