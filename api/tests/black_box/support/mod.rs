//! What the tests of several domains set up.

pub mod accounts;
pub mod outages;
pub mod rate_limits;
pub mod readings;
pub mod shop;
pub mod time;
