//! The error responses that many routes share, each set described once. In a route's `responses(...)` they stand first,
//! and what the route says of the same status itself stands behind and counts:
//!
//! ```text
//! responses(UserErrors, BodyErrors, Unavailable,
//!     (status = 200, body = DeviceResponse, description = "Changed"),
//!     (status = 409, body = Problem, description = "Another device of yours has this serial number"))
//! ```

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Media type of every error.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// An error's response.
pub fn problem(description: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_TYPE, body).build()
}

macro_rules! shared_errors {
    ($($(#[$about:meta])* $name:ident { $($status:literal: $description:literal),+ $(,)? })+) => {$(
        $(#[$about])*
        pub enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$((stringify!($status).to_owned(), problem($description).into())),+])
            }
        }
    )+};
}

shared_errors! {
    /// Of a route for people.
    UserErrors { 401: "No or bad access token", 403: "A device's token" }
    /// Of a route for administrators.
    AdminErrors { 401: "No or bad access token", 403: "Not an administrator" }
    /// Of a route for devices.
    DeviceErrors { 401: "No or bad credential" }
    /// Of a route that takes a body.
    BodyErrors { 400: "Not JSON", 422: "Something in it is not valid" }
    /// Of a route to a thing of one's own.
    NotFound { 404: "Unknown, or somebody else's" }
    /// Of a route that takes `If-Match`.
    VersionErrors { 412: "Changed since the version in If-Match" }
    /// Of a route that needs the database.
    Unavailable { 503: "Try again" }
}
