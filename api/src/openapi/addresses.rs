//! Which methods an address takes. The router cannot tell: to it, every method at a path is a resource of its own.

use std::sync::LazyLock;

use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use utoipa::openapi::path::PathItem;

use super::{document, pages};
use crate::http::API_PREFIX;
use crate::http::health;

struct Address {
    pattern: ResourceDef,
    /// How many of its segments are `{…}`.
    placeholders: usize,
    methods: Vec<Method>,
}

impl Address {
    fn new(path: &str, pattern: ResourceDef, methods: Vec<Method>) -> Self {
        Self { pattern, placeholders: path.matches('{').count(), methods }
    }
}

static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let api = document().paths.paths.into_iter().map(|(path, item)| {
        let at_root = path.strip_prefix(API_PREFIX).unwrap_or(&path).to_owned();
        Address::new(&path, ResourceDef::new(vec![path.clone(), at_root]), methods(&item))
    });
    let read_only = pages::paths().chain(health::PATHS);
    let read_only = read_only.map(|path| Address::new(path, ResourceDef::new(path), vec![Method::GET]));
    api.chain(read_only).collect()
});

/// The methods that the document has at one path.
pub fn methods(item: &PathItem) -> Vec<Method> {
    let there = [
        (&item.get, Method::GET),
        (&item.post, Method::POST),
        (&item.put, Method::PUT),
        (&item.patch, Method::PATCH),
        (&item.delete, Method::DELETE),
    ];
    there.into_iter().filter(|(operation, _)| operation.is_some()).map(|(_, method)| method).collect()
}

/// The methods that the address `path` takes; none where there is no such address.
pub fn allowed_methods(path: &str) -> Vec<Method> {
    // `/devices/import` is also a `/devices/{id}`: what is written out counts, as OpenAPI has it.
    let matching = ADDRESSES.iter().filter(|address| address.pattern.is_match(path));
    let closest = matching.min_by_key(|address| address.placeholders);
    closest.map(|address| address.methods.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::allowed_methods;

    #[test]
    fn an_address_takes_the_same_methods_under_the_prefix_and_at_the_root() {
        let both = vec![Method::GET, Method::POST];
        assert_eq!(allowed_methods("/api/v1/devices/01JD3ZK8M4T0Q2V6X9Y7B5C1RA/heartbeats"), both);
        assert_eq!(allowed_methods("/devices/01JD3ZK8M4T0Q2V6X9Y7B5C1RA/heartbeats"), both);
        assert_eq!(allowed_methods("/telemetry"), [Method::POST]);
        assert_eq!(allowed_methods("/health/all"), [Method::GET]);
    }

    #[test]
    fn what_is_written_out_counts_before_what_a_placeholder_takes() {
        assert_eq!(allowed_methods("/api/v1/devices/import"), [Method::POST]);
        assert_eq!(allowed_methods("/devices/export"), [Method::GET]);
        assert_eq!(allowed_methods("/users/me"), [Method::GET, Method::PATCH, Method::DELETE]);
        assert_eq!(allowed_methods("/cache/set"), [Method::POST]);
    }

    #[test]
    fn pages_and_probes_are_there_to_be_read() {
        for path in ["/livez", "/readyz", "/readyz/ingest", "/metrics", "/docs", "/redoc", "/api-docs/openapi.json"] {
            assert_eq!(allowed_methods(path), [Method::GET], "{path}");
        }
    }

    #[test]
    fn an_unknown_address_takes_nothing() {
        for path in ["/", "/api/v1", "/api/v1/livez", "/devices/x/y/heartbeats", "/docs/none"] {
            assert!(allowed_methods(path).is_empty(), "{path}");
        }
    }
}
