//! The first administrator: from configuration, never with a default password.

use std::time::Duration;

use crate::ids::UserId;
use actix_web::web::Data;
use pulso_shared::supervisor::Supervisor;
use secrecy::{ExposeSecret, SecretString};

use super::login_names::LoginNames;
use super::store::NewUserRow;
use super::types::{Email, NewPassword, Username};
use super::{password, store};
use crate::http::error::ApiError;
use crate::state::AppState;

/// How long the API waits for the database before it starts without it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries while it waits.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// Between two tries once it has started.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// Who is to be there.
#[derive(Clone)]
struct Administrator {
    names: LoginNames,
    password: SecretString,
}

/// Makes the configured first administrator, where there is none of that name. Waits a little for a database that is
/// still starting; one that stays away does not keep the API from starting (devices can be heard without it), and the
/// tries go on in the background.
///
/// # Errors
/// When the configured name or password breaks the rules for accounts.
pub async fn ensure_administrator(state: &Data<AppState>, supervisor: &mut Supervisor) -> Result<(), String> {
    let Some(administrator) = configured(state)? else {
        return Ok(());
    };
    if tokio::time::timeout(PATIENCE, keep_trying(state, &administrator, RETRY_SOON)).await.is_err() {
        tracing::warn!("starting without the database; the administrator is made as soon as it is there");
        let state = state.clone();
        supervisor.spawn_once("administrator", async move { keep_trying(&state, &administrator, RETRY_LATER).await });
    }
    Ok(())
}

async fn keep_trying(state: &AppState, administrator: &Administrator, pause: Duration) {
    while let Err(error) = ensure(state, administrator).await {
        tracing::warn!(cause = error.cause(), "the administrator cannot be made yet; trying again");
        tokio::time::sleep(pause).await;
    }
}

fn configured(state: &AppState) -> Result<Option<Administrator>, String> {
    let auth = &state.config.auth;
    let Some((name, password)) = auth.admin_username.as_ref().zip(auth.admin_password.as_ref()) else {
        return Ok(None);
    };
    let username = Username::try_from(name.clone()).map_err(|error| format!("ADMIN_USERNAME {error}"))?;
    let names = LoginNames::new(Some(username), None).map_err(|error| format!("ADMIN_USERNAME {error}"))?;
    let password = NewPassword::try_from(password.expose_secret().to_owned());
    let password = password.map_err(|error| format!("ADMIN_PASSWORD {error}"))?.into_secret();
    Ok(Some(Administrator { names, password }))
}

/// Several replicas may do this at once: the database lets one of them.
async fn ensure(state: &AppState, administrator: &Administrator) -> Result<(), ApiError> {
    let username = administrator.names.username.as_ref().map(Username::as_str);
    let name = username.unwrap_or_default();
    // Looked for first, because each start would otherwise hash the password anew.
    if let Some(account) = store::find_login(&mut *state.db.get().await?, name).await? {
        warn_without_power(state, account.id, name).await?;
        return Ok(());
    }
    let password_hash = password::hash(administrator.password.clone(), state.config.auth.bcrypt_cost).await?;
    let now = state.clock.now();
    let row = NewUserRow {
        id: UserId::generate(),
        username,
        email: administrator.names.email.as_ref().map(Email::as_str),
        full_name: None,
        password_hash: &password_hash,
        is_admin: true,
        created_at: now,
        updated_at: now,
    };
    if store::insert_user_if_new(&mut *state.db.get().await?, &row).await? {
        tracing::info!(username = name, "administrator made");
    }
    Ok(())
}

/// An account of that name may be anybody's who came first; power is not given to it just for its name.
async fn warn_without_power(state: &AppState, id: UserId, name: &str) -> Result<(), ApiError> {
    let user = store::find_user(&mut *state.db.get().await?, id).await?;
    if user.is_some_and(|user| !user.is_admin) {
        tracing::warn!(username = name, "the account of ADMIN_USERNAME exists and is no administrator; left as it is");
    }
    Ok(())
}
