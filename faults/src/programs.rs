//! How the API and the worker are started.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::Failure;
use crate::program::Recipe;
use crate::site::Site;

/// Name of the administrator that every API makes sure of.
pub const ADMINISTRATOR: &str = "faults-admin";

/// Variables that one case wants otherwise.
pub type Variables = Vec<(&'static str, String)>;

/// Brings the schema up to date.
pub async fn migrate(site: &Site) -> Result<(), Failure> {
    let mut command = tokio::process::Command::new(site.program("pulso-api"));
    command.arg("migrate").env("DATABASE_URL", &site.services.database_url);
    let done = command.output().await.map_err(|error| format!("pulso-api: {error} (build it first)"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("the migration failed:\n{}", String::from_utf8_lossy(&done.stderr)).into())
}

/// An API on a port of its own, which it keeps over restarts.
pub fn api(site: &Site, place: usize, prefix: &str, wanted: &Variables, logs: &Path) -> Result<Recipe, Failure> {
    let port = free_port()?;
    let own = vec![
        ("BIND_ADDRESS", format!("127.0.0.1:{port}")),
        ("HTTP_WORKERS", "2".to_owned()),
        ("JWT_SECRET", site.secret.clone()),
        ("ADMIN_USERNAME", ADMINISTRATOR.to_owned()),
        ("ADMIN_PASSWORD", site.secret.clone()),
        ("BCRYPT_COST", "4".to_owned()),
        ("INGEST_MAX_HZ", "0".to_owned()),
    ];
    let mut recipe = site.recipe(&format!("api-{place}"), "pulso-api", &["serve"], logs.to_owned());
    recipe.ready_url = format!("http://127.0.0.1:{port}/readyz");
    add(&mut recipe, prefix, &own, wanted);
    Ok(recipe)
}

/// A worker, likewise.
pub fn worker(site: &Site, place: usize, prefix: &str, wanted: &Variables, logs: &Path) -> Result<Recipe, Failure> {
    let port = free_port()?;
    let mut recipe = site.recipe(&format!("worker-{place}"), "pulso-worker", &["run"], logs.to_owned());
    recipe.ready_url = format!("http://127.0.0.1:{port}/readyz");
    add(&mut recipe, prefix, &vec![("OPS_ADDRESS", format!("127.0.0.1:{port}"))], wanted);
    Ok(recipe)
}

/// Later variables override earlier ones of the same name.
fn add(recipe: &mut Recipe, prefix: &str, own: &Variables, wanted: &Variables) {
    recipe.environment.push(("QUEUE_PREFIX".to_owned(), prefix.to_owned()));
    let more = own.iter().chain(wanted).map(|(name, value)| ((*name).to_owned(), value.clone()));
    recipe.environment.extend(more);
}

/// A port below those from which the kernel takes ports for outgoing connections: while a program is down, no client's
/// own end shall sit on its port.
fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 8_000).unwrap_or(0);
    for _ in 0..8_000 {
        let port = 14_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 6_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port between 14000 and 20000".into())
}
