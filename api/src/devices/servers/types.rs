//! Bodies and responses of servers.

use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::types::Label;
use crate::http::extract::fields::{body, required};

body! {
    /// A server.
    pub struct ServerBody {
        /// One line.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 200, example = "Dolly #1")]
        pub server_name: Label = required,
    }
}

/// A server.
#[derive(Serialize, ToSchema)]
pub struct ServerResponse {
    pub server_ulid: DeviceId,
    #[schema(example = "Dolly #1")]
    pub server_name: String,
}
