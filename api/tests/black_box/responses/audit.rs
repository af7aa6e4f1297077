use super::{Stage, Transcript};

/// What was done to an order: of the scene before this one, the last.
pub async fn play(stage: &Stage, shown: &mut Transcript<'_>) {
    let _ = shown.get(&stage.administrator, "/admin/audit?action=order.status_changed&limit=1").await;
}
