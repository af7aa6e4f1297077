//! The rule for the two names of an account.

use super::types::{Email, Username};

/// What a person signs in with: a user name, an e-mail address, or both.
///
/// A user name with an `@` in it has to be the account's own e-mail address. So whatever is typed into a sign-in form
/// names one account at most, and nobody can take another's address as a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginNames {
    /// The user name.
    pub username: Option<Username>,
    /// The e-mail address.
    pub email: Option<Email>,
}

/// Why names do not make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginNamesError {
    /// There is neither.
    #[error("a user name or an e-mail address is required")]
    Missing,
    /// A user name with an `@` that is not the e-mail address.
    #[error("may hold an '@' only when it is the account's own e-mail address")]
    ForeignAddress,
}

impl LoginNamesError {
    /// What, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::ForeignAddress => "invalid",
        }
    }
}

impl LoginNames {
    /// Checks that the two go together. A user name that is an address becomes the e-mail address where there is none.
    ///
    /// # Errors
    /// When they do not.
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
///
/// # Errors
/// When they cannot.
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
    use super::{LoginNames, LoginNamesError};
    use crate::accounts::types::{Email, Username};

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
