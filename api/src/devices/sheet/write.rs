//! A sheet written, a page at a time.

use csv::{Terminator, WriterBuilder};

use super::cell::guard;
use super::store::ExportedRow;
use super::types::COLUMNS;
use crate::http::error::ApiError;

pub fn header() -> Result<Vec<u8>, ApiError> {
    lines(|writer| writer.write_record(COLUMNS))
}

/// A line for each device.
pub fn rows(rows: &[ExportedRow]) -> Result<Vec<u8>, ApiError> {
    lines(|writer| {
        for row in rows {
            let texts = [Some(&row.name), row.location.as_ref(), row.serial_number.as_ref(), row.description.as_ref()];
            let cells = texts.map(|text| text.map_or_else(Default::default, |text| guard(text)));
            writer.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
        }
        Ok(())
    })
}

fn lines(write: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>) -> Result<Vec<u8>, ApiError> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    write(&mut writer).map_err(|error| ApiError::Internal(Box::new(error)))?;
    writer.into_inner().map_err(|error| ApiError::Internal(error.to_string().into()))
}
