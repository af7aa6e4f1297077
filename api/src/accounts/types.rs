//! The rules of accounts: names, e-mail addresses, passwords.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::http::text::{self, TextError, text_type};

/// Longest address that mail can be sent to (RFC 5321).
const MAX_EMAIL_CHARS: usize = 254;
/// Longest part before the `@` (RFC 5321).
const MAX_LOCAL_PART_BYTES: usize = 64;
/// Shorter passwords are guessed too soon.
const MIN_PASSWORD_CHARS: usize = 8;
/// bcrypt reads no further; a longer password is refused, not cut.
pub const MAX_PASSWORD_BYTES: usize = 72;

text_type! {
    /// The name a person signs in with; unique whatever its case.
    Username, text::line, 64
}
text_type! {
    /// What a person is called.
    FullName, text::line, 200
}
text_type! {
    /// What is typed into a sign-in form: a user name or an e-mail address.
    LoginName, text::line, MAX_EMAIL_CHARS
}

/// Why a text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// It is no acceptable text at all.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It has not the form of an address.
    #[error("must be an e-mail address, such as ana@example.com")]
    Form,
}

/// An e-mail address; unique whatever its case. Whether mail arrives there, only mail can tell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Email(String);

impl Email {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        let address = text::line(&text, MAX_EMAIL_CHARS)?;
        let (local, domain) = address.split_once('@').ok_or(EmailError::Form)?;
        if is_local_part(local) && is_domain(domain) { Ok(Self(address)) } else { Err(EmailError::Form) }
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atom_char = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= MAX_LOCAL_PART_BYTES
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

/// Why a password cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("must be at least {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    /// Too long.
    #[error("must be at most {MAX_PASSWORD_BYTES} bytes, which is what bcrypt reads")]
    TooLong,
    /// A control character, which no keyboard makes.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// A password to be taken from now on.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct NewPassword(SecretString);

impl NewPassword {
    /// The password.
    #[must_use]
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

impl TryFrom<String> for NewPassword {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        let password = PasswordAttempt::try_from(password)?.into_secret();
        if password.expose_secret().chars().count() < MIN_PASSWORD_CHARS {
            Err(PasswordError::TooShort)
        } else if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            Err(PasswordError::TooLong)
        } else {
            Ok(Self(password))
        }
    }
}

/// A password somebody claims to be theirs: whatever was typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordAttempt(SecretString);

impl PasswordAttempt {
    /// The password.
    #[must_use]
    pub fn into_secret(self) -> SecretString {
        self.0
    }
}

impl TryFrom<String> for PasswordAttempt {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        let has_control = password.chars().any(char::is_control);
        if has_control { Err(PasswordError::ControlCharacter) } else { Ok(Self(password.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Email, EmailError, NewPassword, PasswordError, TextError, Username};

    fn email(text: &str) -> Result<Email, EmailError> {
        Email::try_from(text.to_owned())
    }

    #[test]
    fn a_user_name_is_trimmed_and_has_1_to_64_characters() {
        let username = |text: &str| Username::try_from(text.to_owned());
        assert_eq!(username("  ana ").unwrap().as_str(), "ana");
        assert!(username(&"é".repeat(64)).is_ok());
        assert_eq!(username(&"é".repeat(65)), Err(TextError::TooLong(64)));
        assert_eq!(username("a\0b"), Err(TextError::ControlCharacter));
        assert_eq!(username("   "), Err(TextError::Empty));
    }

    #[test]
    fn addresses_that_mail_can_reach_pass() {
        for good in ["a@b.co", " ana.maria+x@mail.example.com ", "josé@exámple.com", "o'neil@a-b.example"] {
            assert!(email(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let bad = ["", "ana", "@b.co", "ana@", "ana@localhost", "a b@c.de", "a@b@c.de", ".a@b.co", "a..b@c.de", &long];
        for bad in bad.into_iter().chain(["a@-b.co", "a@b-.co", "a@b..co", "a@b.co.", "<a@b.co>", "a\0@b.co"]) {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_has_8_characters_to_72_bytes() {
        let password = |text: &str| NewPassword::try_from(text.to_owned()).map(|_| ());
        assert_eq!(password("1234567"), Err(PasswordError::TooShort));
        assert_eq!(password("çççççççç"), Ok(()));
        assert_eq!(password(&"x".repeat(72)), Ok(()));
        assert_eq!(password(&"x".repeat(73)), Err(PasswordError::TooLong));
        assert_eq!(password(&"ç".repeat(37)), Err(PasswordError::TooLong));
        assert_eq!(password("12345678\0"), Err(PasswordError::ControlCharacter));
    }
}
