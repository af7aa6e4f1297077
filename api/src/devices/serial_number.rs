//! Serial numbers.

use serde::Deserialize;

/// Why a text is not a serial number; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be exactly 12 digits")]
pub struct SerialNumberError;

/// A device's serial number; unique among its owner's devices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SerialNumber(String);

impl SerialNumber {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = SerialNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_one = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_one { Ok(Self(text)) } else { Err(SerialNumberError) }
    }
}

#[cfg(test)]
mod tests {
    use super::SerialNumber;

    #[test]
    fn a_serial_number_is_exactly_12_digits() {
        assert!(SerialNumber::try_from("012345678901".to_owned()).is_ok());
        for bad in ["", "12345678901", "1234567890123", "12345678901a", "١٢٣٤٥٦", " 12345678901", "12345678901\0"]
        {
            assert!(SerialNumber::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
