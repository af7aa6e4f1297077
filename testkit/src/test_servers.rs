//! Where `make test` has started PostgreSQL, RabbitMQ and Redis.

/// The value of a variable that `make test` sets.
#[expect(clippy::panic, reason = "a test that cannot go on says what is missing")]
pub(crate) fn server_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
}
