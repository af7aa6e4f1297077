//! A JSON array that is written element by element and handed out in chunks.

use std::io;

use actix_web::web::Bytes;
use serde::Serialize;

pub struct JsonArrayWriter {
    chunk: Vec<u8>,
    elements: usize,
}

impl JsonArrayWriter {
    /// A writer that has opened the array.
    pub fn new() -> Self {
        Self { chunk: vec![b'['], elements: 0 }
    }

    /// Bytes written since the last chunk was taken.
    pub fn chunk_bytes(&self) -> usize {
        self.chunk.len()
    }

    pub fn push(&mut self, element: &impl Serialize) -> io::Result<()> {
        self.push_with(|bytes| Ok(serde_json::to_writer(bytes, element)?))
    }

    /// Adds the element that `write` writes as JSON.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        if self.elements > 0 {
            self.chunk.push(b',');
        }
        self.elements = self.elements.saturating_add(1);
        write(&mut self.chunk)
    }

    /// Closes the array.
    pub fn close(&mut self) {
        self.chunk.push(b']');
    }

    /// What was written since the last call.
    pub fn take_chunk(&mut self) -> Bytes {
        std::mem::take(&mut self.chunk).into()
    }
}

#[cfg(test)]
mod tests {
    use super::JsonArrayWriter;

    #[test]
    fn the_chunks_together_are_one_array() {
        let mut array = JsonArrayWriter::new();
        array.push(&1).unwrap();
        array.push(&"a,b").unwrap();
        assert_eq!(array.take_chunk(), r#"[1,"a,b""#);
        assert_eq!(array.take_chunk(), "");
        array.push_with(|bytes| std::io::Write::write_all(bytes, b"{}")).unwrap();
        array.close();
        assert_eq!(array.chunk_bytes(), 4);
        assert_eq!(array.take_chunk(), ",{}]");
    }

    #[test]
    fn an_empty_array_is_one_too() {
        let mut array = JsonArrayWriter::new();
        array.close();
        assert_eq!(array.take_chunk(), "[]");
    }
}
