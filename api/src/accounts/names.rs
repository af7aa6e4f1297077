//! The names of an account: user name, e-mail address, full name, and how the two that sign in go together.

use serde::Deserialize;

use crate::auth::precis::{self, Mapped, PrecisError};
use crate::http::text::{self, TextError, text_type};

/// Longest user name.
const MAX_USERNAME_CHARS: usize = 64;
/// Longest address that mail can be sent to (RFC 5321).
const MAX_EMAIL_CHARS: usize = 254;
/// Longest part before the `@` (RFC 5321).
const MAX_LOCAL_PART_BYTES: usize = 64;

text_type! {
    /// What a person is called.
    FullName, text::line, 200
}

/// Why a text is no user name; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Precis(#[from] PrecisError),
}

/// The name a person signs in with; unique as RFC 8265 compares it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(Mapped);

impl Username {
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// As it is compared.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(text: String) -> Result<Self, UsernameError> {
        let name = precis::username(&text::line(&text, MAX_USERNAME_CHARS)?)?;
        // Composing can lengthen it.
        text::line(&name.shown, MAX_USERNAME_CHARS)?;
        Ok(Self(name))
    }
}

/// Why a text is not an e-mail address; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Precis(#[from] PrecisError),
    #[error("must be an e-mail address, such as ana@example.com")]
    Form,
}

/// An e-mail address; unique as RFC 8265 compares its parts. Whether mail arrives there, only mail can tell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Email(Mapped);

impl Email {
    pub fn as_str(&self) -> &str {
        &self.0.shown
    }

    /// As it is compared.
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;

    fn try_from(text: String) -> Result<Self, EmailError> {
        let address = precis::narrow(&text::line(&text, MAX_EMAIL_CHARS)?)?;
        let (local, domain) = address.split_once('@').ok_or(EmailError::Form)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(EmailError::Form);
        }
        let address = precis::address(&address)?;
        text::line(&address.shown, MAX_EMAIL_CHARS)?;
        Ok(Self(address))
    }
}

/// Beyond ASCII, `precis::part` decides.
fn is_local_part(local: &str) -> bool {
    let is_atom_char = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    local.len() <= MAX_LOCAL_PART_BYTES
        && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

/// What a person signs in with: a user name, an e-mail address, or both.
///
/// A user name with an `@` in it has to be the account's own e-mail address. So whatever is typed into a sign-in form
/// names one account at most, and nobody can take another's address as a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginNames {
    pub username: Option<Username>,
    pub email: Option<Email>,
}

/// Why names do not make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginNamesError {
    #[error("a user name or an e-mail address is required")]
    Missing,
    /// A user name with an `@` that is not the e-mail address.
    #[error("may hold an '@' only when it is the account's own e-mail address")]
    ForeignAddress,
}

impl LoginNamesError {
    /// The fault's code in the response.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::ForeignAddress => "invalid",
        }
    }
}

impl LoginNames {
    /// The names, if they go together. A user name that is an address becomes the e-mail address where there is none.
    pub fn new(username: Option<Username>, email: Option<Email>) -> Result<Self, LoginNamesError> {
        let email = match (&username, email) {
            (Some(name), None) if name.as_str().contains('@') => {
                Some(Email::try_from(name.as_str().to_owned()).map_err(|_| LoginNamesError::ForeignAddress)?)
            }
            (_, email) => email,
        };
        check_login_names(username.as_ref().map(Username::as_str), email.as_ref().map(Email::as_str))?;
        Ok(Self { username, email })
    }
}

/// Whether these can be the names of one account.
pub fn check_login_names(username: Option<&str>, email: Option<&str>) -> Result<(), LoginNamesError> {
    match (username, email) {
        (None, None) => Err(LoginNamesError::Missing),
        (Some(name), Some(address)) if name.eq_ignore_ascii_case(address) => Ok(()),
        (Some(name), _) if name.contains('@') => Err(LoginNamesError::ForeignAddress),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Email, EmailError, LoginNames, LoginNamesError, TextError, Username};

    fn email(text: &str) -> Result<Email, EmailError> {
        Email::try_from(text.to_owned())
    }

    #[test]
    fn a_user_name_is_trimmed_and_has_1_to_64_characters() {
        let username = |text: &str| Username::try_from(text.to_owned());
        assert_eq!(username("  ana ").unwrap().as_str(), "ana");
        assert!(username(&"é".repeat(64)).is_ok());
        assert_eq!(username(&"é".repeat(65)), Err(TextError::TooLong(64).into()));
        assert_eq!(username("a\0b"), Err(TextError::ControlCharacter.into()));
        assert_eq!(username("   "), Err(TextError::Empty.into()));
        // Composed it is longer than it was typed.
        assert_eq!(username(&"\u{958}".repeat(64)), Err(TextError::TooLong(64).into()));
    }

    #[test]
    fn addresses_that_mail_can_reach_pass() {
        for good in [
            "a@b.co",
            " ana.maria+x@mail.example.com ",
            "josé@exámple.com",
            "jose\u{301}@exa\u{301}mple.com",
            "ａｎａ＠example.com",
            "हिन्दी@उदाहरण.भारत",
            "o'neil@a-b.example",
        ] {
            assert!(email(good).is_ok(), "{good}");
        }
        assert_eq!(email("JOSÉ@Exámple.com").unwrap().key(), email("jose\u{301}@exa\u{301}mple.COM").unwrap().key());
        assert_eq!(email("Ａna＠example.com").unwrap().as_str(), "Ana@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let bad = ["", "ana", "@b.co", "ana@", "ana@localhost", "a b@c.de", "a@b@c.de", ".a@b.co", "a..b@c.de", &long];
        for bad in bad.into_iter().chain([
            "a@-b.co",
            "a@b-.co",
            "a@b..co",
            "a@b.co.",
            "<a@b.co>",
            "a\0@b.co",
            "a\u{200b}@b.co",
            "a@\u{202e}b.co",
            "♥@b.co",
        ]) {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    fn names(username: Option<&str>, address: Option<&str>) -> Result<LoginNames, LoginNamesError> {
        let username = username.map(|name| Username::try_from(name.to_owned()).unwrap());
        LoginNames::new(username, address.map(|address| Email::try_from(address.to_owned()).unwrap()))
    }

    #[test]
    fn an_account_needs_a_name_of_either_kind() {
        assert_eq!(names(None, None), Err(LoginNamesError::Missing));
        assert!(names(Some("ana"), None).is_ok());
        assert!(names(None, Some("ana@example.com")).is_ok());
    }

    #[test]
    fn nobody_can_take_anothers_address_as_a_name() {
        assert_eq!(names(Some("bob@example.com"), Some("ana@example.com")), Err(LoginNamesError::ForeignAddress));
        assert_eq!(names(Some("not@address"), None), Err(LoginNamesError::ForeignAddress));
        assert!(names(Some("Ana@example.com"), Some("ana@Example.com")).is_ok());
        let own = names(Some("ana@example.com"), None).unwrap();
        assert_eq!(own.email.unwrap().as_str(), "ana@example.com");
    }
}
