//! Finds or registers the simulated devices, and gets each of them a secret.
//!
//! A device is found by its serial number, which is made from the fleet's name and the device's place in it: a second run,
//! or a call retried because its response was lost, finds the device instead of registering it twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use pulso_shared::ids::DeviceId;
use reqwest::StatusCode;
use reqwest::header::LINK;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use crate::account::Account;
use crate::api_client::CallError;
use crate::random::mix;
use crate::screen::Screen;

/// Enough to be quick, too few to load the API.
const MAX_CALLS_IN_FLIGHT: usize = 16;
/// Locations of the simulated devices.
const LOCATIONS: [&str; 6] = ["Hall 1", "Hall 2", "Warehouse", "Roof", "Pump station", "Office"];

/// A device that can sign in.
#[derive(Debug, Clone)]
pub struct EnrolledDevice {
    /// Its place in the fleet.
    pub index: usize,
    /// Its id, in the API.
    pub id: DeviceId,
    /// Its newest secret, the only valid one.
    pub secret: SecretString,
}

#[derive(Deserialize)]
struct KnownDevice {
    id: DeviceId,
    sn: Option<String>,
}

#[derive(Deserialize)]
struct Registered {
    id: DeviceId,
    credential: Credential,
}

#[derive(Deserialize)]
struct Credential {
    secret: String,
}

/// Devices `0..count` of the fleet `name`, each with a new secret; older secrets are revoked.
pub async fn enrol(
    account: &Account,
    name: &str,
    count: usize,
    screen: &Screen,
) -> Result<Vec<EnrolledDevice>, CallError> {
    let known = known_devices(account).await?;
    let done = AtomicUsize::new(0);
    let enrolled = stream::iter(0..count).map(|index| {
        let known = known.get(&serial_number(name, index)).copied();
        let done = &done;
        async move {
            let device = enrol_one(account, name, index, known).await?;
            let ready = done.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            screen.live(&format!("devices ready: {ready} of {count}"));
            Ok(device)
        }
    });
    let mut devices: Vec<EnrolledDevice> = enrolled.buffer_unordered(MAX_CALLS_IN_FLIGHT).try_collect().await?;
    devices.sort_by_key(|device| device.index);
    let found = (0..count).filter(|index| known.contains_key(&serial_number(name, *index))).count();
    screen.line(&format!("{count} devices ready: {found} found, {} registered", count.saturating_sub(found)));
    Ok(devices)
}

async fn enrol_one(
    account: &Account,
    name: &str,
    index: usize,
    known: Option<DeviceId>,
) -> Result<EnrolledDevice, CallError> {
    if let Some(id) = known {
        return new_secret(account, index, id).await;
    }
    match register(account, name, index).await {
        // The response to an earlier attempt was lost, or a second simulator registered it.
        Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
            let known = known_devices(account).await?;
            let id = known.get(&serial_number(name, index)).ok_or(error)?;
            new_secret(account, index, *id).await
        }
        registered => registered,
    }
}

async fn register(account: &Account, name: &str, index: usize) -> Result<EnrolledDevice, CallError> {
    let location = LOCATIONS.get(index % LOCATIONS.len()).unwrap_or(&"");
    let body = json!({
        "name": format!("{name}-{:04}", index.saturating_add(1)),
        "sn": serial_number(name, index),
        "location": location,
        "description": "simulated",
    });
    let address = account.client.address("/api/v1/devices");
    let call = account.client.call(|http| http.post(&address).bearer_auth(account.token()).json(&body));
    let registered: Registered = call.await?;
    Ok(EnrolledDevice { index, id: registered.id, secret: registered.credential.secret.into() })
}

async fn new_secret(account: &Account, index: usize, id: DeviceId) -> Result<EnrolledDevice, CallError> {
    let address = account.client.address(&format!("/api/v1/devices/{id}/credentials"));
    let body = json!({ "grace_s": 0 });
    let call = account.client.call(|http| http.post(&address).bearer_auth(account.token()).json(&body));
    let credential: Credential = call.await?;
    Ok(EnrolledDevice { index, id, secret: credential.secret.into() })
}

/// All of the user's devices, by serial number.
async fn known_devices(account: &Account) -> Result<HashMap<String, DeviceId>, CallError> {
    let mut known = HashMap::new();
    let mut next = Some("/api/v1/devices?limit=1000".to_owned());
    while let Some(page) = next {
        let address = account.client.address(&page);
        let response = account.client.response(|http| http.get(&address).bearer_auth(account.token())).await?;
        next = response.headers().get(LINK).and_then(|link| next_page(link.to_str().ok()?));
        let devices: Vec<KnownDevice> = response.json().await.map_err(CallError::Unreadable)?;
        known.extend(devices.into_iter().filter_map(|device| Some((device.sn?, device.id))));
    }
    Ok(known)
}

/// The path in `<path>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (path, relation) = link.strip_prefix('<')?.split_once('>')?;
    relation.contains("rel=\"next\"").then(|| path.to_owned())
}

/// Twelve digits: seven from the fleet's name, five for the place in it.
fn serial_number(name: &str, index: usize) -> String {
    let fleet = name.bytes().fold(0, |sum, byte| mix(sum ^ u64::from(byte))) % 10_000_000;
    format!("{fleet:07}{:05}", index % 100_000)
}

#[cfg(test)]
mod tests {
    use super::{next_page, serial_number};

    #[test]
    fn a_serial_number_has_twelve_digits_and_belongs_to_one_device_of_one_fleet() {
        let numbers = [serial_number("fleet", 0), serial_number("fleet", 1), serial_number("ledger", 0)];
        assert!(numbers.iter().all(|sn| sn.len() == 12 && sn.bytes().all(|byte| byte.is_ascii_digit())));
        assert!(numbers[0] != numbers[1] && numbers[0] != numbers[2]);
        assert_eq!(serial_number("fleet", 7), serial_number("fleet", 7));
    }

    #[test]
    fn the_next_page_is_where_the_link_says() {
        assert_eq!(
            next_page("</api/v1/devices?limit=1000&cursor=x>; rel=\"next\"").as_deref(),
            Some("/api/v1/devices?limit=1000&cursor=x")
        );
        assert_eq!(next_page("</x>; rel=\"prev\""), None);
    }
}
