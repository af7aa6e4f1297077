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
    methods: Vec<Method>,
}

static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let api = document().paths.paths.into_iter().map(|(path, item)| {
        let at_root = path.strip_prefix(API_PREFIX).unwrap_or(&path).to_owned();
        Address { pattern: ResourceDef::new(vec![path, at_root]), methods: methods(&item) }
    });
    let read_only = pages::paths().chain(health::PATHS);
    let read_only = read_only.map(|path| Address { pattern: ResourceDef::new(path), methods: vec![Method::GET] });
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
    let mut allowed: Vec<Method> = Vec::new();
    // `/health/all` is also an `/health/{id}`: both count.
    for method in ADDRESSES.iter().filter(|address| address.pattern.is_match(path)).flat_map(|a| &a.methods) {
        if !allowed.contains(method) {
            allowed.push(method.clone());
        }
    }
    allowed
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
