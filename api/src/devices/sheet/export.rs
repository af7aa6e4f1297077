//! An owner's devices given out as a sheet, page after page: the memory it takes does not grow with the fleet.

use crate::ids::UserId;
use actix_web::web::{Bytes, Data};
use futures_util::{Stream, stream};
use pulso_shared::ids::DeviceId;

use super::{store, write};
use crate::http::error::ApiError;
use crate::state::AppState;

/// Devices read at a time.
const PAGE: i64 = 1_000;

/// Where an export has got to.
enum Progress {
    /// So many bytes are ready, and there is more behind this device.
    After(DeviceId),
    /// All has been read.
    Done,
}

/// The sheet, in pieces. The first one is read at once: while nothing has been sent, a failure can still be told.
///
/// # Errors
/// When the database is away.
pub async fn export(
    state: Data<AppState>,
    owner: UserId,
) -> Result<impl Stream<Item = Result<Bytes, ApiError>>, ApiError> {
    let (page, progress) = next_page(&state, owner, None).await?;
    let first = Bytes::from([write::header()?, page].concat());
    let rest = stream::try_unfold((state, progress), move |(state, progress)| async move {
        let Progress::After(last) = progress else { return Ok(None) };
        let (page, progress) = next_page(&state, owner, Some(last)).await?;
        Ok(Some((Bytes::from(page), (state, progress))))
    });
    Ok(futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest))
}

async fn next_page(state: &AppState, owner: UserId, after: Option<DeviceId>) -> Result<(Vec<u8>, Progress), ApiError> {
    let rows = store::list_page(&mut *state.db.get().await?, owner, after, PAGE).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
    let progress = match rows.last() {
        Some(last) if is_full => Progress::After(last.id),
        _ => Progress::Done,
    };
    Ok((write::rows(&rows)?, progress))
}
