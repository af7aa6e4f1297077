//! Connections to RabbitMQ and Redis that a test can cut, freeze and slow down.

use std::time::Duration;

use pulso_testkit::Proxy;

/// A proxy in front of the broker, and the URL that leads through it.
pub async fn broker_proxy() -> (Proxy, String) {
    proxy_of("TEST_AMQP_URL").await
}

/// A proxy in front of Redis, and the URL that leads through it.
pub async fn redis_proxy() -> (Proxy, String) {
    proxy_of("TEST_REDIS_URL").await
}

async fn proxy_of(variable: &str) -> (Proxy, String) {
    let url = std::env::var(variable).expect("run the tests with `make test`");
    let proxy = Proxy::open(Proxy::upstream_of(&url)).await;
    let through = proxy.through(&url);
    (proxy, through)
}

/// Lets an outage last. Its length is what the test is about, so there is nothing else to wait for.
pub async fn outage_lasting(length: Duration) {
    tokio::time::sleep(length).await;
}
