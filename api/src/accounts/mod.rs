//! People: registration, sign-in, sessions, profiles.

use crate::app::StartError;
use crate::state::AppState;

/// Makes the configured first administrator, where there is none of that name.
///
/// # Errors
/// When the database is away.
pub async fn ensure_administrator(_state: &AppState) -> Result<(), StartError> {
    Ok(())
}
