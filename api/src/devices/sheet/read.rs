//! A sheet parsed and validated: all of its faults at once, each by its line.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};

use super::cell::unguard;
use super::types::{COLUMNS, SheetRow};
use crate::http::error::{ApiError, FieldError, MAX_FAULTS};

/// Most devices in one sheet.
pub const MAX_ROWS: usize = 10_000;
/// Some spreadsheets write it in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a sheet: 400 for what is not UTF-8, 422 with everything else that is wrong in it.
pub fn read(bytes: &[u8]) -> Result<Vec<SheetRow>, ApiError> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    // Rows of any length: a missing cell is empty, and one too many is a fault of its line.
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|_| ApiError::Unreadable("The sheet is not UTF-8.".into()))?;
    let columns = Columns::find(header)?;
    let (mut rows, mut faults, mut lines) = (Vec::new(), Faults::default(), Lines::of(bytes));
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| ApiError::Unreadable(error.to_string()))? {
        if rows.len() >= MAX_ROWS {
            return Err(fault("", "too_many_items", format!("a sheet may hold at most {MAX_ROWS} devices")));
        }
        let line = lines.line_at(record.position().map_or(0, csv::Position::byte));
        if faults.0.len() >= MAX_FAULTS {
            return Err(refuse(faults.0, Some(line)));
        }
        rows.extend(columns.row(&record, line, &mut faults));
    }
    faults.repeated_serial_numbers(&rows);
    match (faults.0.is_empty(), rows.is_empty()) {
        (false, _) => Err(refuse(faults.0, None)),
        (true, true) => Err(fault("", "required", "the sheet holds no device".to_owned())),
        (true, false) => Ok(rows),
    }
}

/// A fault of one line, or of the whole sheet where `pointer` is empty.
fn fault(pointer: &str, code: &'static str, detail: String) -> ApiError {
    ApiError::Validation(vec![FieldError { pointer: pointer.to_owned(), code, detail }])
}

/// A fault in one column of one line.
pub fn fault_at(line: u64, column: &str, code: &'static str, detail: impl std::fmt::Display) -> FieldError {
    FieldError { pointer: format!("/{line}/{column}"), code, detail: format!("line {line}: {column} {detail}") }
}

/// Counts lines as an editor does. (The reader's own count is one short behind a CRLF, whose second half it has not seen
/// yet, and behind empty lines.)
struct Lines<'a> {
    rest: &'a [u8],
    read: u64,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, read: 0, line: 1 }
    }

    /// The line of the first thing at or behind `byte` that is no line break. Bytes are asked for in their order.
    fn line_at(&mut self, byte: u64) -> u64 {
        while let Some((first, rest)) = self.rest.split_first() {
            let is_break = matches!(first, b'\n' | b'\r');
            if self.read >= byte && !is_break {
                break;
            }
            if *first == b'\n' || (*first == b'\r' && rest.first() != Some(&b'\n')) {
                self.line = self.line.saturating_add(1);
            }
            self.rest = rest;
            self.read = self.read.saturating_add(1);
        }
        self.line
    }
}

/// The position of each of our columns; columns of other names are ignored.
struct Columns {
    places: [Option<usize>; 4],
    count: usize,
}

impl Columns {
    fn find(header: &StringRecord) -> Result<Self, ApiError> {
        let mut places = [None; 4];
        for (place, title) in header.iter().enumerate() {
            let title = title.trim().to_lowercase();
            let title = if title == "serial_number" { "sn" } else { title.as_str() };
            let Some(slot) = COLUMNS.iter().position(|column| *column == title) else { continue };
            if let Some(slot) = places.get_mut(slot)
                && slot.replace(place).is_some()
            {
                return Err(fault("/1", "invalid", format!("line 1: the column {title} is there twice")));
            }
        }
        let [name, ..] = places;
        if name.is_none() {
            let detail = format!("line 1: must name the columns, as in {}", COLUMNS.join(","));
            return Err(fault("/1", "required", detail));
        }
        Ok(Self { places, count: header.len() })
    }

    fn row(&self, record: &ByteRecord, line: u64, faults: &mut Faults) -> Option<SheetRow> {
        if record.len() > self.count {
            faults.add(line, "row", "invalid", format!("has {} cells, the header {}", record.len(), self.count));
        }
        let [name, location, serial_number, description] =
            COLUMNS.map(|column| self.cell(record, line, column, faults));
        let name = match name {
            Some(name) => faults.checked(line, "name", Some(name)),
            None => {
                faults.add(line, "name", "required", "is required");
                None
            }
        };
        let location = faults.checked(line, "location", location);
        let serial_number = faults.checked(line, "sn", serial_number);
        let description = faults.checked(line, "description", description);
        Some(SheetRow { line, name: name?, location, serial_number, description })
    }

