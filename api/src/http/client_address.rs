//! Where a request comes from. What a proxy says of it counts only when the proxy is one of ours: anybody can send an
//! `X-Forwarded-For`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderMap, HeaderName};

use crate::config::{TrustedProxies, WebConfig};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether the request's last hop is a trusted proxy.
fn sent_by(proxies: &TrustedProxies, request: &RequestHead) -> bool {
    request.peer_addr.is_some_and(|peer| proxies.holds(peer.ip().to_canonical()))
}

/// Whether the client came by TLS, as a trusted proxy or the configuration says: the API itself speaks none.
pub fn is_tls(request: &RequestHead, config: &WebConfig) -> bool {
    config.behind_tls || says_tls(request, &config.trusted_proxies)
}

fn says_tls(request: &RequestHead, proxies: &TrustedProxies) -> bool {
    let proto = last(&request.headers, &X_FORWARDED_PROTO);
    sent_by(proxies, request) && proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get_all(name).last()?.to_str().ok()?.rsplit(',').next().map(str::trim)
}

/// Where a request comes from, as far as limits tell addresses apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The nearest hop that is none of our proxies.
    #[must_use]
    pub fn of(request: &RequestHead, trusted: &TrustedProxies) -> Self {
        let unknown = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let mut address = request.peer_addr.map_or(unknown, |peer| peer.ip().to_canonical());
        let hops = request.headers.get_all(&X_FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let hops: Vec<_> = hops.flat_map(|value| value.split(',')).collect();
        for hop in hops.into_iter().rev() {
            // What stands before an address that is not ours, or before what is none, anybody may have written.
            match (trusted.holds(address), read_hop(hop)) {
                (true, Some(hop)) => address = hop,
                _ => break,
            }
        }
        Self(address)
    }
}

/// Some proxies add the port.
fn read_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    hop.parse().ok().or_else(with_port).map(|hop| hop.to_canonical())
}

impl ClientAddress {
    /// Whoever has one IPv6 address has at least 2⁶⁴ of them: only the network counts.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        }
    }
}

impl fmt::Display for ClientAddress {
    /// As [`Self::network`], without what all networks have in common.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(formatter, "{address}"),
            IpAddr::V6(address) => write!(formatter, "{:x}", address.to_bits() >> 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{ClientAddress, TrustedProxies, says_tls};

    fn address(peer: &str, forwarded: &[&str], trusted: &str) -> String {
        let mut request = TestRequest::get().peer_addr(format!("{peer}:1234").parse().unwrap());
        for value in forwarded {
            request = request.append_header(("X-Forwarded-For", *value));
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        ClientAddress::of(request.to_http_request().head(), &trusted).to_string()
    }

    #[test]
    fn only_our_proxies_are_believed_and_only_their_own_word() {
        for (peer, forwarded, trusted, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "", "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "10.0.0.0/8", "203.0.113.9"),
            ("10.0.0.2", &["198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
            ("10.0.0.2", &["1.1.1.1, 198.51.100.1"], "10.0.0.0/8", "198.51.100.1"),
            ("10.0.0.2", &["1.1.1.1, 198.51.100.1:4711"], "10.0.0.0/8", "198.51.100.1"),
            ("10.0.0.2", &["1.1.1.1", "198.51.100.1, 10.0.0.3"], " 10.0.0.0/8, 192.0.2.1 ", "198.51.100.1"),
            ("10.0.0.2", &["1.1.1.1, nonsense, 10.0.0.3"], "10.0.0.0/8", "10.0.0.3"),
            ("10.0.0.2", &[], "10.0.0.2", "10.0.0.2"),
            ("[::ffff:10.0.0.2]", &["198.51.100.1"], "10.0.0.2", "198.51.100.1"),
        ] {
            assert_eq!(address(peer, forwarded, trusted), expected, "{peer} {forwarded:?} {trusted}");
        }
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one() {
        assert_eq!(address("[2001:db8::1]", &[], ""), address("[2001:db8::ffff:2]", &[], ""));
        assert_ne!(address("[2001:db8::1]", &[], ""), address("[2001:db8:0:1::1]", &[], ""));
    }

    #[test]
    fn tls_is_believed_of_our_proxies_only() {
        let says = |peer: &str, proto: &str| {
            let request = TestRequest::get().peer_addr(format!("{peer}:1").parse().unwrap());
            let request = request.insert_header(("X-Forwarded-Proto", proto)).to_http_request();
            says_tls(request.head(), &"10.0.0.0/8".parse().unwrap())
        };
        assert!(says("10.0.0.2", "https") && says("10.0.0.2", "http, HTTPS"));
        assert!(!says("10.0.0.2", "http") && !says("203.0.113.9", "https"));
        assert!("10.0.0.0/33".parse::<TrustedProxies>().is_err() && "proxy".parse::<TrustedProxies>().is_err());
    }
}
