//! The first administrator: from configuration, never with a default password.

use std::sync::Arc;
use std::time::Duration;

use pulso_shared::supervisor::Supervisor;
use secrecy::ExposeSecret;

use super::names::{Email, LoginNames, Username};
use super::store::{self, NewUserRow};
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

/// Creates the configured first administrator, unless an account of that name exists. Waits a little for a database that
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

    /// Several replicas may do this at once: the database lets one of them.
    async fn ensure(&self) -> Result<(), ApiError> {
        let username = self.names.username.as_ref().map(Username::as_str);
        let name = username.unwrap_or_default();
        // Looked up first, because each start would otherwise hash the password anew.
        if let Some(account) = sessions::find_login(&mut *self.db.get().await?, name).await? {
            return self.warn_unless_administrator(account.id, name).await;
        }
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
        };
        if store::insert_user_if_new(&mut *self.db.get().await?, &row).await? {
            tracing::info!(username = name, "administrator created");
        }
        Ok(())
    }

    /// An account of that name may be anybody's who came first; the name alone does not make it an administrator's.
    async fn warn_unless_administrator(&self, id: UserId, name: &str) -> Result<(), ApiError> {
        let user = store::find_user(&mut *self.db.get().await?, id).await?;
        if user.is_some_and(|user| !user.is_admin) {
            tracing::warn!(username = name, "the account of ADMIN_USERNAME is not an administrator; left unchanged");
        }
        Ok(())
    }
}
