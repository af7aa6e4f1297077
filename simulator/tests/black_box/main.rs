//! The simulator against real servers: what its ledger proves, and how its load treats an API that refuses.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod load;
mod proof;
