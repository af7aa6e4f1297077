//! Accounts: people, and their names and passwords in every writing.

mod people;
mod unicode;
