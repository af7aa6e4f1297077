//! What comes in.

use secrecy::SecretString;
use utoipa::ToSchema;

use super::login_names::LoginNames;
use super::types::{Email, FullName, LoginName, NewPassword, PasswordAttempt, Username};
use crate::http::extract::json::{Fields, FromFields};

/// A new account; `username` or `email` has to be there.
#[derive(ToSchema)]
pub struct RegisterBody {
    /// The name to sign in with. With an `@` in it, it has to be the e-mail address.
    #[schema(value_type = Option<String>, max_length = 64, example = "ana")]
    pub username: Option<Username>,
    /// The address, which signs in as well.
    #[schema(value_type = Option<String>, max_length = 254, format = "email", example = "ana@example.com")]
    pub email: Option<Email>,
    /// 8 characters to 72 bytes.
    #[schema(value_type = String, format = "password", min_length = 8, example = "correct horse")]
    pub password: NewPassword,
    /// What to be called.
    #[schema(value_type = Option<String>, max_length = 200, example = "Ana Lima")]
    pub full_name: Option<FullName>,
}

impl FromFields for RegisterBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (username, email) = (fields.optional_text("username"), fields.optional_text("email"));
        let (password, full_name) = (fields.required("password"), fields.optional_text("full_name"));
        let names = login_names(fields, username, email);
        let (LoginNames { username, email }, password) = (names?, password?);
        Some(Self { username, email, password, full_name })
    }
}

/// Checks that the two go together, unless one of them has been found wrong already.
fn login_names(fields: &mut Fields, username: Option<Username>, email: Option<Email>) -> Option<LoginNames> {
    if fields.has_fault("username") || fields.has_fault("email") {
        return None;
    }
    let names = LoginNames::new(username, email);
    names.map_err(|error| fields.fault("username", error.code(), error)).ok()
}

/// A sign-in; JSON or a form.
#[derive(ToSchema)]
pub struct LoginBody {
    /// The user name or the e-mail address; `email` is another name for this field.
    #[schema(value_type = String, max_length = 254, example = "ana")]
    pub username: LoginName,
    /// The password.
    #[schema(value_type = String, format = "password", example = "correct horse")]
    pub password: PasswordAttempt,
}

impl FromFields for LoginBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let name = fields.name_given(["username", "email"]);
        let (username, password) = (fields.required(name), fields.required("password"));
        Some(Self { username: username?, password: password? })
    }
}

/// A refresh token, to be exchanged; a page signed in by cookie sends none.
#[derive(ToSchema)]
#[schema(example = json!({"refresh_token": "5d1c9f0a7b3e…"}))]
pub struct RefreshBody {
    /// The newest one of the session. Using an older one ends the session: somebody else may have it.
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<SecretString>,
}

impl FromFields for RefreshBody {
    const MAY_BE_EMPTY: bool = true;

    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let refresh_token = fields.optional::<String>("refresh_token").map(SecretString::from);
        Some(Self { refresh_token })
    }
}

/// Changes of one's own account; what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({"full_name": "Ana Lima", "new_password": "battery staple", "current_password": "correct horse"}))]
pub struct UpdateMeBody {
    /// The name to sign in with; `null` takes it away where there is an e-mail address.
    #[schema(value_type = Option<String>, max_length = 64)]
    pub username: Option<Option<Username>>,
    /// The address; `null` takes it away where there is a user name.
    #[schema(value_type = Option<String>, max_length = 254, format = "email")]
    pub email: Option<Option<Email>>,
    /// What to be called; `null` clears it.
    #[schema(value_type = Option<String>, max_length = 200)]
    pub full_name: Option<Option<FullName>>,
    /// A new password, 8 characters to 72 bytes; ends all other sessions. `password` is another name for this field.
    #[schema(value_type = Option<String>, format = "password", min_length = 8)]
    pub new_password: Option<NewPassword>,
    /// The password until now; needed for a new one. `old_password` is another name for this field.
    #[schema(value_type = Option<String>, format = "password")]
    pub current_password: Option<PasswordAttempt>,
}

impl FromFields for UpdateMeBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (username, email) = (fields.change_text("username"), fields.change_text("email"));
        let full_name = fields.change_text("full_name");
        let new_password = fields.change(fields.name_given(["new_password", "password"]));
        let current_name = fields.name_given(["current_password", "old_password"]);
        let current_password: Option<PasswordAttempt> = fields.optional(current_name);
        if new_password.is_some() && current_password.is_none() && !fields.has_fault(current_name) {
            fields.fault(current_name, "required", "is required for a new password");
        }
        Some(Self { username, email, full_name, new_password, current_password })
    }
}

/// Changes an administrator makes to an account; what is left out stays.
#[derive(ToSchema)]
#[schema(example = json!({"is_admin": true}))]
pub struct UpdateUserBody {
    /// The name to sign in with; `null` takes it away where there is an e-mail address.
    #[schema(value_type = Option<String>, max_length = 64)]
    pub username: Option<Option<Username>>,
    /// The address; `null` takes it away where there is a user name.
    #[schema(value_type = Option<String>, max_length = 254, format = "email")]
    pub email: Option<Option<Email>>,
    /// What to be called; `null` clears it.
    #[schema(value_type = Option<String>, max_length = 200)]
    pub full_name: Option<Option<FullName>>,
    /// A new password for somebody who has forgotten theirs; ends all their sessions.
    #[schema(value_type = Option<String>, format = "password", min_length = 8)]
    pub password: Option<NewPassword>,
    /// Whether they are an administrator. Taking it away ends all their sessions; the last one keeps it.
    pub is_admin: Option<bool>,
}

impl FromFields for UpdateUserBody {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            username: fields.change_text("username"),
            email: fields.change_text("email"),
            full_name: fields.change_text("full_name"),
            password: fields.change("password"),
            is_admin: fields.change("is_admin"),
        })
    }
}
