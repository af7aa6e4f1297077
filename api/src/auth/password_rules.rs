//! Which passwords are accepted, and how one is compared with a hash.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::precis::{self, PrecisError};

/// Shorter passwords are guessed too soon.
const MIN_CHARS: usize = 8;
/// bcrypt reads no further; a longer password is refused, not cut.
const MAX_BYTES: usize = 72;

/// Why a password is refused; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("must be at least {MIN_CHARS} characters")]
    TooShort,
    #[error("must be at most {MAX_BYTES} bytes, which is what bcrypt reads")]
    TooLong,
    /// No keyboard makes one.
    #[error("must not contain control characters")]
    ControlCharacter,
    #[error(transparent)]
    Precis(#[from] PrecisError),
}

/// A password that an account may get, as RFC 8265 has it compared.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct NewPassword(SecretString);

impl TryFrom<String> for NewPassword {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        let typed = PasswordAttempt::try_from(password)?.typed;
        let password = precis::password(typed.expose_secret())?;
        if password.chars().count() < MIN_CHARS {
            Err(PasswordError::TooShort)
        } else if password.len() > MAX_BYTES {
            Err(PasswordError::TooLong)
        } else {
            Ok(Self(password.into()))
        }
    }
}

/// A password that is to be compared: older ones may break the rules of [`NewPassword`], and were hashed as they were
/// typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordAttempt {
    typed: SecretString,
    /// As RFC 8265 has it compared, where that is another text.
    mapped: Option<SecretString>,
}

impl TryFrom<String> for PasswordAttempt {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        if password.chars().any(char::is_control) {
            return Err(PasswordError::ControlCharacter);
        }
        let mapped = precis::password(&password).ok().filter(|mapped| *mapped != password);
        Ok(Self { typed: password.into(), mapped: mapped.map(SecretString::from) })
    }
}

impl NewPassword {
    /// What is hashed.
    pub(super) fn expose(&self) -> &SecretString {
        &self.0
    }
}

impl PasswordAttempt {
    /// Compares with a hash: first as RFC 8265 has it, then as it was typed. How many comparisons that takes depends on
    /// what was typed alone, not on whose hash it is. bcrypt compares the first 72 bytes only, and no account has a
    /// longer password.
    pub(super) fn compare(&self, hash: &str) -> Result<Comparison, bcrypt::BcryptError> {
        let matches = |password: &SecretString| {
            let password = password.expose_secret();
            bcrypt::verify(password, hash).map(|matches| matches && password.len() <= MAX_BYTES)
        };
        Ok(match &self.mapped {
            Some(mapped) if matches(mapped)? => Comparison::Right,
            Some(_) if matches(&self.typed)? => Comparison::RightAsTyped,
            None if matches(&self.typed)? => Comparison::Right,
            _ => Comparison::Wrong,
        })
    }

    /// What is hashed of it, anew.
    pub(super) fn best(&self) -> &SecretString {
        self.mapped.as_ref().filter(|mapped| mapped.expose_secret().len() <= MAX_BYTES).unwrap_or(&self.typed)
    }
}

/// What a password is to a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Wrong,
    Right,
    /// The hash is older than the comparison by RFC 8265.
    RightAsTyped,
}

impl Comparison {
    pub fn is_right(self) -> bool {
        self != Self::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::{NewPassword, PasswordError};

    #[test]
    fn a_password_has_8_characters_to_72_bytes() {
        let password = |text: &str| NewPassword::try_from(text.to_owned()).map(|_| ());
        assert_eq!(password("1234567"), Err(PasswordError::TooShort));
        assert_eq!(password("çççççççç"), Ok(()));
        assert_eq!(password(&"x".repeat(72)), Ok(()));
        assert_eq!(password(&"x".repeat(73)), Err(PasswordError::TooLong));
        assert_eq!(password(&"ç".repeat(37)), Err(PasswordError::TooLong));
        assert_eq!(password("12345678\0"), Err(PasswordError::ControlCharacter));
        // Both are counted as it is compared.
        assert_eq!(password(&"e\u{301}".repeat(7)), Err(PasswordError::TooShort));
        assert_eq!(password(&"e\u{301}".repeat(36)), Ok(()));
        assert!(matches!(password("pass\u{200b}word"), Err(PasswordError::Precis(_))));
    }
}