    /// The text in a column; an empty cell is none.
    fn cell(&self, record: &ByteRecord, line: u64, column: &str, faults: &mut Faults) -> Option<String> {
        let slot = COLUMNS.iter().position(|known| *known == column)?;
        let bytes = record.get(self.places.get(slot).copied().flatten()?)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(unguard(text).to_owned()).filter(|text| !text.trim().is_empty()),
            Err(_) => {
                faults.add(line, column, "invalid", "is not UTF-8");
                None
            }
        }
    }
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, line: u64, column: &str, code: &'static str, detail: impl std::fmt::Display) {
        self.0.push(fault_at(line, column, code, detail));
    }

    fn checked<T: TryFrom<String, Error: std::fmt::Display>>(
        &mut self,
        line: u64,
        column: &str,
        text: Option<String>,
    ) -> Option<T> {
        T::try_from(text?).map_err(|error| self.add(line, column, "invalid", error)).ok()
    }

    fn repeated_serial_numbers(&mut self, rows: &[SheetRow]) {
        let mut first_lines = HashMap::new();
        for row in rows {
            let Some(number) = &row.serial_number else { continue };
            if let Some(first) = first_lines.insert(number.as_str(), row.line) {
                first_lines.insert(number.as_str(), first);
                self.add(row.line, "sn", "repeated", format!("is line {first}'s too"));
            }
        }
    }
}

/// The faults as a response, in the order of their lines; `unread_from` is the line at which judging stopped, where there
/// were too many of them.
pub fn refuse(mut faults: Vec<FieldError>, unread_from: Option<u64>) -> ApiError {
    let line = |fault: &FieldError| fault.pointer.split('/').nth(1).and_then(|line| line.parse::<u64>().ok());
    faults.sort_by_key(line);
    if let Some(line) = unread_from {
        faults.truncate(MAX_FAULTS - 1);
        faults.push(FieldError::more(format!("judging stopped at {MAX_FAULTS} faults, before line {line}")));
    }
    ApiError::Validation(faults)
}

#[cfg(test)]
mod tests {
    use super::{SheetRow, read};
    use crate::http::error::ApiError;

    fn rows(sheet: &str) -> Vec<(u64, String, Option<String>)> {
        let read = read(sheet.as_bytes()).unwrap_or_else(|error| panic!("{sheet}: {error:?}"));
        let cells = |row: SheetRow| {
            let description = row.description.map(|text| text.as_str().to_owned());
            (row.line, row.name.as_str().to_owned(), description)
        };
        read.into_iter().map(cells).collect()
    }

    fn faults(sheet: &str) -> Vec<(String, &'static str)> {
        match read(sheet.as_bytes()) {
            Err(ApiError::Validation(faults)) => faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect(),
            other => panic!("{sheet}: {other:?}"),
        }
    }

    #[test]
    fn quotes_line_ends_a_byte_order_mark_and_other_columns_are_read() {
        let sheet =
            "\u{feff}Description, NAME ,colour\r\n\"a \"\"b\"\"\n=c, d\",Pump 1,red\r\n\r\n,'=Pump 2\r\nx,\"-3\"\n";
        let expected = [
            (2, "Pump 1".to_owned(), Some("a \"b\"\n=c, d".to_owned())),
            (5, "=Pump 2".to_owned(), None),
            (6, "-3".to_owned(), Some("x".to_owned())),
        ];
        assert_eq!(rows(sheet), expected);
    }

    #[test]
    fn every_fault_names_its_line() {
        let sheet = "name,location,sn,description\n,,12,\nb,\u{1},000000000001,\nc,,000000000001,,extra\n";
        let expected = [
            ("/2/name", "required"),
            ("/2/sn", "invalid"),
            ("/3/location", "invalid"),
            ("/4/row", "invalid"),
            ("/4/sn", "repeated"),
        ];
        assert_eq!(faults(sheet), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_sheet_needs_a_header_and_a_device_and_has_an_end() {
        assert_eq!(faults(""), [("/1".to_owned(), "required")]);
        assert_eq!(faults("Pump 1,Hall\n"), [("/1".to_owned(), "required")]);
        assert_eq!(faults("name;location\nPump;Hall\n"), [("/1".to_owned(), "required")]);
        assert_eq!(faults("name,name\nx,y\n"), [("/1".to_owned(), "invalid")]);
        assert_eq!(faults("name\n"), [(String::new(), "required")]);
        assert_eq!(faults(&format!("name\n{}", "x\n".repeat(10_001))), [(String::new(), "too_many_items")]);
        assert_eq!(rows(&format!("name\n{}", "x\n".repeat(10_000))).len(), 10_000);
    }

    #[test]
    fn judging_stops_at_many_faults() {
        let reported = faults(&format!("name,sn\n{}", ",1\n".repeat(2_000)));
        assert_eq!((reported.len(), reported.last().map(|(_, code)| *code)), (100, Some("more")));
        let Err(error) = read(format!("name,sn\n{}", ",1\n".repeat(2_000)).as_bytes()) else { panic!("refused") };
        let ApiError::Validation(told) = error else { panic!("{error:?}") };
        assert_eq!(told[99].detail, "judging stopped at 100 faults, before line 52");
    }
}
