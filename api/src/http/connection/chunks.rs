//! Follows a chunked body (RFC 9112, 7.1) to its end.

/// Where in it the next byte is.
#[derive(Debug, Default, Clone, Copy)]
enum Place {
    /// In front of a chunk's size.
    #[default]
    BeforeSize,
    Size,
    /// In what may stand between a size and its line's end.
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line behind the last chunk: a trailer's, or the empty one.
    LineStart,
    Trailer,
    LastLf,
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The body goes on.
    More,
    End,
    /// The server will refuse it.
    Bad,
}

/// A chunked body.
#[derive(Debug, Default)]
pub struct Chunks {
    place: Place,
    /// Of the present chunk; in its data, what is left of it.
    size: u64,
}

impl Chunks {
    /// Takes bytes up to the end of the body; returns how many it took.
    pub fn follow(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut rest = bytes;
        let used = |rest: &[u8]| bytes.len().saturating_sub(rest.len());
        while let Some((byte, behind)) = rest.split_first() {
            if matches!(self.place, Place::Data) {
                rest = self.skip_data(rest);
                continue;
            }
            rest = behind;
            match self.next(*byte) {
                Some(Step::More) => {}
                Some(step) => return (used(rest), step),
                None => return (used(rest), Step::Bad),
            }
        }
        (bytes.len(), Step::More)
    }

    fn skip_data<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let skipped = usize::try_from(self.size).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.size = self.size.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
        if self.size == 0 {
            self.place = Place::DataCr;
        }
        bytes.get(skipped..).unwrap_or_default()
    }

    /// Takes a byte that is no data; nothing where it may not stand there.
    fn next(&mut self, byte: u8) -> Option<Step> {
        self.place = match (self.place, byte) {
            (Place::BeforeSize, _) => {
                self.size = hexadecimal(byte)?;
                Place::Size
            }
            (Place::Size | Place::Extension, b'\r') => Place::SizeLf,
            (Place::Size, b' ' | b'\t' | b';') => Place::Extension,
            (Place::Size, _) => {
                self.size = self.size.checked_mul(16)?.saturating_add(hexadecimal(byte)?);
                Place::Size
            }
            (Place::Extension, b'\n') => return None,
            (Place::Extension, _) => Place::Extension,
            (Place::SizeLf, b'\n') if self.size == 0 => Place::LineStart,
            (Place::SizeLf, b'\n') => Place::Data,
            (Place::DataCr, b'\r') => Place::DataLf,
            (Place::DataLf, b'\n') => Place::BeforeSize,
            (Place::LineStart, b'\r') => Place::LastLf,
            (Place::Trailer, b'\n') => Place::LineStart,
            (Place::LineStart | Place::Trailer, _) => Place::Trailer,
            (Place::LastLf, b'\n') => return Some(Step::End),
            (Place::SizeLf | Place::Data | Place::DataCr | Place::DataLf | Place::LastLf, _) => return None,
        };
        Some(Step::More)
    }
}

fn hexadecimal(digit: u8) -> Option<u64> {
    char::from(digit).to_digit(16).map(u64::from)
}
