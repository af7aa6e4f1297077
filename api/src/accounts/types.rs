//! Bodies and responses of accounts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::names::{Email, FullName, LoginNames, Username};
use crate::auth::password::{NewPassword, PasswordAttempt};
use crate::http::extract::blank::blank_or_email;
use crate::http::extract::fields::{Fields, body, change, change_text, optional, optional_text, required};
use crate::ids::UserId;

body! {
    /// A new account; `username` or `email` has to be there.
    pub struct RegisterBody {
        /// The name to sign in with. With an `@` in it, it has to be the e-mail address.
        #[schema(value_type = Option<String>, format = "username", max_length = 64, example = "ana")]
        pub username: Option<Username> = optional_text,
        /// The address, which signs in as well.
        #[schema(schema_with = blank_or_email)]
        pub email: Option<Email> = optional_text,
        /// 8 characters to 72 bytes.
        #[schema(value_type = String, format = "password", min_length = 8, example = "correct horse")]
        pub password: NewPassword = required,
        /// Shown to people; at most 200 characters.
        #[schema(value_type = Option<String>, format = "line", max_length = 200, example = "Ana Lima")]
        pub full_name: Option<FullName> = optional_text,
    }
    then(fields) {
        let (username, email) = login_names(fields, username, email);
    }
}

body! {
    /// A new account by the classic to-do contract: all three have to be there.
    #[schema(example = json!({"username": "ana", "email": "ana@example.com", "password": "correct horse"}))]
    pub struct ClassicRegisterBody {
        /// The name to sign in with. With an `@` in it, it has to be the e-mail address.
        #[schema(value_type = String, format = "username", max_length = 64, example = "ana")]
        pub username: Username = required,
        /// The address, which signs in as well.
        #[schema(value_type = String, format = "email", example = "ana@example.com")]
        pub email: Email = required,
        /// 8 characters to 72 bytes.
        #[schema(value_type = String, format = "password", min_length = 8, example = "correct horse")]
        pub password: NewPassword = required,
        /// Shown to people; at most 200 characters.
        #[schema(value_type = Option<String>, format = "line", max_length = 200, example = "Ana Lima")]
        pub full_name: Option<FullName> = optional_text,
    }
    then(fields) {
        let (username, email) = classic_names(fields, username, email);
    }
}

impl From<ClassicRegisterBody> for RegisterBody {
    fn from(body: ClassicRegisterBody) -> Self {
        let ClassicRegisterBody { username, email, password, full_name } = body;
        Self { username: Some(username), email: Some(email), password, full_name }
    }
}

fn classic_names(
    fields: &mut Fields,
    username: Option<Username>,
    email: Option<Email>,
) -> (Option<Username>, Option<Email>) {
    let (Some(username), Some(email)) = (username, email) else { return (None, None) };
    let (username, email) = login_names(fields, Some(Some(username)), Some(Some(email)));
    (username.flatten(), email.flatten())
}

/// Checks that the two go together, unless one of them has been found wrong already.
fn login_names(
    fields: &mut Fields,
    username: Option<Option<Username>>,
    email: Option<Option<Email>>,
) -> (Option<Option<Username>>, Option<Option<Email>>) {
    let (Some(username), Some(email)) = (username, email) else { return (None, None) };
    match LoginNames::new(username, email) {
        Ok(LoginNames { username, email }) => (Some(username), Some(email)),
        Err(error) => {
            fields.fault("username", error.code(), error);
            (None, None)
        }
    }
}

body! {
    /// Changes of one's own account; what is left out stays.
    #[schema(example = json!({"full_name": "Ana Lima", "new_password": "battery staple", "current_password": "correct horse"}))]
    pub struct UpdateMeBody {
        /// The name to sign in with; `null` takes it away where there is an e-mail address.
        #[schema(value_type = Option<String>, format = "username", max_length = 64)]
        pub username: Option<Option<Username>> = change_text,
        /// The address; `null` takes it away where there is a user name.
        #[schema(schema_with = blank_or_email)]
        pub email: Option<Option<Email>> = change_text,
        /// Shown to people; `null` clears it.
        #[schema(value_type = Option<String>, format = "line", max_length = 200)]
        pub full_name: Option<Option<FullName>> = change_text,
        /// A new password, 8 characters to 72 bytes; ends all other sessions. `password` is another name for this field.
        #[schema(value_type = String, required = false, format = "password", min_length = 8)]
        pub new_password: Option<NewPassword> = change("new_password", "password"),
        /// The password until now; needed for a new one, and for another user name or e-mail address. `old_password` is another name for this field.
        #[schema(value_type = Option<String>, format = "password")]
        pub current_password: Option<PasswordAttempt> = optional("current_password", "old_password"),
    }
    then(fields) {
        check_current_password(fields, &new_password, &current_password);
    }
}

