//! A line of a sheet, and the response of an import.

use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::serial_number::SerialNumber;
use super::super::types::{Description, Label, Location};
use crate::ids::CredentialId;

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 4] = ["name", "location", "sn", "description"];

/// A device as its line describes it.
#[derive(Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// The line it begins on; the header is line 1.
    pub line: u64,
    pub name: Label,
    pub location: Option<Location>,
    pub serial_number: Option<SerialNumber>,
    pub description: Option<Description>,
}

/// What a sheet became.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceImportResponse)]
pub struct ImportResponse {
    /// How many devices were registered.
    #[schema(example = 1)]
    pub imported: usize,
    /// In the order of their lines.
    pub devices: Vec<ImportedDevice>,
}

/// A device that a line became.
#[derive(Serialize, ToSchema)]
pub struct ImportedDevice {
    /// The line it began on; the header's is 1.
    #[schema(example = 2)]
    pub line: u64,
    pub id: DeviceId,
    #[schema(example = "Boiler 3")]
    pub name: String,
    /// Serial number; `null` where the line has none.
    #[schema(required, example = "000123456789")]
    pub sn: Option<String>,
    /// The secret's own id, to delete it by.
    pub credential_id: CredentialId,
    /// Its first secret, shown this once.
    pub secret: String,
}
