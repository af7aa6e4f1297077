//! Whom a request's cost is counted against: the person or device that a verified token names, else an address.

use std::net::IpAddr;

use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::web::Data;
use pulso_shared::ids::Uuid;

use crate::config::{TrustedProxies, WebConfig};
use crate::http::client_address::ClientAddress;

/// Whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A person or a device.
    Caller(Uuid),
    /// A stranger; of an IPv6 address, its network.
    Address(IpAddr),
}

impl Holder {
    /// Of a request whose token named `caller`.
    pub fn new(caller: Option<Uuid>, request: &HttpRequest) -> Self {
        caller.map_or_else(|| Self::Address(address_of(request)), Self::Caller)
    }
}

/// Whom a verified token names, left in the request's extensions by whoever verified it.
#[derive(Debug, Clone, Copy)]
pub struct KnownCaller(pub Uuid);

impl KnownCaller {
    /// The one of this request, if there is one.
    pub fn of(request: &HttpRequest) -> Option<Uuid> {
        request.extensions().get::<Self>().map(|known| known.0)
    }
}

/// Where a request comes from, as far as limits tell addresses apart.
pub fn address_of(request: &HttpRequest) -> IpAddr {
    match request.app_data::<Data<WebConfig>>() {
        Some(web) => ClientAddress::of(request.head(), &web.trusted_proxies).network(),
        None => ClientAddress::of(request.head(), &TrustedProxies::default()).network(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::Holder;

    #[test]
    fn strangers_of_one_ipv6_network_are_one_holder() {
        let stranger =
            |peer: &str| Holder::new(None, &TestRequest::get().peer_addr(peer.parse().unwrap()).to_http_request());
        assert_eq!(stranger("[2001:db8::1]:1"), stranger("[2001:db8::ffff:2]:2"));
        assert_ne!(stranger("[2001:db8::1]:1"), stranger("[2001:db8:0:1::1]:1"));
        assert_ne!(stranger("192.0.2.1:1"), stranger("192.0.2.2:1"));
    }
}
