//! CSV as RFC 4180 has it: lines end with CRLF, a cell is quoted where it has to be.

use csv::{Terminator, Writer, WriterBuilder};

pub fn csv_writer() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new())
}
