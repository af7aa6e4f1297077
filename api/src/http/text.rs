//! The rule for every text a client sends to be kept: trimmed, bounded, and without control characters, which no reader
//! expects and one of which (NUL) PostgreSQL refuses.

/// Why a text was refused; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More characters than fit.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// A control character.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// Checks a text of one line, of 1 to `max_chars` characters once trimmed.
///
/// # Errors
/// The first rule it breaks.
pub fn line(text: &str, max_chars: usize) -> Result<String, TextError> {
    checked(text, max_chars, char::is_control)
}

/// As [`line`], but it may have several lines, and tabs.
///
/// # Errors
/// The first rule it breaks.
pub fn paragraph(text: &str, max_chars: usize) -> Result<String, TextError> {
    checked(text, max_chars, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn checked(text: &str, max_chars: usize, is_forbidden: fn(char) -> bool) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        Err(TextError::Empty)
    } else if text.chars().nth(max_chars).is_some() {
        Err(TextError::TooLong(max_chars))
    } else if text.chars().any(is_forbidden) {
        Err(TextError::ControlCharacter)
    } else {
        Ok(text.to_owned())
    }
}

/// The text as a pattern for LIKE that matches it and nothing else.
#[must_use]
pub fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A pattern for LIKE that the text matches anywhere.
#[must_use]
pub fn like_anywhere(text: &str) -> String {
    format!("%{}%", escape_like(text))
}

/// Makes a type of texts that passed one of the checks above.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $check:path, $max_chars:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::http::text::TextError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text, $max_chars).map(Self)
            }
        }
    };
}
pub(crate) use text_type;

#[cfg(test)]
mod tests {
    use super::{TextError, escape_like, line, paragraph};

    #[test]
    fn a_line_is_trimmed_and_counted_in_characters() {
        assert_eq!(line("  Estação 7 ", 9), Ok("Estação 7".to_owned()));
        assert_eq!(line("ãããã", 3), Err(TextError::TooLong(3)));
        assert_eq!(line(" \t ", 3), Err(TextError::Empty));
    }

    #[test]
    fn what_is_looked_for_is_no_pattern() {
        assert_eq!(escape_like(r"100%_\"), r"100\%\_\\");
    }

    #[test]
    fn control_characters_are_refused_but_a_paragraph_may_have_lines() {
        for text in ["a\0b", "a\u{1b}b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(line(text, 10), Err(TextError::ControlCharacter), "{text:?}");
            assert_eq!(paragraph(text, 10), Err(TextError::ControlCharacter), "{text:?}");
        }
        assert_eq!(line("a\nb", 10), Err(TextError::ControlCharacter));
        assert_eq!(paragraph("a\r\n\tb", 10), Ok("a\r\n\tb".to_owned()));
    }
}
