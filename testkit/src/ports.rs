//! Free ports, for programs that are given their address.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::failure::Failure;

/// The kernel takes ports for outgoing connections from 32768 on (`ip_local_port_range`). Below, no client's own end can
/// take a program's port while that program is down.
const FIRST: u16 = 14_000;
const COUNT: u16 = 6_000;

/// A port on the loopback interface that nobody listens on at this moment; another one at each call.
pub fn free_port() -> Result<u16, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that look for ports at the same time start at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST.saturating_add(offset);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no free port from {FIRST} to {}", FIRST.saturating_add(COUNT)).into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::free_port;

    #[test]
    fn each_port_can_be_listened_on_and_is_given_out_once() {
        let (first, second) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(first, second);
        assert!(first < 32_768 && second < 32_768, "{first}, {second}");
        let _listeners = [first, second].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    }
}
