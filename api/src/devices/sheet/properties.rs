//! What holds for every sheet that anybody may send ([`crate::fuzzing`]).

use pulso_shared::ids::DeviceId;

use super::read::{MAX_ROWS, read};
use super::store::ExportedRow;
use super::types::SheetRow;
use super::write;
use crate::http::error::ApiError;

/// A sheet is refused with a reason, or its devices come out of an export as they went in.
pub fn sheet_property(bytes: &[u8]) {
    let rows = match read(bytes) {
        Ok(rows) => rows,
        Err(ApiError::Validation(faults)) => return assert!(!faults.is_empty(), "refused without a reason"),
        Err(ApiError::Unreadable(_)) => return,
        Err(error) => panic!("no fault of the sheet: {error}"),
    };
    assert!((1..=MAX_ROWS).contains(&rows.len()), "{} rows", rows.len());
    assert!(rows.is_sorted_by(|one, next| one.line < next.line) && rows.iter().all(|row| row.line > 1), "{rows:?}");
    let mut sheet = write::header().expect("a header");
    sheet.extend(write::rows(&rows.iter().map(exported).collect::<Vec<_>>()).expect("rows"));
    let again = read(&sheet).unwrap_or_else(|error| panic!("an export that cannot be imported: {error}"));
    let texts = |rows: Vec<SheetRow>| {
        let texts = rows.into_iter().map(|row| (row.name, row.location, row.serial_number, row.description));
        texts.collect::<Vec<_>>()
    };
    assert_eq!(texts(again), texts(rows), "a sheet changes on its way");
}

fn exported(row: &SheetRow) -> ExportedRow {
    ExportedRow {
        id: DeviceId::generate(),
        name: row.name.as_str().to_owned(),
        location: row.location.as_ref().map(|text| text.as_str().to_owned()),
        serial_number: row.serial_number.as_ref().map(|text| text.as_str().to_owned()),
        description: row.description.as_ref().map(|text| text.as_str().to_owned()),
    }
}
