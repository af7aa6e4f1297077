//! Which processors a program may use.

use std::str::FromStr;

/// Processors that this process may use.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A list of processors such as `0-3,8`, as `taskset` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuList {
    text: String,
    len: usize,
}

impl CpuList {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The number of processors.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl FromStr for CpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut len = 0_usize;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| digits.parse::<usize>().map_err(|_| format!("{part:?} is no processor"));
            let (first, last) = (number(first)?, number(last)?);
            let more = last.checked_sub(first).ok_or_else(|| format!("{part:?} ends before it begins"))?;
            len = len.saturating_add(more).saturating_add(1);
        }
        Ok(Self { text: text.to_owned(), len })
    }
}

#[cfg(test)]
mod tests {
    use super::CpuList;

    #[test]
    fn processors_are_counted_as_taskset_reads_them() {
        for (text, len) in [("0", 1), ("0-3", 4), ("0-3,8", 5), ("1,2,5-5", 3)] {
            assert_eq!(text.parse::<CpuList>().unwrap().len(), len, "{text}");
        }
        for text in ["", "a", "3-1", "1,", "-1", "0-"] {
            assert!(text.parse::<CpuList>().is_err(), "{text}");
        }
    }
}
