//! The first administrator: from configuration, never with a default password.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::supervisor::Supervisor;
use secrecy::ExposeSecret;

use super::audit_events;
use super::names::{Email, LoginNames, Username};
use super::store::{self, NewUserRow};
use crate::audit;
use crate::auth::Auth;
use crate::auth::password::NewPassword;
use crate::config::AuthConfig;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::sessions;

/// How long the API waits for the database before it starts without it.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts until then.
const RETRY_AT_START: Duration = Duration::from_secs(1);
/// Between two attempts afterwards.
const RETRY_LATER: Duration = Duration::from_secs(5);

/// The configured administrator, and what it takes to create them.
struct Administrator {
    db: DbPool,
    auth: Arc<Auth>,
    names: LoginNames,
    password: NewPassword,
}

/// Creates the configured first administrator, unless there is an administrator. Waits a little for a database that
/// is still starting; one that stays unavailable does not keep the API from starting, since devices' data is accepted
/// without it, and the attempts go on in the background. Fails when the configured name or password breaks the rules for
/// accounts.
pub async fn ensure_administrator(db: &DbPool, auth: Arc<Auth>, supervisor: &mut Supervisor) -> Result<(), String> {
    let Some((names, password)) = configured(&auth.config)? else {
        return Ok(());
    };
    let administrator = Administrator { db: db.clone(), auth, names, password };
    if tokio::time::timeout(START_TIMEOUT, administrator.keep_trying(RETRY_AT_START)).await.is_err() {
        tracing::warn!("starting without the database; the administrator is created once it is available");
        supervisor.spawn_once("administrator", async move { administrator.keep_trying(RETRY_LATER).await });
    }
    Ok(())
}

fn configured(config: &AuthConfig) -> Result<Option<(LoginNames, NewPassword)>, String> {
    let Some((name, password)) = config.admin_username.as_ref().zip(config.admin_password.as_ref()) else {
        return Ok(None);
    };
    let username = Username::try_from(name.clone()).map_err(|error| format!("ADMIN_USERNAME {error}"))?;
    let names = LoginNames::new(Some(username), None).map_err(|error| format!("ADMIN_USERNAME {error}"))?;
    let password = NewPassword::try_from(password.expose_secret().to_owned());
    Ok(Some((names, password.map_err(|error| format!("ADMIN_PASSWORD {error}"))?)))
}

impl Administrator {
    async fn keep_trying(&self, pause: Duration) {
        while let Err(error) = self.ensure().await {
            tracing::warn!(cause = error.cause(), "administrator not created; retrying");
            tokio::time::sleep(pause).await;
        }
    }

    /// Once: where one was renamed or replaced by another, the configured name and password say nothing any more.
    async fn ensure(&self) -> Result<(), ApiError> {
        let username = self.names.username.as_ref().map(Username::as_str);
        let name = username.unwrap_or_default();
        // Looked up first, because each start would otherwise hash the password anew.
        let mut connection = self.db.get().await?;
        if store::has_administrator(&mut connection).await? {
            return Ok(());
        }
        // An account of that name is anybody's who came first.
        if sessions::find_login(&mut connection, name).await?.is_some() {
            tracing::warn!(username = name, "there is no administrator: the account of ADMIN_USERNAME is not one");
            return Ok(());
        }
        drop(connection);
        let password_hash = self.auth.passwords.hash(self.password.clone(), None).await?;
        let now = self.auth.clock.now();
        let row = NewUserRow {
            id: UserId::generate(),
            username,
            email: self.names.email.as_ref().map(Email::as_str),
            full_name: None,
            password_hash: &password_hash,
            is_admin: true,
            created_at: now,
            updated_at: now,
            username_mapped: self.names.username.as_ref().map(Username::key),
            email_mapped: self.names.email.as_ref().map(Email::key),
        };
        let mut connection = self.db.get().await?;
        let created = connection.transaction(async |connection| insert_first(connection, &row).await).await?;
        if created {
            tracing::info!(username = name, "administrator created");
        }
        Ok(())
    }
}

/// Several replicas may do this at once, and not all of the same configuration: one of them creates one.
async fn insert_first(connection: &mut AsyncPgConnection, row: &NewUserRow<'_>) -> QueryResult<bool> {
    store::lock_first_administrator(connection).await?;
    if store::has_administrator(connection).await? || !store::insert_user_if_new(connection, row).await? {
        return Ok(false);
    }
    audit::record(connection, row.created_at, audit_events::administrator_created(row.id)).await?;
    Ok(true)
}
