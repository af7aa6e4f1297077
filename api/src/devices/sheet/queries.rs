//! An owner's devices exported as a sheet, page by page: its memory does not grow with the fleet.

use actix_web::web::Bytes;
use futures_util::{Stream, stream};
use pulso_shared::ids::DeviceId;

use super::{store, write};
use crate::http::error::ApiError;
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// Devices a query.
const PAGE: i64 = 1_000;

/// How far an export has come.
enum Progress {
    /// There may be more behind this device.
    After(DeviceId),
    Done,
}

/// The sheet, in pieces. The first one is read at once: while nothing has been sent, a failure can still be
/// an error response.
pub async fn export(db: HeavyDb, owner: UserId) -> Result<impl Stream<Item = Result<Bytes, ApiError>>, ApiError> {
    let (page, progress) = next_page(&db, owner, None).await?;
    let first = Bytes::from([write::header()?, page].concat());
    let rest = stream::try_unfold((db, progress), move |(db, progress)| async move {
        let Progress::After(last) = progress else { return Ok(None) };
        let (page, progress) = next_page(&db, owner, Some(last)).await?;
        Ok(Some((Bytes::from(page), (db, progress))))
    });
    Ok(futures_util::StreamExt::chain(stream::iter([Ok(first)]), rest))
}

async fn next_page(db: &HeavyDb, owner: UserId, after: Option<DeviceId>) -> Result<(Vec<u8>, Progress), ApiError> {
    let rows = db.run(async |connection| Ok(store::list_page(connection, owner, after, PAGE).await?)).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
    let progress = match rows.last() {
        Some(last) if is_full => Progress::After(last.id),
        _ => Progress::Done,
    };
    Ok((write::rows(&rows)?, progress))
}
