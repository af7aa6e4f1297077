//! The proof, shown to the user.

use std::process::ExitCode;

use super::prove::{VerifyArgs, prove};
use crate::failure::Failure;
use crate::screen::Screen;

/// Proves; the exit status says whether the proof holds.
pub(super) async fn verify(args: &VerifyArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let proof = prove(args, screen).await?;
    for line in proof.table() {
        screen.line(&line);
    }
    Ok(if proof.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
