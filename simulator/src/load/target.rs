//! Where the load goes.

use bytes::Bytes;
use http::Uri;

/// A URL that no load can be sent to; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct TargetError {
    url: String,
    why: &'static str,
}

/// Route of the heartbeats.
pub const HEARTBEATS: &str = "/api/v1/heartbeats";

/// A server and a route on it.
#[derive(Debug, Clone)]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// The first lines of every request, without the last line break.
    pub(super) head: Bytes,
}

impl Target {
    /// Route `route` (beginning with `/`) of the server at `url`.
    pub fn new(url: &str, route: &str) -> Result<Self, TargetError> {
        let wrong = |why| TargetError { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("must begin with http://; the load generator speaks no TLS"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let path: Uri = format!("{}{route}", uri.path().trim_end_matches('/'))
            .parse()
            .map_err(|_| wrong("has a path that cannot be sent"))?;
        Ok(Self {
            // An IPv6 address stands in brackets in a URL and without them in a call.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            head: format!("POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json").into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_and_a_route_make_a_target() {
        let target = Target::new("http://127.0.0.1:8080/", "/api/v1/heartbeats").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("127.0.0.1", 8080));
        assert!(target.head.starts_with(b"POST /api/v1/heartbeats HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"));
        let target = Target::new("http://[::1]/prefix", "/x").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 80));
        assert!(target.head.starts_with(b"POST /prefix/x HTTP/1.1\r\nhost: [::1]\r\n"));
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_the_reason() {
        assert!(Target::new("https://example.org", "/x").unwrap_err().to_string().contains("TLS"));
        assert!(Target::new("127.0.0.1:8080", "/x").is_err());
        assert!(Target::new("", "/x").is_err());
    }
}