/// A new password needs the one until now.
fn check_current_password(
    fields: &mut Fields,
    new: &Option<Option<NewPassword>>,
    current: &Option<Option<PasswordAttempt>>,
) {
    if let (Some(Some(_)), Some(None)) = (new, current) {
        let name = fields.given_name(&["current_password", "old_password"]);
        fields.fault(name, "required", "is required for a new password");
    }
}

body! {
    /// Proof that it is the owner who deletes an account.
    #[schema(example = json!({"current_password": "correct horse"}))]
    pub struct DeleteMeBody {
        /// The account's password, without which nothing is deleted. `old_password` and `password` are other names for
        /// this field.
        #[schema(value_type = String, format = "password")]
        pub current_password: Option<PasswordAttempt> = optional("current_password", "old_password", "password"),
    }
    const MAY_BE_EMPTY: bool = true;
}

body! {
    /// Changes an administrator makes to an account; what is left out stays.
    #[schema(example = json!({"is_admin": true}))]
    pub struct UpdateUserBody {
        /// The name to sign in with; `null` takes it away where there is an e-mail address.
        #[schema(value_type = Option<String>, format = "username", max_length = 64)]
        pub username: Option<Option<Username>> = change_text,
        /// The address; `null` takes it away where there is a user name.
        #[schema(schema_with = blank_or_email)]
        pub email: Option<Option<Email>> = change_text,
        /// Shown to people; `null` clears it.
        #[schema(value_type = Option<String>, format = "line", max_length = 200)]
        pub full_name: Option<Option<FullName>> = change_text,
        /// A new password for somebody who has forgotten theirs; ends all their sessions.
        #[schema(value_type = String, required = false, format = "password", min_length = 8)]
        pub password: Option<NewPassword> = change,
        /// Whether they are an administrator. Taking it away ends all their sessions; the last one keeps it.
        #[schema(value_type = bool, required = false)]
        pub is_admin: Option<bool> = change,
    }
}

/// A new account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "username": "ana", "email": null, "created_at": "2026-11-21T02:27:09.501348Z"}))]
pub struct RegisterResponse {
    pub id: UserId,
    /// As registered, at most 64 characters; `null` where only an e-mail address signs in.
    pub username: Option<String>,
    /// As registered; `null` where only a user name signs in.
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": "01JD3ZK8M4T0Q2V6X9Y7B5C1RA", "username": "ana", "email": null,
    "full_name": "Ana Lima", "is_admin": false, "created_at": "2026-11-21T02:27:09.501348Z",
    "updated_at": "2026-11-21T02:27:09.501348Z"}))]
pub struct UserResponse {
    pub id: UserId,
    /// At most 64 characters, unique whatever its case; `null` where only an e-mail address signs in.
    pub username: Option<String>,
    /// Unique whatever its case; `null` where only a user name signs in.
    pub email: Option<String>,
    /// At most 200 characters.
    pub full_name: Option<String>,
    /// Whether they are an administrator of the installation.
    pub is_admin: bool,
    pub created_at: DateTime<Utc>,
    /// The account's version: each change has a later one.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::{RegisterBody, UpdateMeBody};
    use crate::http::error::ApiError;
    use crate::http::extract::fields::FromFields;
    use crate::http::extract::json::parse;

    fn faults<T: FromFields>(body: &str) -> Vec<(String, &'static str)> {
        match parse::<T>(body.as_bytes()) {
            Err(ApiError::Validation(faults)) => faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect(),
            Err(error) => panic!("{error}"),
            Ok(_) => Vec::new(),
        }
    }

    fn fault(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
        vec![(pointer.to_owned(), code)]
    }

    #[test]
    fn names_that_do_not_go_together_are_a_fault_unless_one_of_them_is_wrong_already() {
        assert_eq!(faults::<RegisterBody>(r#"{"password": "12345678"}"#), fault("/username", "required"));
        assert_eq!(faults::<RegisterBody>(r#"{"username": "a@b.co", "password": "12345678"}"#), []);
        let other = r#"{"username": "a@b.co", "email": "c@d.co", "password": "12345678"}"#;
        assert_eq!(faults::<RegisterBody>(other), fault("/username", "invalid"));
        let wrong = r#"{"username": "a@b.co", "email": "nowhere", "password": "12345678"}"#;
        assert_eq!(faults::<RegisterBody>(wrong), fault("/email", "invalid"));
    }

    #[test]
    fn a_new_password_needs_the_current_one_under_the_name_that_was_sent() {
        let needed = faults::<UpdateMeBody>(r#"{"password": "12345678"}"#);
        assert_eq!(needed, fault("/current_password", "required"));
        assert_eq!(faults::<UpdateMeBody>(r#"{"password": "12345678", "old_password": "x"}"#), []);
        let sent = faults::<UpdateMeBody>(r#"{"new_password": "12345678", "old_password": null}"#);
        assert_eq!(sent, fault("/old_password", "required"));
        assert_eq!(faults::<UpdateMeBody>(r#"{"current_password": "x"}"#), []);
    }
}
