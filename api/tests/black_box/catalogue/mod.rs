//! The catalogue: everybody looks, administrators decide.

mod import;
mod products;
